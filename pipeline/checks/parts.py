"""What a check returns, and how a check that fails itself is kept from ending the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mocrop.pipeline.checks.damage import Damage

Noun = Literal["clip", "file"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One part of a workspace, checked."""

    part: str  # "manifest.sqlite", "h264", "motion.zarr", "cache motion-192", "runs"
    clips: int  # that were checked
    damage: tuple[Damage, ...]
    counted: Noun = "clip"  # what ``clips`` counts
    without_checksum: int = 0  # files whose bytes could not be compared, as there is no checksum of them


def guarded(part: str, check: Callable[[], Check]) -> Check:
    """Run a check; if it ends with an exception, that is the damage."""
    try:
        return check()
    except Exception as error:  # whatever a library raises for damage that no one has thought of
        return Check(part=part, clips=0, damage=(Damage(part=part, clip="", fact=unchecked(error)),))


def unchecked(error: Exception) -> str:
    """Say in one line with which exception a check has ended.

    >>> unchecked(PermissionError(13, "Permission denied", "/work/caches")), unchecked(KeyError("box"))
    ('/work/caches cannot be read (Permission denied)', "it cannot be checked (KeyError: 'box')")
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'it'} cannot be read ({error.strerror})"
    text = " ".join(str(error).split())
    return f"it cannot be checked ({type(error).__name__}{': ' if text else ''}{text})"
