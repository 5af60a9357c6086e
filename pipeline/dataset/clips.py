"""Find the clips of a data set, a folder that holds one folder of videos per class."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.dataset.formats.folders import holds_subsets
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import Issue, IssueLog
from mocrop.pipeline.dataset.names import clip_names
from mocrop.pipeline.dataset.walk import VIDEO_SUFFIXES, VideoFile, Walk, without_video_suffix
from mocrop.pipeline.dataset_place import AddressPath
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import printable
from mocrop.pipeline.span import Span

ANNOTATION_SUFFIXES = (".csv", ".tsv", ".json", ".txt", ".list", ".lst")
_GROUP = re.compile(r".*_g([0-9]{1,9})_")  # greedy: the last one in a name counts, as in v_my_g3_trick_g01_c02


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """One video file of a data set."""

    name: str  # path under the data set without suffix, "/" between parts: "Surfing/v_Surfing_g01_c01"
    path: str  # path under the data set with suffix, "/" between parts
    class_name: str  # first folder of the path, "" if it has none
    group: int  # UCF group, from "_gNN_" in the file name; -1 if it has none
    size_bytes: int
    mtime_ns: int
    span: Span | None = None  # of a segment; None: the whole file

    @property
    def shown(self) -> str:
        """What notes call the clip: its path, or of a segment its name, since its video has others."""
        return self.path if self.span is None else self.name

    @property
    def key(self) -> str:
        """What the clip is known by in splits that are made: files of one stem have the same."""
        return clip_key(self.path, self.span)


def clip_key(path: str, span: Span | None) -> str:
    """Path of a clip under the data set without suffix, and its span if it is a segment.

    >>> clip_key("A/day.avi", None), clip_key("A/day.avi", Span.seconds(0, 2.5))
    ('A/day', 'A/day#0-2.5')
    """
    stem = without_video_suffix(path)
    return stem if span is None else f"{stem}#{span.text}"


@dataclass(frozen=True, kw_only=True)
class FoundClips:
    """The clips of a data set, sorted by name, and the issues found in its folders."""

    clips: tuple[Clip, ...]
    issues: tuple[Issue, ...]


def find_clips(
    dataset: Path, *, lists: Path | None = None, loose: bool = False, folds_names: Callable[[], bool] = lambda: False
) -> FoundClips:
    """Find every video under the class folders of ``dataset``, in nested folders as well.

    Links are followed; hidden files and folders and mocrop's own workspaces are skipped. Anything else that is left out
    is an issue.

    Args:
        dataset: the folder that holds one folder per class.
        lists: file or folder of split lists; where it lies in ``dataset`` it does not count as left out.
        loose: take videos beside the folders too, and do not ask what folders mean: lists say that, or nothing does.
        folds_names: as for :func:`~mocrop.pipeline.dataset.names.clip_names`.
    Raises: DatasetError if ``dataset`` is not a readable folder, holds no clips, or is the parent of the data set.
    """
    walk = Walk(dataset, lists, loose=True, first_of={})
    every = list(walk.videos())
    videos = [video for video in every if video.folder or loose]
    for video in every:
        if not (video.folder or loose):
            walk.log.note(IssueCode.WITHOUT_CLASS, video.path)
    if not videos:
        raise DatasetError(_nothing_found(walk, without_class=len(every)))
    clips = _named(videos, walk, folds_names)
    if not (loose or holds_subsets(dataset, videos)):
        _check_depth(clips, walk)
    with_clips = {clip.class_name for clip in clips}
    for name in walk.class_folders:
        if name not in with_clips and dataset / name != lists:
            walk.log.note(IssueCode.EMPTY_CLASS, name)
    return FoundClips(clips=clips, issues=walk.log.issues)


def group_of(name: str) -> int:
    """Read the UCF group from a clip's name; -1 if it has none.

    >>> group_of("Surfing/v_Surfing_g07_c02"), group_of("Surfing/big_wave")
    (7, -1)
    """
    match = _GROUP.match(name.rpartition("/")[2])
    return int(match[1]) if match else -1


def unreadable(dataset: Path, clips: Sequence[Clip]) -> tuple[Issue, ...]:
    """What no stage can read of clips that are there; they stay clips, which fail until the files are mended."""
    log = IssueLog()
    for clip in clips:
        if not clip.size_bytes:
            log.note(IssueCode.EMPTY_FILE, clip.path)
        elif not isinstance(dataset, AddressPath) and not os.access(dataset / clip.path, os.R_OK):
            log.note(IssueCode.NO_PERMISSION, clip.path)
    return log.issues


def _named(videos: Sequence[VideoFile], walk: Walk, folds_names: Callable[[], bool]) -> tuple[Clip, ...]:
    names = clip_names([video.path for video in videos], walk.log, folds_names=folds_names)
    clips = (
        Clip(
            name=(name := names[video.path]),
            path=video.path,
            class_name=video.folder,
            group=group_of(name),
            size_bytes=video.size_bytes,
            mtime_ns=video.mtime_ns,
        )
        for video in videos
    )
    return tuple(sorted(clips, key=lambda clip: clip.name))


def _check_depth(clips: tuple[Clip, ...], walk: Walk) -> None:
    """Note folders that hold class folders rather than clips.

    Raises: DatasetError if there is only one, so that the parent of the data set must have been given.
    """
    folders = {clip.path.rpartition("/")[0] for clip in clips}
    classes = {folder.partition("/")[0] for folder in folders}
    deeper = classes - folders
    if not deeper:
        return
    if deeper == classes and len(deeper) == 1:
        folder = walk.dataset / deeper.pop()
        inner = sorted({clip.path.split("/")[1] for clip in clips})
        raise DatasetError(
            f"{walk.dataset} holds a single class folder, {folder.name}/, and that holds only folders "
            f"({printable(', '.join(inner[:3]))}{', ...' if len(inner) > 3 else ''}); "
            f"if those are the classes, pass {folder}"
        )
    for name in sorted(deeper):
        walk.log.note(IssueCode.DEEPER_CLASSES, name)


def _annotations_in(dataset: Path) -> list[str]:
    """Names of visible files in a folder that may list its videos, sorted."""
    there = [] if isinstance(dataset, AddressPath) else dataset.iterdir()
    names = sorted(file.name for file in there if not file.name.startswith("."))
    return [name for name in names if name.lower().endswith(ANNOTATION_SUFFIXES)]


def _nothing_found(walk: Walk, *, without_class: int) -> str:
    """Message for a data set without clips: what is there, and what was expected."""
    looked_for = ", ".join(suffix[1:] for suffix in VIDEO_SUFFIXES)
    if without_class:
        seen = f"{walk.dataset} holds {without_class} videos but no class folder with videos"
        if lists := _annotations_in(walk.dataset):
            return f"{seen}; if {printable(lists[0])} there lists them, pass it with --splits"
        way_out = (
            "put each video into a folder named for its class, or pass --splits with a list or CSV of their labels, "
            "or --unlabelled"
        )
        return f"{seen}; {way_out}"
    found = [f"{count} {kind}" for kind, count in walk.log.kinds(IssueCode.OTHER_SUFFIX).items()][:3]
    folders = f"{len(walk.class_folders)} folders" if walk.class_folders else "no folders"
    return (
        f"{walk.dataset} holds no clips: {folders}, {', '.join(found) or 'no files'}; "
        f"looked for {looked_for} in class folders"
    )
