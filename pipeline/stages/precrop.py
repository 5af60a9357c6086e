"""The stage `precrop`: crop the frames of a unit's clips and write them as one shard of a crop cache."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.layout import CacheLayout, ClipState
from mocrop.pipeline.cache.slots import UNUSED, chosen_frames
from mocrop.pipeline.cache.writer import CacheWriter, Shard
from mocrop.pipeline.choices import Compression, Select, Source, require_choice
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.errors import ClipError, MotionStoreError, Reason, full_disk_as_error
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.fields import Fields, MotionFieldSettings, dense_motion
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.outcome import ClipLog, ClipTask, Outcome, clip_log
from mocrop.pipeline.policies.base import PictureSize, PolicyResult, PolicySettings
from mocrop.pipeline.policies.motion_v1 import MotionSettings
from mocrop.pipeline.policies.registry import POLICIES
from mocrop.pipeline.stages.contract import WorkUnit, file_to_read
from mocrop.pipeline.video.cropper import Cropper
from mocrop.pipeline.video.decoder import MAX_DAMAGED, FrameDamage, require_share
from mocrop.pipeline.video.frames import NotAsToldError, decode_frames, with_timeline
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.video.orientation import Orientations
from mocrop.pipeline.video.picture_notes import note_container, note_picture, picture_form
from mocrop.pipeline.video.timeline import Timeline
from mocrop.pipeline.workspace.paths import Workspace

PRECROP_VERSION = 2
CLIPS_PER_SHARD = 16
MAX_SHARD_BYTES = 64 << 20  # a worker holds about twice this while it writes: the crops and the encoded shard
CROPPERS = 8  # kept for clips with the same box; policy `motion` has seven boxes at its default grid and ratio

_NO_FRAMES = np.empty((0, 3, 1, 1), np.uint8)
_NO_FIELDS: Fields = np.empty((0, 2, 1, 1), np.int8)


def fitting_clips_per_shard(*, size: int, frames: int) -> int:
    """Number of clips in a shard: 16, or as many as fit into 64 MiB, but at least one.

    >>> fitting_clips_per_shard(size=192, frames=16), fitting_clips_per_shard(size=448, frames=16)
    (16, 6)
    """
    return max(1, min(CLIPS_PER_SHARD, MAX_SHARD_BYTES // (frames * 3 * size * size)))


@dataclass(frozen=True, kw_only=True)
class PrecropSettings:
    """How a crop cache is made."""

    name: str  # of the cache: caches/<name>.zarr
    size: int  # both sides of the stored frames, pixels
    source: Source = "h264"  # decode the transcoded files, the data set's own, or of each clip its own if that serves
    policy: str = "motion"  # a key of POLICIES
    policy_settings: PolicySettings = field(default_factory=MotionSettings)  # of the class that the policy names
    frames: int = 16  # slots per clip
    select: Select = "keyframes"  # which frames fill them
    clips_per_shard: int = 0  # also the clips of a work unit; 0: as many as fit, see fitting_clips_per_shard
    compression: Compression = "none"  # of the frames inside their shards
    motion_fields: MotionFieldSettings | None = None  # stored beside the frames; None: no fields
    max_damaged: float = MAX_DAMAGED  # largest share of decoded frames that may be damaged, 0 to 1

    def __post_init__(self) -> None:
        for name in ("size", "frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        require_share(self.max_damaged)
        require_choice("source", self.source, Source)
        require_choice("select", self.select, Select)
        require_choice("compression", self.compression, Compression)
        if self.policy not in POLICIES:
            raise ValueError(f"there is no policy {self.policy!r}; the policies are {', '.join(POLICIES)}")
        if type(self.policy_settings) is not POLICIES[self.policy].settings:
            raise ValueError(f"policy {self.policy!r} takes {POLICIES[self.policy].settings.__name__}")
        if self.clips_per_shard < 0:
            raise ValueError(f"clips_per_shard must not be negative, not {self.clips_per_shard}")
        if self.clips_per_shard == 0:
            fitting = fitting_clips_per_shard(size=self.size, frames=self.frames)
            object.__setattr__(self, "clips_per_shard", fitting)

    @property
    def key_frames(self) -> int:
        """Number of key frames that a clip needs to fill its slots."""
        return self.frames if self.select == "keyframes" else 0

    @property
    def needs_motion(self) -> bool:
        """Whether a clip without motion vectors has no place in the cache."""
        return POLICIES[self.policy].needs_motion or self.motion_fields is not None

    @property
    def layout(self) -> CacheLayout:
        """Shapes and codecs of the cache."""
        return CacheLayout(
            frames=self.frames,
            size=self.size,
            grid=self.policy_settings.grid,
            clips_per_shard=self.clips_per_shard,
            compression=self.compression,
            motion_side=self.motion_fields.side if self.motion_fields else 0,
        )


def precrop_unit(unit: WorkUnit, settings: PrecropSettings, workspace: str) -> list[Outcome]:
    """Crop the clips of one shard and write it into ``caches/<name>.zarr``, which must exist.

    A failed clip gets a row without frames, in state 3. A probe does all the work and writes nothing.

    Args:
        workspace: root folder of the workspace.
    Returns: one outcome per clip, in order.
    Raises: DiskFullError; CacheError if the cache is missing.
    """
    work = _Work(settings, Workspace(Path(workspace)))
    rows = [_crop_clip(task, work) for task in unit.clips]
    if not unit.probe:
        _write(work, rows, first=unit.clips[0].position)
    return [row.outcome for row in rows]


class _Work:
    """What the clips of a unit share."""

    def __init__(self, settings: PrecropSettings, workspace: Workspace) -> None:
        self.settings = settings
        self.workspace = workspace
        self.policy = POLICIES[settings.policy]
        self.cropper = lru_cache(maxsize=CROPPERS)(partial(Cropper, size=settings.size))

    @cached_property
    def _store(self) -> MotionReader:
        return MotionReader(self.workspace.motion)

    def motion(self, task: ClipTask) -> ClipMotion | None:
        """The motion of a clip; None if neither policy nor motion fields need it.

        Raises: MotionStoreError if the store has none: a whole frame for it would pass for one without motion.
        """
        if not self.settings.needs_motion:
            return None
        motion = self._store.read(task.position)
        if motion is None:
            raise MotionStoreError(f"{task.name}: {self.workspace.motion} does not contain it; run `mocrop extract-mv`")
        return motion

    def decide(self, task: ClipTask, picture: PictureSize, motion: ClipMotion | None) -> PolicyResult:
        settings = self.settings.policy_settings
        return self.policy.decide(motion if self.policy.needs_motion else None, picture, task.name, settings)

    def fields(self, motion: ClipMotion | None, numbers: Sequence[int], box: CropBox, log: ClipLog) -> Fields | None:
        """Motion fields of the frames with these numbers, int8, (frames, 2, side, side); None if the cache has none."""
        settings = self.settings.motion_fields
        if settings is None:
            return None
        assert motion is not None
        if not len(motion.x):
            log.note(Reason.STILL_FIELDS, "its motion fields are zeros: it has no motion vectors")
        return dense_motion(motion, numbers, box=box, size=self.settings.size, settings=settings)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Crops:
    """What the cache stores of a clip that can be read."""

    frames: npt.NDArray[np.uint8]  # (used slots, 3, size, size)
    numbers: list[int]  # of the source frames
    box: CropBox
    density: npt.NDArray[np.float32]  # (rows, cols)
    state: ClipState
    fields: Fields | None  # (used slots, 2, side, side)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Row:
    """One clip of a shard; ``crops`` is None if it failed."""

    outcome: Outcome
    crops: _Crops | None


def _crop_clip(task: ClipTask, work: _Work) -> _Row:
    crops: _Crops | None = None
    with clip_log(task) as log:
        task.require_accepted()
        crops = _read_crops(task, work, log)
    assert log.outcome is not None
    return _Row(outcome=log.outcome, crops=crops)


def _read_crops(task: ClipTask, work: _Work, log: ClipLog) -> _Crops:
    """Decode and crop the chosen frames of one clip. Raises: ClipError."""
    motion = work.motion(task)

    def crops(video: OpenVideo, timeline: Timeline) -> _Crops:
        if motion is not None and motion.frames != timeline.frames:
            fact = f"{task.name}: its motion is that of {motion.frames} frames, and it has {timeline.frames}"
            if timeline.damage is None:
                raise NotAsToldError(fact)
            raise ClipError(Reason.UNREADABLE, f"{fact}; run `mocrop extract-mv` again")
        return _crops_of(video, timeline, task, motion, work, log)

    path = file_to_read(task, work.settings.source, work.workspace, log)
    return with_timeline(path, crops, clip=task.name, log=log)


def _crops_of(
    video: OpenVideo, timeline: Timeline, task: ClipTask, motion: ClipMotion | None, work: _Work, log: ClipLog
) -> _Crops:
    """Crop the chosen frames; the first of them gives the picture size, and so the box."""
    settings, clip = work.settings, task.name
    select: Select = "uniform" if timeline.without_key_frames else settings.select
    if select != settings.select:
        log.note(Reason.NO_KEY_FRAMES, "its pictures are refreshed without key frames; evenly spaced frames were taken")
    if video.path == Path(task.path):  # of a file that transcode has made, it has noted it
        note_container(video, log)
    stored = np.empty((settings.frames, 3, settings.size, settings.size), np.uint8)
    used: list[int] = []
    key_frames = timeline.key_frames.tolist()
    numbers = chosen_frames(select, key_frames=key_frames, frames=timeline.frames, slots=settings.frames)
    damage = FrameDamage()
    orientations = Orientations(video.stream)
    frames = decode_frames(
        video,
        timeline,
        numbers,
        key_frames_only=select == "keyframes",
        damage=damage,
        orientations=orientations,
    )
    first = next(frames, None)
    if first is None:
        raise ClipError(Reason.NO_FRAMES, f"{clip}: none of its {len(numbers)} chosen frames could be decoded")
    picture = orientations.now.size(first[1].width, first[1].height)
    result = work.decide(task, picture, motion)
    box = result.box.in_float32()  # as the cache stores it, so that it tells exactly which pixels were cropped
    cropper = work.cropper(box)
    noted: tuple[object, ...] = ()
    for slot, (number, frame) in enumerate(itertools.chain([first], frames)):
        if noted != (form := picture_form(frame, orientations.now)):
            note_picture(frame, orientations.now, picture, clip=clip, log=log)
            noted = form
        cropper.crop(frame, stored[slot], orientation=orientations.now)
        used.append(number)
    (timeline.damage or damage).report(clip=clip, max_damaged=settings.max_damaged, log=log)
    _note_result(result, log)
    _note_slots(len(used), timeline.frames, select, settings, log)
    state = ClipState.CROPPED if result.usable else ClipState.WHOLE_FRAME
    fields = work.fields(motion, used, box, log)
    return _Crops(frames=stored[: len(used)], numbers=used, box=box, density=result.density, state=state, fields=fields)


def _note_result(result: PolicyResult, log: ClipLog) -> None:
    if not result.usable:
        log.note(Reason.WHOLE_FRAME, f"not cropped: {result.why}")


def _note_slots(used: int, count: int, select: Select, settings: PrecropSettings, log: ClipLog) -> None:
    """Note why slots stay empty: ``used`` of the ``count`` frames in the clip were chosen."""
    key_frames = select == "keyframes"
    if count == 1:
        log.note(Reason.ONE_FRAME, "the clip has one frame")
    elif used < settings.frames:
        fact = f"{used} {'key frames' if key_frames else 'frames'} for {settings.frames} slots"
        log.note(Reason.FEW_KEY_FRAMES if key_frames else Reason.FEW_FRAMES, fact)


def _write(work: _Work, rows: Sequence[_Row], *, first: int) -> None:
    """Write one shard, whose rows are the clips from position ``first`` onwards."""
    settings = work.settings
    box = np.zeros((len(rows), 4), np.float32)
    density = np.zeros((len(rows), *settings.policy_settings.grid), np.float32)
    frame_index = np.full((len(rows), settings.frames), UNUSED, np.int32)
    state = np.full(len(rows), ClipState.FAILED, np.uint8)
    for row, crops in enumerate(row.crops for row in rows):
        if crops is not None:
            box[row], density[row], state[row] = crops.box.edges, crops.density, crops.state
            frame_index[row, : len(crops.numbers)] = crops.numbers
    frames = [row.crops.frames if row.crops else _NO_FRAMES for row in rows]
    fields = [] if settings.motion_fields is None else [_fields(row) for row in rows]
    shard = Shard(
        first=first, frames=frames, frame_index=frame_index, box=box, density=density, state=state, motion=fields
    )
    with full_disk_as_error():
        CacheWriter(work.workspace.cache(settings.name)).write(shard)


def _fields(row: _Row) -> Fields:
    return _NO_FIELDS if row.crops is None or row.crops.fields is None else row.crops.fields
