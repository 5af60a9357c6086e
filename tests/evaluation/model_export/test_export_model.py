"""Exported networks answer as mocrop's own: four kinds of backbones, batches of all shapes, both heads, both inputs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mocrop.evaluation.model_export import export
from mocrop.evaluation.model_export.classifier import expected_answers, random_frames
from mocrop.evaluation.model_export.command import print_exported
from mocrop.evaluation.model_export.export import ExportedModel, compare, export_model
from mocrop.evaluation.model_export.forms import FORMS
from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate
from mocrop.pipeline.errors import CheckpointError, MocropError, SettingsError
from mocrop.pipeline.terminal import LineConsole
from mocrop.training.model.checkpoint import load_checkpoint, restore_backbone
from mocrop.training.recipe import FormName
from tests.conftest import MakeCache, mocrop
from tests.evaluation.model_export.made_checkpoint import NAMES, made_checkpoint

BACKBONES = ("timm/resnet18", "mobilenet_v3_large", "timm/efficientnet_lite0", "timm/vit_tiny_patch16_224")
SMALL = "timm/test_resnet"
BOTH: tuple[FormName, ...] = ("onnx", "torchscript")


def assert_answers_as_the_network(
    done: ExportedModel, batches: Sequence[tuple[int, int]] = ((1, 1), (1, 4), (3, 1), (3, 4))
) -> None:
    """By the libraries alone, on frames that the export has not seen; the clips' answers must differ, or all would."""
    checkpoint = load_checkpoint(done.checkpoint)
    backbone = restore_backbone(checkpoint, size=checkpoint.size, source=done.checkpoint)
    for clips, frames in batches:
        batch = random_frames(checkpoint.input, clips, frames, size=checkpoint.size, seed=1000 + clips + frames)
        probabilities, logits = expected_answers(backbone, done.activation, batch)
        if done.form == "onnx":
            import onnxruntime  # type: ignore[import-untyped]

            found = onnxruntime.InferenceSession(str(done.file)).run(None, {done.input_name: batch.numpy()})
        else:
            found = [each.detach().numpy() for each in torch.jit.load(str(done.file))(batch)]
        assert found[0].shape == (clips, len(NAMES))
        np.testing.assert_allclose(found[0], probabilities.numpy(), rtol=0, atol=1e-4)
        np.testing.assert_allclose(found[1], logits.numpy(), rtol=1e-4, atol=1e-3)
        assert clips == 1 or (probabilities[0] - probabilities).abs().max() > 0.01


@pytest.mark.parametrize("arch", BACKBONES)
def test_onnx_answers_as_the_network_for_four_kinds_of_backbones(tmp_path: Path, arch: str) -> None:
    done = export_model(made_checkpoint(tmp_path / "best.pt", arch))
    assert done.file == tmp_path / "best.onnx"
    assert_answers_as_the_network(done)


@pytest.mark.parametrize("form", BOTH)
def test_a_video_network_takes_any_number_of_clips_of_its_number_of_frames(tmp_path: Path, form: FormName) -> None:
    done = export_model(made_checkpoint(tmp_path / "best.pt", "video/mc3_18", size=16), to=form)
    assert (done.video, done.frames) == (True, 4)
    assert_answers_as_the_network(done, batches=((1, 4), (2, 4), (3, 4)))


@pytest.mark.parametrize("arch", [SMALL, "timm/test_vit"])
def test_torchscript_answers_as_the_network(tmp_path: Path, arch: str) -> None:
    done = export_model(made_checkpoint(tmp_path / "best.pt", arch), to="torchscript")
    assert done.file == tmp_path / "best.torchscript"
    assert_answers_as_the_network(done)


@pytest.mark.parametrize("to", BOTH)
def test_a_head_on_mean_and_spread_waits_for_all_frames_of_a_clip(tmp_path: Path, to: FormName) -> None:
    """Of one frame the spread is 0, and no division by 0."""
    done = export_model(made_checkpoint(tmp_path / "best.pt", SMALL, pool="mean-std"), to=to)
    assert_answers_as_the_network(done)


@pytest.mark.parametrize("to", BOTH)
def test_a_network_on_motion_fields_takes_int8(tmp_path: Path, to: FormName) -> None:
    done = export_model(made_checkpoint(tmp_path / "best.pt", SMALL, input="motion"), to=to)
    assert (done.input_name, done.dtype, done.frame_shape) == ("fields", "int8", (2, 32, 32))
    assert_answers_as_the_network(done)


@pytest.mark.parametrize("to", BOTH)
def test_the_answer_on_the_frames_of_a_cache_is_that_of_eval(
    tmp_path: Path, make_cache: MakeCache, to: FormName
) -> None:
    pixels = random_frames("frames", 4, 4, size=32, seed=5).numpy()
    cache = make_cache(tmp_path / "a.zarr", label=[0, 1, 2, 3], subset=[2] * 4, pixels=pixels, class_names=NAMES)
    checkpoint = made_checkpoint(tmp_path / "best.pt", SMALL)
    evaluated = evaluate(cache, checkpoint, EvalSettings(segments=4, device="cpu")).predictions.logits
    done = export_model(checkpoint, to=to)
    probabilities, logits = FORMS[to].load(done.file, done.input_name)(torch.from_numpy(pixels))
    np.testing.assert_allclose(logits.numpy(), evaluated, rtol=1e-4, atol=1e-4)
    assert probabilities.sum(dim=1).numpy() == pytest.approx(np.ones(4))
    assert len(set(probabilities.argmax(dim=1).tolist())) > 1


def test_networks_trained_on_several_labels_answer_by_sigmoid(tmp_path: Path) -> None:
    done = export_model(made_checkpoint(tmp_path / "best.pt", SMALL, loss="bce"), to="torchscript")
    probabilities, logits = FORMS["torchscript"].load(done.file, "frames")(
        random_frames("frames", 2, 3, size=32, seed=7)
    )
    assert done.activation == "sigmoid"
    np.testing.assert_allclose(probabilities.numpy(), 1 / (1 + np.exp(-logits.numpy())), rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "cache", "metrics", "activation"),
    [
        (None, {"several_labels": True}, {}, "sigmoid"),
        (None, {"several_labels": False}, {}, "softmax"),
        ("bce", {"several_labels": False}, {}, "sigmoid"),
        (None, {}, {"validation_map": 0.5}, "sigmoid"),
        (None, {}, {"validation_top1": {"correct": 1, "total": 2}}, "softmax"),
    ],
)
def test_the_activation_follows_from_the_loss(
    tmp_path: Path, loss: str | None, cache: dict[str, object], metrics: dict[str, object], activation: str
) -> None:
    checkpoint = made_checkpoint(tmp_path / "best.pt", SMALL, loss=loss, cache=cache, metrics=metrics)
    assert export_model(checkpoint, to="torchscript").activation == activation


def test_an_older_checkpoint_that_does_not_say_it_is_not_guessed(tmp_path: Path) -> None:
    checkpoint = made_checkpoint(tmp_path / "best.pt", SMALL, loss=None)
    with pytest.raises(CheckpointError, match=r"best\.pt, of an older mocrop, does not say .* pass --activation"):
        export_model(checkpoint, to="torchscript")
    assert export_model(checkpoint, to="torchscript", activation="sigmoid").activation == "sigmoid"


@pytest.mark.parametrize("to", BOTH)
def test_the_file_says_what_it_is(tmp_path: Path, to: FormName) -> None:
    done = export_model(made_checkpoint(tmp_path / "best.pt", SMALL), to=to)
    facts = read_facts(done)
    assert json.loads(facts["labels"]) == NAMES  # in the order of the outputs, whatever is in them
    assert (facts["activation"], facts["input"], facts["size"], facts["frames"]) == ("softmax", "frames", "32", "4")
    assert json.loads(facts["cache"])["settings"] == {"ratio": 0.5}
    assert facts["mocrop"]
    assert str(tmp_path).encode() not in done.file.read_bytes()  # no path of the machine that wrote it
    assert b"site-packages" not in done.file.read_bytes() or to == "torchscript"


def test_the_file_says_of_which_frames_its_clips_are_and_what_of_them_it_sees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = made_checkpoint(tmp_path / "best.pt", SMALL, clip=[4, 6], crop=32)
    done = export_model(trained, to="torchscript")
    facts = read_facts(done)
    assert (facts["clip"], facts["crop"], facts["size"]) == ("4x6", "32", "32")
    print_exported(LineConsole(), done)
    told = capsys.readouterr().out
    assert "trained on clips of 4 frames, 6 apart in the video" in told
    assert "sees 32 px of what its cache stores" in told
    plain = read_facts(export_model(made_checkpoint(tmp_path / "plain.pt", SMALL), to="torchscript"))
    assert (plain["clip"], plain["crop"]) == ("", "")


def read_facts(done: ExportedModel) -> dict[str, str]:
    if done.form == "onnx":
        import onnxruntime

        return dict(onnxruntime.InferenceSession(str(done.file)).get_modelmeta().custom_metadata_map)
    wanted = dict.fromkeys(("labels", "activation", "input", "size", "frames", "clip", "crop", "cache", "mocrop"), "")
    torch.jit.load(str(done.file), _extra_files=wanted)
    return {name: each.decode() if isinstance(each, bytes) else each for name, each in wanted.items()}


def wrong_mean(content: Callable[..., bytes]) -> Callable[..., bytes]:
    """An exporter that writes another normalisation."""

    def write(module: torch.nn.Module, *rest: object) -> bytes:
        module._mean = (0.5, 0.4, 0.3)  # type: ignore[assignment]
        return content(module, *rest)

    return write


@pytest.mark.parametrize("largest_logit", [3.0, 1e-5], ids=["learned", "hardly"])
@pytest.mark.parametrize("to", BOTH)
def test_a_file_that_answers_otherwise_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: FormName, largest_logit: float
) -> None:
    """Also of a network that has hardly learned anything, all whose probabilities are about the same."""
    checkpoint = made_checkpoint(tmp_path / "best.pt", SMALL, largest_logit=largest_logit)
    export_model(checkpoint, to=to).file.unlink()
    wrong = replace(FORMS[to], write=wrong_mean(FORMS[to].write))
    monkeypatch.setattr(export, "FORMS", {**FORMS, to: wrong})
    with pytest.raises(CheckpointError, match=r"is not written: read back, .* answers otherwise than the network"):
        export_model(checkpoint, to=to)
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


def cannot_run(*_: object) -> Callable[..., object]:
    def run(_: torch.Tensor) -> object:
        raise RuntimeError("Got invalid dimensions for input: frames\nfor the following indices")

    return run


def test_a_file_that_cannot_be_run_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = made_checkpoint(tmp_path / "best.pt", SMALL)
    broken = replace(FORMS["torchscript"], load=cannot_run)
    monkeypatch.setattr(export, "FORMS", {**FORMS, "torchscript": broken})
    with pytest.raises(CheckpointError, match=r"cannot be run \(RuntimeError: .* frames\); pass --to onnx, or try"):
        export_model(checkpoint, to="torchscript")
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


def test_a_file_that_holds_for_the_batch_of_the_example_alone_is_noticed(tmp_path: Path) -> None:
    """As a trace with a number of frames in it would."""
    checkpoint = load_checkpoint(made_checkpoint(tmp_path / "best.pt", SMALL))
    backbone = restore_backbone(checkpoint, size=32, source=tmp_path / "best.pt")

    def for_four_frames(batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probabilities, logits = expected_answers(backbone, "softmax", batch)
        return probabilities, logits * batch.shape[1] / 4

    assert compare(lambda batch: expected_answers(backbone, "softmax", batch), backbone, "softmax", size=32).is_small
    assert not compare(for_four_frames, backbone, "softmax", size=32).is_small


def test_weights_of_nan_are_refused(tmp_path: Path) -> None:
    file = made_checkpoint(tmp_path / "best.pt", SMALL)
    content = torch.load(file)
    content["state_dict"]["fc.weight" if "fc.weight" in content["state_dict"] else "head.fc.weight"][:] = float("nan")
    torch.save(content, file)
    with pytest.raises(CheckpointError, match="by up to nan in probability"):
        export_model(file, to="torchscript")


def test_a_missing_library_is_one_line_that_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MocropError, match=r"--to onnx needs .*onnxscript.*: pip install 'mocrop\[onnx\]'"):
        export_model(made_checkpoint(tmp_path / "best.pt", SMALL))


def test_a_checkpoint_is_never_written_over(tmp_path: Path) -> None:
    checkpoint = made_checkpoint(tmp_path / "best.pt", SMALL)
    with pytest.raises(SettingsError, match=r"best\.pt: the name of a file of TorchScript ends in \.torchscript"):
        export_model(checkpoint, checkpoint, to="torchscript")


def test_weights_that_no_onnx_file_holds_are_refused_before_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "FORMS", {**FORMS, "onnx": replace(FORMS["onnx"], most_bytes=1000)})
    with pytest.raises(CheckpointError, match=r"ends at 2 GiB; pass --to torchscript"):
        export_model(made_checkpoint(tmp_path / "best.pt", SMALL))


@pytest.mark.parametrize("to", BOTH)
def test_the_printed_program_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], to: FormName) -> None:
    checkpoint = made_checkpoint(tmp_path / "best.pt", SMALL)
    assert mocrop("export-model", "--checkpoint", checkpoint, "--to", to) == 0
    told = capsys.readouterr().out
    assert "checked: read back and run on random frames, it differs from the network by at most" in told
    program = "".join(f"{line.removeprefix('  ')}\n" for line in told.partition("to run it:\n")[2].splitlines())
    assert program.count("\n") == 3
    shown = "print(probabilities.shape, probabilities.sum())"
    done = subprocess.run([sys.executable, "-c", program + shown], capture_output=True, text=True, check=True)
    assert "4" in done.stdout


def test_json_is_all_that_is_on_standard_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    checkpoint = made_checkpoint(tmp_path / "best.pt", SMALL)
    assert mocrop("export-model", "--checkpoint", checkpoint, "--json") == 0
    told = json.loads(capfd.readouterr().out)
    assert told["file"] == str(tmp_path / "best.onnx")
    assert told["difference"]["probability"] < 1e-4


def test_the_program_of_the_documentation_runs_and_its_table_has_every_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (
        (Path(__file__).resolve().parents[3] / "docs/training-code.md").read_text().partition("## A trained network")[2]
    )
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    done = export_model(made_checkpoint(tmp_path / "best.pt", SMALL))
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "page", "exec"), {})
    told = capsys.readouterr().out
    assert told[: len(told) // 2] == told[len(told) // 2 :]  # two clips of black frames
    assert told.startswith(tuple(NAMES))
    listed = re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", page, re.MULTILINE)))
    assert sorted(listed) == sorted(read_facts(done))


def test_nor_one_whose_name_ends_as_that_of_the_file(tmp_path: Path) -> None:
    checkpoint = made_checkpoint(tmp_path / "best.torchscript", SMALL)
    before = checkpoint.read_bytes()
    with pytest.raises(SettingsError, match="would write over the checkpoint"):
        export_model(str(checkpoint), to="torchscript")
    assert checkpoint.read_bytes() == before
