"""SIGKILL in all stages and in training: the same command completes the work, to the same bytes."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import torch

from mocrop.training.model.checkpoint import load_checkpoint
from tests.reliability.commands import (
    kill_after,
    make_dataset,
    new_stages,
    once_more,
    start,
    undisturbed,
    usual_seconds,
)

TRAIN = ("--arch", "timm/test_efficientnet", "--weights", "none", "--device", "cpu", "--batch-size", "2")


def kill_stages(folder: Path, seed: int) -> Counter[str]:
    """Kill `mocrop run` once, the client alone or with its workers, and run it again.

    Raises: AssertionError unless the second run ends well and the stores have the bytes of an undisturbed run.
    """
    rng = random.Random(seed)
    stages = new_stages(folder, rng)
    killed = kill_after(start(*stages.command), rng.uniform(0.2, stages.seconds), group=rng.random() < 0.5)
    stages.complete()
    return Counter({"completed later" if killed else "was done before": 1})


def kill_training(folder: Path, seed: int) -> Counter[str]:
    """Kill `mocrop train` once, and run it again.

    Raises: AssertionError unless the second run ends well, with the weights of an undisturbed one.
    """
    rng = random.Random(seed)
    workspace = folder / "undisturbed"
    undisturbed(folder, make_dataset(folder / "data"))
    frozen = ("--freeze-backbone",) if seed % 2 else ()
    name = "whole-frozen" if frozen else "whole"
    command = ("train", *TRAIN, "--epochs", "6", *frozen, "--save-every", "0", "-w", workspace, "--name")
    seconds = usual_seconds(folder / f"seconds-{name}", *command, name)
    shutil.rmtree(workspace / "runs/killed", ignore_errors=True)
    killed = kill_after(start(*command, "killed"), rng.uniform(0.2, seconds), group=True)
    once_more((*command, "killed"))
    there, here = (load_checkpoint(workspace / "runs" / run_name / "best.pt") for run_name in (name, "killed"))
    assert there.epoch == here.epoch
    assert all(torch.equal(value, here.state_dict[key]) for key, value in there.state_dict.items())
    return Counter({"completed later" if killed else "was done before": 1})
