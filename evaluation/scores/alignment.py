"""Predictions of several networks, brought to the same clips in the same order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.scores.predictions import Predictions, describe
from mocrop.pipeline.errors import PredictionsError

MAX_NAMES = 3  # of clips or classes in a message


def align(first: Predictions, *others: Predictions) -> tuple[Predictions, ...]:
    """Bring predictions of the same clips into the order of the first, so that row ``n`` is one clip in all of them.

    Raises: PredictionsError that shows both sides if classes, clips or labels differ.
    """
    return (first, *(_in_order_of(first, other) for other in others))


def shared_clips(*several: Predictions) -> tuple[Predictions, ...]:
    """Keep the clips that all have, in the order of the first: caches may have left out different clips.

    Raises: PredictionsError if there is none, or if classes or labels differ.
    """
    names = set(several[0].clips).intersection(*(each.clips for each in several[1:]))
    if not names:
        raise PredictionsError("no clip is in all of " + ", ".join(describe(each) for each in several))
    kept = (each.take(np.flatnonzero([name in names for name in each.clips])) for each in several)
    return align(*kept)


def differing_classes(here: Sequence[str], there: Sequence[str]) -> tuple[str, str]:
    """Both lists in a few words, from where they differ.

    >>> differing_classes(["Dig", "Run"], ["Dig", "Swim", "Walk"])
    ('2 classes (from number 2: Run)', '3 classes (from number 2: Swim, Walk)')
    """
    parts = (number for number, pair in enumerate(zip(here, there, strict=False)) if pair[0] != pair[1])
    first = next(parts, min(len(here), len(there)))

    def words(classes: Sequence[str]) -> str:
        return f"{len(classes)} classes (from number {first + 1}: {', '.join(classes[first:][:MAX_NAMES]) or 'none'})"

    return words(here), words(there)


def _in_order_of(first: Predictions, other: Predictions) -> Predictions:
    pair = f"{describe(first)}, and {describe(other)}"
    if first.class_names != other.class_names:
        here, there = differing_classes(first.class_names, other.class_names)
        raise PredictionsError(f"{pair}: {here} and {there}; compare runs of one data set")
    if set(first.clips) != set(other.clips):
        here, there = _only(first.clips, other.clips), _only(other.clips, first.clips)
        raise PredictionsError(
            f"{pair}: clips differ: {here} in the first alone, {there} in the second alone; compare the same split, on "
            "caches that hold all its clips (`mocrop status` says what is missing)"
        )
    row = {name: number for number, name in enumerate(other.clips)}
    ordered = other.take(np.array([row[name] for name in first.clips]))
    for wrong in np.flatnonzero(_differing(first, ordered)).tolist():
        here, there = (each.classes_of(wrong) for each in (first, ordered))
        raise PredictionsError(
            f"{pair}: {first.clips[wrong]} is {here} in the first and {there} in the second; write the caches again"
        )
    return ordered


def _differing(first: Predictions, other: Predictions) -> npt.NDArray[np.bool_]:
    """(clips,) where two predictions of the same clips in the same order have other labels."""
    if first.marks is None or other.marks is None:
        one_alone = first.marks is not other.marks
        return np.asarray((first.labels != other.labels) | one_alone)
    return np.asarray((first.marks != other.marks).any(axis=1))


def _only(names: Sequence[str], others: Sequence[str]) -> str:
    extra = sorted(set(names) - set(others))
    dots = ", ..." if len(extra) > MAX_NAMES else ""
    return f"{len(extra)} ({', '.join(extra[:MAX_NAMES])}{dots})" if extra else "none"
