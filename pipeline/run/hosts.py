"""What the hosts of a cluster must have and see before they get work: the same programs, and the same folders."""

from __future__ import annotations

import functools
import os
import platform
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mocrop.pipeline.checksums import checksum, file_checksum
from mocrop.pipeline.errors import ClusterError
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.run.tls import host_of
from mocrop.pipeline.stages.contract import Stage, StageFunction, WorkUnit
from mocrop.pipeline.workspace.paths import Workspace

if TYPE_CHECKING:
    from distributed import Client

NAMED = 3  # hosts in a message; of more the number is told


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What every process that works for a stage must have and see."""

    programs: tuple[tuple[str, str], ...]  # names and versions
    workspace: str = ""  # its folder; "": the stage does not work in it
    proof: str = ""  # a file that this run has put there, so that another folder of that name is no workspace of ours
    dataset: str = ""  # a folder of the data set; "": none is needed


@functools.cache
def programs() -> tuple[tuple[str, str], ...]:
    """Names and versions of what makes the bytes and carries the work, in this process."""
    root = Path(__file__).resolve().parents[1]
    files = sorted(root.rglob("*.py"))
    content = checksum("".join(f"{file.relative_to(root).as_posix()}{file_checksum(file)}" for file in files).encode())
    return (
        ("Python", ".".join(platform.python_version_tuple()[:2])),
        ("mocrop", f"{version('mocrop')}, files {content:08x}"),  # a version in the making has no number of its own
        ("distributed", version("distributed")),
        ("av", version("av")),
    )


@functools.cache
def lacking(needs: Needs) -> str:
    """What this process lacks, as the end of a sentence about its host, with the way out; empty if nothing."""
    here = dict(programs())
    for name, wanted in needs.programs:
        if here.get(name) != wanted:
            return (
                f"has {name} {here.get(name, 'none')}, and the process that hands out the work {wanted}; install the "
                "same there: results are the same bytes only if all programs are the same"
            )
    if needs.workspace and not os.path.isfile(needs.proof):
        return (
            f"does not see the workspace {needs.workspace}; put it on a disk that all hosts have under the same path, "
            "or share none: `mocrop precrop --to URL --scratch DIR`"
        )
    if needs.dataset and not os.path.isdir(needs.dataset):
        return (
            f"does not see the data set, as {needs.dataset}; put it on a disk that all hosts have under the same path, "
            "or at an address: `mocrop init s3://...`"
        )
    return ""


def look(needs: Needs) -> tuple[str, str]:
    """Name of this host, and what it lacks."""
    return platform.node(), lacking(needs)


def on_a_worker(function: StageFunction, unit: WorkUnit, settings: Any, workspace: str, needs: Needs) -> list[Outcome]:
    """Run a stage's function if this process, which may have come later than others, has what it takes.

    Raises: ClusterError if not, as no clip is to blame.
    """
    if lacks := lacking(needs):
        raise ClusterError(f"{platform.node()} {lacks}")
    return function(unit, settings, workspace)


class Hosts:
    """The hosts of a cluster that somebody else has started; made by :func:`watched_hosts`."""

    def __init__(self, client: Client, stack: ExitStack) -> None:
        self._client = client
        self._stack = stack
        self._needs: dict[str, Needs] = {}  # by stage

    def needs_of(self, stage: Stage, unit: WorkUnit, workspace: str) -> Needs:
        """What the workers of a stage need. At its first unit all that are there are looked at.

        Raises: ClusterError that names the hosts which lack something.
        """
        if stage.name not in self._needs:
            needs = Needs(
                programs=programs(),
                workspace=workspace if stage.in_workspace else "",
                proof=self._proof(workspace) if stage.in_workspace else "",
                dataset=_folder_here(unit) if stage.reads_dataset else "",
            )
            self._require(needs)
            self._needs[stage.name] = needs
        return self._needs[stage.name]

    def _proof(self, workspace: str) -> str:
        """A new file in a workspace, of a name that nothing else has; it goes with the connection."""
        file = Workspace(Path(workspace)).partial / f"seen-{uuid.uuid4().hex}"
        write_whole(file, b"")
        self._stack.callback(file.unlink, missing_ok=True)
        return str(file)

    def _require(self, needs: Needs) -> None:
        only_programs = Needs(programs=needs.programs)
        try:
            found: dict[str, Any] = {"scheduler": self._client.run_on_scheduler(look, only_programs)}
        except Exception as error:  # whatever Dask makes of a module that is not there
            found = {"scheduler": error}
        found |= self._client.run(look, needs, on_error="return")
        lacks: dict[str, list[str]] = {}  # names of hosts by what they lack
        for address, answer in found.items():
            name, lack = _read(address, answer)
            if lack and name not in lacks.setdefault(lack, []):
                lacks[lack].append(name)
        for lack, names in lacks.items():
            raise ClusterError(f"{_listed(names)} {lack}")


@contextmanager
def watched_hosts(client: Client) -> Iterator[Hosts]:
    """The hosts of a cluster; what was written so that they can be looked at is removed after the body."""
    with ExitStack() as stack:
        yield Hosts(client, stack)


def _read(address: str, answer: Any) -> tuple[str, str]:
    """Name of a process for messages, and what it lacks, by its address and by what it has answered."""
    place = "the scheduler" if address == "scheduler" else host_of(address)
    if isinstance(answer, OSError):  # it has just gone, or cannot be reached; Dask deals with that
        return place, ""
    if isinstance(answer, BaseException):
        return place, _without_answer(answer)
    node, lack = answer
    return (f"{place} on {node}" if address == "scheduler" else f"{node} ({place})"), lack


def _without_answer(error: BaseException) -> str:
    said = (str(error).splitlines() or [type(error).__name__])[0]
    if "No module named" in said:
        return "lacks mocrop or something of it; install the same mocrop there as here"
    return (
        f"does not answer ({type(error).__name__}: {said}); look at its logs, and install the same mocrop there as here"
    )


def _listed(names: list[str]) -> str:
    """Names of hosts as the start of a sentence whose verb is singular.

    >>> _listed(["a"]), _listed(["a", "b"]), _listed(["a", "b", "c", "d", "e"])
    ('a', 'each of a, b', 'each of a, b, c and 2 more')
    """
    if len(names) == 1:
        return names[0]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"each of {', '.join(names[:NAMED])}{more}"


def _folder_here(unit: WorkUnit) -> str:
    """The folder of a clip's own file, where this process has it: where it does not, no other need have it."""
    folder = os.path.dirname(unit.clips[0].path)
    return folder if os.path.isdir(folder) else ""
