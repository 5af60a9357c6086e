"""Options of `mocrop train`: its help and docs/training.md show the recipes as they are."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from mocrop.cli import app, main
from mocrop.pipeline.errors import SettingsError
from mocrop.training import commands
from mocrop.training.options import TrainOptions
from mocrop.training.recipe import SAME_PIXELS, TrainSettings, recipe_table

DOCS = Path(__file__).resolve().parents[2] / "docs" / "training.md"
SETTINGS = {"lr": "learning_rate", "lr_steps": "learning_rate_steps"}  # of options with another name
REFERENCE, MODERN = (TrainSettings(**recipe_table(recipe, {})) for recipe in ("reference", "modern"))
VIDEO = TrainSettings(**recipe_table("reference", {"arch": "video/r3d_18"}), arch="video/r3d_18")


def written(settings: TrainSettings, name: str) -> str:
    """A setting as the documentation writes it."""
    value = getattr(settings, name)
    if name == "warmup_epochs" and value:
        return f"{value:g} of {settings.epochs}"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(f"{part:g}" for part in value)
    return value if isinstance(value, str) else f"{value:g}"


def setting_of(option: str) -> str:
    name = option.removeprefix("--").replace("-", "_")
    return SETTINGS.get(name, name)


def recipe_options() -> dict[str, str]:
    """The default that help shows for each option that a recipe decides, by setting."""
    train = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]
    alike = {"arch", "channels_last", "freeze_backbone", "loss", "weights", "clip", "crop"}  # whatever the recipe
    known = {field.name for field in fields(TrainSettings)} - alike
    shown = {setting_of(option.opts[0]): option.show_default for option in train.params if option.default is None}
    return {name: str(default) for name, default in shown.items() if name in known}


def table() -> dict[str, tuple[str, str]]:
    rows = [line.split("|")[1:4] for line in DOCS.read_text().splitlines() if line.startswith("| `--")]
    return {setting_of(option.strip(" `")): (first.strip(), second.strip()) for option, first, second in rows}


def test_the_table_of_recipes_is_what_the_code_does() -> None:
    assert table() == {name: (written(REFERENCE, name), written(MODERN, name)) for name in recipe_options()}


def test_help_shows_the_defaults_of_both_recipes() -> None:
    for name, shown in recipe_options().items():
        first, second = written(REFERENCE, name), written(MODERN, name)
        of_frames, _, of_clips = shown.partition("; ")
        assert of_frames == (first if first == second else f"{first}, modern: {second}")
        assert of_clips in ("", f"{written(VIDEO, name)} for video/...", "as --segments for video/...")


def given(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str) -> TrainSettings:
    """Settings that the command makes from its options."""
    (folder / "mocrop.toml").touch()
    seen: list[TrainSettings] = []

    def stop(_: Any, settings: TrainSettings, **others: Any) -> None:
        seen.append(settings)
        raise SystemExit

    monkeypatch.setattr(commands, "train_in_workspace", stop)
    with pytest.raises(SystemExit):
        main(["train", "-w", str(folder), *options])
    return seen[0]


def test_network_follows_from_what_it_takes_unless_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = [
        given(monkeypatch, tmp_path, *options)
        for options in ([], ["--input", "motion"], ["--input", "motion", "--arch", "resnet50"])
    ]
    assert [(each.input, each.arch) for each in settings] == [
        ("frames", "resnet50"),
        ("motion", "timm/resnet18"),
        ("motion", "resnet50"),
    ]


def test_without_options_the_reference_is_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert given(monkeypatch, tmp_path) == REFERENCE
    assert given(monkeypatch, tmp_path, "--recipe", "modern") == MODERN


def test_every_option_reaches_its_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wanted: dict[str, Any] = {
        "epochs": 7,
        "batch_size": 3,
        "accumulate": 2,
        "optimizer": "sgd",
        "learning_rate": 0.25,
        "schedule": "step",
        "learning_rate_steps": (0.5, 0.75),
        "warmup_epochs": 1.5,
        "weight_decay": 0.125,
        "decay_norms": True,
        "clip_grad": 3.0,
        "label_smoothing": 0.25,
        "ema": 0.5,
        "segments": 4,
        "validation_segments": 5,
        "validation_share": 0.25,
        "flip": False,
        "crop_scales": (1.0, 0.5),
        "color_jitter": 0.5,
        "random_erasing": 0.75,
        "mixup": 0.5,
        "arch": "swin_t",
        "weights": "none",
        "split": "2",
        "seed": 9,
        "device": "cpu",
        "amp": "bf16",
        "channels_last": False,
        "compile": True,
    }
    options = {option: name for name, option in SETTINGS.items()}
    arguments: list[str] = []
    for name, value in wanted.items():
        option = "--" + options.get(name, name).replace("_", "-")
        if isinstance(value, bool):
            arguments.append(option if value else option.replace("--", "--no-", 1))
        else:
            arguments += [option, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    made = given(monkeypatch, tmp_path, "--recipe", "modern", *arguments)
    assert {name: getattr(made, name) for name in wanted} == wanted


def test_no_augment_leaves_what_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    none = given(monkeypatch, tmp_path, "--recipe", "modern", "--no-augment", "--color-jitter", "0.1")
    assert (none.flip, none.crop_scales, none.random_erasing, none.color_jitter) == (False, (1.0,), 0, 0.1)


def test_a_frozen_backbone_turns_augmentation_off_in_either_recipe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for recipe in ("reference", "modern"):
        frozen = given(monkeypatch, tmp_path, "--recipe", recipe, "--freeze-backbone")
        assert {name: getattr(frozen, name) for name in SAME_PIXELS} == SAME_PIXELS


def test_shares_that_are_no_numbers_are_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "-w", str(tmp_path), "--crop-scales", "1,half"])
    assert end.value.code == 2
    assert "--crop-scales" in capsys.readouterr().err


def test_impossible_settings_are_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mocrop.toml").touch()
    with pytest.raises(SystemExit) as end:
        main(["train", "-w", str(tmp_path), "--ema", "2"])
    assert end.value.code == 1
    assert "mocrop train: ema must be at least 0 and below 1, not 2.0" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["segments", "validation_segments"])
@pytest.mark.parametrize("frames", [3, 8, 16])  # 3 and 8 are what both have unless given, 16 what video networks have
@pytest.mark.parametrize("arch", ["resnet50", "video/r3d_18"])
def test_segments_beside_a_clip_are_refused_whatever_their_number(option: str, frames: int, arch: str) -> None:
    asked: dict[str, Any] = {option: frames}
    with pytest.raises(SettingsError, match=f"{option.replace('_', '-')} {frames} is for single frames"):
        TrainOptions(arch=arch, clip=(4, 2), **asked).settings()
    assert TrainOptions(arch=arch, clip=(frames, 2), **asked).settings().clip == (frames, 2)
