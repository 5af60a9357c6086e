"""Name the group of each clip as ``--group-by`` says: by an expression on its path, or by a column of a CSV.

Where nothing says otherwise the clips that are cut out of one video are a group, whether mocrop cuts them or somebody
has done so before: they show the same people and places, so none of them may be tested on what others trained.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.formats.base import Annotations
from mocrop.pipeline.dataset.formats.csv_header import GROUP, as_column
from mocrop.pipeline.dataset.generated_splits import class_group
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.labels import NO_CLASS, Labels, Match
from mocrop.pipeline.dataset.walk import without_video_suffix
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.groups import FIRST_ACROSS_CLASSES
from mocrop.pipeline.names import printable

GroupNames = tuple[str | None, ...]  # one per clip; None: it belongs to no group
_TO_DROP_IT = "or --group-by '' to do without"


def clip_groups(
    group_by: str | None,
    clips: Sequence[Clip],
    log: IssueLog,
    *,
    lists: Annotations,
    matches: Sequence[Match],
    source: Path | None,
    several: bool,
) -> GroupNames | None:
    """The groups that span classes: what ``group_by`` names, or a column `group`, else the videos of cut clips.

    Where neither says anything the groups in file names hold: within each class, unless a clip may have ``several``
    labels, and so is of no single class.

    Args:
        group_by, lists, matches, source: see :func:`group_names`; None: nothing is asked for.
    Returns: None if groups are those of file names, within each class.
    Raises: SettingsError as :func:`group_names` does.
    """
    if group_by or GROUP in lists.columns:
        return group_names(group_by, clips, log, lists=lists, matches=matches, source=source)
    videos = video_groups(clips, matches)
    if videos is None and several:
        return tuple(class_group(clip.path, clip.group) if clip.group >= 0 else None for clip in clips)
    return videos


def group_names(
    group_by: str | None,
    clips: Sequence[Clip],
    log: IssueLog,
    *,
    lists: Annotations | None = None,
    matches: Sequence[Match] = (),
    source: Path | None = None,
) -> GroupNames:
    """Name the group of each clip; files of one stem, and segments of one video, are in the group of the first.

    Clips that are cut out of a video for which no group is found are a group of their own.

    Args:
        group_by: name of a column of the lists if they have such a one, else a regular expression that is searched in
            the path of a clip. Its first group is the name, or the whole match if it has none. None: the column
            `group`.
        log: receives NOT_GROUPED and TWO_GROUPS.
        lists, matches, source: the split lists, the clip of each of their entries, and where they are.
    Raises: SettingsError if the expression is not valid, names no group, or the same for all clips.
    """
    asked = f"--group-by '{printable(group_by)}'" if group_by else f"the column {GROUP}"
    to_drop_it = _TO_DROP_IT if group_by else "or call the column otherwise to do without"
    if group_by is None or (lists is not None and as_column(group_by) in lists.columns):
        found, no_column = _by_column(clips, matches, log), ""
    else:
        no_column = _no_column(lists, source)
        found = _by_expression(group_by, clips, no_column)
    first_of: dict[str, str | None] = {}
    names = tuple(first_of.setdefault(without_video_suffix(clip.path), _plain(found.get(clip.path))) for clip in clips)
    _require_groups(names, clips, no_column, asked=asked, to_drop_it=to_drop_it)
    for clip, name in zip(clips, names, strict=True):
        if name is None:
            log.note(IssueCode.NOT_GROUPED, clip.path)
    cut = video_groups(clips, matches) or (None,) * len(clips)
    return tuple(
        name if name is not None or video is None else f"(video) {video}"
        for name, video in zip(names, cut, strict=True)
    )


def video_groups(clips: Sequence[Clip], matches: Sequence[Match]) -> GroupNames | None:
    """Name the video out of which each clip is cut; None if no two clips are known to be of one video.

    A clip that is not known to be cut is a group with those of its UCF group, or by itself.

    Args:
        matches: the clip of each entry of the lists; an entry may name its video.
    """
    listed = {match.position: match.entry.video for match in matches if match.position is not None}
    videos = [listed.get(position, "") for position in range(len(clips))]
    count = Counter(video for video in videos if video)
    if not any(clip.span for clip in clips) and max(count.values(), default=0) < 2:
        return None
    return tuple(
        f"video {video}" if video else class_group(clip.path, clip.group)
        for clip, video in zip(clips, videos, strict=True)
    )


def numbered(names: Iterable[str | None], before: Mapping[str, int]) -> dict[str, int]:
    """Number groups that span classes; those that have a number keep it.

    >>> numbered(["Ann", None, "Bob"], {"Bob": 1_000_000_000})
    {'Bob': 1000000000, 'Ann': 1000000001}
    """
    new = sorted({name for name in names if name is not None} - before.keys())
    first = max(before.values(), default=FIRST_ACROSS_CLASSES - 1) + 1
    return {**before, **{name: first + number for number, name in enumerate(new)}}


def _by_expression(group_by: str, clips: Sequence[Clip], no_column: str) -> dict[str, str]:
    """Group by path, of the clips in whose path the expression is found and gives a name."""
    try:
        expression = re.compile(group_by)
    except (re.error, RecursionError, OverflowError) as error:
        raise SettingsError(
            f"--group-by '{printable(group_by)}' is no regular expression ({error}){no_column}; "
            f"pass another one, such as 'person([0-9]+)', {_TO_DROP_IT}"
        ) from error
    found = {}
    for clip in clips:
        match = expression.search(clip.path)
        if match is not None and (name := match[1 if expression.groups else 0]):
            found[clip.path] = name
    return found


def _plain(name: str | None) -> str | None:
    """A name with its accents spelled in one way: disks and tables have two."""
    return None if name is None else unicodedata.normalize("NFC", name)


def _by_column(clips: Sequence[Clip], matches: Sequence[Match], log: IssueLog) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in matches:
        if match.position is None or not match.entry.group:
            continue
        path = clips[match.position].path
        if found.setdefault(path, match.entry.group) != match.entry.group:
            log.note(IssueCode.TWO_GROUPS, path)
    return found


def _require_groups(names: GroupNames, clips: Sequence[Clip], no_column: str, *, asked: str, to_drop_it: str) -> None:
    """Raises: SettingsError if there is no group, or a single one."""
    if all(name is None for name in names):
        raise SettingsError(
            f"{asked} finds a group for none of the clips, such as {printable(clips[0].path)}{no_column}; pass an "
            f"expression that is found in their paths, {to_drop_it}"
        )
    if len(clips) > 1 and None not in names and len(set(names)) == 1:
        raise SettingsError(
            f"{asked} puts all {len(clips):,} clips into one group, '{printable(str(names[0]))}', so no split is "
            f"possible{no_column}; pass an expression whose first group (in parentheses) tells them apart, {to_drop_it}"
        )


def _no_column(lists: Annotations | None, source: Path | None) -> str:
    """What to say of a CSV in which no column is called so; empty without a CSV."""
    if lists is None or not lists.columns:
        return ""
    return f", and {source} has no such column (it has {', '.join(filter(None, lists.columns))})"


def shown_groups(clips: Sequence[Clip], labels: Labels) -> GroupNames:
    """The UCF group of each clip, which is of its class; None if it has none."""
    classes = [
        labels.class_names[label] if label != NO_CLASS else clip.class_name
        for clip, label in zip(clips, labels.label, strict=True)
    ]
    return tuple(
        f"{name} g{clip.group:02d}" if clip.group >= 0 else None for clip, name in zip(clips, classes, strict=True)
    )
