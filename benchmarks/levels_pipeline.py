"""Level of the few-shot comparisons that `mocrop ablate` makes: real heads, on features made equal by construction."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mocrop.evaluation.ablation.few_shot import FewShotClips, FewShotSettings, all_draws, few_shot_curves
from mocrop.evaluation.scores.comparisons import compare_few_shot
from mocrop.evaluation.scores.statistics import Estimate, group_interval, sign_flip_test

CLASSES, GROUPS, CLIPS, WIDTH = 6, 25, 2, 12  # clips of each group; numbers of a feature
DRAWS = 300
LEVEL, FLIPS = 0.05, 2_000
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def pipeline_row(train: int, sets: int, *, own: float = 0.4) -> dict[str, Any]:
    """Compare two views of the same made clips, neither better, many times.

    Args:
        train: groups of each class to train on.
        own: spread of what one view alone sees of a group; all that it sees has spread 1.
    """
    torch.set_num_threads(1)
    rng, found, start = np.random.default_rng(train), [], time.perf_counter()
    for number in range(sets):
        table, first, second = _views(rng, own)
        settings = FewShotSettings(groups=(train,), draws=DRAWS, seed=int(rng.integers(2**31)))
        (curve,) = few_shot_curves({"a": first, "b": second}, table, all_draws(table, settings))
        one, other = (curve.right(name, table.labels) for name in ("a", "b"))
        result = compare_few_shot(
            ("a", one),
            ("b", other),
            where="",
            tested=curve.draws.tested,
            trained=curve.draws.trained,
            clusters=table.clusters,
            classes=table.labels,
            over_draws=Estimate(mean=0, low=0, high=0),
        )
        differences, tests = (one.astype(np.float64) - other).sum(axis=0), curve.draws.tested.sum(axis=0)
        flips = sign_flip_test(differences, clusters=table.clusters, flips=FLIPS)
        middle, _, high = group_interval(differences / tests, clusters=table.clusters, weights=tests)
        wider = (result.difference.high - result.difference.mean) / float(high - middle)
        estimate = result.difference
        found.append((result.p_value, estimate.mean, estimate.high, result.accuracy, flips, wider))
        if number % 50 == 49:
            print(
                f"{train} groups, {own} its own: {number + 1} of {sets} sets, {time.perf_counter() - start:.0f} s",
                flush=True,
            )
    p, mean, high, accuracy, flips, wider = np.array(found, np.float64).T
    return {
        "train": train,
        "own": own,
        "sets": sets,
        "draws": DRAWS,
        "accuracy": float(accuracy.mean()),
        "rejected": float((p < LEVEL).mean()),
        "width_to_ideal": float((high - mean).mean() / (1.96 * mean.std())),
        "flips_rejected": float((flips < LEVEL).mean()),
        "width_to_test_groups_alone": float(np.median(wider)),
        "spread": float(mean.std()),
    }


def _views(rng: np.random.Generator, own: float) -> tuple[FewShotClips, DoubleArray, DoubleArray]:
    """Clips and two views of them, which share what they see of classes and most of what they see of groups."""
    labels = np.repeat(np.arange(CLASSES), GROUPS * CLIPS)
    groups = np.tile(np.repeat(np.arange(GROUPS), CLIPS), CLASSES)
    means = rng.normal(0, 0.8, (CLASSES, WIDTH))
    shared = rng.normal(0, (1 - own**2) ** 0.5, (CLASSES, GROUPS, WIDTH))
    clips = rng.normal(0, 0.5, (len(labels), WIDTH))
    table = FewShotClips(
        clips=tuple(map(str, range(len(labels)))),
        labels=labels,
        groups=groups,
        class_names=tuple(map(str, range(CLASSES))),
    )
    views = [
        means[labels]
        + (shared + rng.normal(0, own, shared.shape))[labels, groups]
        + clips
        + rng.normal(0, 0.3, clips.shape)
        for _ in range(2)
    ]
    return table, views[0], views[1]
