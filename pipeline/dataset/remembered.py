"""What a workspace remembers of its splits before a scan, and what it keeps of the scan for the next one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.generated_splits import class_group
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import Issue, IssueLog
from mocrop.pipeline.dataset.known_sides import KnownSides, known_sides, with_moved
from mocrop.pipeline.dataset.listed_subsets import TEST, TRAIN
from mocrop.pipeline.dataset.splits import Splits
from mocrop.pipeline.dataset.walk import without_video_suffix
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest
from mocrop.pipeline.workspace.settings_file import DatasetSettings
from mocrop.pipeline.workspace.split_memory import MadeSplit, Side

BY_VIDEO = "(video)"  # stands for an expression where the segments of a video are its group
_OTHER_SIDE = {(TRAIN, TEST), (TEST, TRAIN)}


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """The splits of a workspace before a scan."""

    made: MadeSplit | None = None  # what the split that mocrop has made last was made with
    known: KnownSides | None = None  # the sides that stay; None: a split is made anew, or there are none
    before: tuple[dict[str, tuple[int, ...]], tuple[str, ...]] = ({}, ())  # subsets by name of the clip; splits
    from_lists: bool = False  # the splits that were in force


def remember(
    manifest: Manifest, settings: DatasetSettings, clips: Sequence[Clip], *, same: bool, lists_before: bool
) -> Remembered:
    """Read what stays of the splits of a workspace under ``settings``.

    Sides stay unless another seed or grouping is asked for. Of another data set that takes the place of the first one
    only those stay whose clips are in it too.

    Args:
        clips: those that are there now.
        same: whether the data set is the one that the workspace has.
        lists_before: whether the workspace has split lists until now.
    """
    rows = list(manifest.clips())
    before = ({row.name: row.subset for row in rows}, tuple(manifest.names("split_names")))
    from_lists = manifest.split_seed() is None
    made, sides = manifest.split_memory.made(), list(manifest.split_memory.sides())
    if made is None:
        made, sides = _of_an_older_mocrop(manifest, settings, lists_before=lists_before)
    known = known_sides((side.clip, side.group, side.subset) for side in sides)
    if known is None or made != _wanted(settings):
        return Remembered(made=made, before=before, from_lists=from_lists)
    known = with_moved(known, clips, rows)
    if not same and not any(clip.key in known.by_clip for clip in clips):
        known = None
    return Remembered(made=made, known=known, before=before, from_lists=from_lists)


def keep(
    manifest: Manifest, settings: DatasetSettings, clips: Sequence[Clip], splits: Splits, then: Remembered
) -> None:
    """Remember a split that was made, for the next scan; nothing if it is from lists."""
    if splits.kept_together is None:
        return
    sides = [
        Side(clip.key, group, tuple(map(int, subset)))
        for clip, group, subset in zip(clips, splits.kept_together, splits.subset, strict=True)
        if subset.any()
    ]
    if (known := then.known) is not None:
        here = {side.clip for side in sides}
        sides += [Side(clip, known.group_of[clip], side) for clip, side in known.by_clip.items() if clip not in here]
    manifest.split_memory.remember(_wanted(settings), sides)


def changed_sides(
    rows: Sequence[ClipRow], splits: Splits, settings: DatasetSettings, then: Remembered
) -> Iterator[Issue]:
    """An issue of the clips that were for train and are for test in the split of the same name, or the other way."""
    subsets, names = then.before
    places = [(names.index(name), n) for n, name in enumerate(splits.split_names) if name in names]
    log, cause = IssueLog(), _cause(splits, settings, then)
    for row in rows:
        old = subsets.get(row.name)
        if old is not None and any((old[place], row.subset[n]) in _OTHER_SIDE for place, n in places):
            log.note(IssueCode.SIDES_CHANGED, row.path, kind=cause)
    yield from log.issues


def _wanted(settings: DatasetSettings) -> MadeSplit:
    return MadeSplit(seed=settings.seed, group_by=settings.group_by)


def _cause(splits: Splits, settings: DatasetSettings, then: Remembered) -> str:
    """Why clips have changed sides."""
    if splits.kept_together is None:
        return "by their lists"
    if then.from_lists or then.made is None:
        return "by giving up the lists"
    if then.made.seed != settings.seed:
        return f"by seed {settings.seed} instead of {then.made.seed}"
    if then.made.group_by != settings.group_by:
        return f"by grouping {_named(settings.group_by)} instead of {_named(then.made.group_by)}"
    return "by a scan that was broken off"


def _named(group_by: str | None) -> str:
    return f"by '{group_by}'" if group_by else "by file names"


def _of_an_older_mocrop(
    manifest: Manifest, settings: DatasetSettings, *, lists_before: bool
) -> tuple[MadeSplit | None, list[Side]]:
    """What a manifest without a memory says of a split that was made: the subsets that are in force.

    The first versions kept no seed; their split is that of the seed in mocrop.toml, where there are no lists.
    """
    seed = manifest.split_seed() if manifest.keeps_split_seed() else None if lists_before else settings.seed
    if seed is None:
        return None, []
    sides = [
        Side(without_video_suffix(path), class_group(path, group), subset) for path, group, subset in manifest.subsets()
    ]
    return MadeSplit(seed=seed), sides


def numbers_of(manifest: Manifest, settings: DatasetSettings) -> Mapping[str, int]:
    """The numbers that the groups of ``--group-by``, or the videos of segments, have so far."""
    return manifest.split_memory.group_numbers(settings.group_by or BY_VIDEO)
