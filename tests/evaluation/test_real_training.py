"""Real clips: a small network trained from scratch does better than chance on groups that it has never seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate
from mocrop.pipeline.video.open import open_container
from mocrop.training.loop.train import train
from mocrop.training.recipe import TrainSettings

SIZE, SLOTS = 64, 4
GROUPS = range(1, 17)  # of each class; the first six are the test list's, as in split 1 of UCF-101
TEST_GROUPS = range(1, 7)


def whole_frames(path: Path) -> np.ndarray:
    """The first key frames of a clip, squashed: uint8, (SLOTS, 3, SIZE, SIZE); the last one is repeated if need be."""
    with open_container(path) as container:
        container.streams.video[0].codec_context.skip_frame = "NONKEY"
        frames = [
            frame.to_ndarray(format="rgb24", width=SIZE, height=SIZE, interpolation="AREA").transpose(2, 0, 1)
            for frame, _ in zip(container.decode(video=0), range(SLOTS), strict=False)
        ]
    return np.stack(frames + frames[-1:] * (SLOTS - len(frames)))


@pytest.mark.real
def test_training_on_real_clips_beats_chance(real_clips: Path, tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    classes = sorted(folder.name for folder in (real_clips / "videos").iterdir())
    clips = [(label, group) for label in range(len(classes)) for group in GROUPS]
    files = [next((real_clips / "videos" / classes[label]).glob(f"*_g{group:02d}_*.avi")) for label, group in clips]
    cache = make_cache(
        tmp_path / "real.zarr",
        label=[label for label, _ in clips],
        group=[group for _, group in clips],
        subset=[2 if group in TEST_GROUPS else 1 for _, group in clips],
        pixels=np.stack([whole_frames(file) for file in files]),
        class_names=classes,
        clips_per_shard=32,
    )
    settings = TrainSettings(
        arch="timm/test_efficientnet",
        weights="none",
        epochs=12,
        batch_size=10,
        learning_rate=3e-3,
        mixup=0,
        device="cpu",
    )
    result = train(cache, tmp_path / "run", settings)
    score = evaluate(cache, result.checkpoint, EvalSettings(segments=SLOTS, device="cpu")).top1
    assert score.total == len(classes) * len(TEST_GROUPS)
    assert score.interval[0] > 1 / len(classes), f"no better than chance: {score}"
