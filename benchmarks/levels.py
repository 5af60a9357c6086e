"""How often tests reject true nulls, find differences that are there, and intervals hold the truth: docs/statistics.md.

    python benchmarks/levels.py                   # everything that needs no training, minutes; then the page
    python benchmarks/levels.py --study pipeline  # few-shot curves with linear heads fitted to made features, hours
    python benchmarks/levels.py --page            # the page alone, of saved results

Each study is saved as benchmarks/results/levels-<study>.json. The same seed gives the same numbers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from levels_accuracies import accuracies, splits
from levels_page import write_page
from levels_precisions import precisions
from null_models import (
    FewShotShape,
    additive_draws,
    few_shot_answers,
    list_answers,
    share_differences,
)

from mocrop.evaluation.report.format import write_json
from mocrop.evaluation.scores.few_shot_test import jackknife_difference
from mocrop.evaluation.scores.statistics import group_interval, mcnemar, sign_flip_test

HERE = Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "results", HERE.parent / "docs" / "statistics.md"
LEVEL, FLIPS, Z = 0.05, 2_000, 1.959963984540054
Row = dict[str, Any]

SHAPES: Mapping[str, FewShotShape] = {
    "1 group": FewShotShape(),
    "2 groups": FewShotShape(train=2, training=0.7),
    "4 groups": FewShotShape(train=4, training=0.5),
    "1 group, 60 draws": FewShotShape(draws=60),
    "5 groups a class": FewShotShape(groups=5),
    "7 groups a class": FewShotShape(groups=7),
    "10 groups a class": FewShotShape(groups=10),
    "2 to 7 clips a group": FewShotShape(clips=(2, 7)),
    "groups in all classes": FewShotShape(spanning=True),
    "heavy tails": FewShotShape(heavy=True),
    "training groups that do not matter": FewShotShape(training=0.0),
}


def few_shot(sets: int) -> Iterator[Row]:
    """Levels by shape of the data, for two models; power for right and wrong answers."""
    for name, shape in SHAPES.items():
        for model in (additive_draws, few_shot_answers):
            yield {"shape": name, "model": model.__name__, **_few_shot_row(partial(model, shape=shape), sets)}
    for shift in (0.05, 0.1):
        for name in ("1 group", "2 groups", "4 groups"):
            made = partial(few_shot_answers, shape=SHAPES[name], shift=shift)
            yield {"shape": name, "model": "few_shot_answers", "shift": shift, **_few_shot_row(made, sets)}


def _few_shot_row(made: Callable[..., Any], sets: int) -> Row:
    rng, found = np.random.default_rng(0), []
    for number in range(sets):
        data = made(rng)
        tested = jackknife_difference(
            data.differences, data.tested, data.trained, clusters=data.clusters, classes=data.classes
        )
        sums = data.differences.sum(axis=0)
        flips = sign_flip_test(sums, clusters=data.clusters, flips=FLIPS) < LEVEL if number < sets // 2 else np.nan
        tests = data.tested.sum(axis=0)
        _, low, high = group_interval(sums / np.maximum(tests, 1), clusters=data.clusters, weights=np.maximum(tests, 1))
        estimate = tested.estimate
        wider = (estimate.high - estimate.low) / float(high - low)
        found.append((tested.p_value < LEVEL, estimate.mean, estimate.low, estimate.high, flips, wider))
    rejected, mean, low, high, flips, wider = np.array(found, np.float64).T
    return {
        "sets": sets,
        "rejected": float(rejected.mean()),
        "difference": float(mean.mean()),
        "covered": float(((low <= mean.mean()) & (mean.mean() <= high)).mean()),
        "width_to_ideal": float((high - low).mean() / (2 * Z * mean.std())),
        "flips_rejected": float(np.nanmean(flips)),
        "width_to_test_groups_alone": float(np.median(wider)),
    }


def lists(sets: int) -> Iterator[Row]:
    """Whole test lists: flips of groups, the group interval, both together, and McNemar over clips."""
    for groups, spread, shift in (
        *((groups, spread, 0.0) for groups in (8, 12, 25, 42, 150) for spread in (0.0, 0.5, 1.0)),
        *((42, 1.0, shift) for shift in (0.3, 0.6, 1.0)),
    ):
        rng, found = np.random.default_rng(0), []
        for _ in range(sets):
            first, second, clusters = list_answers(rng, groups, spread=spread, shift=shift)
            differences = first.astype(np.float64) - second
            mean, low, high = (float(value) for value in group_interval(differences, clusters=clusters))
            flips = sign_flip_test(differences, clusters=clusters, flips=FLIPS) < LEVEL
            outside = low > 0 or high < 0
            by_clips = mcnemar(first, second).p_value < LEVEL
            found.append((flips, outside, flips and outside, by_clips, mean))
        flips, outside, both, by_clips, mean = np.array(found, np.float64).mean(axis=0).tolist()
        yield {
            "groups": groups,
            "together": spread,
            "difference": mean,
            "sets": sets,
            "flips_rejected": flips,
            "interval_excludes_zero": outside,
            "both": both,
            "mcnemar_rejected": by_clips,
        }


def differences(sets: int) -> Iterator[Row]:
    """Differences of coverage: intervals by groups, and by clips as if these were independent."""
    for skewed in (False, True):
        for groups in (3, 5, 8, 12, 25, 50):
            rng, held = np.random.default_rng(0), np.zeros(2)
            for _ in range(sets):
                values, clusters = share_differences(rng, groups, skewed=skewed)
                for number, each in enumerate((clusters, None)):
                    _, low, high = group_interval(values, clusters=each)
                    held[number] += low <= 0 <= high
            by_groups, by_clips = (held / sets).tolist()
            yield {"groups": groups, "skewed": skewed, "sets": sets, "covered": by_groups, "by_clips": by_clips}


def pipeline(sets: int) -> Iterator[Row]:
    """The few-shot curves that `mocrop ablate` makes, on features made equal by construction."""
    from levels_pipeline import pipeline_row

    yield pipeline_row(1, sets)
    yield pipeline_row(2, sets)
    yield pipeline_row(4, sets * 2 // 3)  # heads of four groups take the longest


STUDIES: Mapping[str, tuple[Callable[[int], Iterator[Row]], int]] = {  # and how many sets each row has
    "few-shot": (few_shot, 1000),
    "lists": (lists, 1000),
    "differences": (differences, 2000),
    "accuracies": (accuracies, 1000),
    "splits": (splits, 1000),
    "precisions": (precisions, 500),
    "pipeline": (pipeline, 300),
}


def run(study: str, sets: int | None) -> None:
    """Run a study and save its rows."""
    rows_of, usual = STUDIES[study]
    start, rows = time.perf_counter(), []
    for row in rows_of(sets or usual):
        rows.append(row)
        print(row, flush=True)
    seconds = round(time.perf_counter() - start)
    about = {"command": f"python benchmarks/levels.py --study {study}", "date": date.today().isoformat()}
    versions = {name: version(name) for name in ("numpy", "torch")}
    write_json({**about, "versions": versions, "seconds": seconds, "rows": rows}, results_of(study), indent=0)


def results_of(study: str) -> Path:
    """File of the rows of a study."""
    return RESULTS / f"levels-{study}.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", choices=STUDIES, action="append", help="which; all but pipeline unless given")
    parser.add_argument("--sets", type=int, help="sets of made data a row, where the usual number is too many")
    parser.add_argument("--page", action="store_true", help="write the page alone")
    chosen = parser.parse_args()
    for study in () if chosen.page else chosen.study or [name for name in STUDIES if name != "pipeline"]:
        run(study, chosen.sets)
    write_page({name: results_of(name) for name in STUDIES}, PAGE)


if __name__ == "__main__":
    main()
