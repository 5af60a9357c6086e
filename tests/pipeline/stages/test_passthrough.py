"""Which files are copied as they are: those whose headers, and not whose containers, say that they conform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipTask, Outcome
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.workspace.paths import Workspace

MakeVideo = Callable[..., Path]
WANTED = "keyint=12:min-keyint=12:scenecut=0:bframes=0:ref=1"


def transcode(path: Path, root: Path) -> tuple[Outcome, Path]:
    task = ClipTask(position=0, name="A/clip", path=str(path))
    (outcome,) = transcode_unit(WorkUnit(index=0, clips=(task,)), TranscodeSettings(), str(root))
    return outcome, Workspace(root).h264_file("A/clip")


def key_packets(path: Path) -> list[int]:
    """Packets that the container marks as key frames."""
    with av.open(path) as container:
        return [n for n, packet in enumerate(container.demux(video=0)) if packet.is_keyframe]


def set_sync_samples(path: Path, samples: list[int] | None) -> None:
    """Write other numbers, counted from 1, into the ``stss`` box of an MP4 file; None: rename the box away."""
    data = bytearray(path.read_bytes())
    place = data.index(b"stss")
    if samples is None:
        data[place : place + 4] = b"free"
    else:
        assert int.from_bytes(data[place + 8 : place + 12], "big") == len(samples)
        for number, sample in enumerate(samples):
            data[place + 12 + 4 * number : place + 16 + 4 * number] = sample.to_bytes(4, "big")
    path.write_bytes(data)


@pytest.fixture
def wanted(make_video: MakeVideo, tmp_path: Path) -> Path:
    """48 frames in the form that transcode makes."""
    return make_video(tmp_path / "a.mp4", codec="libx264", frames=48, options={"x264-params": WANTED})


@pytest.mark.parametrize("samples", [[1, 13, 25, 37], [2, 14, 26, 38], [1, 2, 3, 4], None])
def test_wrong_marks_of_key_frames_are_put_right_in_the_copy(
    samples: list[int] | None, wanted: Path, tmp_path: Path
) -> None:
    set_sync_samples(wanted, samples)
    outcome, copy = transcode(wanted, tmp_path)
    assert outcome.reasons == (Reason.TAKEN_AS_IT_IS,)
    assert key_packets(copy) == [0, 12, 24, 36]


@pytest.mark.parametrize(("first", "shown"), [(0, 48), (9, 39), (12, 36)])
def test_frames_that_an_edit_list_hides_do_not_come_back(first: int, shown: int, wanted: Path, tmp_path: Path) -> None:
    data = bytearray(wanted.read_bytes())
    place = data.index(b"elst") + 12  # duration, then where to begin
    with av.open(wanted) as container:
        ticks = [entry.timestamp for entry in container.streams.video[0].index_entries]
    data[place + 4 : place + 8] = (ticks[first] - ticks[0]).to_bytes(4, "big")
    wanted.write_bytes(data)
    outcome, copy = transcode(wanted, tmp_path)
    with av.open(copy) as container:
        assert sum(1 for _ in container.decode(video=0)) == shown
    assert (Reason.TAKEN_AS_IT_IS in outcome.reasons) == (first == 0)


@pytest.mark.parametrize(
    "parameters",
    [
        "keyint=12:min-keyint=12:scenecut=0:bframes=0:ref=2",
        "keyint=12:min-keyint=12:scenecut=0:bframes=1:ref=1",
        "keyint=24:min-keyint=24:scenecut=0:bframes=0:ref=1",
        "keyint=12:min-keyint=12:scenecut=0:bframes=0:ref=1:intra-refresh=1",
        "keyint=12:min-keyint=12:scenecut=0:bframes=0:ref=1:interlaced=1",
    ],
    ids=["references", "b-frames", "interval", "intra refresh", "interlaced"],
)
def test_files_in_another_form_are_encoded(parameters: str, make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "a.mp4", codec="libx264", frames=48, size=(64, 64), options={"x264-params": parameters}
    )
    outcome, encoded = transcode(path, tmp_path)
    assert Reason.TAKEN_AS_IT_IS not in outcome.reasons
    assert key_packets(encoded) == [0, 12, 24, 36]
