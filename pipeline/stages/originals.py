"""Fetch the videos that a unit reads from their addresses, to where each stage finds them."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path, PurePosixPath
from typing import Any

from mocrop.pipeline.address import Address, RemoteFiles, is_address
from mocrop.pipeline.address_errors import is_missing_bucket
from mocrop.pipeline.choices import Source
from mocrop.pipeline.errors import AddressError, Reason
from mocrop.pipeline.outcome import ClipTask, Outcome
from mocrop.pipeline.stages.contract import StageFunction, WorkUnit
from mocrop.pipeline.stages.scratch import scratch_workspace


class Originals:
    """A folder for videos that are fetched from their addresses, each once."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._fetched = folder, 0
        self._here: dict[str, Path | str] = {}  # by address: the file, or why there is none

    def task(self, task: ClipTask) -> ClipTask:
        """The same task with its video on this machine; refused if there is none at the address any more.

        Raises: AddressError if the server or the line to it fails, or the whole bucket is gone, for which no clip is to
            blame.
        """
        if task.refusal is not None or not is_address(task.path):
            return task
        if task.path not in self._here:
            self._here[task.path] = self._fetch(task.path)
        here = self._here[task.path]
        if isinstance(here, str):
            return dataclasses.replace(task, refusal=(Reason.UNREADABLE, f"{task.name}: {here}"))
        return dataclasses.replace(task, path=str(here))

    def drop(self, path: str) -> None:
        """Remove what was fetched from an address."""
        here = self._here.pop(path, None)
        if isinstance(here, Path):
            here.unlink(missing_ok=True)

    def _fetch(self, path: str) -> Path | str:
        root, name = _parts(path)
        self._fetched += 1
        local = self._folder / f"{self._fetched}{PurePosixPath(name).suffix}"
        try:
            _files(root).fetch(name, local)
        except AddressError as error:
            if not error.missing or is_missing_bucket(error):
                raise
            return str(error)
        return local


def _parts(path: str) -> tuple[str, str]:
    """A server or bucket, and a name there, so that all videos of a data set come over the same connections.

    >>> _parts("s3://bucket/data/Archery/a.avi"), _parts("file:///data/a.avi")
    (('s3://bucket', 'data/Archery/a.avi'), ('file:///data', 'a.avi'))
    """
    scheme, _, place = path.partition("://")
    host, _, name = place.partition("/")
    folder, _, last = path.rpartition("/")
    return (f"{scheme}://{host}", name) if host else (folder, last)


@functools.lru_cache(maxsize=4)
def _files(root: str) -> RemoteFiles:
    return RemoteFiles(Address.parse(root))


def with_originals(function: StageFunction) -> StageFunction:
    """Let a stage read videos at addresses: those that it needs are fetched before, and removed after a unit."""

    @functools.wraps(function)
    def fetched(unit: WorkUnit, settings: Any, workspace: str) -> list[Outcome]:
        source: Source | None = getattr(settings, "source", None)  # None: of transcode, which reads all of them
        needed = [is_address(each.path) and (source in (None, "original") or each.own_file) for each in unit.clips]
        if not any(needed):
            return function(unit, settings, workspace)
        with scratch_workspace("") as place:
            originals = Originals(place.root)
            tasks = [originals.task(task) if wanted else task for task, wanted in zip(unit.clips, needed, strict=True)]
            return function(dataclasses.replace(unit, clips=tuple(tasks)), settings, workspace)

    return fetched
