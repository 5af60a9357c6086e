"""Find the clip that each entry of a split list means."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from mocrop.pipeline.dataset.clips import Clip, clip_key
from mocrop.pipeline.dataset.formats.base import Listed
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.labels import Match
from mocrop.pipeline.dataset.names import folded
from mocrop.pipeline.dataset.walk import without_video_suffix
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import csv_cell, printable
from mocrop.pipeline.span import Span


class _ClipIndex:
    """Finds clips by paths as lists give them: with or without suffix, with more folders or fewer."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._paths = [_key(clip.path) for clip in clips]
        self._by_path = {path: position for position, path in enumerate(self._paths)}
        self._by_name = {_key(clip.name): position for position, clip in enumerate(clips)}
        self._by_cell = {  # names that mocrop itself writes in another way
            _key(str(csv_cell(name))): position
            for position, clip in enumerate(clips)
            for name in (clip.name, clip.path)
            if csv_cell(name) != name
        }
        self._by_file: dict[str, list[int]] = {}
        for position, path in enumerate(self._paths):
            self._by_file.setdefault(_file_stem(path), []).append(position)

    def find(self, listed: str) -> list[int]:
        """Positions of the clips that a listed path can mean; it should be exactly one."""
        path = _key(listed)
        by_name = without_video_suffix(path)
        for index, key in ((self._by_path, path), (self._by_name, by_name), (self._by_cell, path)):
            if key in index:
                return [index[key]]
        wanted = "/" + without_video_suffix(path)
        found = []
        for position in self._by_file.get(_file_stem(path), []):
            clip = "/" + without_video_suffix(self._paths[position])
            if clip.endswith(wanted) or wanted.endswith(clip):
                found.append(position)
        return found


def _key(path: str) -> str:
    """Normal form of a path: disks and lists may spell an accented letter in two ways, and "/" as a backslash."""
    return path if path.isascii() and "\\" not in path else unicodedata.normalize("NFC", path.replace("\\", "/"))


def _file_stem(path: str) -> str:
    return without_video_suffix(path.rpartition("/")[2])


def match_clips(listed: Sequence[Listed], clips: Sequence[Clip], log: IssueLog) -> list[Match]:
    """Find the clip of every entry; each path or segment without one, or with several, is noted once."""
    index = _ClipIndex(clips)
    found_at: dict[str, list[int]] = {}
    noted: set[str] = set()
    for entry in listed:
        if entry.path not in found_at:
            paths = (entry.path, *entry.other_paths)
            found_at[entry.path] = next((found for path in paths if (found := index.find(path))), [])
        if len(found := found_at[entry.path]) == 1:
            continue
        if (shown := _shown(entry)) not in noted:
            noted.add(shown)
            log.note(IssueCode.AMBIGUOUS if found else IssueCode.NOT_ON_DISK, shown)
    return [_matched(entry, _only(found_at[entry.path]), clips) for entry in listed]


def _shown(entry: Listed) -> str:
    """What notes call an entry that is no clip; each segment of a video by itself."""
    return entry.path if entry.span is None else clip_key(entry.path, entry.span)


def _only(positions: Sequence[int]) -> int | None:
    return positions[0] if len(positions) == 1 else None


def _matched(entry: Listed, position: int | None, clips: Sequence[Clip]) -> Match:
    return Match(entry, position, entry.parent if position is None else clips[position].class_name)


def without_loose(
    clips: Sequence[Clip], matches: Sequence[Match], log: IssueLog
) -> tuple[Sequence[Clip], Sequence[Match]]:
    """Leave out the videos beside the folders, unless one of them is listed: then the data set has such clips.

    Args:
        log: receives WITHOUT_CLASS.
    Returns: the clips, and the matches with their positions.
    """
    listed = {match.position for match in matches}
    loose = {position for position, clip in enumerate(clips) if not clip.class_name}
    if not loose or not loose.isdisjoint(listed):
        return clips, matches
    for position in sorted(loose):
        log.note(IssueCode.WITHOUT_CLASS, clips[position].path)
    kept = [position for position in range(len(clips)) if position not in loose]
    place = {position: number for number, position in enumerate(kept)}
    moved = [match if match.position is None else replace(match, position=place[match.position]) for match in matches]
    return [clips[position] for position in kept], moved


def cut_into_segments(
    clips: Sequence[Clip], matches: Sequence[Match], log: IssueLog
) -> tuple[tuple[Clip, ...], list[Match]]:
    """Put the segments that are listed in the place of the videos out of which they are cut.

    Where there are segments at all, videos without any are left out: lists of segments name what is a clip.

    Args:
        log: receives NO_SEGMENTS.
    Returns: the clips, those of one video by their start, and the matches with the positions of these clips.
    """
    spans: list[set[Span | None]] = [set() for _ in clips]
    for match in matches:
        if match.position is not None:
            spans[match.position].add(match.entry.span)
    if not any(span for found in spans for span in found):
        return tuple(clips), list(matches)
    cut: list[Clip] = []
    place: dict[tuple[int, Span | None], int] = {}
    for position, (clip, found) in enumerate(zip(clips, spans, strict=True)):
        if not found:
            log.note(IssueCode.NO_SEGMENTS, clip.path)
        for span in sorted(found, key=lambda span: span or (-1, -1)):
            place[position, span] = len(cut)
            cut.append(clip if span is None else replace(clip, name=f"{clip.name}#{span.text}", span=span))
    _require_different(cut)
    moved = [
        match if match.position is None else replace(match, position=place[match.position, match.entry.span])
        for match in matches
    ]
    return tuple(cut), moved


def _require_different(clips: Sequence[Clip]) -> None:
    """Segments differ as their videos do; but a file may be called like a segment of another one.

    Raises: DatasetError if the names of such a file and of a segment differ in case at most: some disks take them for
        one, and workspaces are copied.
    """
    whole = {folded(clip.name): clip for clip in clips if clip.span is None}
    for clip in clips:
        other = whole.get(folded(clip.name))
        if clip.span is not None and other is not None:
            raise DatasetError(
                f"{printable(other.path)} and a segment of {printable(clip.path)} both give a clip "
                f"{printable(clip.name)}; rename one of the files"
            )
