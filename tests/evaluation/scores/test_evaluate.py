"""Evaluations of networks whose answers are known in advance."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch

from mocrop.evaluation.report.console import evaluation_progress, print_result
from mocrop.evaluation.report.files import write_report
from mocrop.evaluation.report.remarks import remarks
from mocrop.evaluation.scores import evaluate as evaluate_module
from mocrop.evaluation.scores import predict as predict_module
from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate
from mocrop.evaluation.scores.predictions import file_hash, read_predictions
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CacheError, CheckpointError, SettingsError
from mocrop.pipeline.settings import plain_settings
from mocrop.pipeline.terminal import LineConsole
from mocrop.training.data.selection import LeftOut
from mocrop.training.model.backbones import Backbone, build_backbone
from mocrop.training.model.checkpoint import Checkpoint, describe_cache, save_checkpoint
from mocrop.training.model.trained_on import name_hashes
from mocrop.training.recipe import TrainSettings

CPU = EvalSettings(device="cpu", segments=2, batch_size=2)
COLORS = ["Red", "Green", "Blue"]


def colored(shown: list[list[int]], size: int = 16) -> np.ndarray:
    """Clips of plain frames: ``shown[clip][slot]`` is the only colour of that frame."""
    pixels = np.zeros((len(shown), len(shown[0]), 3, size, size), dtype=np.uint8)
    for clip, slots in enumerate(shown):
        for slot, color in enumerate(slots):
            pixels[clip, slot, color] = 255
    return pixels


class MeanColor(torch.nn.Module):
    """Logits are the mean colours: the answer is the colour that a frame shows most of."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.mean(dim=(2, 3))


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    def make(cache_path: Path, **changes: object) -> Path:
        cache = CropCache(cache_path)
        classes = list(changes.get("class_names", cache.class_names))
        checkpoint = Checkpoint(
            arch="timm/test_resnet",
            class_names=classes,
            size=cache.size,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            settings=plain_settings(TrainSettings(), keep_none=True),
            cache=describe_cache(cache),
            epoch=3,
            metrics={},
            state_dict=build_backbone("timm/test_resnet", classes=len(classes), size=cache.size).model.state_dict(),
        )
        save_checkpoint(tmp_path / "best.pt", replace(checkpoint, **changes))
        return tmp_path / "best.pt"

    return make


@pytest.fixture
def by_mean_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every checkpoint answer with the mean colour."""

    def restore(checkpoint: Checkpoint, **_: object) -> Backbone:
        return Backbone(arch=checkpoint.arch, model=MeanColor(), head=(), mean=checkpoint.mean, std=checkpoint.std)

    monkeypatch.setattr(evaluate_module, "restore_backbone", restore)


@pytest.fixture
def colors(tmp_path: Path, make_cache: Callable[..., Path]) -> Path:
    """Five test clips: three show their class, one another, one its class in two frames of three; one has failed."""
    shown = [[0, 0, 0], [1, 1, 1], [2, 2, 2], [0, 0, 0], [1, 0, 1], [2, 2, 2], [0, 0, 0]]
    return make_cache(
        tmp_path / "colors.zarr",
        label=[0, 1, 2, 1, 1, 2, 0],
        subset=[2, 2, 2, 2, 2, 2, 1],
        state=[1, 1, 2, 1, 1, 3, 1],
        pixels=colored(shown),
        class_names=COLORS,
    )


@pytest.mark.usefixtures("by_mean_color")
def test_scores_count_the_usable_test_clips(colors: Path, make_checkpoint: Callable[..., Path]) -> None:
    result = evaluate(colors, make_checkpoint(colors), replace(CPU, segments=3))
    assert (result.top1.correct, result.top1.total) == (4, 5)
    assert (result.top5.correct, result.top5.total) == (5, 5)
    assert result.left_out == LeftOut(failed=1)
    assert (result.classes, result.classes_tested) == (3, 3)
    assert result.split == "1"
    assert result.seen_in_training == 0


@pytest.mark.usefixtures("by_mean_color")
def test_the_middle_frame_alone_may_answer_otherwise(colors: Path, make_checkpoint: Callable[..., Path]) -> None:
    assert evaluate(colors, make_checkpoint(colors), replace(CPU, segments=1)).top1.correct == 3


@pytest.mark.usefixtures("by_mean_color")
def test_the_callback_gets_the_progress_of_each_batch(colors: Path, make_checkpoint: Callable[..., Path]) -> None:
    calls: list[tuple[int, int]] = []
    evaluate(colors, make_checkpoint(colors), CPU, on_batch=lambda done, total: calls.append((done, total)))
    assert calls == [(2, 5), (4, 5), (5, 5)]


def test_batch_size_does_not_change_the_answer(colors: Path, make_checkpoint: Callable[..., Path]) -> None:
    checkpoint = make_checkpoint(colors)
    scores = {evaluate(colors, checkpoint, replace(CPU, batch_size=size)).top1.correct for size in (1, 2, 64)}
    assert len(scores) == 1


def test_more_segments_than_slots_are_refused(colors: Path, make_checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(SettingsError, match="has 3 frames per clip; pass --segments 3 or fewer"):
        evaluate(colors, make_checkpoint(colors), replace(CPU, segments=4))


def test_an_empty_test_list_is_an_error(
    tmp_path: Path, make_cache: Callable[..., Path], make_checkpoint: Callable[..., Path]
) -> None:
    path = make_cache(tmp_path / "c.zarr", label=[0, 1], size=16)
    with pytest.raises(SettingsError, match=r"no usable test clip in split 1 \(clips: 2 in train, 0 in test"):
        evaluate(path, make_checkpoint(path), CPU)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["Red", "Grue", "Blue"], r"3 classes \(from number 2: Grue, Blue\).*3 classes \(from number 2: Green, Blue\)"),
        (["Red", "Green"], r"2 classes \(from number 3: none\), .*3 classes \(from number 3: Blue\)"),
    ],
)
def test_a_checkpoint_for_other_classes_is_refused_with_both_lists(
    colors: Path, make_checkpoint: Callable[..., Path], classes: list[str], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        evaluate(colors, make_checkpoint(colors, class_names=classes), CPU)


def test_a_network_for_another_size_is_refused_by_size(
    tmp_path: Path, make_cache: Callable[..., Path], make_checkpoint: Callable[..., Path]
) -> None:
    large = make_cache(tmp_path / "large.zarr", label=[0, 1], subset=[2, 2], size=64)
    small = make_cache(tmp_path / "small.zarr", label=[0, 1], subset=[2, 2], size=32)
    state = build_backbone("timm/test_vit", classes=2, size=64).model.state_dict()
    checkpoint = make_checkpoint(large, arch="timm/test_vit", state_dict=state)
    assert evaluate(large, checkpoint, CPU).top1.total == 2
    with pytest.raises(CheckpointError, match="trained at 64 px, does not fit timm/test_vit with 2 classes at 32 px"):
        evaluate(small, checkpoint, CPU)


def test_other_sizes_and_policies_are_fine_where_the_network_is(
    tmp_path: Path, make_cache: Callable[..., Path], make_checkpoint: Callable[..., Path]
) -> None:
    trained = make_cache(tmp_path / "full-16.zarr", label=[0, 1], subset=[2, 2], size=16)
    tested = make_cache(
        tmp_path / "motion-24.zarr", label=[0, 1], subset=[2, 2], size=24, attributes={"policy": "motion"}
    )
    result = evaluate(tested, make_checkpoint(trained), CPU)
    assert (result.cache["policy"], result.cache["size"]) == ("motion", 24)
    assert result.trained_on["name"] == "full-16"
    assert any("training-free use" in line and "full-16 (policy full, 16 px)" in line for line in remarks(result))
    assert not any("training-free" in line for line in remarks(evaluate(trained, make_checkpoint(trained), CPU)))


def test_missing_frames_are_an_error(colors: Path, make_checkpoint: Callable[..., Path]) -> None:
    checkpoint = make_checkpoint(colors)
    CropCache(colors).shard_file(0).unlink()
    with pytest.raises(CacheError, match="1 shard files are missing"):
        evaluate(colors, checkpoint, CPU)


def test_clips_of_the_list_trained_on_are_counted_and_warned_of(
    colors: Path, make_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    subset = np.column_stack([CropCache(colors).subset, [1, 1, 1, 2, 2, 2, 2]])  # a second split
    monkeypatch.setattr(CropCache, "subset", subset)
    monkeypatch.setattr(CropCache, "split_names", ["1", "2"])
    trained_on_second = make_checkpoint(colors, settings=plain_settings(TrainSettings(split="2"), keep_none=True))
    result = evaluate(colors, trained_on_second, CPU)
    assert result.seen_in_training == 3
    assert any(line.startswith("WARNING: 3 of these clips") for line in remarks(result))
    trained_elsewhere = make_checkpoint(colors, settings=plain_settings(TrainSettings(split="theirs"), keep_none=True))
    result = evaluate(colors, trained_elsewhere, CPU)
    assert result.seen_in_training is None
    assert any("may have been seen" in line for line in remarks(result))


@pytest.mark.usefixtures("by_mean_color")
def test_clips_that_were_trained_on_are_warned_of_whatever_the_lists_say_now(
    colors: Path, make_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    """The lists say that the seventh clip is for training; the checkpoint has seen four of the five that are tested."""
    clips = CropCache(colors).clip
    seen = {"trained_on": name_hashes([*clips[:3], clips[6], "gone"]), "validated_on": name_hashes(clips[2:4])}
    result = evaluate(colors, make_checkpoint(colors, **seen), CPU)
    assert (result.trained_on_clips, result.validated_on_clips, result.seen_in_training) == (3, 1, 4)
    assert [line for line in remarks(result) if line.startswith("WARNING")] == [
        "WARNING: 3 of these clips were trained on; the scores are too good",
        "WARNING: 1 of these clips were held out of training to choose the best epoch; scores are a little too good",
    ]
    assert result.predictions.origin.seen_in_training == 4
    files = write_report(result, tmp_path / "reports", "eval")
    report = json.loads(files[".json"].read_text())
    assert (report["trained_on_clips"], report["validated_on_clips"]) == (3, 1)
    assert "WARNING: 3 of these clips were trained on" in files[".md"].read_text()
    assert read_predictions(files[".npz"]).origin == result.predictions.origin


@pytest.mark.usefixtures("by_mean_color")
def test_a_checkpoint_that_has_seen_none_of_the_clips_says_nothing_of_them(
    colors: Path, make_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even if it is of a split that the cache does not have, or whose list now holds them."""
    seen = {"trained_on": name_hashes(["A/elsewhere"]), "validated_on": name_hashes([])}
    subset = np.column_stack([CropCache(colors).subset, [1, 1, 1, 2, 2, 2, 2]])
    monkeypatch.setattr(CropCache, "subset", subset)
    monkeypatch.setattr(CropCache, "split_names", ["1", "2"])
    for split in ("2", "theirs"):
        trained = plain_settings(TrainSettings(split=split), keep_none=True)
        result = evaluate(colors, make_checkpoint(colors, settings=trained, **seen), CPU)
        assert (result.trained_on_clips, result.validated_on_clips, result.seen_in_training) == (0, 0, 0)
        assert not any("seen" in line or "WARNING" in line for line in remarks(result))


@pytest.mark.usefixtures("by_mean_color")
def test_the_report_holds_counts_intervals_and_versions(
    colors: Path, make_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    result = evaluate(colors, make_checkpoint(colors), replace(CPU, segments=3))
    write_report(result, tmp_path / "reports", "eval")
    report = json.loads((tmp_path / "reports" / "eval.json").read_text())
    assert report["top1"] == {
        "correct": 4,
        "total": 5,
        "share": 0.8,
        "interval_95": [pytest.approx(0.257, abs=1e-3), pytest.approx(0.979, abs=1e-3)],
    }
    assert report["intervals_by"] == {"kind": "clips", "count": 5}
    assert report["left_out"] == {"failed": 1, "not_written": 0, "without_frames": 0}
    assert report["cache"]["hash"] == report["trained_on"]["hash"]
    assert {"mocrop", "torch", "torchvision", "timm"} <= report["versions"].keys()


@pytest.mark.usefixtures("by_mean_color")
def test_the_table_shows_counts_and_remarks(colors: Path, make_checkpoint: Callable[..., Path]) -> None:
    text = StringIO()
    console = LineConsole(file=text, width=200)
    with evaluation_progress(console) as on_batch:
        result = evaluate(colors, make_checkpoint(colors), replace(CPU, segments=3), on_batch=on_batch)
    print_result(console, result)
    shown = text.getvalue()
    assert "4 / 5" in shown
    assert "25.7 to 97.9 %" in shown
    assert "95 % interval by 5 clips" in shown
    assert "intervals and tests stand on 5 clips alone" in shown
    assert "left out: 1 failed" in shown
    assert "mean class │  88.9 %" in shown  # all of Red and Blue, two of three of Green
    assert "with 3 classes top-5 is always right" in shown


@pytest.mark.parametrize("name", ["segments", "batch_size"])
def test_invalid_settings_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        EvalSettings(**{name: 0})


@pytest.mark.usefixtures("by_mean_color")
def test_the_logits_of_each_clip_are_kept(colors: Path, make_checkpoint: Callable[..., Path]) -> None:
    checkpoint = make_checkpoint(colors)
    kept = evaluate(colors, checkpoint, replace(CPU, segments=3)).predictions
    assert kept.clips == tuple(CropCache(colors).clip[:5])  # the sixth has failed, the seventh is for training
    assert kept.labels.tolist() == [0, 1, 2, 1, 1]
    assert kept.logits[4].tolist() == pytest.approx([1 / 3, 2 / 3, 0])  # two frames of three are green
    assert kept.class_names == tuple(COLORS)
    assert (kept.origin.segments, kept.origin.epoch) == (3, 3)
    assert kept.origin.checkpoint_hash == file_hash(checkpoint)
    assert kept.origin.cache["hash"] == describe_cache(CropCache(colors))["hash"]


def test_a_network_that_answers_nan_is_an_error(
    colors: Path, make_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    diverged = make_checkpoint(colors)
    monkeypatch.setattr(predict_module, "pooled_logits", lambda _, frames: torch.full((len(frames), 3), torch.nan))
    with pytest.raises(CheckpointError, match="answers with NaN or infinity"):
        evaluate(colors, diverged, CPU)


def test_a_checkpoint_of_motion_sees_the_motion_fields(
    tmp_path: Path, make_cache: Callable[..., Path], make_checkpoint: Callable[..., Path]
) -> None:
    """Clips whose frames differ and whose motion is the same get the same answer."""
    fields = np.zeros((4, 4, 2, 16, 16), np.int8)
    fields[:, :, 0] = np.array([48, -48, 48, 48]).reshape(4, 1, 1, 1)
    path = make_cache(tmp_path / "m.zarr", label=[0, 1, 0, 1], subset=[2] * 4, fields=fields)
    model = build_backbone("timm/test_resnet", classes=2, size=16, input="motion").model
    two = {"mean": (0.0, 0.0), "std": (1.0, 1.0)}
    checkpoint = make_checkpoint(path, input="motion", size=16, state_dict=model.state_dict(), **two)
    answers = evaluate(path, checkpoint, replace(CPU, segments=4)).predictions.logits
    assert np.array_equal(answers[0], answers[2])
    assert np.array_equal(answers[0], answers[3])
    assert not np.array_equal(answers[0], answers[1])
    with pytest.raises(CacheError, match=r"plain.zarr has no motion fields; .*precrop --motion-fields"):
        evaluate(make_cache(tmp_path / "plain.zarr", label=[0, 1], subset=[2, 2]), checkpoint, CPU)
