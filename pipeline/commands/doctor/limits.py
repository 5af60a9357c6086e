"""Limits that a container or a service manager sets on processors and memory, as files of control groups say them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

NO_LIMIT_BYTES = 1 << 60  # the first version of control groups writes a number near 2**63 for none


def core_limit(groups: Iterable[Path]) -> float | None:
    """How many cores' time the groups allow, the least of them; None: any."""
    return min((limit for group in groups if (limit := _cores(group)) is not None), default=None)


def memory_limit(groups: Iterable[Path]) -> int | None:
    """How much memory the groups allow, bytes, the least of them; None: any."""
    limits = (_number(group / name) for group in groups for name in ("memory.max", "memory.limit_in_bytes"))
    return min((limit for limit in limits if limit is not None and limit < NO_LIMIT_BYTES), default=None)


def memory_used(groups: Iterable[Path]) -> int | None:
    """How much memory the processes of the innermost group have, bytes; None where it does not say."""
    for group in groups:
        for name in ("memory.current", "memory.usage_in_bytes"):
            if (used := _number(group / name)) is not None:
                return used
    return None


def _cores(group: Path) -> float | None:
    quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    words = _text(group / "cpu.max").split()
    if len(words) == 2 and words[0] != "max":
        quota, period = int(words[0]), int(words[1])
    return quota / period if quota and quota > 0 and period else None


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text.lstrip("-").isdecimal() else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
