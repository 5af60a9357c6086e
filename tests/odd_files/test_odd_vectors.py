"""Motion vectors of files that are turned, mirrored or cropped are where the content is in the upright picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from mocrop.pipeline.motion.vectors import read_motion
from mocrop.pipeline.outcome import ClipLog
from tests.odd_files import mp4
from tests.odd_files.h264_bits import Form
from tests.odd_files.h264_streams import field_units, in_order, units, write_h264

WIDTH, HEIGHT = 96, 64
STORED = {(x, y) for x in range(8, WIDTH, 16) for y in (40, 56)}  # the lower two of four rows of macroblocks
MOVED = (8, -4)  # quarter pixels: right by 2 pixels and up by 1


def written(path: Path, form: Form) -> Path:
    return write_h264(path, units(form, in_order(6), vector=(-MOVED[0], -MOVED[1])))


def vectors(path: Path) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Positions and displacements of frame 5."""
    motion = read_motion(path, clip="A/a", log=ClipLog(0))
    mine = motion.frame == 5
    places, moves = ((motion.x, motion.y), (motion.dx, motion.dy))
    x, y = (set(zip(a[mine].tolist(), b[mine].tolist(), strict=True)) for a, b in (places, moves))
    return x, y


@pytest.mark.parametrize("matrix", mp4.MATRICES)
def test_vectors_follow_the_display_matrix(matrix: mp4.Matrix, tmp_path: Path) -> None:
    a, b, c, d = matrix
    width, height = (WIDTH, HEIGHT) if a else (HEIGHT, WIDTH)
    left, top = (width if -1 in (a, c) else 0), (height if -1 in (b, d) else 0)
    path = mp4.set_matrix(written(tmp_path / "a.mp4", Form(width=WIDTH, height=HEIGHT)), matrix)
    assert vectors(path) == (
        {(a * x + c * y + left, b * x + d * y + top) for x, y in STORED},
        {(a * MOVED[0] + c * MOVED[1], b * MOVED[0] + d * MOVED[1])},
    )


@pytest.mark.parametrize(("left", "top"), [(0, 0), (8, 0), (0, 4), (8, 4)])
def test_vectors_follow_a_crop(left: int, top: int, tmp_path: Path) -> None:
    """The crop of the sequence parameter set takes so many pixels off the left and the top of the picture."""
    form = Form(width=WIDTH, height=HEIGHT, crop=(left // 2, 1, top // 2, 1))
    places, moves = vectors(written(tmp_path / "a.mp4", form))
    assert (places, moves) == ({(x - left, y - top) for x, y in STORED}, {MOVED})


def test_vertical_vectors_of_fields_are_in_lines_of_the_frame(tmp_path: Path) -> None:
    """A field has every second line: one of its lines is two of the frame."""
    form = Form(width=WIDTH, height=HEIGHT, fields=True)
    made = field_units(form, in_order(6), apart=False, vector=(-MOVED[0], -MOVED[1]))
    places, moves = vectors(write_h264(tmp_path / "a.mp4", made))
    assert (places, moves) == (STORED, {(MOVED[0], 2 * MOVED[1])})
