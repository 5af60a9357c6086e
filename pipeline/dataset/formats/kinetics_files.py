"""Files of Kinetics that are called by the id of their video alone: ten seconds, or the whole video, by their lengths.

A file is cut if it is no longer than its row says, and whole if it goes on until its row ends. Both are true of a whole
video that ends with its clip and begins with it; such a file is the same either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mocrop.pipeline.dataset.formats.base import Listed, Source
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.walk import without_video_suffix
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.span import Span

_MOST_OPENED = 16  # files, chosen evenly
_SLACK_SECONDS = 1.5  # by which a cut file may be longer than its row: encoders cut at key frames
_TIMES = len("_000000_000010")  # at the end of an official name


class Plain(NamedTuple):
    """Rows whose files are called by the id alone, and what these files are."""

    rows: frozenset[int]  # numbers of the rows
    whole: bool  # the files are whole videos, out of which the rows are to be cut
    opened: int


def plain_files(source: Source, listed: Sequence[Listed]) -> Plain | None:
    """Find rows whose files are called by the id alone, and open some of these files; None if there are none.

    Args:
        listed: the rows, each with the official name as its path and the times as its span.
    Raises: DatasetError if the lengths of the files do not tell what they are.
    """
    path_of = {without_video_suffix(video.path.rpartition("/")[2]): video.path for video in source.videos}
    rows = [n for n, entry in enumerate(listed) if entry.path not in path_of and video_id(entry) in path_of]
    if not rows:
        return None
    chosen = rows[:: -(-len(rows) // _MOST_OPENED)]
    found = [_what_it_is(source.dataset / path_of[video_id(listed[n])], listed[n].span) for n in chosen]
    cut, whole = found.count("cut"), found.count("whole")
    readable = len(found) - found.count("")
    told = cut + whole + found.count("both")
    if 2 * readable < len(found) or told < readable or (cut and whole):
        raise DatasetError(
            f"{source.dataset}: {len(rows):,} videos are called by their id alone, such as {video_id(listed[rows[0]])}"
            f", and their lengths do not tell whether they are whole or cut to their rows: of {len(found)} that were "
            f"opened {cut} can only be cut, {whole} only whole, {readable - told} neither, and {len(found) - readable} "
            f"cannot be read; rename those that are cut as {listed[rows[0]].path} is called, and move others away"
        )
    return Plain(frozenset(rows), whole > 0, readable)


def with_files(listed: Sequence[Listed], plain: Plain | None, log: IssueLog) -> list[Listed]:
    """Rows with the names of their files, and times only where they are to be cut out of whole videos.

    Args:
        log: receives AMBIGUOUS for a cut file that may be that of several rows, which then have none.
    """
    numbers = plain.rows if plain is not None else frozenset()
    spans: dict[str, set[Span | None]] = {}
    for n in numbers:
        spans.setdefault(video_id(listed[n]), set()).add(listed[n].span)
    several = {name for name, found in spans.items() if len(found) > 1} if plain and not plain.whole else set()
    for name in sorted(several):
        log.note(IssueCode.AMBIGUOUS, name)
    return [
        replace(entry, span=entry.span if plain and plain.whole else None, other_paths=(video_id(entry),))
        if n in numbers and video_id(entry) not in several
        else replace(entry, span=None)
        for n, entry in enumerate(listed)
    ]


def video_id(entry: Listed) -> str:
    """The id of the video, in front of the times in an official name."""
    return entry.path[:-_TIMES]


def _what_it_is(path: Path, span: Span | None) -> str:
    """ "cut", "whole", "both", "neither", or "" if the file does not say how long it is."""
    assert span is not None
    seconds = _seconds(path)
    if seconds is None:
        return ""
    cut = seconds <= (span.end_us - span.start_us) / 1e6 + _SLACK_SECONDS
    whole = seconds >= span.end_us / 1e6 - _SLACK_SECONDS
    return {(True, False): "cut", (False, True): "whole", (True, True): "both"}.get((cut, whole), "neither")


def _seconds(path: Path) -> float | None:
    """How long a video is, by its header; None if that cannot be read."""
    import av.error  # here, since no other form opens videos

    from mocrop.pipeline.video.open import open_container

    try:
        with open_container(path) as container:
            duration = container.duration
    except (av.error.FFmpegError, OSError, ValueError):
        return None
    return duration / 1e6 if duration else None
