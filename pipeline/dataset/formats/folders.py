"""Data sets without annotations: a folder per class, or a folder per subset that holds a folder per class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from mocrop.pipeline.dataset.formats.base import Annotations, Listed, ListedSubset, Source, subset_of
from mocrop.pipeline.dataset.formats.folder_readings import (
    WAY_OUT,
    is_subset,
    named,
    other_reading,
    require_classes,
    require_several,
)
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
        """By the paths of the videos, where there are no annotations.

        Asked for by name, folders that can be read in two ways are classes.
        """
        sizes = _sizes(source.videos) if source.annotations is None else {}
        if not sizes:
            return None
        depth = _subset_depth(source.dataset, sizes)
        doubt = other_reading(_below(sizes, depth), _place(source.dataset, sizes, depth))
        if doubt and not source.by_name:
            raise DatasetError(doubt)
        names = sorted({folder.split("/")[depth or 0] for folder in sizes})
        if depth is not None:
            return f"its folders {named(names)} are subsets, which hold class folders"
        if len(names) == 1:
            return f"{printable(names[0])}/ is the only class folder"
        return f"{len(names)} class folders, such as {named(names)}"

    def read(self, source: Source, log: IssueLog) -> Annotations:
        """The rows of subset folders; of class folders there are none, and each clip is of its folder's class."""
        depth = _subset_depth(source.dataset, _sizes(source.videos))
        if depth is None:
            return Annotations(split_names=("1",), class_names=None, listed=(), has_subsets=False)
        listed = []
        for number, video in enumerate((video for video in source.videos if video.folder), start=1):
            parts = video.path.split("/")
            subset = subset_of(parts[depth]) or ListedSubset.NONE
            listed.append(Listed("1", subset, video.path, (parts[depth + 1],), parts[depth], number))
        return Annotations(split_names=("1",), class_names=None, listed=tuple(listed), labels_are_names=True)


def holds_subsets(dataset: Path, videos: Sequence[VideoFile]) -> bool:
    """Whether the folders of a data set are subsets, which hold class folders.

    Raises: DatasetError as :meth:`Folders.recognise` does.
    """
    return _subset_depth(dataset, _sizes(videos)) is not None


def require_class_folders(source: Source) -> None:
    """Raises: DatasetError where folders do not plainly say the classes, for lists that have no labels."""
    start = f"{source.annotations} gives no labels, so that the folders of the videos must say the classes, and"
    way_out = "add the label of each clip to the lists"
    sizes = _sizes(source.videos)
    if not sizes:
        raise DatasetError(f"{start} they lie in none; {way_out}")
    depth = _subset_depth(source.dataset, sizes)
    if depth is not None:
        names = named(sorted({folder.split("/")[depth] for folder in sizes}))
        raise DatasetError(f"{start} those in {source.dataset} ({names}) are subsets; {way_out}, or drop --splits")
    if len({folder.partition("/")[0] for folder in sizes}) == 1 and all("/" in folder for folder in sizes):
        name = next(iter(sizes)).partition("/")[0]
        raise DatasetError(f"{start} {printable(name)}/ holds all of these; {way_out}, or pass {source.dataset / name}")
    if doubt := other_reading(sizes, str(source.dataset)):
        raise DatasetError(f"{start} {doubt.removesuffix(f'; {WAY_OUT}')}; {way_out}")


def _sizes(videos: Sequence[VideoFile]) -> Counter[str]:
    """Number of videos by the folder in which they lie, without those in no folder."""
    sizes = Counter(video.path.rpartition("/")[0] for video in videos)
    del sizes[""]
    return sizes


def _subset_depth(dataset: Path, sizes: Mapping[str, int]) -> int | None:
    """The level of the subset folders, 0 or 1; None if there are class folders.

    Raises: DatasetError if some folders are subsets and others are not, or hold videos beside class folders or without
        any, or a single folder that may be above the classes.
    """
    levels = {tuple(folder.split("/")): videos for folder, videos in sizes.items()}
    for depth in (0, 1):
        if depth and len({level[0] for level in levels}) > 1:
            break
        names: Counter[str] = Counter()
        for level, videos in levels.items():
            names.update({level[depth]: videos} if len(level) > depth else {})
        words = {name for name in names if is_subset(name)}
        deep = {level[depth] for level in levels if len(level) > depth + 1}
        if not words & deep:
            continue
        _require_subsets(dataset, names, words, deep, levels, depth)
        require_several(_below(sizes, depth), _place(dataset, sizes, depth))
        return depth
    require_classes(sizes, str(dataset))
    return None


def _below(sizes: Mapping[str, int], depth: int | None) -> Counter[str]:
    """Number of videos by the path of their folder from the class folder on."""
    levels = 0 if depth is None else depth + 1
    below: Counter[str] = Counter()
    for folder, videos in sizes.items():
        below["/".join(folder.split("/")[levels:])] += videos
    return below


def _place(dataset: Path, sizes: Mapping[str, int], depth: int | None) -> str:
    """What the level above the classes is called in messages."""
    if depth is None:
        return str(dataset)
    return f"each subset in {'/'.join([str(dataset), *next(iter(sizes)).split('/')[:depth]])}"


def _require_subsets(
    dataset: Path,
    names: Counter[str],
    words: set[str],
    deep: set[str],
    levels: Mapping[tuple[str, ...], int],
    depth: int,
) -> None:
    """Raises: DatasetError if the folders of one level are not all subsets that hold class folders alone."""
    folder = "/".join([str(dataset), *next(iter(levels))[:depth]])
    known, way_out = named(sorted(words)), "or list the clips in a CSV and pass it with --splits"
    others = sorted(set(names) - words)
    if others:
        raise DatasetError(
            f"{folder} holds the subsets {known} and {len(others)} folders that are none ({named(others)}: "
            f"{sum(names[name] for name in others):,} videos); move those away, {way_out}"
        )
    if beside := sum(videos for level, videos in levels.items() if len(level) <= depth):
        raise DatasetError(
            f"{folder} holds the subsets {known} and beside them {beside:,} videos; move those away, {way_out}"
        )
    shallow = sorted({level[depth] for level in levels if len(level) == depth + 1})
    if shallow:
        raise DatasetError(
            f"{folder} holds the subsets {known}, and {named(shallow)} holds videos beside class folders, so that "
            f"it may be a class too; move them into class folders, {way_out}"
        )
