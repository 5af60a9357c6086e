"""A setting that a later version adds leaves what is stored current; with another value, this version refuses it.

Each test stands in for the later version by a dataclass of settings with one more field.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mocrop.pipeline.commands.preprocess import precrop
from mocrop.pipeline.commands.status import workspace_status
from mocrop.pipeline.errors import CacheError, MocropError, TrainingError
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.policies import registry as policy_registry
from mocrop.pipeline.policies.motion_v1 import MotionSettings
from mocrop.pipeline.policies.registry import POLICIES, Policy
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.settings import added
from mocrop.pipeline.stages import cache_settings, precrop_settings, registry, stored_settings
from mocrop.pipeline.stages.extract_mv import ExtractSettings
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.stored_settings import read_precrop_settings, require_same_settings
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.workspace.paths import Workspace
from tests.compat.conftest import Kept
from tests.conftest import mocrop, needs_torch

IN_THIS_PROCESS = RunOptions(workers=0)


@dataclass(frozen=True, kw_only=True)
class LaterTranscode(TranscodeSettings):
    denoise: int = added(0)


@dataclass(frozen=True, kw_only=True)
class LaterExtract(ExtractSettings):
    denoise: int = added(0)


@dataclass(frozen=True, kw_only=True)
class LaterPrecrop(PrecropSettings):
    denoise: int = added(0)


@dataclass(frozen=True, kw_only=True)
class LaterMotion(MotionSettings):
    denoise: int = added(0)


@dataclass(frozen=True, kw_only=True)
class LaterFields(MotionFieldSettings):
    denoise: int = added(0)


Patch = Callable[[pytest.MonkeyPatch], None]


def set_policy(patch: pytest.MonkeyPatch, name: str, policy: Policy) -> None:
    for module in (cache_settings, precrop_settings, stored_settings, policy_registry):
        patch.setattr(module, "POLICIES", {**POLICIES, name: policy})


def _set_kind(patch: pytest.MonkeyPatch, name: str, kind: type) -> None:
    for module in (cache_settings, stored_settings):
        patch.setattr(module, name, kind)


def _policy(patch: pytest.MonkeyPatch) -> None:
    set_policy(patch, "motion", dataclasses.replace(POLICIES["motion"], settings=LaterMotion))


PATCHES: dict[str, Patch] = {
    "transcode": lambda patch: patch.setattr(registry, "TranscodeSettings", LaterTranscode),
    "extract-mv": lambda patch: patch.setattr(registry, "ExtractSettings", LaterExtract),
    "precrop": lambda patch: _set_kind(patch, "PrecropSettings", LaterPrecrop),
    "policy": _policy,
    "fields": lambda patch: _set_kind(patch, "MotionFieldSettings", LaterFields),
}


@contextmanager
def later(*parts: str) -> Iterator[None]:
    """Within the body, settings have a field `denoise`."""
    with pytest.MonkeyPatch.context() as patch:
        for part in parts or PATCHES:
            PATCHES[part](patch)
        yield


def stale(kept: Kept) -> dict[str, int]:
    return {stage.stage: stage.stale + stage.to_do for stage in workspace_status(Workspace(kept.root)).stages}


def asked(part: str, settings: PrecropSettings, value: int) -> PrecropSettings:
    """The settings of a cache with another value of the field that came later."""
    if part == "precrop":
        return dataclasses.replace(settings, denoise=value)  # type: ignore[call-arg]
    name = {"policy": "policy_settings", "fields": "motion_fields"}[part]
    return dataclasses.replace(settings, **{name: dataclasses.replace(getattr(settings, name), denoise=value)})


@pytest.mark.parametrize("part", PATCHES)
def test_a_workspace_stays_current(kept: Kept, part: str) -> None:
    with later(part):
        assert set(stale(kept).values()) == {0}
        for name in ("center", "compressed", "motion", "original"):
            assert precrop(kept.root, name=name, run=IN_THIS_PROCESS).stages[0].plan.to_run == 0
    assert set(stale(kept).values()) == {0}


@pytest.mark.parametrize(("part", "first"), [("transcode", 0), ("extract-mv", 1)])
def test_another_value_makes_a_stage_stale_and_those_after_it(latest: Kept, part: str, first: int) -> None:
    file = latest.root / "mocrop.toml"
    file.write_text(file.read_text().replace(f"[{part}]", f"[{part}]\ndenoise = 1"))
    with later(part):
        found = stale(latest)
    affected = [name for name, clips in found.items() if clips == 8]
    assert affected == [*("transcode", "extract-mv")[first:], *(["precrop:center"] if part == "transcode" else []),
                        "precrop:compressed", "precrop:motion"]  # fmt: skip


@pytest.mark.parametrize("part", ["precrop", "policy", "fields"])
def test_a_cache_is_taken_with_the_default_and_refused_with_another_value(latest: Kept, part: str) -> None:
    workspace = Workspace(latest.root)
    with later(part):
        settings = read_precrop_settings(workspace, "motion")
        require_same_settings(workspace, asked(part, settings, 0))
        with pytest.raises(CacheError, match=r"exists with other settings \(denoise: 0 there, 1 asked\)"):
            require_same_settings(workspace, asked(part, settings, 1))


@pytest.mark.parametrize(
    ("part", "options", "told"),
    [
        ("precrop", {"policy": "center"}, "crop cache 'new' is of a newer mocrop, with a setting 'denoise', which"),
        ("policy", {"policy": "motion"}, "is of a newer mocrop, with a setting 'denoise' of policy 'motion', which"),
    ],
)
def test_a_cache_of_a_later_version_is_refused_where_it_uses_the_setting(
    latest: Kept, part: str, options: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make = {"size": 16, "frames": 2, "run": IN_THIS_PROCESS, **options}
    with later(part):
        precrop(latest.root, name="like-before", **make, denoise=0)
        precrop(latest.root, name="new", **make, denoise=1)
    assert precrop(latest.root, name="like-before", **make).stages[0].plan.to_run == 0
    for command in (["status"], ["precrop", "--name", "new"], ["precrop", "--name", "new", "--overwrite"]):
        assert mocrop(*command) == 1
        error = capsys.readouterr().err
        assert told in error
        assert len(error.splitlines()) == 1
    assert len(list((latest.root / "caches/new.zarr").iterdir())) > 5  # all is there


def test_a_policy_of_a_later_version_is_named(latest: Kept) -> None:
    make: dict[str, Any] = {"size": 16, "frames": 2, "name": "new", "run": IN_THIS_PROCESS}
    with pytest.MonkeyPatch.context() as patch:
        set_policy(patch, "faces", POLICIES["center"])
        precrop(latest.root, policy="faces", **make)
    with pytest.raises(CacheError, match=r"'new' is of a newer mocrop, with the policy 'faces', which this one does"):
        workspace_status(Workspace(latest.root))


def test_a_file_of_settings_of_a_later_version_is_refused(latest: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    file = latest.root / "mocrop.toml"
    file.write_text(file.read_text().replace("[transcode]", "[transcode]\ndenoise = 1"))
    for command in ("status", "transcode", "retry"):
        assert mocrop(command) == 1
        error = capsys.readouterr().err
        assert "[transcode] has no setting 'denoise' (a newer mocrop may have one); it has crf," in error
        assert len(error.splitlines()) == 1


@needs_torch
def test_a_run_goes_on_with_the_default_and_is_refused_with_another_value(kept: Kept) -> None:
    from mocrop.training.loop import run_folder
    from mocrop.training.loop.train import train
    from mocrop.training.recipe import TrainSettings

    @dataclass(frozen=True, kw_only=True)
    class LaterTrain(TrainSettings):
        denoise: int = added(0)

    plain = json.loads((kept.root / "runs/stopped/config.json").read_text())["settings"]
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    cache, stopped, new = kept.root / "caches/motion.zarr", kept.root / "runs/stopped", kept.root / "runs/new"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_folder, "TrainSettings", LaterTrain)
        with pytest.raises(TrainingError, match=r"a run with other settings \(denoise: 0, now 1\)"):
            train(cache, stopped, LaterTrain(**plain, denoise=1))
        assert train(cache, stopped, LaterTrain(**plain)).last.epoch == 3
        train(cache, new, LaterTrain(**plain, denoise=1))
    assert train(cache, stopped, TrainSettings(**plain)).last.epoch == 3
    with pytest.raises(TrainingError, match="is of a newer mocrop, with 'denoise', which this one does not know"):
        train(cache, new, TrainSettings(**plain))


@needs_torch
def test_an_ablation_goes_on_with_the_default_and_is_refused_with_another_value(tmp_path: Path) -> None:
    from mocrop.evaluation.ablation import folder as folder_of_ablation
    from mocrop.evaluation.ablation.folder import AblationFolder, keep_plan
    from mocrop.evaluation.ablation.settings import AblationSettings
    from mocrop.training.recipe import TrainSettings

    @dataclass(frozen=True, kw_only=True)
    class LaterTrain(TrainSettings):
        denoise: int = added(0)

    def keep(training: TrainSettings) -> None:
        keep_plan(folder, AblationSettings(policies=("full", "center"), sizes=(16,), training=training))

    folder = AblationFolder(Workspace(tmp_path), "ablation")
    folder.reports.mkdir(parents=True)
    keep(TrainSettings())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder_of_ablation, "TrainSettings", LaterTrain)
        keep(LaterTrain())
        with pytest.raises(MocropError, match=r"with other settings of training \(denoise: 0 there, 1 now\)"):
            keep(LaterTrain(denoise=1))
        folder.plan.unlink()
        keep(LaterTrain(denoise=1))
        with pytest.raises(MocropError, match=r"with other settings of training \(denoise: 1 there, 0 now\)"):
            keep(LaterTrain())
    with pytest.raises(MocropError, match="is of a newer mocrop, with 'denoise', which this one does not know"):
        keep(TrainSettings())


@needs_torch
def test_a_checkpoint_that_lacks_what_came_later_is_read_and_one_that_has_it_refused(latest: Kept) -> None:
    from mocrop.pipeline.errors import CheckpointError
    from mocrop.training.model import checkpoint
    from mocrop.training.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

    @dataclass(frozen=True, kw_only=True, eq=False)
    class LaterCheckpoint(Checkpoint):
        crop: str = "none"

    file = latest.root / "runs/frozen/best.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "Checkpoint", LaterCheckpoint)
        read: Any = load_checkpoint(file)
        assert read.crop == "none"
        save_checkpoint(Path("later.pt"), read)
    assert load_checkpoint(file).epoch == read.epoch
    with pytest.raises(CheckpointError, match=r"later\.pt is of a newer mocrop, with 'crop', which this one does not"):
        load_checkpoint(Path("later.pt"))
