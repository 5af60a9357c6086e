"""The contract of a stage: it gets a work unit of clips and frozen settings, and returns one outcome per clip.

A stage is an importable top-level function ``(unit, settings, workspace_root) -> list[Outcome]``. It runs in this
process or on a Dask worker and writes the same bytes in both. It never raises for what a clip can cause; what it does
raise is :class:`~mocrop.pipeline.errors.DiskFullError`, errors of the whole output such as a missing cache, and bugs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.pipeline.checksums import file_checksum
from mocrop.pipeline.choices import Source
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipLog, ClipTask, Outcome
from mocrop.pipeline.settings import settings_hash
from mocrop.pipeline.workspace.paths import Workspace


@dataclass(frozen=True, kw_only=True)
class WorkUnit:
    """Clips that one worker processes in one call; for stages that write shards, those of exactly one shard."""

    index: int  # number of the shard; for the other stages, of the unit
    clips: tuple[ClipTask, ...]
    probe: bool = False  # do the work but write nothing, to find the clip that kills its worker

    def __post_init__(self) -> None:
        if not self.clips:
            raise ValueError(f"work unit {self.index} has no clips")

    @property
    def size_bytes(self) -> int:
        """Of the files of its clips: how much work it is, as far as is known beforehand."""
        return sum(clip.size_bytes for clip in self.clips)


StageFunction = Callable[[WorkUnit, Any, str], list[Outcome]]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage ready to run: its function, its settings and what its outputs depend on."""

    name: str  # key of its outcomes in the manifest: "transcode", "extract-mv", "precrop:motion-192"
    function: StageFunction
    settings: Any  # a frozen dataclass
    version: int | str  # changed whenever the bytes that the stage writes change
    clips_per_unit: int
    writes_shards: bool  # True: units are fixed spans of all clips, run as a whole
    output: Callable[[int, str], Path]  # (position, clip name) -> path that exists if the stage is done with the clip
    upstream: Stage | None = None  # the stage whose output this one reads
    reads_dataset: bool = False  # opens the data set's own files
    in_workspace: bool = True  # reads and writes the workspace's folder, which every worker must see
    prepare: Callable[[], None] | None = None  # makes the store that workers only write into; for the client to call
    input_changed: Callable[[str, int | None], bool] | None = None  # (clip name, checksum that its outcome keeps) ->
    # whether what the stage reads of a clip beside its video is another one now; None: it reads nothing else
    way_out: str = ""  # for messages of the stages that read it: what to do where it has not run
    tells: Callable[[int], str] | None = None  # position -> what the client alone knows of the clip: its task's `told`
    unit_of: Callable[[int], int] | None = None  # position -> its unit, where that is no span; with writes_shards

    @property
    def shown(self) -> str:
        """Its name beside a progress bar, where there is no room for a whole address."""
        kind, _, place = self.name.partition(":")
        return f"{kind}:{place.rpartition('/')[2]}" if "://" in place else self.name

    def makes_output(self, reasons: Sequence[Reason]) -> bool:
        """Whether the stage has written something for a clip that it is done with and that has these notes."""
        return self.tells is not None or self.writes_shards or Reason.OWN_FILE_SERVES not in reasons

    @property
    def settings_hash(self) -> str:
        """16 hex digits over the stage's name, version, settings and everything upstream."""
        upstream = self.upstream.settings_hash if self.upstream else ""
        return settings_hash(self.settings, self.name.partition(":")[0], self.version, upstream)


def file_to_read(task: ClipTask, source: Source, workspace: Workspace, log: ClipLog) -> Path:
    """The file to read a clip from. With source auto a note tells the next stage to read the data set's own too.

    Raises: ClipError if it is a transcoded file whose bytes are not those that were written, or if it is the whole
        video of which the clip is a segment.
    """
    kept = source == "auto" and task.own_file
    if task.span is not None and (kept or source == "original"):
        raise ClipError(Reason.UNEXPECTED, f"{task.name}: it is a segment, which only `mocrop transcode` cuts out")
    if kept:
        log.note(Reason.OWN_FILE_SERVES)
    if kept or source == "original":
        return Path(task.path)
    file = workspace.h264_file(task.name)
    _require_unchanged(file, task)
    return file


def _require_unchanged(file: Path, task: ClipTask) -> None:
    """Compare a transcoded file with its checksum: a flipped bit can leave a valid stream of another picture."""
    try:
        changed = task.h264_checksum is not None and file_checksum(file) != task.h264_checksum
    except OSError:  # whoever opens it says why
        return
    if changed:
        raise ClipError(
            Reason.UNREADABLE,
            f"{task.name}: its H.264 file is damaged (checksum differs); make it again with `mocrop verify --repair` "
            "and `mocrop transcode`, then go on with `mocrop retry`",
        )
