"""Damaged videos: each clip is done or failed for a reason, no process dies, and nothing hangs."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from mocrop.pipeline.errors import Reason
from tests.reliability.commands import CROP, ROOT, make_dataset, run

CLIPS = 24  # a round
DEATHS = {Reason.KILLED_WORKER, Reason.TIMED_OUT, Reason.UNEXPECTED}


def mutate_videos(folder: Path, seed: int) -> Counter[str]:
    """Damage copies of a clip in many ways, each with a seed of its own, and run all stages over them.

    Raises: AssertionError if the command does not end as it must, or a clip ends its worker, hangs, or fails in a way
        that nobody has foreseen.
    """
    intact = sorted(make_dataset(folder / "data").rglob("*.avi"))
    data, workspace = folder / "mutated", folder / "work"
    for old in (data, workspace):
        shutil.rmtree(old, ignore_errors=True)
    mutations = list(_mutations().items())
    for number in range(CLIPS):
        name, mutation = mutations[(seed * CLIPS + number) % len(mutations)]
        file = data / f"class{number % 2}" / f"v_{number:02d}_{name.replace(' ', '-')}.avi"
        file.parent.mkdir(parents=True, exist_ok=True)
        mutation(intact[number % len(intact)], file, np.random.default_rng([seed, number]))
    run("run", data, *CROP, "--workers", "2", "-w", workspace).require(0, 1, 3)
    status = run("status", "-w", workspace, "--json")
    status.require(0)
    stages = json.loads(status.said)["stages"]
    failed = Counter({Reason(reason): clips for stage in stages for reason, clips in stage["failed"].items()})
    assert not DEATHS & failed.keys(), failed
    (last,) = [stage for stage in stages if stage["stage"].startswith("precrop")]
    lost = sum(last["failed"].values())
    assert last["done"] + lost == CLIPS, last
    return Counter({"done": last["done"], "failed for a reason": lost})


def _mutations() -> dict[str, object]:
    """The ways to damage a file, of benchmarks/mutate.py."""
    benchmarks = str(ROOT / "benchmarks")
    if benchmarks not in sys.path:
        sys.path.insert(0, benchmarks)
    return dict(importlib.import_module("mutate").MUTATIONS)
