from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from mocrop.pipeline.errors import DiskFullError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store import MotionReader, shard_folder
from mocrop.pipeline.motion.vectors import read_motion
from mocrop.pipeline.outcome import ClipLog, ClipTask, Outcome
from mocrop.pipeline.stages import extract_mv as extract_module
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.extract_mv import ExtractSettings, extract_unit
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.workspace.paths import Workspace

MakeVideo = Callable[..., Path]


def unit_of(paths: Sequence[Path], *, first: int = 0, index: int = 0, probe: bool = False) -> WorkUnit:
    tasks = [ClipTask(position=first + n, name=f"A/{path.stem}", path=str(path)) for n, path in enumerate(paths)]
    return WorkUnit(index=index, clips=tuple(tasks), probe=probe)


def extract(unit: WorkUnit, root: Path, source: Literal["h264", "original"] = "original") -> list[Outcome]:
    return extract_unit(unit, ExtractSettings(source=source), str(root))


def same(one: ClipMotion | None, other: ClipMotion) -> bool:
    names = [field.name for field in dataclasses.fields(ClipMotion)]
    return one is not None and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture
def clips(make_video: MakeVideo, tmp_path: Path) -> list[Path]:
    """A good one, one that is empty, another good one and one whose codec has no vectors."""
    (tmp_path / "b.avi").touch()
    return [
        make_video(tmp_path / "a.avi", frames=8),
        tmp_path / "b.avi",
        make_video(tmp_path / "c.mp4", frames=5, size=(96, 64), codec="libx264"),
        make_video(tmp_path / "d.mkv", frames=5, codec="ffv1"),
    ]


def test_every_clip_of_a_unit_has_its_outcome_and_its_row(clips: list[Path], tmp_path: Path) -> None:
    outcomes = extract(unit_of(clips, first=64, index=2), tmp_path / "work")
    assert [(o.position, o.status) for o in outcomes] == [(64, "done"), (65, "failed"), (66, "done"), (67, "failed")]
    assert [o.reasons[0] for o in outcomes if o.reasons] == [Reason.EMPTY_FILE, Reason.NO_MOTION_VECTORS]
    reader = MotionReader(tmp_path / "work/motion.zarr")
    for position, path in ((64, clips[0]), (66, clips[2])):
        assert same(reader.read(position), read_motion(path, clip="A/clip", log=ClipLog(0)))
    assert reader.read(65) is reader.read(67) is None


def test_the_source_decides_which_file_is_read(make_video: MakeVideo, tmp_path: Path) -> None:
    """The original has four frames of MPEG-4, the file under h264/ six of H.264."""
    original = make_video(tmp_path / "a.avi", frames=4)
    make_video(Workspace(tmp_path).h264_file("A/a"), frames=6, codec="libx264")
    frames = []
    for source in ("original", "h264"):
        extract(unit_of([original]), tmp_path, source)
        motion = MotionReader(tmp_path / "motion.zarr").read(0)
        frames.append(motion.frames if motion else 0)
    assert frames == [4, 6]


def test_what_transcode_writes_has_vectors(make_video: MakeVideo, tmp_path: Path) -> None:
    unit = unit_of([make_video(tmp_path / "d.mkv", frames=14, size=(96, 64), codec="ffv1")])
    transcode_unit(unit, TranscodeSettings(), str(tmp_path))
    (outcome,) = extract(unit, tmp_path, "h264")
    assert outcome.status == "done"
    motion = MotionReader(tmp_path / "motion.zarr").read(0)
    assert motion is not None
    assert np.flatnonzero(motion.vectors_per_frame + motion.zero_vectors == 0).tolist() == [0, 12]


def test_a_missing_transcoded_file_has_vanished(make_video: MakeVideo, tmp_path: Path) -> None:
    (outcome,) = extract(unit_of([make_video(tmp_path / "a.avi")]), tmp_path, "h264")
    assert outcome.reasons == (Reason.VANISHED,)


def test_a_refused_clip_is_not_opened(tmp_path: Path) -> None:
    refusal = (Reason.EARLIER_STAGE_FAILED, "A/a: transcode failed on it")
    task = ClipTask(position=0, name="A/a", path=str(tmp_path / "nowhere.avi"), refusal=refusal)
    (outcome,) = extract(WorkUnit(index=0, clips=(task,)), tmp_path)
    assert (outcome.reasons, outcome.message) == ((refusal[0],), refusal[1])


def test_a_unit_without_any_motion_is_written_too(clips: list[Path], tmp_path: Path) -> None:
    extract(unit_of([clips[1], clips[3]]), tmp_path / "work")
    assert shard_folder(tmp_path / "work/motion.zarr", 0).is_dir()
    assert MotionReader(tmp_path / "work/motion.zarr").read(0) is None


def test_a_probe_reads_everything_and_writes_nothing(clips: list[Path], tmp_path: Path) -> None:
    written = extract(unit_of(clips), tmp_path / "work")
    probed = extract(unit_of(clips, probe=True), tmp_path / "probe")
    assert [(o.status, o.reasons) for o in probed] == [(o.status, o.reasons) for o in written]
    assert not (tmp_path / "probe").exists()


def test_a_full_disk_ends_the_run_and_leaves_nothing_half_written(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match="free some and run the same command again"):
        extract(unit_of(clips), tmp_path / "work")
    assert list((tmp_path / "work/motion.zarr").iterdir()) == []


def test_vectors_are_written_while_the_next_clips_wait(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are taken one by one, so that a unit of long clips needs the memory of one."""
    taken: list[str] = []

    def writer(*arguments: object, **_: object) -> None:
        for row in arguments[2]:  # type: ignore[attr-defined]
            taken.append(f"{row.clip} after {len(opened)}")

    opened: list[Path] = []
    monkeypatch.setattr(extract_module, "write_shard", writer)
    monkeypatch.setattr(extract_module, "read_motion", lambda path, **_: opened.append(path))
    extract(unit_of([clips[0], clips[2]]), tmp_path / "work")
    assert taken == ["A/a after 1", "A/c after 2"]


def test_sources_are_three() -> None:
    with pytest.raises(ValueError, match="source must be h264 or original or auto, not 'avi'"):
        ExtractSettings(source="avi")  # type: ignore[arg-type]


EXTRACT_AND_MEASURE = """
import glob, re, sys
from mocrop.pipeline.stages.extract_mv import ExtractSettings, extract_unit
from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.stages.contract import WorkUnit
paths = sorted(glob.glob(sys.argv[1]))[:32]
tasks = tuple(ClipTask(position=n, name=f"A/{n}", path=path) for n, path in enumerate(paths))
outcomes = extract_unit(WorkUnit(index=0, clips=tasks), ExtractSettings(source="original"), sys.argv[2])
assert all(outcome.status == "done" for outcome in outcomes), outcomes
status = open("/proc/self/status").read()  # getrusage would count what the test process held when it forked
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) // 1024)
"""


def peak_mib(pattern: str, root: Path) -> int:
    """Extract up to 32 clips in a new process; return its peak memory, MiB."""
    command = [sys.executable, "-c", EXTRACT_AND_MEASURE, pattern, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_other_processes_write_the_same_bytes(make_video: MakeVideo, tmp_path: Path) -> None:
    for n in range(3):
        make_video(tmp_path / f"data/{n}.mp4", frames=20 + n, codec="libx264")
    for root in ("one", "two"):
        peak_mib(str(tmp_path / "data/*.mp4"), tmp_path / root)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


@pytest.mark.real
def test_a_unit_of_real_clips_stays_below_500_mb(real_clips: Path, tmp_path: Path) -> None:
    assert peak_mib(str(real_clips / "videos/Surfing/*.avi"), tmp_path) < 500
