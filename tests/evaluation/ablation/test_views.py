"""An ablation over frames and pools, end to end: what each cell is tested on, and what the report says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mocrop.evaluation.ablation import cells as ablation_module
from mocrop.evaluation.ablation import command as ablate_module
from mocrop.evaluation.ablation.callback import AblationCallback
from mocrop.evaluation.ablation.cells import run_cells
from mocrop.evaluation.ablation.command import ablate_in_workspace, require_no_segments
from mocrop.evaluation.ablation.few_shot import FewShotSettings
from mocrop.evaluation.ablation.folder import AblationFolder, keep_plan
from mocrop.evaluation.ablation.settings import AblationSettings, View
from mocrop.evaluation.report.format import write_json
from mocrop.evaluation.scores.evaluate import evaluate
from mocrop.evaluation.scores.predictions import read_predictions
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.settings import plain_settings
from mocrop.pipeline.strict_json import parsed_json
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.recipe import SAME_PIXELS, TrainSettings

TRAINING = TrainSettings(
    arch="timm/test_resnet",
    weights="none",
    epochs=1,
    batch_size=8,
    segments=2,
    validation_share=0,
    freeze_backbone=True,
    device="cpu",
    **SAME_PIXELS,
)
SETTINGS = AblationSettings(
    policies=("full", "picture", "center"),
    sizes=(16,),
    frames=(1, 2),
    slots=3,
    pools=("mean", "mean-std"),
    training=TRAINING,
    few_shot=FewShotSettings(groups=(1,), draws=24),
)
LABEL = [0, 1] * 12
GROUP = [number // 4 for number in range(24)]
SUBSET = [2 if group >= 4 else 1 for group in GROUP]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> Workspace:
    """Frames of the picture are of one brightness in one class, and dark and bright by turns in the other."""
    place = Workspace(tmp_path_factory.mktemp("views") / "work")
    place.caches.mkdir(parents=True)
    for seed, (variant, size) in enumerate(SETTINGS.caches()):
        pixels = np.random.default_rng(seed).integers(1, 40, (24, 3, 3, size, size), dtype=np.uint8)
        if variant.policy == "picture":
            flicker = np.array([[100, 100, 100], [10, 100, 190]], np.uint8)[LABEL]
            pixels = pixels + flicker[:, :, None, None, None]
        path = place.cache(variant.cache_name(size))
        make_cache(path, label=LABEL, group=GROUP, subset=SUBSET, pixels=pixels, attributes={"policy": variant.policy})
    run_cells(AblationFolder(place, "ablation"), SETTINGS, AblationCallback())
    return place


def test_every_pool_is_a_cell_and_every_number_of_frames_a_file(finished: Workspace) -> None:
    names = sorted(path.name for path in (finished.reports / "ablation/predictions").iterdir())
    assert [name for name in names if name.startswith("picture")] == [
        "picture-16-split1-seed0-mean-std-on-16-2-frames.npz",
        "picture-16-split1-seed0-on-16-1-frames.npz",
        "picture-16-split1-seed0-on-16-2-frames.npz",
    ]


@pytest.mark.parametrize("view", SETTINGS.views)
def test_predictions_from_features_are_those_of_eval(finished: Workspace, view: View) -> None:
    folder = AblationFolder(finished, "ablation")
    cell = next(each for each in SETTINGS.cells if each.variant.policy == "picture" and each.pool == view.pool)
    kept = read_predictions(folder.predictions(cell, view))
    found = evaluate(
        finished.cache("picture-16"), folder.run(cell) / "best.pt", ablation_module.testing_of(cell, view, SETTINGS)
    ).predictions
    assert kept.origin.segments == found.origin.segments == view.frames
    assert np.allclose(kept.logits, found.logits, atol=1e-4)


@pytest.fixture(scope="module")
def report(finished: Workspace) -> tuple[dict[str, object], str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ablate_module, "make_caches", lambda *_: 0)
        patch.setattr(ablate_module, "checked", lambda _, settings: settings)
        patch.setattr(Workspace, "require", lambda self: self)
        _, files = ablate_in_workspace(finished, SETTINGS, name="ablation", run=RunOptions())
    return json.loads(files["json"].read_text()), files["report"].read_text()


def test_what_flickers_is_told_by_the_spread_of_its_frames(report: tuple[dict, str]) -> None:
    content, _ = report
    found = {
        (each["variant"], each["frames"], each["pool"]): each["accuracy"] for each in content["few_shot"]["accuracies"]
    }
    assert len(found) == 3 * 3
    assert found["picture", 2, "mean-std"] == 1.0
    assert found["full", 2, "mean-std"] < 0.9
    (pool,) = (each for each in content["few_shot"]["pools"] if each["variant"] == "mean-std: picture")
    assert pool["base"] == "mean: picture"
    assert pool["accuracy"] == 1.0


def test_every_view_has_its_operations_and_its_column(report: tuple[dict, str]) -> None:
    content, text = report
    assert content["main"] == {"size": 16, "frames": 2, "pool": "mean"}
    gflops = {(each["frames"], each["pool"]): each["gflops"] for each in content["conditions"]}
    assert gflops[2, "mean"] == gflops[2, "mean-std"] == pytest.approx(2 * gflops[1, "mean"], rel=1e-3)
    assert "| crop | 16 px x 1 | 16 px x 2 |" in text
    assert "| crop | area | 16 px, 1 frame | 16 px, 2 frames | 16 px, 2 frames, mean-std |" in text
    assert "Does the whole picture without black bars beat the whole frame?" in text
    assert "| crop, against picture | 1 group |" in text


def test_frames_and_pools_may_be_added_later(finished: Workspace, tmp_path: Path) -> None:
    folder = AblationFolder(Workspace(tmp_path), "ablation")
    keep_plan(folder, replace(SETTINGS, frames=(2,), pools=("mean",)))
    keep_plan(folder, SETTINGS)
    assert "pool" not in parsed_json(folder.plan.read_bytes())["training"]
    with pytest.raises(SettingsError, match="epochs: 1 there, 2 now"):
        keep_plan(folder, replace(SETTINGS, training=replace(TRAINING, epochs=2)))


def test_an_older_ablation_goes_on_with_the_frames_that_it_tested(tmp_path: Path) -> None:
    """Its --frames were the slots: the same number now asks for something else."""
    folder = AblationFolder(Workspace(tmp_path), "ablation")
    training = plain_settings(TRAINING, keep_none=True)
    kept = {name: value for name, value in training.items() if name not in ("split", "seed", "device")}
    write_json({"training": kept, "testing": {"segments": 8}}, folder.plan)
    with pytest.raises(SettingsError, match=r"older mocrop that tested 8 frames a clip.*pass --frames 8 to go on"):
        keep_plan(folder, replace(SETTINGS, frames=(16,), slots=None))
    keep_plan(folder, replace(SETTINGS, frames=(4, 8), slots=None))


def test_segments_are_refused_in_a_line_that_names_the_new_option() -> None:
    with pytest.raises(SettingsError, match=r"--segments is now --frames, .* --slots; pass --frames 8"):
        require_no_segments("8")
    require_no_segments(None)
