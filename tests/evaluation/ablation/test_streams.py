"""A second stream in an ablation: motion fields that tell the class beside frames that do not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mocrop.evaluation.ablation import cells as ablation_module
from mocrop.evaluation.ablation import command as ablate_module
from mocrop.evaluation.ablation.callback import AblationCallback
from mocrop.evaluation.ablation.cells import run_cells
from mocrop.evaluation.ablation.command import ablate_in_workspace
from mocrop.evaluation.ablation.folder import AblationFolder
from mocrop.evaluation.ablation.settings import AblationSettings
from mocrop.evaluation.ablation.streams import stream_comparisons
from mocrop.evaluation.ablation.variants import Variant
from mocrop.evaluation.ablation.verdicts import FULL_DATA, answers
from mocrop.evaluation.scores.fusion import fuse
from mocrop.evaluation.scores.metrics import right
from mocrop.evaluation.scores.predictions import read_predictions
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.recipe import SAME_PIXELS, TrainSettings

TRAINING = TrainSettings(
    arch="timm/test_resnet",
    weights="none",
    epochs=1,
    batch_size=8,
    validation_share=0,
    freeze_backbone=True,
    device="cpu",
    **SAME_PIXELS,
)
STREAM = replace(TRAINING, input="motion", freeze_backbone=False, epochs=12, learning_rate=3e-3, mixup=0.0)
PLAIN = AblationSettings(policies=("full", "center"), sizes=(16,), frames=(2,), training=TRAINING)
SETTINGS = replace(PLAIN, stream=STREAM)
LABEL = [0, 1] * 12
GROUP = [number // 2 for number in range(24)]
SUBSET = [2 if group >= 6 else 1 for group in GROUP]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> Workspace:
    """Frames of noise, and fields that move to the left in one class and to the right in the other."""
    place = Workspace(tmp_path_factory.mktemp("streams") / "work")
    place.caches.mkdir(parents=True)
    motion = np.random.default_rng(0).integers(-9, 10, (24, 2, 2, 32, 32), dtype=np.int8)
    motion[:, :, 0] += (np.array(LABEL, np.int8) * 80 - 40)[:, None, None, None]
    for seed, (variant, size) in enumerate(SETTINGS.caches()):
        pixels = np.random.default_rng(seed).integers(1, 256, (24, 2, 3, size, size), dtype=np.uint8)
        make_cache(
            place.cache(variant.cache_name(size)),
            label=LABEL,
            group=GROUP,
            subset=SUBSET,
            pixels=pixels,
            fields=motion if variant.policy == "fields" else None,
        )
    run_cells(AblationFolder(place, "ablation"), SETTINGS, AblationCallback())
    return place


def test_fields_are_a_cell_and_a_cache_of_their_own() -> None:
    assert [cell.name for cell in SETTINGS.cells] == [
        f"{name}-16-split1-seed0" for name in ("full", "center-0.75", "fields")
    ]
    assert [cell.name for cell in PLAIN.cells] == ["full-16-split1-seed0", "center-0.75-16-split1-seed0"]
    assert Variant(policy="fields").precrop_options(size=16, slots=2) == {
        "policy": "full",
        "motion_fields": True,
        "size": 16,
        "frames": 2,
        "name": "fields-16",
    }
    assert [SETTINGS.training_of(cell).input for cell in SETTINGS.cells] == ["frames", "frames", "motion"]


def test_fields_and_fusions_are_compared_with_frames_and_with_the_control(finished: Workspace) -> None:
    folder = AblationFolder(finished, "ablation")
    found = {(each.variant, each.base): each for each in stream_comparisons(folder, SETTINGS)}
    assert list(found) == [
        ("fields", "full"),
        ("full + fields", "full"),
        ("full + center 0.75", "full"),
        ("full + fields", "full + center 0.75"),
    ]
    full, center, fields = (read_predictions(folder.predictions(cell, SETTINGS.main)) for cell in SETTINGS.cells)
    assert found["fields", "full"].accuracy == right(fields).mean() > 0.9  # the fields tell the classes apart
    assert found["fields", "full"].base_accuracy == right(full).mean()
    assert found["full + fields", "full"].accuracy == right(fuse(full, fields)).mean()
    assert found["full + fields", "full + center 0.75"].base_accuracy == right(fuse(full, center)).mean()
    alone = found["fields", "full"]
    assert alone.gained == (right(fields) & ~right(full)).sum()
    assert alone.p_corrected == min(1.0, 4 * min(each.p_value for each in found.values()))


def test_without_a_second_stream_there_is_nothing_to_compare(finished: Workspace) -> None:
    assert stream_comparisons(AblationFolder(finished, "ablation"), PLAIN) == []


def test_the_questions_about_the_stream_are_answered(finished: Workspace) -> None:
    lines = answers({FULL_DATA: stream_comparisons(AblationFolder(finished, "ablation"), SETTINGS)})
    assert [line.partition("?")[0] for line in lines] == [
        "Do motion fields alone beat the whole frame",
        "Does the whole frame fused with motion fields beat it alone",
        "Does the whole frame fused with a centre crop beat it alone",
        "Are motion fields the better second stream of the two",
    ]


def test_a_stream_may_come_later_and_go_but_not_change(
    finished: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Workspace(tmp_path / "work")
    shutil.copytree(finished.root, place.root)
    shutil.rmtree(place.reports)
    shutil.rmtree(place.runs)
    folder = AblationFolder(place, "ablation")
    run_cells(folder, PLAIN, AblationCallback())
    trained: list[str] = []
    train = ablation_module.train

    def noted(cache: Path, run_dir: Path, settings: TrainSettings, **options: object) -> object:
        trained.append(run_dir.name)
        return train(cache, run_dir, settings, **options)

    monkeypatch.setattr(ablation_module, "train", noted)
    run_cells(folder, SETTINGS, AblationCallback())
    assert trained == ["fields-16-split1-seed0"]
    run_cells(folder, PLAIN, AblationCallback())
    with pytest.raises(SettingsError, match=r"other settings of stream \(epochs: 12 there, 13 now\)"):
        run_cells(folder, replace(SETTINGS, stream=replace(STREAM, epochs=13)), AblationCallback())
    run_cells(folder, SETTINGS, AblationCallback())
    assert trained == ["fields-16-split1-seed0"]


def test_the_report_has_a_table_of_the_stream(
    finished: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Workspace(tmp_path / "work")
    shutil.copytree(finished.root, place.root)
    monkeypatch.setattr(ablate_module, "make_caches", lambda *_: 0)
    monkeypatch.setattr(ablate_module, "checked", lambda _, settings: settings)
    monkeypatch.setattr(Workspace, "require", lambda self: self)
    result, files = ablate_in_workspace(place, SETTINGS, name="ablation", run=RunOptions())
    report = files["report"].read_text()
    assert "## A second stream" in report
    assert "| 16 px, 2 frames | full + fields | full + center 0.75 |" in report
    assert "clips failed" not in report
    content = json.loads(files["json"].read_text())
    assert [each["sentence"] for each in content["streams"]] == [each.sentence for each in result.streams]
    assert len(content["full_data"]) == 1  # the stream has a family of its own
    assert 'streams,"16 px, 2 frames",full + fields,' in files["comparisons"].read_text()
