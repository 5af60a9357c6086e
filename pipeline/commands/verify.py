"""The command `verify`: check that what the manifest lists as done is there, whole and readable.

Clips that failed, are stale or still to do are not damage; `mocrop status` reports them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from mocrop.pipeline.bitstream.mp4 import mp4_fault
from mocrop.pipeline.cache.columns import Column, Fault
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.damage import Damage, repair_commands
from mocrop.pipeline.cache.layout import TABLE_COLUMNS, USABLE
from mocrop.pipeline.cache.table import clip_table
from mocrop.pipeline.cache.verify import part_name, verify_cache, ways_out
from mocrop.pipeline.dataset.look import DatasetChanges, look_at
from mocrop.pipeline.errors import MotionStoreError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.store import CLIPS_PER_SHARD, MotionReader, shard_folder
from mocrop.pipeline.outcome import ClipTask, clip_log
from mocrop.pipeline.run.progress import stage_progress
from mocrop.pipeline.run.session import RunOptions, open_session
from mocrop.pipeline.stages.registry import Stages, precrop_name
from mocrop.pipeline.video.decoder import FrameDamage, PlainDecode
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.whole import require_all_frames
from mocrop.pipeline.workspace.manifest import Manifest, StageRow
from mocrop.pipeline.workspace.paths import Workspace, locate_workspace
from mocrop.pipeline.workspace.settings_file import read_settings

H264, MOTION = "h264", "motion.zarr"

Check = tuple[str, int, list[Damage]]  # part, clips checked, damage found


@dataclass(frozen=True, kw_only=True)
class CheckedPart:
    """How many clips were checked in one part of a workspace."""

    part: str  # "h264", "motion.zarr", "cache motion-192"
    clips: int
    damaged: int  # clips with any damage; damage to the whole part counts as one


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What `mocrop verify` found."""

    deep: bool
    parts: tuple[CheckedPart, ...]
    damage: tuple[Damage, ...]
    repair: tuple[str, ...]  # commands that repair the damage, in this order
    changes: DatasetChanges | None = None  # in the data set, which are no damage; None: of a cache elsewhere


def verify(workspace: Workspace, *, cache: str | None = None, deep: bool = False, console: Console) -> VerifyReport:
    """Check a workspace, or one crop cache in it or elsewhere.

    Args:
        cache: its name in the workspace, or its folder anywhere; None: everything in the workspace.
        deep: also decode every H.264 file.
        console: for progress.
    Raises: WorkspaceError without a workspace, or if another process is writing to it; CacheError if there is no such
        cache.
    """
    if cache is not None and _elsewhere(workspace, Path(cache)):
        return _report([_check_cache(Path(cache), None, console)], workspace, deep)
    with open_session(workspace, RunOptions()) as session:
        manifest = session.manifest
        changes, _ = look_at(read_settings(workspace)[0].dataset, manifest.files)
        if cache is not None:
            path = workspace.choose_cache(Path(cache).stem if Path(cache).is_dir() else cache)
            return _report([_check_cache(path, manifest, console)], workspace, deep, changes)
        checks = [_check_h264(workspace, manifest, console, deep=deep), _check_motion(workspace, manifest, console)]
        caches = [_check_cache(workspace.cache(name), manifest, console) for name in workspace.cache_names()]
        return _report([*checks, *caches], workspace, deep, changes)


def _report(
    checks: Iterable[Check], workspace: Workspace, deep: bool, changes: DatasetChanges | None = None
) -> VerifyReport:
    checks = [check for check in checks if check[1] or check[2]]
    damage = tuple(each for _, _, found in checks for each in found)
    parts = tuple(
        CheckedPart(part=part, clips=clips, damaged=len({each.clip for each in found})) for part, clips, found in checks
    )
    is_default = locate_workspace(None).resolve() == workspace.root.resolve()
    repair = repair_commands(damage, workspace="" if is_default else os.fspath(workspace.root))
    return VerifyReport(deep=deep, parts=parts, damage=damage, repair=tuple(repair), changes=changes)


def _elsewhere(workspace: Workspace, path: Path) -> bool:
    return path.is_dir() and path.resolve().parent != workspace.caches.resolve()


def _done(manifest: Manifest, stage: str) -> list[StageRow]:
    """Clips that a stage has done, with any settings."""
    return [row for row in manifest.stage_rows(stage, "", upstream=None) if row.status == "done"]


def _check_h264(workspace: Workspace, manifest: Manifest, console: Console, *, deep: bool) -> Check:
    rows = [row for row in _done(manifest, "transcode") if Reason.OWN_FILE_SERVES not in row.reasons]
    extract = Stages(workspace, read_settings(workspace)[1]).extract()
    repair = "mocrop extract-mv" if extract.settings.source == "auto" else "mocrop transcode"
    found: list[Damage] = []
    with stage_progress(console, f"verify {H264}", total=len(rows)) as progress:
        for row in rows:
            file = workspace.h264_file(row.name)
            if fact := mp4_fault(file) or (_decoding_fault(file, row.name) if deep else ""):
                remove = os.fspath(file) if file.exists() else ""
                damage = Damage(part=H264, clip=row.name, fact=fact, remove=remove, repair=repair)
                found.append(damage)
            progress.advance(clips=1, failed=bool(fact))
    return H264, len(rows), found


def _decoding_fault(file: Path, clip: str) -> str:
    """Decode every frame and describe the first fault; empty if there is none, or if damage left a valid stream."""
    damage = FrameDamage()
    with (
        clip_log(ClipTask(position=0, name=clip, path=os.fspath(file))) as log,
        open_video(file, clip=clip, log=log) as video,
    ):
        decode = PlainDecode(video, damage=damage)
        for _ in decode.frames():
            pass
        decode.finish(clip=clip, max_damaged=1, log=log)
        require_all_frames(clip, decoded=damage.frames, declared=decode.account.packets)
    if log.outcome is not None and log.failed:
        return log.outcome.message.removeprefix(f"{clip}: ")
    return str(damage)


def _check_motion(workspace: Workspace, manifest: Manifest, console: Console) -> Check:
    rows = _done(manifest, "extract-mv")
    reader = MotionReader(workspace.motion)
    found: list[Damage] = []
    with stage_progress(console, f"verify {MOTION}", total=len(rows)) as progress:
        for row in rows:
            folder = shard_folder(workspace.motion, row.position // CLIPS_PER_SHARD)
            if fact := _motion_fault(reader, row.position, folder):
                remove = os.fspath(folder) if folder.exists() else ""
                found.append(Damage(part=MOTION, clip=row.name, fact=fact, remove=remove, repair="mocrop extract-mv"))
            progress.advance(clips=1, failed=bool(fact))
    return MOTION, len(rows), found


def _motion_fault(reader: MotionReader, position: int, folder: Path) -> str:
    if not folder.is_dir():
        return f"its shard is gone: {folder.name}"
    try:
        motion = reader.read(position)
    except MotionStoreError as error:
        return f"its shard {folder.name} is damaged ({error.__cause__})"
    if motion is None:
        return f"{folder.name} does not contain it"
    return "" if _plausible(motion) else f"its vectors in {folder.name} have impossible values"


def _plausible(motion: ClipMotion) -> bool:
    """Whether extract-mv can have written these vectors."""
    return bool(
        motion.vectors_per_frame.sum() == len(motion.x)
        and np.isin(motion.ref, (-1, 1)).all()
        and ((motion.dx != 0) | (motion.dy != 0)).all()
        and np.isin(motion.frame_type, list(FrameType)).all()
        and np.isfinite(motion.camera).all()
    )


def _check_cache(path: Path, manifest: Manifest | None, console: Console) -> Check:
    """Check a cache; with a manifest also that it holds what is done, and the same table of clips."""
    try:
        clips = len(CropCache(path))
    except Exception:  # verify_cache reports it below
        clips = 0
    with stage_progress(console, f"verify {path.stem}", total=clips) as progress:

        def advance(count: int) -> None:
            progress.advance(clips=count, failed=0)

        if manifest is None:
            return part_name(path), clips, verify_cache(path, on_clips=advance)
        more = _Expectation(manifest, path.stem).faults
        return part_name(path), clips, verify_cache(path, ways_out(path.stem), more=more, on_clips=advance)


class _Expectation:
    """What a cache must hold according to the manifest."""

    def __init__(self, manifest: Manifest, name: str) -> None:
        self._table = clip_table(manifest)
        self._done = [row.position for row in _done(manifest, precrop_name(name))]

    def faults(self, cache: CropCache, columns: Mapping[str, Column]) -> Iterator[Fault]:
        """Yield where a cache differs; clips that are new since it was written do not count."""
        known = min(len(cache), len(self._table.names))
        if self._done and self._done[-1] >= len(cache):
            fact = f"it has {len(cache)} rows, the manifest lists row {self._done[-1]} as done"
            yield Fault(fact=fact, scope="table")
        if "clip" in columns and columns["clip"][:known].tolist() != list(self._table.names[:known]):
            yield Fault(fact="its rows are other clips than those of the manifest", scope="cache")
        if "state" in columns:
            usable = np.isin(columns["state"], USABLE)
            for row in self._done:
                if row < len(cache) and not usable[row]:
                    fact = "the manifest lists it as done, its state does not"
                    yield Fault(fact=fact, scope="shard", row=row)
        for name in TABLE_COLUMNS:
            if name in columns and not np.array_equal(columns[name][:known], getattr(self._table, name)[:known]):
                yield Fault(fact=f"{name} differs from that of the data set", scope="table")
