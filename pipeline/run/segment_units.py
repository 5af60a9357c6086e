"""Put segments of long videos into work units: neighbours together, so that one worker decodes what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.span import MICROSECONDS, Span

MOST_SEGMENTS = 16  # of a unit: its outcomes are kept once all of it is done
MOST_US = 120 * MICROSECONDS  # of all of its segments, unless it has one


def segment_units(tasks: Iterable[ClipTask], *, may_be_entered: Callable[[Path], bool]) -> list[tuple[ClipTask, ...]]:
    """Group segments by their videos, and those of one video into neighbours; by their start in each unit.

    Args:
        tasks: all have spans.
        may_be_entered: whether decoding can start within a video. One that must be decoded from its start on, by every
            unit, is not divided. Asked only of videos that would be.
    """
    by_path: dict[str, list[tuple[Span, ClipTask]]] = {}
    for task in tasks:
        assert task.span is not None
        by_path.setdefault(task.path, []).append((task.span, task))
    units: list[tuple[ClipTask, ...]] = []
    for path, found in by_path.items():
        found.sort(key=lambda each: (each[0], each[1].position))
        parts = _parts(found)
        if len(parts) > 1 and not may_be_entered(Path(path)):
            parts = [[task for _, task in found]]
        units += map(tuple, parts)
    return units


def _parts(segments: Sequence[tuple[Span, ClipTask]]) -> list[list[ClipTask]]:
    parts: list[list[ClipTask]] = []
    left_us = 0
    for span, task in segments:
        length_us = span.end_us - span.start_us
        if not parts or len(parts[-1]) == MOST_SEGMENTS or length_us > left_us:
            parts.append([])
            left_us = MOST_US
        parts[-1].append(task)
        left_us -= length_us
    return parts
