"""How a clip is named, and what is said of one that cannot be drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mocrop.evaluation.pictures.clip_choice import find_clip
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.span import Span
from mocrop.pipeline.workspace.manifest import ClipRow
from tests.conftest import MakeVideo, mocrop


def row(name: str, path: str, span: Span | None = None) -> ClipRow:
    return ClipRow(name=name, path=path, label=0, group=-1, subset=(1,), size_bytes=1, mtime_ns=1, span=span)


ROWS = [row("A/a", "A/a.avi"), row("B/a", "B/a.avi"), row("C/b", "C/b.mkv")]


@pytest.mark.parametrize(
    ("wanted", "position"),
    [
        ("A/a", 0),
        ("B/a.avi", 1),
        ("data/B/a.avi", 1),  # as a shell completes it
        ("./data/../data/B/a.avi", 1),
        ("link/A/a.avi", 0),
        ("{here}/data/C/b.mkv", 2),
        ("b.mkv", 2),
        ("b", 2),
    ],
)
def test_a_clip_is_found_by_its_name_its_path_or_an_ending(wanted: str, position: int, here: Path) -> None:
    for each in ROWS:
        (here / "data" / each.path).parent.mkdir(parents=True, exist_ok=True)
    (here / "link").symlink_to(here / "data")
    assert find_clip(ROWS, wanted.format(here=here), dataset=here / "data")[0] == position


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("elsewhere/A/a.avi", "no clip is called 'elsewhere/A/a.avi' or ends in it"),
        ("a.avi", "2 clips end in 'a.avi'; name one of A/a, B/a"),
        ("", "no clip is called ''"),
        ("A/\0", "no clip is called"),
    ],
)
def test_what_names_no_clip_or_several_is_said(wanted: str, message: str, here: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        find_clip(ROWS, wanted, dataset=here / "data")


def test_the_file_of_several_segments_lists_them(here: Path) -> None:
    rows = [row(f"A/a#{n}", "A/a.avi", Span.seconds(n, n + 1)) for n in range(2)]
    with pytest.raises(SettingsError, match=r"2 clips are segments of 'data/A/a.avi'; name one of A/a#0, A/a#1"):
        find_clip(rows, "data/A/a.avi", dataset=here / "data")


def test_a_clip_that_has_failed_says_why_whatever_the_reason(
    here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    make_video(here / "data/A/a.avi")
    make_video(here / "data/B/b.avi")
    (here / "data/A/empty.avi").write_bytes(b"")
    assert mocrop("transcode", here / "data", "--workers", "0") == 3
    assert mocrop("show", "empty") == 1
    said = capsys.readouterr().err
    assert "error: A/empty: transcode failed: the file is empty; mend it, then run `mocrop transcode`" in said
    (here / "data/A/empty.avi").unlink()
    assert mocrop("transcode", "--workers", "0") == 0
    assert mocrop("show", "empty") == 1
    said = capsys.readouterr().err
    assert (
        "A/empty: transcode failed: the file was gone when the data set was last looked at; put the file back" in said
    )


def test_a_picture_is_of_the_kind_that_its_name_says(
    here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    make_video(here / "data/A/a.avi")
    make_video(here / "data/B/b.avi")
    assert mocrop("transcode", here / "data", "--workers", "0") == 0
    for name, kind in (("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.jpeg", "JPEG"), ("plain", "PNG")):
        assert mocrop("show", "data/A/a.avi", "--policy", "center", "--frames", "1", "-o", name) == 0
        with Image.open(here / name) as picture:
            assert picture.format == kind
    capsys.readouterr()
    for options in (["-o", "a.gif"], ["-o", "b.png", "--video"]):
        assert mocrop("show", "A/a", *options) == 1
    assert mocrop("gallery", "-o", "c.svg") == 1
    said = capsys.readouterr().err
    assert "a.gif cannot be written: it can be .png, .jpg, .jpeg, not .gif" in said
    assert "b.png cannot be written: it can be .mp4, not .png" in said
    assert "c.svg cannot be written" in said
    assert not any((here / name).exists() for name in ("a.gif", "b.png", "c.svg"))
