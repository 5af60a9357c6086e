"""Look at everything that mocrop needs of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module

from rich.console import Console

from mocrop.pipeline.commands.doctor.finding import Check, Finding, State, found_by
from mocrop.pipeline.errors import MachineError
from mocrop.pipeline.workspace.paths import Workspace


@dataclass(frozen=True, kw_only=True)
class DoctorReport:
    """What was found, in the order of the table."""

    findings: tuple[Finding, ...]
    can_work: bool  # whether there is nothing that keeps mocrop from working at all

    def require_working(self) -> None:
        """Raises: MachineError with the first thing that keeps mocrop from working."""
        for each in self.findings:
            if each.stops:
                way_out = f"; {each.way_out}" if each.way_out else ""
                raise MachineError(f"mocrop cannot work here: {each.name}: {each.fact}{way_out}")

    def count(self, state: State) -> int:
        """Number of findings of a state."""
        return sum(each.state is state for each in self.findings)


def doctor(workspace: Workspace, *, more: Sequence[tuple[str, Check]] = (), console: Console) -> DoctorReport:
    """Run every check; one that fails is a finding itself. Nothing stays behind on the disk.

    Args:
        workspace: need not be there.
        more: names and checks of what the pipeline does not know of, such as the GPU.
        console: for what is being looked at.
    """
    checks: list[tuple[str, Check]] = [
        ("Python", _check("machine", "python")),
        ("packages", _check("packages", "packages")),
        ("FFmpeg", _check("ffmpeg", "ffmpeg")),
        *more,
        ("cores", _check("machine", "cores")),
        ("memory", _check("machine", "memory")),
        ("workers", _check("workers", "workers")),
        ("open files", _check("machine", "open_files")),
        ("temporary files", _check("machine", "temporary")),
        ("disk", _check("disk", "disk", workspace.root)),
        ("workspace", _check("place", "workspace", workspace)),
    ]
    findings: list[Finding] = []
    for name, check in checks:
        with console.status(f"looking at {name}"):
            findings += found_by(name, check)
    return DoctorReport(findings=tuple(findings), can_work=not any(each.stops for each in findings))


def _check(module: str, name: str, *arguments: object) -> Check:
    """A check, imported when it is called: a package that it needs may be what is missing."""

    def check() -> Iterable[Finding]:
        found: Iterable[Finding] = getattr(import_module(f"{__package__}.{module}"), name)(*arguments)
        return found

    return check
