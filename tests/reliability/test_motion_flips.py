from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.transcode import TranscodeSettings, transcode_unit
from mocrop.pipeline.workspace.paths import Workspace
from tests.reliability.motion_flips import delete_motion, flip_each_file, flip_files, flip_motion, make_store


def test_no_flipped_bit_of_a_motion_store_is_read_silently(tmp_path: Path) -> None:
    make_store(tmp_path)
    anywhere = flip_motion(tmp_path, flips=60)
    assert (anywhere.silent, anywhere.tried) == ((), 60)
    in_each = flip_each_file(tmp_path, flips=1)  # 21 files of each of two groups, and the store's own
    assert (in_each.silent, in_each.tried) == ((), 43)


def test_every_file_of_a_motion_store_but_its_own_metadata_is_missed(tmp_path: Path) -> None:
    """Those say only that there is a group; the client puts them right."""
    make_store(tmp_path)
    count = delete_motion(tmp_path)
    assert (count.silent, count.refused, count.harmless) == ((), 42, 1)


def test_every_flipped_bit_of_a_transcoded_file_differs_from_its_checksum(
    make_video: Callable[..., Path], tmp_path: Path
) -> None:
    paths = [make_video(tmp_path / f"{n}.avi", frames=12 + n) for n in range(3)]
    tasks = [ClipTask(position=n, name=f"A/{n}", path=str(path)) for n, path in enumerate(paths)]
    outcomes = transcode_unit(WorkUnit(index=0, clips=tuple(tasks)), TranscodeSettings(), str(tmp_path))
    known = {Workspace(tmp_path).h264_file(f"A/{o.position}"): o.checksum or 0 for o in outcomes}
    assert flip_files(known, flips=120).refused == 120
