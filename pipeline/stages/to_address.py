"""Crop the clips of a shard and write it to a cache at an address, by a worker that shares no disk with anybody.

Where there is a common disk, each stage leaves what it makes for the next one. Here all stages run on the clips of one
shard in a scratch workspace, as they would there, and what the last one has written is put to the address. So the bytes
are the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mocrop.pipeline.cache.at_address import CacheAtAddress
from mocrop.pipeline.cache.create import create_arrays
from mocrop.pipeline.cache.layout import STREAMS, shard_file
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.motion.store import CLIPS_PER_SHARD, create_store
from mocrop.pipeline.outcome import ClipTask, Outcome
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.extract_mv import ExtractSettings, extract_unit
from mocrop.pipeline.stages.originals import Originals
from mocrop.pipeline.stages.own_file import keep_or_transcode_unit
from mocrop.pipeline.stages.precrop import precrop_unit
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.scratch import scratch_workspace
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.system_errors import errors_that_travel
from mocrop.pipeline.workspace.paths import Workspace


@dataclass(frozen=True, kw_only=True)
class ToAddressSettings:
    """How a crop cache at an address is made."""

    to: str  # the address of the cache
    crop: PrecropSettings
    extract: ExtractSettings | None  # None: no motion is needed
    transcode: TranscodeSettings | None  # None: the data set's own files are read

    @property
    def source(self) -> str:
        """The files that are read, as :class:`PrecropSettings` has it."""
        return self.crop.source


@errors_that_travel
def crop_to_address(
    unit: WorkUnit, settings: ToAddressSettings, workspace: str, *, clips: int, token: str, scratch: str
) -> list[Outcome]:
    """Transcode, extract and crop the clips of one shard in a scratch folder, and put the shard to the address.

    A failed clip gets a row without frames, in state 3. A probe does all the work and puts nothing.

    Args:
        workspace: not looked at; it is the client's.
        clips: number of rows of the cache.
        token: of the run that writes the cache, without which nothing is put there.
        scratch: folder on this machine; "": where the system keeps temporary files.
    Returns: one outcome per clip, in order, with the notes of all stages.
    Raises: AddressError; DiskFullError; FileError where the scratch folder cannot be written; CacheError if the address
        is no longer written by this run.
    """
    with scratch_workspace(scratch) as place:
        work = _Work(unit, settings, place)
        work.transcode()
        work.extract()
        work.crop(clips)
        if not unit.probe:
            _put_shard(place.cache(settings.crop.name), unit.index, CacheAtAddress(settings.to), token)
        return work.outcomes


class _Work:
    """The clips of a unit on their way through the stages.

    Attributes:
        outcomes: of each clip, after the stages that have run.
    """

    def __init__(self, unit: WorkUnit, settings: ToAddressSettings, place: Workspace) -> None:
        self.outcomes: list[Outcome] = []
        self._unit, self._settings, self._place = unit, settings, place
        self._tasks = list(unit.clips)
        self._originals = Originals(place.root / "originals")

    def transcode(self) -> None:
        """Fetch the files of the clips, one after the other, and transcode those that are not read as they are."""
        settings = self._settings.transcode
        done: list[Outcome] = []
        tasks: list[ClipTask] = []
        for path, clips in groupby(self._tasks, key=lambda task: task.path):
            there = [self._originals.task(task) for task in clips]
            tasks += there
            if settings is None:
                continue
            run = transcode_unit if settings.own_key_frames is None else keep_or_transcode_unit
            outcomes = run(self._part(there), settings, str(self._place.root))
            done += outcomes
            if not any(Reason.OWN_FILE_SERVES in outcome.reasons for outcome in outcomes):
                self._originals.drop(path)
        self._tasks = tasks
        if settings is not None:
            self._take(done)
            own = [Reason.OWN_FILE_SERVES in outcome.reasons for outcome in done]
            self._tasks = [
                dataclasses.replace(task, h264_checksum=outcome.checksum, own_file=kept)
                for task, outcome, kept in zip(self._tasks, done, own, strict=True)
            ]

    def extract(self) -> None:
        """Read the motion of the clips, if it is needed."""
        if self._settings.extract is None:
            return
        create_store(self._place.motion)
        done: list[Outcome] = []
        for shard, clips in groupby(self._tasks, key=lambda task: task.position // CLIPS_PER_SHARD):
            part = dataclasses.replace(self._part(list(clips)), index=shard)
            done += extract_unit(part, self._settings.extract, str(self._place.root))
        self._take(done)

    def crop(self, clips: int) -> None:
        """Crop, and write the shard into a cache of nothing else."""
        crop = self._settings.crop
        create_arrays(self._place.cache(crop.name), crop.layout, clips=clips)
        unit = dataclasses.replace(self._unit, clips=tuple(self._tasks))  # as a probe, if it is one
        self._take(precrop_unit(unit, crop, str(self._place.root)))

    def _part(self, tasks: Sequence[ClipTask]) -> WorkUnit:
        """A unit of some of the clips; never a probe: what the next stage reads must be there."""
        return WorkUnit(index=self._unit.index, clips=tuple(tasks))

    def _take(self, outcomes: Sequence[Outcome]) -> None:
        """Add what a stage has made of the clips; the next one refuses those that have failed, for the same reason."""
        before = self.outcomes
        self.outcomes = [*outcomes] if not before else [*map(_both, before, outcomes)]
        self._tasks = [
            dataclasses.replace(task, refusal=(outcome.reasons[0], outcome.message))
            if outcome.status == "failed" and task.refusal is None
            else task
            for task, outcome in zip(self._tasks, outcomes, strict=True)
        ]


def _both(earlier: Outcome, later: Outcome) -> Outcome:
    """What two stages, one after the other, have made of a clip."""
    if earlier.status == "failed":  # the later one repeats it
        return dataclasses.replace(earlier, checksum=later.checksum)
    reasons = (*later.reasons, *earlier.reasons) if later.status == "failed" else (*earlier.reasons, *later.reasons)
    messages = [later.message] if later.status == "failed" else [earlier.message, later.message]
    return dataclasses.replace(
        later,
        reasons=tuple(dict.fromkeys(reasons)),
        message="; ".join(filter(None, messages)),
        seconds=earlier.seconds + later.seconds,
    )


def _put_shard(cache: Path, index: int, remote: CacheAtAddress, token: str) -> None:
    """Put the files of one shard to an address, its states last; each is there as a whole or not at all."""
    remote.require_token(token)
    for stream in STREAMS:
        if not shard_file(cache, index, stream).exists():  # of a shard whose clips have all failed
            remote.discard(shard_file(Path(), index, stream).as_posix())
    files = [file.relative_to(cache) for file in cache.rglob("*") if file.is_file() and file.name != "zarr.json"]
    for file in sorted(files, key=lambda file: (file.parts[0] == "state", file)):
        remote.files.put(cache / file, file.as_posix())
