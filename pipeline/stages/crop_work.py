"""What a worker needs to crop clips of a workspace: their motion, their files, and a cropper that they share."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from mocrop.pipeline.errors import LackingMotionError, MotionStoreError
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.outcome import ClipLog, ClipTask
from mocrop.pipeline.stages.clip_crops import ClipCrops, crop_file
from mocrop.pipeline.stages.contract import file_to_read
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.video.cropper import Cropper
from mocrop.pipeline.workspace.paths import Workspace


class CropWork:
    """What the clips of a unit share."""

    def __init__(self, settings: PrecropSettings, workspace: Workspace) -> None:
        self.settings = settings
        self.workspace = workspace
        self._cropper = Cropper(size=settings.size, fit=settings.fit)

    @cached_property
    def _store(self) -> MotionReader:
        if not self.workspace.motion.is_dir():
            raise LackingMotionError(f"{self.workspace.motion} is not there; run `mocrop extract-mv`")
        return MotionReader(self.workspace.motion)

    def motion(self, task: ClipTask) -> ClipMotion | None:
        """The motion of a clip; None if neither policy nor motion fields need it.

        Raises: MotionStoreError if the store has none: a whole frame for it would pass for one without motion;
            LackingMotionError if there is no store.
        """
        if not self.settings.needs_motion:
            return None
        motion = self._store.read(task.position)
        if motion is None:
            raise MotionStoreError(f"{task.name}: {self.workspace.motion} does not contain it; run `mocrop extract-mv`")
        return motion

    def crops(self, task: ClipTask, log: ClipLog) -> ClipCrops:
        """Decode and crop the chosen frames of a clip. Raises: ClipError, and as :meth:`motion`."""
        motion = self.motion(task)
        path = file_to_read(task, self.settings.source, self.workspace, log)
        own = path == Path(task.path)
        return crop_file(path, self.settings, self._cropper, clip=task.name, motion=motion, own=own, log=log)
