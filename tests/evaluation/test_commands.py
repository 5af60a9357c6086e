"""`mocrop eval` in a workspace: which run is tested on which split, what is fused, which reports are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch

from mocrop.evaluation.commands import Evaluation, evaluate_in_workspace, print_evaluation
from mocrop.evaluation.scores import evaluate as evaluate_module
from mocrop.evaluation.scores.evaluate import EvalSettings
from mocrop.evaluation.scores.predictions import read_predictions
from mocrop.evaluation.scores.targets import Choice
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CacheError, PredictionsError, SettingsError, TrainingError
from mocrop.pipeline.settings import plain_settings
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.distributed import Ranks
from mocrop.training.model.backbones import Backbone, build_backbone
from mocrop.training.model.checkpoint import Checkpoint, describe_cache, load_checkpoint, save_checkpoint
from mocrop.training.model.trained_on import name_hashes
from mocrop.training.recipe import TrainSettings

COLORS = ["Red", "Green", "Blue"]
SETTINGS = EvalSettings(segments=1, device="cpu")
ALL = replace(SETTINGS, split="all")


class Colors(torch.nn.Module):
    """Answers with the colour that a frame shows most of, or always with Red."""

    def __init__(self, *, always_red: bool) -> None:
        super().__init__()
        self.always_red = always_red

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        means = frames.mean(dim=(2, 3))
        return torch.tensor([[1.0, 0.0, 0.0]]).expand(len(means), 3) if self.always_red else means


@pytest.fixture(autouse=True)
def _known_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of seed 1 always answers Red; any other answers by colour."""

    def restore(checkpoint: Checkpoint, **_: object) -> Backbone:
        model = Colors(always_red=checkpoint.settings["seed"] == 1)
        return Backbone(arch=checkpoint.arch, model=model, head=(), mean=checkpoint.mean, std=checkpoint.std)

    monkeypatch.setattr(evaluate_module, "restore_backbone", restore)


@pytest.fixture(autouse=True)
def _without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty pictures: they have tests of their own, and take longer than all the rest."""

    def draw(_: object, *names_and_file: object, title: str) -> None:
        Path(str(names_and_file[-1])).write_bytes(b"")

    for name in ("draw_confusion", "draw_calibration"):
        monkeypatch.setattr(f"mocrop.evaluation.report.files.{name}", draw)


@pytest.fixture
def workspace(tmp_path: Path, make_cache: Callable[..., Path]) -> Workspace:
    """Cache full-8 with two splits: three clips are tested in the first, which show their class, and two in the second,
    which show Red and are Red and Green. Cache center-8 is the same."""
    shown = [0, 1, 2, 0, 0]
    pixels = np.zeros((5, 1, 3, 8, 8), dtype=np.uint8)
    for clip, color in enumerate(shown):
        pixels[clip, 0, color] = 255
    workspace = Workspace(tmp_path)
    for policy in ("full", "center"):
        make_cache(
            workspace.cache(f"{policy}-8"),
            label=[0, 1, 2, 0, 1],
            subset=[[2, 1], [2, 1], [2, 1], [1, 2], [1, 2]],
            pixels=pixels,
            class_names=COLORS,
            attributes={"policy": policy},
        )
    return workspace


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return build_backbone("timm/test_resnet", classes=3, size=8).model.state_dict()


MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(workspace: Workspace, weights: dict[str, torch.Tensor]) -> MakeRun:
    """``make_run(name, cache="full-8", split="1", ...) -> best.pt``; the rest are settings of the training."""

    def make(name: str, *, cache: str = "full-8", **settings: object) -> Path:
        opened, folder = CropCache(workspace.cache(cache)), workspace.runs / name
        trained = plain_settings(TrainSettings(arch="timm/test_resnet", **settings), keep_none=True)
        checkpoint = Checkpoint(
            arch="timm/test_resnet",
            class_names=COLORS,
            size=8,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            settings=trained,
            cache=describe_cache(opened),
            epoch=3,
            metrics={},
            state_dict=weights,
        )
        folder.mkdir(parents=True)
        save_checkpoint(folder / "best.pt", checkpoint)
        (folder / "config.json").write_text(json.dumps({"settings": trained, "cache": describe_cache(opened)}))
        return folder / "best.pt"

    return make


def run_eval(workspace: Workspace, settings: EvalSettings, **choice: object) -> Evaluation:
    return evaluate_in_workspace(workspace, settings, Choice(**choice), console=LineConsole(file=StringIO()))


def shown(evaluation: Evaluation) -> str:
    text = StringIO()
    print_evaluation(LineConsole(file=text, width=80), evaluation)
    return text.getvalue()


def test_one_split_is_reported_under_the_names_of_run_cache_and_split(workspace: Workspace, make_run: MakeRun) -> None:
    make_run("plain")
    evaluation = run_eval(workspace, SETTINGS)
    assert evaluation.table is None
    assert evaluation.splits[0].result.top1.correct == 3
    assert evaluation.to_json()["top1"]["total"] == 3
    assert (workspace.reports / "plain-on-full-8-split1.npz").exists()
    assert "plain-on-full-8-split1.md" in shown(evaluation)


def test_a_checkpoint_of_another_policy_is_tested_on_the_cache_that_is_named(
    workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("plain")
    text = shown(run_eval(workspace, SETTINGS, cache="center-8"))
    assert "training-free use" in text.replace("\n", " ")
    assert (workspace.reports / "plain-on-center-8-split1.md").exists()


def test_all_splits_are_each_tested_by_the_run_that_was_trained_on_it(workspace: Workspace, make_run: MakeRun) -> None:
    for split in ("1", "2"):
        make_run(f"seeing-{split}", split=split)
    make_run("other-seed", split="2", seed=2)
    make_run("other-cache", split="2", cache="center-8")
    evaluation = run_eval(workspace, ALL, run="seeing-1")
    assert [each.result.checkpoint.parent.name for each in evaluation.splits] == ["seeing-1", "seeing-2"]
    assert [each.result.seen_in_training for each in evaluation.splits] == [0, 0]
    assert evaluation.table is not None
    assert evaluation.table.mean.top1.mean == (1 + 1 / 2) / 2
    report = json.loads((workspace.reports / "seeing-1-on-full-8-splitall.json").read_text())
    assert report["runs"] == {"1": "seeing-1", "2": "seeing-2"}
    assert report["mean"]["top1"]["share"] == 0.75
    assert report["mean"]["intervals_by"]["kind"] == "clips"
    assert "| mean | 75.0 % |" in (workspace.reports / "seeing-1-on-full-8-splitall.md").read_text()
    assert [each["split"] for each in evaluation.to_json()["splits"]] == ["1", "2"]
    assert "split 2: run seeing-2, left out: none" in shown(evaluation)


def test_without_a_name_the_only_complete_set_of_runs_is_taken(workspace: Workspace, make_run: MakeRun) -> None:
    for split in ("1", "2"):
        make_run(f"seeing-{split}", split=split)
    make_run("alone", seed=2)
    assert [row.name for row in run_eval(workspace, ALL, cache="full-8").table.rows] == ["seeing-1", "seeing-2"]
    make_run("company", seed=2, split="2")
    with pytest.raises(TrainingError, match=r"several sets of runs .* --run: alone, seeing-1"):
        run_eval(workspace, ALL, cache="full-8")


def test_a_pattern_names_the_runs(workspace: Workspace, make_run: MakeRun) -> None:
    make_run("a-1", seed=2)
    make_run("a-2", split="2", seed=3)
    make_run("a-2-again", split="2", seed=3)
    evaluation = run_eval(workspace, ALL, run="a-{split}")
    assert [row.name for row in evaluation.table.rows] == ["a-1", "a-2"]
    assert (workspace.reports / "a-all-on-full-8-splitall.md").exists()
    assert "split 2: run a-2 differs from a-1 in more than the split" in shown(evaluation).replace("\n", " ")
    assert run_eval(workspace, replace(SETTINGS, split="2"), run="a-{split}").splits[0].result.split == "2"


def test_a_split_without_a_run_is_refused_and_told_what_to_train(workspace: Workspace, make_run: MakeRun) -> None:
    make_run("first")
    make_run("other", split="2", epochs=7)
    with pytest.raises(TrainingError, match=r"none like first was trained on split 2; train one with .*--split 2"):
        run_eval(workspace, ALL, run="first")


def test_a_split_with_two_runs_is_refused(workspace: Workspace, make_run: MakeRun) -> None:
    for name, split in (("one", "1"), ("two", "2"), ("again", "2")):
        make_run(name, split=split)
    with pytest.raises(
        TrainingError, match=r"split 2 has 2 runs: again, two; name one a split: --run 'NAME-\{split\}'"
    ):
        run_eval(workspace, ALL, run="one")


@pytest.mark.parametrize("name", ["nobody", "nobody-{split}"])
def test_a_name_that_no_run_has_is_refused_with_those_there_are(
    workspace: Workspace, make_run: MakeRun, name: str
) -> None:
    make_run("first")
    with pytest.raises(TrainingError, match=r"no run is called nobody.* \(there is first\)"):
        run_eval(workspace, ALL, run=name)


def test_one_checkpoint_for_all_splits_is_refused(workspace: Workspace, make_run: MakeRun) -> None:
    with pytest.raises(SettingsError, match=r"has seen test clips of other splits .* pass a path with \{split\} in it"):
        run_eval(workspace, ALL, checkpoint=make_run("first"))


def test_checkpoints_are_named_by_a_path_and_must_be_of_their_splits(workspace: Workspace, make_run: MakeRun) -> None:
    for name, split in (("s1", "1"), ("s2", "2"), ("wrong1", "1"), ("wrong2", "1")):
        make_run(name, split=split)
    evaluation = run_eval(workspace, ALL, checkpoint=workspace.runs / "s{split}" / "best.pt")
    assert evaluation.table.mean.top1.mean == 0.75
    with pytest.raises(TrainingError, match=r"wrong2/best.pt was trained on split 1, not on 2"):
        run_eval(workspace, ALL, checkpoint=workspace.runs / "wrong{split}" / "best.pt")


def test_of_several_processes_the_first_alone_writes(workspace: Workspace, make_run: MakeRun) -> None:
    class Other(Ranks):
        first = property(lambda _: False)

    for split in ("1", "2"):
        make_run(f"seeing-{split}", split=split)
    evaluation = run_eval(workspace, replace(ALL, ranks=Other()), run="seeing-1", fuse="seeing-1")
    assert evaluation.table is not None
    assert not workspace.reports.exists()


def test_a_run_and_a_checkpoint_at_once_are_refused() -> None:
    with pytest.raises(SettingsError, match="pass one of them"):
        Choice(run="a", checkpoint=Path("b.pt"))


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_that_is_no_share_is_refused(weight: float) -> None:
    with pytest.raises(SettingsError, match="--fuse-weight must be at least 0 and at most 1, not"):
        Choice(run="a", fuse="b", fuse_weight=weight)


def test_a_fused_run_is_evaluated_on_its_own_cache_and_the_next_time_its_predictions_are_taken(
    workspace: Workspace, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("seeing")
    make_run("red", cache="center-8", seed=1)
    first = run_eval(workspace, SETTINGS, run="seeing", fuse="red", fuse_weight=0.25)
    assert first.splits[0].fusion_notes == ("red: evaluated now",)
    assert [stream.metrics.top1.correct for stream in first.splits[0].fusion.streams] == [3, 1, 3]
    assert read_predictions(workspace.reports / "red-on-center-8-split1.npz").origin.cache["name"] == "center-8"
    assert "second: red on center-8, 1 of 3 clips right" in shown(first)

    tested: list[Path] = []
    evaluate = evaluate_module.evaluate
    monkeypatch.setattr(
        "mocrop.evaluation.commands.evaluate",
        lambda cache, file, *rest, **more: (tested.append(file), evaluate(cache, file, *rest, **more))[1],
    )
    again = run_eval(workspace, SETTINGS, run="seeing", fuse="red", fuse_weight=0.25)
    assert [file.parent.name for file in tested] == ["seeing"]
    assert again.splits[0].fusion_notes == ("red: its saved predictions",)
    assert again.splits[0].fusion.to_json() == first.splits[0].fusion.to_json()
    assert again.to_json()["fusion"]["weight"] == 0.25


def test_what_both_networks_of_a_fusion_have_seen_stands_in_its_report(workspace: Workspace, make_run: MakeRun) -> None:
    for name, clip, options in (("seeing", 0, {}), ("red", 2, {"cache": "center-8", "seed": 1})):
        file = make_run(name, **options)
        seen = name_hashes([CropCache(workspace.cache("full-8")).clip[clip]])
        save_checkpoint(file, replace(load_checkpoint(file), trained_on=seen, validated_on=name_hashes([])))
    evaluation = run_eval(workspace, SETTINGS, run="seeing", fuse="red")
    warning = "WARNING: 1 of these clips were trained on; the scores are too good"
    assert f"red: {warning}" in evaluation.splits[0].fusion_notes
    for suffix in (".md", ".json"):
        report = evaluation.splits[0].fusion_files[suffix].read_text()
        assert f"seeing: {warning}" in report
        assert f"red: {warning}" in report
    assert warning in shown(evaluation).replace("\n", " ")


def test_predictions_of_other_weights_are_not_taken(workspace: Workspace, make_run: MakeRun) -> None:
    make_run("seeing")
    checkpoint = make_run("red", seed=1)
    run_eval(workspace, SETTINGS, run="seeing", fuse="red")
    checkpoint.unlink()
    (checkpoint.parent / "config.json").unlink()
    checkpoint.parent.rmdir()
    make_run("red", seed=1, epochs=7)
    assert run_eval(workspace, SETTINGS, run="seeing", fuse="red").splits[0].fusion_notes == ("red: evaluated now",)


def test_a_fused_run_that_has_seen_the_clips_is_warned_of(workspace: Workspace, make_run: MakeRun) -> None:
    make_run("seeing")
    make_run("red", seed=1, split="2")
    text = shown(run_eval(workspace, SETTINGS, run="seeing", fuse="red"))
    assert "red: WARNING: 3 of these clips" in text


def test_all_splits_are_fused_split_by_split(workspace: Workspace, make_run: MakeRun) -> None:
    for split in ("1", "2"):
        make_run(f"seeing-{split}", split=split)
        make_run(f"red-{split}", split=split, cache="center-8", seed=1)
    evaluation = run_eval(workspace, ALL, run="seeing-1", fuse="red-1", fuse_weight=0.25)
    means = {name: mean.top1.mean for name, mean in evaluation.table.fused.items()}
    assert means == {"first": 0.75, "second": pytest.approx((1 / 3 + 1 / 2) / 2), "fused": 0.75}
    text = shown(evaluation)
    assert "late fusion, top-1" in text
    assert "p is from flipping the signs of whole clips" in text.replace("\n", " ")
    assert evaluation.to_json()["fused_over_first"]["difference"] == 0
    assert evaluation.to_json()["fusion"]["first"]["top1"]["share"] == 0.75


def test_caches_of_other_clips_cannot_be_fused(
    workspace: Workspace, make_run: MakeRun, make_cache: Callable[..., Path]
) -> None:
    make_cache(workspace.cache("short-8"), label=[0, 1], subset=[[2, 1], [2, 1]], size=8, slots=1, class_names=COLORS)
    make_run("seeing")
    make_run("short", cache="short-8", seed=1)
    with pytest.raises(PredictionsError, match=r"clips differ: 1 \(Blue/clip2\) in the first alone"):
        run_eval(workspace, SETTINGS, run="seeing", fuse="short")


def test_a_split_that_is_called_all_is_that_split(
    workspace: Workspace, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("plain", split="all")
    monkeypatch.setattr(CropCache, "split_names", ["all", "2"])
    evaluation = run_eval(workspace, ALL)
    assert (len(evaluation.splits), evaluation.table) == (1, None)


def test_a_cache_must_be_named_if_the_runs_do_not_agree(workspace: Workspace, make_run: MakeRun) -> None:
    make_run("a-1")
    make_run("a-2", split="2", cache="center-8")
    with pytest.raises(CacheError, match="name one with --cache"):
        run_eval(workspace, ALL, run="a-{split}")


def test_a_damaged_config_is_named(workspace: Workspace, make_run: MakeRun) -> None:
    make_run("plain")
    (workspace.runs / "plain" / "config.json").write_text("{")
    with pytest.raises(TrainingError, match=r"config.json cannot be read"):
        run_eval(workspace, ALL)
