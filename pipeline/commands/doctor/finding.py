"""What the doctor has found about one thing, and how a check that fails in a way of its own becomes a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mocrop.pipeline.errors import MocropError


class State(StrEnum):
    """How things are."""

    OK = "ok"
    NOTE = "note"  # mocrop works, with less or more slowly; or something to know
    MISSING = "missing"  # a command cannot work


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of the table."""

    name: str
    state: State
    fact: str  # what is so
    way_out: str = ""  # what to do about it; empty if there is nothing to do
    stops: bool = False  # mocrop cannot work at all with this
    facts: dict[str, Any] = field(default_factory=dict)  # numbers and names, for programs

    def __post_init__(self) -> None:
        if self.stops and self.state is not State.MISSING:
            raise ValueError(f"{self.name}: what keeps mocrop from working is missing, not {self.state}")


Check = Callable[[], Iterable[Finding]]


def found_by(name: str, check: Check) -> list[Finding]:
    """The findings of one check; if it fails itself, that is a finding, and no other check goes without for it.

    Args:
        name: of the row then.
    """
    try:
        return list(check())
    except ImportError as error:
        way_out = "see the row of that package"
        return [Finding(name=name, state=State.MISSING, fact=f"cannot be looked at ({error})", way_out=way_out)]
    except Exception as error:  # whatever is wrong with a machine must not keep it from being told
        fact = str(error) if isinstance(error, MocropError) else f"{type(error).__name__}: {error}"
        way_out = "" if isinstance(error, MocropError) else "this could not be looked at; the others were"
        return [Finding(name=name, state=State.NOTE, fact=fact, way_out=way_out)]


def size(number: float) -> str:
    """A number of bytes in words.

    >>> size(0), size(5_400_000), size(1.5 * 2**40)
    ('0 MB', '5 MB', '1.6 TB')
    """
    for unit, name in ((10**12, "TB"), (10**9, "GB")):
        if number >= unit:
            return f"{number / unit:.1f} {name}"
    return f"{number / 10**6:.0f} MB"
