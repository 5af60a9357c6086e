"""Crops against an independent reference: the resampling and colour arithmetic of the textbook, in float64."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.video.cropper import MOST_GRAPHS, PADDING, Cropper
from mocrop.pipeline.video.orientation import Orientation, Orientations

MakeVideo = Callable[..., Path]
TextbookCrop = Callable[..., npt.NDArray[np.float64]]
Floats = npt.NDArray[np.float64]
Edges = tuple[int, int, int, int]

SIZE = 48
CODE = {"bt709": 1, "bt601": 5, "bt2020": 9}  # ITU-T H.273
LIMITED, FULL = 1, 2
EIGHT = [
    Orientation(transposed=transposed, mirrored=mirrored, flipped=flipped)
    for transposed, mirrored, flipped in itertools.product((False, True), repeat=3)
]


def noisy_planes(width: int, height: int, steps: tuple[int, int], *, colours: int, bits: int = 8) -> list[Floats]:
    """Waves and noise over the whole range of luma and most of that of chroma, as whole numbers."""
    rng = np.random.default_rng(width + height)
    across, down = steps
    limits = [(16, 235) if colours == LIMITED else (0, 255), (60, 190), (60, 190)]
    sizes = [(height, width), *[(-(-height // down), -(-width // across))] * 2]
    planes = []
    for number, ((low, high), (rows, cols)) in enumerate(zip(limits, sizes, strict=True)):
        y, x = np.mgrid[:rows, :cols]
        wave = 0.5 + 0.4 * np.sin(9 * x / cols + number) * np.cos(7 * y / rows - number)
        values = low + (high - low) * np.clip(wave + rng.uniform(-0.15, 0.15, wave.shape), 0, 1)
        planes.append(np.round(values * 2 ** (bits - 8)))
    return planes


def frame_of(planes: list[Floats], pix_fmt: str, *, matrix: str, colours: int) -> av.VideoFrame:
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pix_fmt)
    for plane, values in zip(frame.planes, planes, strict=True):
        dtype = np.uint8 if frame.format.components[0].bits == 8 else np.uint16
        stored = np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)
        stored[:, : values.shape[1]] = values
    frame.colorspace, frame.color_range, frame.pts, frame.time_base = CODE[matrix], colours, 0, Fraction(1, 25)
    return frame


def box_of(edges: Edges, width: int, height: int) -> CropBox:
    left, top, right, bottom = edges
    return CropBox(left=left / width, top=top / height, right=right / width, bottom=bottom / height)


def crop(frame: av.VideoFrame, box: CropBox, size: int = SIZE) -> npt.NDArray[np.uint8]:
    out = np.empty((3, size, size), np.uint8)
    Cropper(size=size).crop(frame, out, box=box)
    return out


def difference(
    textbook_crop: TextbookCrop,
    edges: Edges,
    pix_fmt: str,
    steps: tuple[int, int],
    *,
    matrix: str = "bt601",
    colours: int = LIMITED,
    bits: int = 8,
) -> Floats:
    width, height = 160, 120
    planes = noisy_planes(width, height, steps, colours=colours, bits=bits)
    frame = frame_of(planes, pix_fmt, matrix=matrix, colours=colours)
    expected = textbook_crop(planes, edges, size=SIZE, matrix=matrix, full_range=colours == FULL, bits=bits)
    return np.abs(crop(frame, box_of(edges, width, height)) - expected)


@pytest.mark.parametrize("colours", [LIMITED, FULL])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("edges", [(0, 0, 160, 120), (20, 0, 140, 120)])
def test_colours_come_out_as_full_range_rgb_of_the_sources_own_matrix_and_range(
    matrix: str, colours: int, edges: Edges, textbook_crop: TextbookCrop
) -> None:
    """Rounding alone costs 0.25 on average; another matrix costs 1.5 to 4.4 here, the other range over 7."""
    off = difference(textbook_crop, edges, "yuv420p", (2, 2), matrix=matrix, colours=colours)
    assert off.mean() < 0.3
    assert off.max() < 4


@pytest.mark.parametrize("edges", [(40, 8, 120, 88), (41, 8, 121, 88), (40, 11, 120, 91), (3, 5, 20, 25)])
@pytest.mark.parametrize(
    ("pix_fmt", "steps", "bits"),
    [
        ("yuv420p", (2, 2), 8),
        ("yuv422p", (2, 1), 8),
        ("yuv444p", (1, 1), 8),
        ("yuv420p10le", (2, 2), 10),
        ("yuv422p10le", (2, 1), 10),
        ("yuv444p10le", (1, 1), 10),
        ("yuv420p12le", (2, 2), 12),
        ("yuv410p", (4, 4), 8),
        ("yuv411p", (4, 1), 8),
    ],
)
def test_box_is_cut_to_the_pixel_whatever_the_chroma_subsampling(
    edges: Edges, pix_fmt: str, steps: tuple[int, int], bits: int, textbook_crop: TextbookCrop
) -> None:
    """Colours moved by one pixel cost 3 to 13 on this noise; resampling chroma twice, as cuts between its samples want,
    costs up to 1.8; FFmpeg's own crop reads garbage from more than 8 bits and costs over 100.
    """
    off = difference(textbook_crop, edges, pix_fmt, steps, bits=bits)
    aligned = all(edge % step == 0 for edge, step in zip(edges, (*steps, *steps), strict=True))
    assert off.mean() < (0.3 if aligned else 2)


def test_scaling_down_is_antialiased() -> None:
    """Stripes one pixel wide become the grey between them; picking pixels would give black, white or moire."""
    stripes = np.tile(np.array([16.0, 235.0]), (480, 320))
    grey = np.full((240, 320), 128.0)
    out = crop(frame_of([stripes, grey, grey], "yuv420p", matrix="bt601", colours=LIMITED), WHOLE_FRAME)
    assert np.abs(out[:, :, 2:-2].astype(int) - 128).max() <= 4


@pytest.mark.parametrize(
    ("luma", "colours", "level"), [(16, LIMITED, 0), (235, LIMITED, 255), (0, FULL, 0), (255, FULL, 255)]
)
def test_black_is_0_and_white_is_255(luma: int, colours: int, level: int) -> None:
    planes = [np.full((48, 64), float(luma)), np.full((24, 32), 128.0), np.full((24, 32), 128.0)]
    assert (crop(frame_of(planes, "yuv420p", matrix="bt709", colours=colours), WHOLE_FRAME) == level).all()


def test_colours_of_unknown_matrix_and_range_count_as_bt601_limited() -> None:
    planes = noisy_planes(160, 120, (2, 2), colours=LIMITED)
    known = frame_of(planes, "yuv420p", matrix="bt601", colours=LIMITED)
    unknown = frame_of(planes, "yuv420p", matrix="bt601", colours=LIMITED)
    unknown.colorspace, unknown.color_range = 2, 0
    assert np.array_equal(crop(known, WHOLE_FRAME), crop(unknown, WHOLE_FRAME))


def test_rgb_of_the_same_size_passes_unchanged() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    out = crop(av.VideoFrame.from_ndarray(picture, format="rgb24"), WHOLE_FRAME)
    assert np.array_equal(out, picture.transpose(2, 0, 1))


@pytest.mark.parametrize(
    "pix_fmt", ["rgb24", "gbrp", "bgra", "gray", "nv12", "p010le", "yuyv422", "yuva420p", "yuvj420p"]
)
@pytest.mark.parametrize("edges", [(20, 0, 140, 120), (21, 7, 141, 110)])
def test_pixel_formats_of_every_kind_can_be_cropped(pix_fmt: str, edges: Edges) -> None:
    """A grey ramp from left to right comes out the same whatever it is stored in."""
    ramp = np.broadcast_to(np.linspace(0, 255, 160).astype(np.uint8)[np.newaxis, :, np.newaxis], (120, 160, 3))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(ramp), format="rgb24").reformat(format=pix_fmt)
    columns = crop(frame, box_of(edges, 160, 120)).mean(axis=(0, 1))
    centres = edges[0] + (np.arange(SIZE) + 0.5) * (edges[2] - edges[0]) / SIZE - 0.5
    assert np.abs(columns - np.interp(centres, range(160), ramp[0, :, 0])).mean() < 2


def test_one_cropper_follows_frames_that_change_size_format_and_colours(textbook_crop: TextbookCrop) -> None:
    cropper, box = Cropper(size=SIZE), box_of((40, 0, 120, 120), 160, 120)
    for width, height, pix_fmt, steps, matrix, colours in (
        (160, 120, "yuv420p", (2, 2), "bt601", LIMITED),
        (160, 120, "yuv420p", (2, 2), "bt709", LIMITED),
        (160, 120, "yuv420p", (2, 2), "bt709", FULL),
        (320, 240, "yuv420p", (2, 2), "bt601", LIMITED),
        (320, 240, "yuv444p", (1, 1), "bt601", LIMITED),
        (160, 120, "yuv420p", (2, 2), "bt601", LIMITED),
    ):
        planes = noisy_planes(width, height, steps, colours=colours)
        out = np.empty((3, SIZE, SIZE), np.uint8)
        cropper.crop(frame_of(planes, pix_fmt, matrix=matrix, colours=colours), out, box=box)
        edges = (width // 4, 0, width * 3 // 4, height)
        expected = textbook_crop(planes, edges, size=SIZE, matrix=matrix, full_range=colours == FULL)
        assert np.abs(out - expected).mean() < 0.3


@pytest.mark.parametrize("size", [1, 2, 31, 192, 224])
def test_every_size_fills_its_square(size: int) -> None:
    """Planes of FFmpeg have padded rows; none of the padding may come through."""
    planes = [np.full((120, 160), 235.0), np.full((60, 80), 128.0), np.full((60, 80), 128.0)]
    assert (crop(frame_of(planes, "yuv420p", matrix="bt601", colours=LIMITED), WHOLE_FRAME, size) == 255).all()


def test_odd_picture_is_cropped_to_its_last_pixel(textbook_crop: TextbookCrop) -> None:
    planes = noisy_planes(161, 121, (1, 1), colours=LIMITED)
    frame = frame_of(planes, "yuv444p", matrix="bt601", colours=LIMITED)
    expected = textbook_crop(planes, (1, 1, 161, 121), size=SIZE)
    assert np.abs(crop(frame, box_of((1, 1, 161, 121), 161, 121)) - expected).mean() < 0.3


def test_odd_picture_in_420_is_cropped_as_ffmpeg_sees_it(textbook_crop: TextbookCrop) -> None:
    """swscale lets the last, half-used chroma column count whole: colours move by less than a pixel at the far edge."""
    planes = noisy_planes(161, 121, (2, 2), colours=LIMITED)
    planes[1:] = [np.full((61, 81), 100.0), np.full((61, 81), 150.0)]
    frame = frame_of(planes, "yuv420p", matrix="bt601", colours=LIMITED)
    for edges in ((0, 0, 161, 121), (3, 5, 161, 121), (0, 0, 159, 119)):
        expected = textbook_crop(planes, edges, size=SIZE)
        assert np.abs(crop(frame, box_of(edges, 161, 121)) - expected).mean() < 0.3


@given(
    orientation=st.builds(Orientation, transposed=st.booleans(), mirrored=st.booleans(), flipped=st.booleans()),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    corners=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_box_of_the_upright_picture_is_found_in_the_stored_one(
    orientation: Orientation, size: tuple[int, int], corners: list[float]
) -> None:
    width, height = size
    stored = np.arange(width * height).reshape(height, width)
    upright = orientation.upright(stored)
    rows, cols = upright.shape
    left, right = sorted((int(corners[0] * cols), int(corners[1] * cols)))
    top, bottom = sorted((int(corners[2] * rows), int(corners[3] * rows)))
    x0, y0, x1, y1 = orientation.stored_edges((left, top, right, bottom), width=width, height=height)
    assert np.array_equal(orientation.upright(stored[y0:y1, x0:x1]), upright[top:bottom, left:right])


@pytest.mark.parametrize("orientation", EIGHT, ids=str)
@pytest.mark.parametrize("said_by", ["container", "stream", "behind"])
def test_video_is_cropped_upright(
    orientation: Orientation, said_by: str, make_oriented: MakeVideo, tmp_path: Path
) -> None:
    """What is seen has a bright top left quarter, and in each half another brightness."""
    seen = np.full((96, 48, 3), 30, np.uint8)
    seen[:48, :24], seen[48:, :24] = 200, 120
    path = make_oriented(tmp_path / "r.mp4", frames=[seen] * 2, orientation=orientation, said_by=said_by)
    with av.open(path) as container:
        orientations = Orientations(container.streams.video[0])
        packet = next(container.demux(video=0))
        orientations.look(packet)
        frame = [*packet.decode(), *container.streams.video[0].decode(None)][0]
        found = orientations.see(frame)
        assert found == orientation
        assert found.size(frame.width, frame.height) == (48, 96)
        for x, y in np.ndindex(2, 2):
            box = CropBox(left=x / 2, top=y / 2, right=(x + 1) / 2, bottom=(y + 1) / 2)
            out = np.empty((3, SIZE, SIZE), np.uint8)
            Cropper(size=SIZE).crop(frame, out, box=box, orientation=found)
            assert out.mean() == pytest.approx(seen[48 * y : 48 * (y + 1), 24 * x : 24 * (x + 1)].mean(), abs=6)


def test_one_cropper_follows_frames_that_turn() -> None:
    left_half = CropBox(left=0, top=0, right=0.5, bottom=1)
    cropper, out = Cropper(size=SIZE), np.empty((3, SIZE, SIZE), np.uint8)
    planes = [np.repeat([[200.0, 50.0]], 32, axis=1).repeat(48, axis=0), *[np.full((24, 32), 128.0)] * 2]
    for mirrored, value in ((False, 200), (True, 50), (False, 200)):
        frame = frame_of(planes, "yuv420p", matrix="bt601", colours=FULL)
        cropper.crop(frame, out, box=left_half, orientation=Orientation(mirrored=mirrored))
        assert abs(out[:, :, 4:-4].astype(int) - value).max() <= 1


def grey(value: float, *, size: tuple[int, int] = (64, 48)) -> av.VideoFrame:
    width, height = size
    planes = [np.full((height, width), value), *[np.full((height // 2, width // 2), 128.0)] * 2]
    return frame_of(planes, "yuv420p", matrix="bt601", colours=FULL)


def test_cropper_serves_one_clip_after_another_of_any_size() -> None:
    cropper, out = Cropper(size=SIZE), np.empty((3, SIZE, SIZE), np.uint8)
    for value, size in ((200, (64, 48)), (100, (64, 48)), (50, (32, 32)), (20, (64, 48))):
        cropper.crop(grey(value, size=size), out, box=WHOLE_FRAME)
        assert (out == value).all()


def test_frame_whose_crop_was_interrupted_is_not_returned_in_place_of_the_next() -> None:
    """The graph has taken the frame and not given it yet when the clip's time is up."""

    class OutOfTime:
        def __init__(self, graph: av.filter.Graph) -> None:
            self.vpush = graph.vpush

        def vpull(self) -> av.VideoFrame:
            raise TimeoutError

    cropper, out = Cropper(size=SIZE), np.empty((3, SIZE, SIZE), np.uint8)
    cropper.crop(grey(50), out, box=WHOLE_FRAME)
    (graph,) = cropper._graphs.values()
    graph._graph = OutOfTime(graph._graph)
    with pytest.raises(TimeoutError):
        cropper.crop(grey(100), out, box=WHOLE_FRAME)
    cropper.crop(grey(200), out, box=WHOLE_FRAME)
    assert (out == 200).all()


def a_picture(seed: int, pix_fmt: str = "yuv420p") -> av.VideoFrame:
    pixels = np.random.default_rng(seed).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pix_fmt)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "rgb24", "gray"])
def test_a_box_that_moves_gives_the_bytes_of_a_cropper_of_its_own(pix_fmt: str) -> None:
    """Whatever graphs were used before: boxes of the same size share one, also at odd pixels."""
    cropper, again = Cropper(size=SIZE), np.random.default_rng(0)
    places = [(int(again.integers(0, 80)), int(again.integers(0, 60))) for _ in range(40)]
    for number, (left, top) in enumerate([*places, *places[::-1]]):
        box = box_of((left, top, left + 80 + number % 2, top + 60), 160, 120)
        out = np.empty((3, SIZE, SIZE), np.uint8)
        cropper.crop(a_picture(number % 3, pix_fmt), out, box=box)
        assert np.array_equal(out, crop(a_picture(number % 3, pix_fmt), box)), (left, top)
    assert len(cropper._graphs) <= 8  # two widths, and up to four offsets inside a chroma sample


def test_croppers_keep_no_more_graphs_than_they_should() -> None:
    cropper, out = Cropper(size=SIZE), np.empty((3, SIZE, SIZE), np.uint8)
    for width in range(2, 2 * MOST_GRAPHS):
        cropper.crop(grey(50), out, box=box_of((0, 0, min(width, 64), 48), 64, 48))
    assert len(cropper._graphs) <= MOST_GRAPHS


@pytest.mark.parametrize(
    ("edges", "content"), [((0, 0, 160, 60), (0, 15, 48, 33)), ((40, 0, 80, 120), (16, 0, 32, 48))]
)
def test_padded_crops_keep_their_shape_in_the_middle(edges: Edges, content: Edges) -> None:
    out = np.zeros((3, 48, 48), np.uint8)
    found = Cropper(size=48, fit="pad").crop(grey(200, size=(160, 120)), out, box=box_of(edges, 160, 120))
    left, top, right, bottom = content
    assert found == content
    inside = np.zeros((48, 48), np.bool_)
    inside[top:bottom, left:right] = True
    assert (out[:, inside] == 200).all()
    assert (out[:, ~inside].T == PADDING).all()


def test_padding_of_a_turned_picture_lies_where_the_upright_one_leaves_room() -> None:
    """Stored wide and shown high: the bars are left and right."""
    frame, out = grey(200, size=(160, 80)), np.zeros((3, 48, 48), np.uint8)
    found = Cropper(size=48, fit="pad").crop(frame, out, box=WHOLE_FRAME, orientation=Orientation(transposed=True))
    assert found == (12, 0, 36, 48)
    assert (out[0, :, 12:36] == 200).all()
    assert (out[0, :, :12] == PADDING[0]).all()
