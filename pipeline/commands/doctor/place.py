"""The workspace: whether it can be read, who is writing it, and whether there is room for what is to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from mocrop.pipeline.commands.doctor.disk import nearest
from mocrop.pipeline.commands.doctor.finding import Finding, State, size
from mocrop.pipeline.commands.status import StageStatus, WorkspaceStatus, workspace_status
from mocrop.pipeline.errors import MocropError
from mocrop.pipeline.platform_calls import locked
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.registry import cache_of
from mocrop.pipeline.stages.stored_settings import read_precrop_settings
from mocrop.pipeline.system_errors import as_mocrop_errors
from mocrop.pipeline.workspace.lock import LOCK_FILE
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace

SPARE_BYTES = 500 << 20  # below which there is too little even with nothing to do: training writes checkpoints
MOTION_SHARE = 0.3  # of the size of a video: measured 76 KB beside 271 KB of H.264, docs/scaling.md
DEFAULT_CACHE = PrecropSettings(name="motion-192", size=192)  # what `mocrop precrop` makes


def workspace(place: Workspace) -> Iterator[Finding]:
    """Whether the workspace can be used, and whether there is room for what is to do in it."""
    try:
        with as_mocrop_errors():
            status = workspace_status(place) if place.settings_file.is_file() else None
    except MocropError as error:
        yield Finding(name="workspace", state=State.MISSING, fact=str(error), stops=True)
        yield from _room(place.root, needed=0)
        return
    if status is None:
        way_out = "make one with `mocrop init DATASET`, or name one with -w"
        yield Finding(name="workspace", state=State.NOTE, fact=f"none at {place.root}", way_out=way_out)
        yield from _room(place.root, needed=0)
        return
    yield _state(place, status)
    yield from _room(place.root, needed=bytes_to_write(place, status))


def _state(place: Workspace, status: WorkspaceStatus) -> Finding:
    fact = f"{place.root}: {status.clips:,} clips of {status.dataset}"
    if status.changes.unavailable:
        way_out = "the stages need it; training and evaluation do not"
        return Finding(name="workspace", state=State.NOTE, fact=status.changes.unavailable, way_out=way_out)
    if (holder := lock_holder(place.root / LOCK_FILE)) is not None:
        way_out = "wait for it or stop it before you run a stage"
        held = f"{fact}; another mocrop (process {holder}) is writing"
        return Finding(name="workspace", state=State.NOTE, fact=held, way_out=way_out)
    return Finding(name="workspace", state=State.OK, fact=fact, facts={"next_command": status.next_command})


def lock_holder(file: Path) -> str | None:
    """The process that has locked a lock file, or "unknown"; None if nobody has. Nothing is written."""
    try:
        with file.open("r+", encoding="utf-8") as stream:
            try:
                with locked(stream.fileno()):
                    return None
            except (BlockingIOError, PermissionError):
                return stream.read().strip() or "unknown"
    except OSError:  # it is not there, cannot be opened, or this disk has no locks
        return None


def bytes_to_write(place: Workspace, status: WorkspaceStatus) -> int:
    """About how much the stages have to write for what is to do, with one cache as `mocrop precrop` makes it at least.

    A transcoded file is counted as large as the video that it is of, motion as a part of it, and a cache as if every
    slot were filled and nothing compressed, which is the most.
    """
    with Manifest(place.manifest_file, read_only=True) as manifest:
        sizes = [clip.size_bytes for clip in manifest.clips()]
    mean = sum(sizes) / max(1, len(sizes))
    caches = {cache_of(stage.stage): stage for stage in status.stages if cache_of(stage.stage)}
    needed = 0.0
    for stage in status.stages:
        if stage.stage == "transcode":
            needed += _clips_to_do(stage) * mean
        elif stage.stage == "extract-mv":
            needed += _clips_to_do(stage) * mean * MOTION_SHARE
    for name, stage in caches.items():
        needed += _clips_to_do(stage) * _clip_bytes(read_precrop_settings(place, name))
    if not caches:
        needed += status.clips * _clip_bytes(DEFAULT_CACHE)
    return int(needed)


def _clips_to_do(stage: StageStatus) -> int:
    return stage.to_do + stage.stale


def _clip_bytes(settings: PrecropSettings) -> int:
    """Frames of a clip with all slots in use, and its motion fields."""
    fields = 2 * settings.motion_fields.side**2 if settings.motion_fields else 0
    return settings.slots * (3 * settings.size**2 + fields)


def _room(folder: Path, *, needed: int) -> Iterator[Finding]:
    free = shutil.disk_usage(nearest(folder)).free
    facts = {"free": free, "needed": needed}
    what = f"{size(free)} free" + (f", about {size(needed)} to write for what is to do" if needed else "")
    if free < needed:
        way_out = f"free {size(needed - free)}, or take a smaller --size or fewer --frames, or another disk with -w"
        yield Finding(name="free space", state=State.NOTE, fact=what, way_out=way_out, facts=facts)
    elif free < SPARE_BYTES:
        way_out = f"free some: under {size(SPARE_BYTES)} a run or a report may not fit"
        yield Finding(name="free space", state=State.NOTE, fact=what, way_out=way_out, facts=facts)
    else:
        yield Finding(name="free space", state=State.OK, fact=what, facts=facts)
