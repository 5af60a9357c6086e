"""The settings that the command line of `mocrop train` asks for, with and without a run that is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mocrop.pipeline.settings import plain_settings
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.commands import TrainCall, call_of
from mocrop.training.options import TrainOptions
from mocrop.training.recipe import TrainSettings

OF_THE_RUN = TrainSettings(arch="resnet152", weights="none", epochs=7, crop_scales=(1.0, 0.5), warmup_epochs=1.0)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    run = tmp_path / "runs/r"
    run.mkdir(parents=True)
    config = {"settings": plain_settings(OF_THE_RUN, keep_none=True), "cache": {"name": "full-16"}}
    (run / "config.json").write_text(json.dumps(config))
    return Workspace(tmp_path)


def test_the_name_alone_goes_on_with_the_run_as_it_was_begun(workspace: Workspace) -> None:
    call = call_of(workspace, TrainOptions(name="r"), {"name"})
    assert call == TrainCall(settings=OF_THE_RUN, cache="full-16", extend=True)


def test_epochs_and_device_may_be_given_too(workspace: Workspace) -> None:
    call = call_of(workspace, TrainOptions(name="r", epochs=9, device="cpu"), {"name", "epochs", "device"})
    assert (call.settings.epochs, call.settings.device, call.settings.arch) == (9, "cpu", "resnet152")


@pytest.mark.parametrize(
    ("options", "given"),
    [
        (TrainOptions(name="r", weights="imagenet"), {"name", "weights"}),  # even if that is the default
        (TrainOptions(name="other"), {"name"}),
        (TrainOptions(), set()),
    ],
)
def test_anything_else_is_a_run_of_the_settings_that_are_given(
    workspace: Workspace, options: TrainOptions, given: set[str]
) -> None:
    assert call_of(workspace, options, given) == TrainCall(settings=TrainSettings(), cache=None, extend=False)


def test_only_epochs_that_are_given_make_a_run_longer(workspace: Workspace) -> None:
    assert call_of(workspace, TrainOptions(epochs=9), {"epochs"}).extend
