"""Data sets without annotations: a folder per class, or a folder per subset that holds a folder per class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mocrop.pipeline.dataset.formats.base import Annotations, Listed, ListedSubset, Source, subset_of
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.walk import VideoFile
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import printable

_CLASSES = "class folders: <Class>/<video>"
_SUBSETS = "subset folders: train/<Class>/<video>, val/<Class>/..., test/<Class>/..., or these in one folder more"


class Folders:
    """Class folders, or subset folders that hold class folders."""

    name = "folders"
    looks_like = f"{_CLASSES}; or {_SUBSETS}"

    def recognise(self, source: Source) -> str | None:
        """By the paths of the videos, where there are no annotations."""
        in_folders = [video for video in source.videos if video.folder]
        if source.annotations is not None or not in_folders:
            return None
        if (depth := _subset_depth(source.dataset, in_folders)) is not None:
            names = sorted({video.path.split("/")[depth] for video in in_folders})
            return f"its folders {_named(names)} are subsets, which hold class folders"
        names = sorted({video.folder for video in in_folders})
        return f"{len(names)} class folders, such as {_named(names)}"

    def read(self, source: Source, log: IssueLog) -> Annotations:
        """The rows of subset folders; of class folders there are none, and each clip is of its folder's class."""
        in_folders = [video for video in source.videos if video.folder]
        depth = _subset_depth(source.dataset, in_folders)
        if depth is None:
            return Annotations(split_names=("1",), class_names=None, listed=(), has_subsets=False)
        listed = []
        for number, video in enumerate(in_folders, start=1):
            parts = video.path.split("/")
            subset = subset_of(parts[depth]) or ListedSubset.NONE
            listed.append(Listed("1", subset, video.path, (parts[depth + 1],), parts[depth], number))
        return Annotations(split_names=("1",), class_names=None, listed=tuple(listed))


def holds_subsets(dataset: Path, videos: Sequence[VideoFile]) -> bool:
    """Whether the folders of a data set are subsets, which hold class folders.

    Raises: DatasetError as :meth:`Folders.recognise` does.
    """
    return _subset_depth(dataset, [video for video in videos if video.folder]) is not None


def _subset_depth(dataset: Path, videos: Sequence[VideoFile]) -> int | None:
    """The level of the subset folders, 0 or 1; None if there are class folders.

    Raises: DatasetError if some folders are subsets and others are not, or hold videos beside class folders.
    """
    for depth in (0, 1):
        if depth and len({video.folder for video in videos}) > 1:
            return None
        levels = [video.path.split("/")[:-1] for video in videos]
        names = Counter(level[depth] for level in levels if len(level) > depth)
        words = {name for name in names if _is_subset(name)}
        deep = {level[depth] for level in levels if len(level) > depth + 1}
        if not words & deep:
            continue
        _require_subsets(dataset, names, words, deep, levels, depth)
        return depth
    return None


def _require_subsets(
    dataset: Path,
    names: Counter[str],
    words: set[str],
    deep: set[str],
    levels: Sequence[Sequence[str]],
    depth: int,
) -> None:
    """Raises: DatasetError if the folders of one level are not all subsets that hold class folders alone."""
    folder = "/".join([str(dataset), *levels[0][:depth]])
    known, way_out = _named(sorted(words)), "or list the clips in a CSV and pass it with --splits"
    others = sorted(set(names) - words)
    if others:
        raise DatasetError(
            f"{folder} holds the subsets {known} and {len(others)} folders that are none ({_named(others)}: "
            f"{sum(names[name] for name in others):,} videos); move those away, {way_out}"
        )
    shallow = sorted({level[depth] for level in levels if len(level) == depth + 1})
    if shallow:
        raise DatasetError(
            f"{folder} holds the subsets {known}, and {_named(shallow)} holds videos beside class folders, so that "
            f"it may be a class too; move them into class folders, {way_out}"
        )


def _is_subset(name: str) -> bool:
    return bool(name) and subset_of(name) not in (None, ListedSubset.NONE)


def _named(names: Sequence[str]) -> str:
    return printable(", ".join([f"{name}/" for name in names[:3]] + (["..."] if names[3:] else [])))
