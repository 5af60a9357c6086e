"""Measure how much of the annotated actor each policy's box holds, with bootstrap intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.coverage.actor_boxes import ActorBoxes, fractions
from mocrop.evaluation.coverage.settings import BASE, CoverageSettings, policy_of
from mocrop.evaluation.scores.statistics import Estimate, bootstrap
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.dataset.clips import group_of
from mocrop.pipeline.errors import CropBoxError, DatasetError
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.residual import camera_speed
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.policies.base import AreaSettings, ClipFacts
from mocrop.pipeline.policies.registry import decide
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace

DoubleMap = npt.NDArray[np.float64]

METRICS = ("inside", "whole", "iou", "area")
STILL_PX = 0.1  # median speed of the camera below which it stands still, pixels per frame
WHOLE_BUT_ROUNDING = 1 - 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class AnnotatedClip:
    """A clip with the boxes of its actor."""

    name: str
    label: str  # its class
    motion: ClipMotion
    truth: DoubleMap  # (n, 4): left, top, right, bottom in fractions, one row per actor and frame


@dataclass(frozen=True, kw_only=True)
class CoverageRow:
    """One variant at one ratio on one set of clips."""

    clips_of: str  # the set: "all", "class X", "camera still" or "camera moves"
    clips: int
    variant: str
    ratio: float
    estimates: Mapping[str, Estimate]  # by metric
    over_base: Mapping[str, Estimate]  # differences to the base on the same clips


def annotated_clips(workspace: Workspace, boxes: ActorBoxes, *, groups: range | None = None) -> Iterator[AnnotatedClip]:
    """Clips of a workspace that have motion vectors and boxes, in the order of the manifest.

    Raises: MotionStoreError if the motion store is damaged.
    """
    reader = MotionReader(workspace.motion)
    with Manifest(workspace.manifest_file, read_only=True) as manifest:
        for position, row in enumerate(manifest.clips()):
            if row.name not in boxes or (groups is not None and group_of(row.name) not in groups):
                continue
            motion = reader.read(position)
            if motion is None:
                continue
            truth = fractions(boxes[row.name], width=motion.width, height=motion.height)
            if len(truth):
                yield AnnotatedClip(name=row.name, label=row.name.split("/")[0], motion=motion, truth=truth)


@dataclass(frozen=True, kw_only=True, eq=False)
class Coverage:
    """Coverage of all clips: clip by clip, and as rows of a table."""

    clips: tuple[str, ...]
    sets: Mapping[str, npt.NDArray[np.bool_]]  # (clips,) each: which clips belong to it
    values: DoubleMap  # (clips, variants, ratios, metrics); NaN where a policy's grid has no box of the ratio
    variants: tuple[str, ...]
    ratios: tuple[float, ...]
    rows: tuple[CoverageRow, ...]


def measure_coverage(
    clips: Iterable[AnnotatedClip], settings: CoverageSettings, *, on_clip: Callable[[str], None] = lambda _: None
) -> Coverage:
    """Let every policy choose its box of every clip and compare that with the actor's boxes.

    Raises: DatasetError if there is no clip.
    """
    names, labels, still, values = [], [], [], []
    for clip in clips:
        names.append(clip.name)
        labels.append(clip.label)
        still.append(stands_still(clip.motion))
        values.append(
            [[_measured(clip, name, ratio, settings) for ratio in settings.ratios] for name in settings.variants]
        )
        on_clip(clip.name)
    if not names:
        raise DatasetError(
            "no clip of the box file has motion vectors in this workspace; run `mocrop extract-mv` first"
        )
    sets = _sets(labels, np.array(still))
    array = np.array(values)
    rows = [
        row for name, members in sets.items() for row in _rows(name, array[members], tuple(settings.variants), settings)
    ]
    return Coverage(
        clips=tuple(names),
        sets=sets,
        values=array,
        variants=tuple(settings.variants),
        ratios=settings.ratios,
        rows=tuple(rows),
    )


def stands_still(motion: ClipMotion) -> bool:
    """Whether the camera stands still in at least half of the frames that have vectors."""
    speed = camera_speed(motion)
    return not len(speed) or float(np.median(speed)) < STILL_PX


def _measured(clip: AnnotatedClip, variant: str, ratio: float, settings: CoverageSettings) -> DoubleMap:
    """The metrics of one box, shape (metrics,)."""
    chosen = settings.variants[variant]
    try:
        if isinstance(chosen, AreaSettings):
            chosen = dataclasses.replace(chosen, ratio=ratio)
    except CropBoxError:
        return np.full(len(METRICS), np.nan)
    picture = (clip.motion.width, clip.motion.height)
    facts = ClipFacts(name=clip.name, size=picture, motion=clip.motion)
    return overlap(clip.truth, decide(policy_of(variant), facts, chosen).box)


def overlap(truth: DoubleMap, box: CropBox) -> DoubleMap:
    """Overlap of one box with the actor's boxes.

    Args:
        truth: shape (n, 4), fractions; n at least 1.
    Returns: float64, shape (metrics,): mean share of the actor inside, share of rows wholly inside, mean of
        intersection over union, area of the box.
    """
    low, high = np.maximum(truth[:, :2], box.edges[:2]), np.minimum(truth[:, 2:], box.edges[2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    actor = (truth[:, 2:] - truth[:, :2]).prod(axis=1)
    share = shared / actor
    union = actor + box.area - shared
    return np.array([share.mean(), (share >= WHOLE_BUT_ROUNDING).mean(), (shared / union).mean(), box.area])


def _sets(labels: Sequence[str], still: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.bool_]]:
    sets = {"all": np.ones(len(labels), np.bool_)}
    sets |= {f"class {label}": np.array([one == label for one in labels]) for label in sorted(set(labels))}
    sets |= {"camera still": still, "camera moves": ~still}
    return {name: members for name, members in sets.items() if members.any()}


def _rows(name: str, values: DoubleMap, variants: tuple[str, ...], settings: CoverageSettings) -> Iterator[CoverageRow]:
    """Rows of one set of clips; all variants, ratios and metrics share the resamples, which pairs them."""
    mean, low, high = bootstrap(values, seed=settings.seed)
    over = bootstrap(values - values[:, [variants.index(BASE)]], seed=settings.seed)

    def estimates(of: tuple[DoubleMap, ...], v: int, r: int) -> dict[str, Estimate]:
        return {
            metric: Estimate(mean=float(of[0][v, r, m]), low=float(of[1][v, r, m]), high=float(of[2][v, r, m]))
            for m, metric in enumerate(METRICS)
        }

    for v, variant in enumerate(variants):
        crops = isinstance(settings.variants[variant], AreaSettings)
        for r, ratio in enumerate(settings.ratios if crops else (1.0,)):
            yield CoverageRow(
                clips_of=name,
                clips=len(values),
                variant=variant,
                ratio=ratio,
                estimates=estimates((mean, low, high), v, r),
                over_base=estimates(over, v, r),
            )
