"""The stage `precrop`: crop the frames of a unit's clips and write them as one shard of a crop cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.cache.slots import UNUSED
from mocrop.pipeline.cache.writer import CacheWriter, Shard
from mocrop.pipeline.motion.fields import Fields
from mocrop.pipeline.outcome import ClipTask, Outcome, clip_log
from mocrop.pipeline.policies.precomputed import MapsSettings, map_checksum
from mocrop.pipeline.stages.clip_crops import ClipCrops
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.crop_work import CropWork
from mocrop.pipeline.stages.originals import with_originals
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.system_errors import errors_that_travel
from mocrop.pipeline.workspace.paths import Workspace

PRECROP_VERSION = 2
_NO_FRAMES = np.empty((0, 3, 1, 1), np.uint8)
_NO_FIELDS: Fields = np.empty((0, 2, 1, 1), np.int8)


@errors_that_travel
@with_originals
def precrop_unit(unit: WorkUnit, settings: PrecropSettings, workspace: str) -> list[Outcome]:
    """Crop the clips of one shard and write it into ``caches/<name>.zarr``, which must exist.

    A failed clip gets a row without frames, in state 3. A probe does all the work and writes nothing.

    Args:
        workspace: root folder of the workspace.
    Returns: one outcome per clip, in order.
    Raises: DiskFullError; FileError where the workspace cannot be written; CacheError if the cache is missing;
        LackingMotionError if motion.zarr is gone or does not tell what the policy needs; NewerError.
    """
    work = CropWork(settings, Workspace(Path(workspace)))
    rows = [_crop_clip(task, work) for task in unit.clips]
    if not unit.probe:
        _write(work, rows, first=unit.clips[0].position)
    return [row.outcome for row in rows]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Row:
    """One clip of a shard; ``crops`` is None if it failed."""

    outcome: Outcome
    crops: ClipCrops | None


def _crop_clip(task: ClipTask, work: CropWork) -> _Row:
    crops: ClipCrops | None = None
    with clip_log(task) as log:
        log.checksum = _input_checksum(task.name, work.settings)  # first: also of a clip that is refused or fails
        task.require_accepted()
        crops = work.crops(task, log)
    assert log.outcome is not None
    return _Row(outcome=log.outcome, crops=crops)


def _input_checksum(clip: str, settings: PrecropSettings) -> int | None:
    """Checksum of what the policy reads of a clip beside its video; before it does, so that a later change is seen."""
    if not isinstance(settings.policy_settings, MapsSettings):
        return None
    try:
        return map_checksum(clip, settings.policy_settings)
    except OSError:  # whoever reads it says why
        return None


def _write(work: CropWork, rows: Sequence[_Row], *, first: int) -> None:
    """Write one shard, whose rows are the clips from position ``first`` onwards."""
    settings = work.settings
    box, picture = np.zeros((2, len(rows), 4), np.float32)
    slot_box, content = np.zeros((2, len(rows), settings.slots, 4), np.float32)
    density = np.zeros((len(rows), *settings.policy_settings.grid), np.float32)
    frame_index = np.full((len(rows), settings.slots), UNUSED, np.int32)
    window = np.full((len(rows), settings.clips), UNUSED, np.int32)
    state = np.full(len(rows), ClipState.FAILED, np.uint8)
    for row, crops in enumerate(row.crops for row in rows):
        if crops is not None:
            used = len(crops.numbers)
            box[row], density[row], state[row] = crops.box.edges, crops.density, crops.state
            picture[row] = crops.picture.edges
            frame_index[row, :used], content[row, :used] = crops.numbers, crops.content
            window[row, : len(crops.windows or ())] = crops.windows or ()
            slot_box[row, :used] = [each.edges for each in crops.boxes]
    frames = [row.crops.frames if row.crops else _NO_FRAMES for row in rows]
    fields = [] if settings.motion_fields is None else [_fields(row) for row in rows]
    shard = Shard(
        first=first,
        frames=frames,
        frame_index=frame_index,
        box=box,
        slot_box=slot_box,
        picture=picture,
        density=density,
        state=state,
        motion=fields,
        content=content if settings.fit == "pad" else None,
        window=None if settings.dense is None else window,
    )
    CacheWriter(work.workspace.cache(settings.name)).write(shard)


def _fields(row: _Row) -> Fields:
    return _NO_FIELDS if row.crops is None or row.crops.fields is None else row.crops.fields
