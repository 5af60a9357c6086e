"""Two processes evaluate as one does: each clip once, in the same order."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.cli import main
from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate
from mocrop.pipeline.errors import SettingsError
from mocrop.training.distributed import Ranks
from mocrop.training.loop.train import train
from mocrop.training.recipe import TrainSettings
from tests.training.rank_processes import in_ranks

CLIPS = 13  # to test on: one process has one more than the other
SETTINGS = EvalSettings(segments=4, batch_size=6, device="cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> Path:
    root = tmp_path_factory.mktemp("evaluation")
    (root / "mocrop.toml").write_text('dataset = "nowhere"\n')
    path = root / "caches/noise.zarr"
    subset = [1] * 12 + [2] * CLIPS
    return make_cache(path, label=([0, 1] * 13)[:25], group=[row // 4 for row in range(25)], subset=subset, size=32)


@pytest.fixture(scope="module")
def checkpoint(cache: Path) -> Path:
    settings = TrainSettings(
        arch="timm/test_resnet", weights="none", epochs=1, batch_size=4, validation_share=0, device="cpu"
    )
    return train(cache, cache.parents[1] / "runs/small", settings).checkpoint


def evaluated(ranks: Ranks, cache: Path, checkpoint: Path) -> Any:
    result = evaluate(cache, checkpoint, replace(SETTINGS, ranks=ranks))
    return result.predictions.clips, result.predictions.labels, result.predictions.logits, result.top1


def test_two_processes_come_to_the_result_of_one(cache: Path, checkpoint: Path) -> None:
    clips, labels, logits, top1 = evaluated(Ranks(), cache, checkpoint)
    assert len(clips) == CLIPS
    assert np.ptp(logits) > 0.01  # so that a wrong order would show
    for both in in_ranks(evaluated, cache, checkpoint):
        assert both[0] == clips
        assert np.array_equal(both[1], labels)
        np.testing.assert_allclose(both[2], logits, rtol=1e-5, atol=1e-6)
        assert both[3] == top1


def test_fewer_clips_than_processes_are_refused(cache: Path, checkpoint: Path) -> None:
    with pytest.raises(SettingsError, match=r"13 clips are too few for 14 processes; start fewer"):
        evaluated(Ranks(rank=3, ranks=14), cache, checkpoint)


def eval_command(workspace: Path) -> tuple[str, str]:
    """What `mocrop eval` prints, on both streams."""
    said, told = StringIO(), StringIO()
    with redirect_stdout(said), redirect_stderr(told), pytest.raises(SystemExit) as end:
        main(["eval", "-w", str(workspace), "--segments", "4", "--batch-size", "6", "--device", "cpu"])
    assert not end.value.code
    return said.getvalue(), told.getvalue()


def test_under_torchrun_the_command_prints_and_writes_once(cache: Path, checkpoint: Path) -> None:
    workspace = cache.parents[1]
    eval_command(workspace)
    report = workspace / "reports/small-on-noise-split1.json"
    alone = json.loads(report.read_text())
    report.unlink()
    (said, _), silence = in_ranks(eval_command, workspace, join=False)
    assert "top-1" in said
    assert silence == ("", "")
    together = json.loads(report.read_text())
    assert together["top1"] == alone["top1"]
    assert together["top5"] == alone["top5"]
