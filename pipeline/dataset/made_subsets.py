"""The subset of each clip in each split where nothing says it: made by groups, of the clips that have a class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.generated_splits import class_group, generated_subsets
from mocrop.pipeline.dataset.group_by import GroupNames, shown_groups
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.known_sides import KnownSides
from mocrop.pipeline.dataset.labels import NO_CLASS, Labels
from mocrop.pipeline.dataset.listed_subsets import TRAIN, UNUSED
from mocrop.pipeline.dataset.spanning_splits import spanning_subsets
from mocrop.pipeline.dataset.walk import without_video_suffix
from mocrop.pipeline.errors import DatasetError


def made_subsets(
    clips: Sequence[Clip],
    labels: Labels,
    groups: GroupNames | None,
    log: IssueLog,
    *,
    seed: int,
    known: KnownSides | None,
    by_folder: bool,
) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """Make splits; a clip with several labels counts for the first of them.

    Args:
        by_folder: the class of a clip is its folder, so that no group spans classes unless ``groups`` do.
        log: receives NO_GROUPS, CLASS_NOT_TESTED and CLASS_NOT_TRAINED.
    Returns: the subsets, uint8, shape (clips, splits), and by what each clip is kept together with others.
    Raises: DatasetError if no clip has a class.
    """
    if groups is None and by_folder:
        together = [class_group(clip.path, clip.group) for clip in clips]
        subset = generated_subsets(clips, log, seed=seed, known=known)
    else:
        together = _kept_together(clips, labels, groups, log)
        rows = np.flatnonzero(labels.label != NO_CLASS)
        if not rows.size:
            raise DatasetError("none of the clips has a class, so no split can be made; correct the labels of the list")
        listed = rows.tolist()
        placed = spanning_subsets(
            [clips[row].key for row in listed],
            [together[row] for row in listed],
            [labels.class_names[labels.label[row]] for row in listed],
            log,
            seed=seed,
            known=known,
        )
        subset = np.full((len(clips), placed.shape[1]), UNUSED, dtype=np.uint8)
        subset[rows] = placed
    for name, members in zip(labels.class_names, _members(labels), strict=True):
        if members and not np.all(np.any(subset[members] == TRAIN, axis=0)):
            log.note(IssueCode.CLASS_NOT_TRAINED, name)
    return subset, tuple(together)


def _members(labels: Labels) -> list[list[int]]:
    """The positions of the clips of each class."""
    members: list[list[int]] = [[] for _ in labels.class_names]
    for position, index in enumerate(labels.label.tolist()):
        for label in labels.several[position] if labels.several else (index,) if index != NO_CLASS else ():
            members[label].append(position)
    return members


def _kept_together(clips: Sequence[Clip], labels: Labels, groups: GroupNames | None, log: IssueLog) -> list[str]:
    """What each clip is kept together with in splits whose groups may span classes.

    Args:
        log: receives NO_GROUPS where no ``groups`` are given and a file name has none.
    """
    stems = [without_video_suffix(clip.path) for clip in clips]
    if groups is not None:
        return [stem if group is None else f"group {group}" for stem, group in zip(stems, groups, strict=True)]
    for clip in clips:
        if clip.group < 0:
            log.note(IssueCode.NO_GROUPS, clip.path)
    return [shown or stem for stem, shown in zip(stems, shown_groups(clips, labels), strict=True)]
