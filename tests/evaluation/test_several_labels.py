"""From a cache of clips that may have several labels to a report; what cannot count them says so, as for no labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from mocrop.evaluation.ablation.checks import require_one_label_each
from mocrop.evaluation.commands import Evaluation, evaluate_in_workspace, print_evaluation
from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate
from mocrop.evaluation.scores.predictions import read_predictions
from mocrop.evaluation.scores.targets import Choice
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.average_precision import average_precisions
from mocrop.training.loop.train import train
from mocrop.training.recipe import TrainSettings
from tests.conftest import mocrop

SETTINGS = TrainSettings(
    arch="timm/test_resnet", weights="none", epochs=1, batch_size=4, segments=1, validation_share=0.25, device="cpu"
)
CPU = EvalSettings(device="cpu", segments=2)
TEST_MARKS = [[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]]  # none of Swim


@pytest.fixture
def workspace(tmp_path: Path, make_cache: Callable[..., Path]) -> Workspace:
    """A workspace with a cache and a run on it, `run`."""
    workspace = Workspace(tmp_path / "work")
    marks = [[1, 0, 0], [0, 1, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], *TEST_MARKS]
    workspace.caches.mkdir(parents=True)
    path = make_cache(
        workspace.cache("several"),
        label=[row.index(1) for row in marks],
        labels=marks,
        subset=[1] * 8 + [2] * 4,
        size=16,
        class_names=["Dig", "Run", "Swim"],
    )
    (workspace.root / "mocrop.toml").touch()
    train(path, workspace.run("run"), SETTINGS)
    return workspace


def run_eval(workspace: Workspace, *, split: str = "1", **choice: object) -> Evaluation:
    settings = EvalSettings(device="cpu", segments=2, split=split)
    console = LineConsole(file=StringIO(), width=200)
    return evaluate_in_workspace(workspace, settings, Choice(**choice), console=console)  # type: ignore[arg-type]


def test_a_report_of_average_precisions(workspace: Workspace) -> None:
    stale = workspace.reports / "run-on-several-split1-calibration.png"
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.touch()
    evaluation = run_eval(workspace)
    (split,) = evaluation.splits
    assert set(split.files) == {".json", ".md", ".html", "-classes.csv", ".npz"}
    assert {file.name.removeprefix("run-on-several-split1") for file in workspace.reports.iterdir()} == set(split.files)
    saved = read_predictions(split.files[".npz"])
    assert saved.marks is not None
    assert saved.marks.tolist() == TEST_MARKS
    expected = average_precisions(saved.logits, saved.marks)
    mean = float(expected[:2].mean())
    scores = json.loads(split.files[".json"].read_text())
    assert scores["mean_average_precision"]["share"] == pytest.approx(mean)
    assert (scores["classes_without_clips"], scores["classes_tested"], scores["clips"]) == (1, 2, 4)
    assert scores["classes_with_few_clips"] == 2
    assert "top1" not in scores
    lines = split.files["-classes.csv"].read_text().splitlines()
    assert lines[0] == "class,clips,average_precision"
    assert lines[1].startswith(f"Dig,2,{expected[0]:.3}"[:10])
    assert lines[3] == "Swim,0,"
    text = StringIO()
    print_evaluation(LineConsole(file=text, width=200), evaluation)
    for words in (text.getvalue(), split.files[".md"].read_text()):
        assert f"{100 * mean:.1f} %" in words
        assert "the mean is over 2 of 3, those with a test clip; 1 without a test clip count nowhere" in words
        assert "2 classes have fewer than 10 test clips, of which average precisions are too high by chance" in words
        assert "top-5" not in words
        assert "calibration" not in words
    with pytest.raises(ValueError, match="no accuracies"):
        _ = split.result.top1


def test_fusion_and_the_mean_of_splits_are_refused_before_anything_is_tested(
    workspace: Workspace, make_cache: Callable[..., Path]
) -> None:
    with pytest.raises(SettingsError, match="several labels, and --fuse compares right answers"):
        run_eval(workspace, fuse="run")
    marks = [[1, 1], [0, 1], [1, 0], [0, 1]]
    columns = {"label": [0, 1, 0, 1], "labels": marks, "subset": [[1, 2], [1, 2], [2, 1], [2, 1]], "size": 16}
    path = make_cache(workspace.cache("two"), **columns)
    for split in ("1", "2"):
        without = {"validation_share": 0.0, "split": split, "batch_size": 2}
        train(path, workspace.run(f"two-{split}"), TrainSettings(**{**vars(SETTINGS), **without}))
    with pytest.raises(SettingsError, match="several labels, and --split all averages right answers"):
        run_eval(workspace, split="all", run="two-{split}", cache="two")
    assert not workspace.reports.exists() or not list(workspace.reports.iterdir())


@pytest.mark.parametrize(("kind", "fact"), [("several", "may have several labels"), ("none", "have no labels")])
def test_an_ablation_is_refused(kind: str, fact: str) -> None:
    require_one_label_each("one")
    with pytest.raises(SettingsError, match=fact):
        require_one_label_each(kind)  # type: ignore[arg-type]


def test_unlabelled_clips_are_neither_trained_on_nor_tested_and_can_be_looked_at(
    workspace: Workspace, make_cache: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_cache(workspace.cache("bare"), label=[-1] * 3, subset=[[]] * 3, class_names=[], size=16)
    for call in (lambda: train(path, workspace.run("no"), SETTINGS), lambda: evaluate(path, workspace.run("run"))):
        with pytest.raises(SettingsError, match="its clips have no labels; run `mocrop init` again") as caught:
            call()
        assert "\n" not in str(caught.value)
    assert not workspace.run("no").exists()
    work = ("-w", str(workspace.root))
    for command in (("train", "--cache", "bare"), ("eval", "--run", "run", "--cache", "bare")):
        assert mocrop(*command, *work) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "its clips have no labels" in line
    assert mocrop("gallery", "--cache", "bare", "--output", str(workspace.root / "g.png"), *work) == 0
    assert (workspace.root / "g.png").stat().st_size


def test_a_clip_of_the_test_list_without_a_label_is_an_error(
    workspace: Workspace, make_cache: Callable[..., Path]
) -> None:
    columns = {"label": [0, -1], "labels": [[1, 0, 0], [0, 0, 0]], "subset": [2, 2], "size": 16}
    path = make_cache(workspace.cache("odd"), class_names=["Dig", "Run", "Swim"], **columns)
    with pytest.raises(SettingsError, match="clip1 is in the test list and has no label"):
        evaluate(path, workspace.run("run") / "best.pt", CPU)


def test_one_label_a_clip_has_accuracies_whatever_the_loss(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    path = make_cache(tmp_path / "one.zarr", label=[0, 1] * 4, subset=[1] * 6 + [2] * 2, size=16)
    run = train(path, tmp_path / "run", TrainSettings(**{**vars(SETTINGS), "loss": "bce"}))
    result = evaluate(path, run.checkpoint, CPU)
    assert result.top1.total == 2
    assert np.isfinite(run.last.train_loss)
