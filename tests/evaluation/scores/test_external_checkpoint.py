"""A checkpoint of the reference implementation gives the logits that the same weights give in one of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mocrop.cli import main
from mocrop.evaluation.report.remarks import remarks
from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.training.model.backbones import build_backbone
from mocrop.training.model.checkpoint import Checkpoint, describe_cache, save_checkpoint

TINY = "timm/test_resnet"
CPU = EvalSettings(device="cpu", segments=2)


@pytest.fixture
def cache(tmp_path: Path, make_cache: Callable[..., Path]) -> Path:
    return make_cache(tmp_path / "work/caches/full-16.zarr", label=[0, 1, 1, 0], subset=[2, 2, 2, 2], size=16)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    state = build_backbone(TINY, classes=2, size=16).model.state_dict()
    torch.save({"epoch": 40, "state_dict": {f"module.base_model.{k}": v for k, v in state.items()}}, tmp_path / "m.pth")
    return tmp_path / "m.pth"


def test_their_weights_give_the_logits_that_they_give_in_our_checkpoint(
    cache: Path, theirs: Path, tmp_path: Path
) -> None:
    backbone = build_backbone(TINY, classes=2, size=16, weights=str(theirs))
    state = {k.removeprefix("module.base_model."): v for k, v in torch.load(theirs)["state_dict"].items()}
    ours = Checkpoint(
        arch=TINY,
        class_names=["Dig", "Run"],
        size=16,
        mean=backbone.mean,
        std=backbone.std,
        settings={"split": "1"},
        cache=describe_cache(CropCache(cache)),
        epoch=40,
        metrics={},
        state_dict=state,
    )
    save_checkpoint(tmp_path / "best.pt", ours)
    results = [evaluate(cache, tmp_path / "best.pt", CPU), evaluate(cache, theirs, CPU, arch=TINY)]
    assert np.array_equal(results[0].predictions.logits, results[1].predictions.logits)
    assert (results[1].epoch, results[1].seen_in_training) == (40, None)
    said = [" ".join(remarks(result)) for result in results]
    assert "does not say what it was trained on" not in said[0]
    assert "does not say what it was trained on" in said[1]


def test_the_command_takes_such_a_file_with_the_name_of_the_backbone(
    cache: Path, theirs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = cache.parent.parent
    (work / "mocrop.toml").touch()
    arguments = ["eval", "-w", str(work), "--checkpoint", str(theirs), "--segments", "2", "--device", "cpu"]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 1
    assert "does not say which backbone it is of; pass --arch NAME" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--arch", TINY])
    assert end.value.code in (0, None)
    assert (work / "reports/m-on-full-16-split1.json").is_file()
