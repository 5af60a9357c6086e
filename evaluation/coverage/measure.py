"""Measure how much of the annotated actor each policy's boxes hold, at the slots of a cache and at all frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.coverage.ceilings import best_moving_boxes, best_static_box
from mocrop.evaluation.coverage.clips import AnnotatedClip, IntArray, Places, WhyNot, places_at, slots_of
from mocrop.evaluation.coverage.overlap import METRICS, DoubleMap, overlaps
from mocrop.evaluation.coverage.rows import At, CoverageRow, coverage_rows
from mocrop.evaluation.coverage.settings import BEST_MOVING, BEST_STATIC, CEILINGS, CoverageSettings, policy_of
from mocrop.evaluation.scores.statistics import cluster_numbers
from mocrop.pipeline.errors import CropBoxError, DatasetError, MotionStoreError
from mocrop.pipeline.motion.residual import stands_still
from mocrop.pipeline.policies.base import AreaSettings, ClipFacts, PolicySettings, box_extent
from mocrop.pipeline.policies.registry import decide

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Coverage:
    """Coverage of all clips: clip by clip, and as rows of a table.

    Attributes:
        settings: what was asked for.
        clips: names of the clips that were measured.
        clusters: shape (clips,): the same number for the clips of one group.
        sets: by name: shape (clips,), which clips belong to it.
        values: by where it is measured: shape (clips, variants, ratios, metrics); NaN where a policy's grid has no
            box of the ratio, and for clips that have no annotated slot.
        variants: names of the policies that were measured, then of the ceilings.
        left_out: by name of a policy that was not measured: why.
        not_measured: by name of a clip of the groups that were asked for, but was not measured: why.
    """

    settings: CoverageSettings
    clips: tuple[str, ...]
    clusters: IntArray
    sets: Mapping[str, BoolArray]
    values: Mapping[At, DoubleMap]
    variants: tuple[str, ...]
    left_out: Mapping[str, str]
    rows: tuple[CoverageRow, ...]
    not_measured: Mapping[str, WhyNot] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Work:
    """Settings, and what has been found so far."""

    settings: CoverageSettings
    left_out: dict[str, str] = field(default_factory=dict)

    def measured(self, clip: AnnotatedClip) -> dict[At, DoubleMap]:
        """The metrics of all variants and ceilings, shape (variants, ratios, metrics)."""
        slots = slots_of(clip.motion, select=self.settings.select, slots=self.settings.slots)
        return {
            "slots": self._at(clip, places_at(clip, slots)),
            "frames": self._at(clip, places_at(clip, np.unique(clip.frames).tolist())),
        }

    def _at(self, clip: AnnotatedClip, places: Places) -> DoubleMap:
        variants, ratios = self.settings.variants, self.settings.ratios
        if not len(places.truth):
            return np.full((len(variants) + len(CEILINGS), len(ratios), len(METRICS)), np.nan)
        policies = [self._of_policy(clip, places, name) for name in variants]
        ceilings = [[_ceiling(clip, places, name, ratio) for ratio in ratios] for name in CEILINGS]
        return np.array([*policies, *ceilings])

    def _of_policy(self, clip: AnnotatedClip, places: Places, name: str) -> DoubleMap:
        """The metrics of one policy, shape (ratios, metrics)."""
        settings, ratios = self.settings.variants[name], self.settings.ratios
        if not isinstance(settings, AreaSettings):
            return np.array([self._of_box(clip, places, name, settings)] * len(ratios))
        found = np.full((len(ratios), len(METRICS)), np.nan)
        for row, ratio in enumerate(ratios):
            try:
                found[row] = self._of_box(clip, places, name, dataclasses.replace(settings, ratio=ratio))
            except CropBoxError:
                continue  # its grid has no box of this ratio
        return found

    def _of_box(self, clip: AnnotatedClip, places: Places, name: str, settings: PolicySettings) -> DoubleMap:
        if name in self.left_out:
            return np.full(len(METRICS), np.nan)
        try:
            return kept_by(policy_of(name), settings, clip, places)
        except MotionStoreError as error:
            if not self.settings.leave_out:
                raise
            self.left_out[name] = str(error)
            return np.full(len(METRICS), np.nan)


def kept_by(policy: str, settings: PolicySettings, clip: AnnotatedClip, places: Places) -> DoubleMap:
    """Let a policy, a key of POLICIES, choose its boxes of a clip, and compare them with the actors'.

    Returns: the metrics, see :func:`~mocrop.evaluation.coverage.overlap.overlaps`.
    Raises: MotionStoreError if the policy needs what an older mocrop did not store.
    """
    size = (clip.motion.width, clip.motion.height)
    facts = ClipFacts(name=clip.name, size=size, motion=clip.motion, slots=places.asked)
    boxes = decide(policy, facts, settings).boxes(len(places.asked))
    return overlaps(places.truth, np.array([box.edges for box in boxes])[places.slot])


def measure_coverage(
    clips: Iterable[AnnotatedClip], settings: CoverageSettings, *, on_clip: Callable[[str], None] = lambda _: None
) -> Coverage:
    """Let every policy choose its boxes of every clip, and compare them with the actors'.

    At slots, a policy is asked for the boxes of the frames that `mocrop precrop` would keep, and those of them that
    are annotated count. At all frames it is asked for those of all annotated frames, as for an export of the video.
    One row counts per actor and frame, the mean of a clip is over rows, and every clip counts the same.

    Args:
        on_clip: called with the name of each clip that is done.
    Raises: DatasetError if there is no clip; MotionStoreError if a policy must be measured that needs what an older
        mocrop did not store.
    """
    work, measured = _Work(settings=settings), []
    names: list[str] = []
    labels: list[str] = []
    groups: list[int] = []
    still: list[bool] = []
    for clip in clips:
        names.append(clip.name)
        labels.append(clip.label)
        groups.append(clip.group)
        still.append(stands_still(clip.motion))
        measured.append(work.measured(clip))
        on_clip(clip.name)
    if not names:
        raise DatasetError(
            "no clip of the box file has motion vectors in this workspace; run `mocrop extract-mv` first"
        )
    variants = [*settings.variants, *CEILINGS]
    kept = [number for number, name in enumerate(variants) if name not in work.left_out]
    places: tuple[At, ...] = ("slots", "frames")
    values = {at: np.array([of[at] for of in measured])[:, kept] for at in places}
    sets = _sets(labels, np.array(still))
    clusters = cluster_numbers(np.unique(labels, return_inverse=True)[1], np.array(groups), names)
    shown = tuple(variants[number] for number in kept)
    return Coverage(
        settings=settings,
        clips=tuple(names),
        clusters=clusters,
        sets=sets,
        values=values,
        variants=shown,
        left_out=work.left_out,
        rows=tuple(coverage_rows(values, clusters=clusters, sets=sets, variants=shown, settings=settings)),
    )


def _ceiling(clip: AnnotatedClip, places: Places, name: str, ratio: float) -> DoubleMap:
    extent = box_extent((clip.motion.width, clip.motion.height), ratio=ratio, shape="frame")
    if name == BEST_STATIC:
        return overlaps(places.truth, best_static_box(places.truth, extent=extent)[np.newaxis])
    assert name == BEST_MOVING
    return overlaps(places.truth, best_moving_boxes(places.slot, places.truth, extent=extent))


def _sets(labels: Sequence[str], still: BoolArray) -> dict[str, BoolArray]:
    sets = {"all": np.ones(len(labels), np.bool_)}
    sets |= {f"class {label}": np.array([one == label for one in labels]) for label in sorted(set(labels)) if label}
    sets |= {"camera still": still, "camera moves": ~still}
    return {name: members for name, members in sets.items() if members.any()}
