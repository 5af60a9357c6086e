"""What the network answers for a file is what `mocrop eval` has for the clip, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mocrop.evaluation import EvalSettings, evaluate, predict
from mocrop.evaluation.answers.predictor import load_predictor
from mocrop.pipeline import CropCache, Workspace, extract_mv, init, run_all, transcode
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.outcome import ClipLog
from mocrop.training import TrainSettings, train
from mocrop.training.data.frame_reader import FrameReader
from tests.evaluation.answers.conftest import HERE, Train

CROPS: dict[str, dict[str, object]] = {
    "motion": {"policy": "motion"},
    "motion-v2": {"policy": "motion-v2"},
    "random": {"policy": "random"},
    "center": {"policy": "center", "fit": "pad"},
    "follow": {"policy": "follow", "select": "uniform", "bars": "cut"},
    "adaptive": {"policy": "adaptive", "ratio": 0.5},
    "fields": {"policy": "motion", "motion_fields": True, "input": "motion", "field_side": 32},
    "spread": {"policy": "full", "pool": "mean-std"},
    "original": {"policy": "motion", "source": "original"},
    "auto": {"policy": "motion", "source": "auto"},
}


@pytest.mark.parametrize("kind", CROPS)
def test_logits_are_those_of_eval_bit_for_bit(made: Workspace, trained: Train, kind: str) -> None:
    run = trained(kind, **CROPS[kind])
    tested = evaluate(made.cache(kind), run / "best.pt", EvalSettings(segments=4, device="cpu")).predictions
    predictor = load_predictor(run / "best.pt", segments=4, device="cpu")
    cache = CropCache(made.cache(kind))
    for clip, expected in zip(tested.clips, tested.logits, strict=True):
        read = predictor.read(made.root.parent / f"data/{clip}.avi", clip=clip, log=ClipLog(0))
        row = cache.clip.index(clip)
        assert read.crops.numbers == [number for number in cache.frame_index[row].tolist() if number >= 0]
        assert np.array_equal(np.float32(read.crops.box.edges), cache.box[row])
        assert predictor.answer(read.crops).tobytes() == expected.tobytes()


def test_motion_and_crops_are_those_that_went_through_the_stores(made: Workspace, trained: Train) -> None:
    run = trained("motion", policy="motion")
    transcode(made, run=HERE)
    extract_mv(made, source="h264", run=HERE)  # a cache of another source may have been made since
    predictor, cache = load_predictor(run / "best.pt", device="cpu"), CropCache(made.cache("motion"))
    store = MotionReader(made.motion)
    stored = FrameReader(cache)
    for row, clip in enumerate(cache.clip):
        read = predictor.read(made.root.parent / f"data/{clip}.avi", clip=clip, log=ClipLog(0))
        expected = store.read(row)
        assert read.motion is not None
        for name, value in vars(read.motion).items():
            assert np.array_equal(value, getattr(expected, name)), name
            assert getattr(value, "dtype", None) == getattr(getattr(expected, name), "dtype", None)
        used = len(read.crops.numbers)
        frames = stored.read(np.array([row]), np.arange(used)[None])[0]
        assert np.array_equal(read.crops.frames, frames)


@pytest.mark.real
@pytest.mark.parametrize("source", ["h264", "original"])
def test_real_clips_get_the_logits_of_eval_bit_for_bit(real_clips: Path, tmp_path: Path, source: str) -> None:
    for folder in sorted((real_clips / "videos").iterdir()):
        for group in (1, 2, 3, 8, 9):  # the first seven are the test list's, as in split 1 of UCF-101
            clip = next(folder.glob(f"*_g{group:02d}_*.avi"))
            target = tmp_path / "data" / folder.name / clip.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(clip)
    workspace = Workspace(tmp_path / "work")
    init(workspace, tmp_path / "data", splits=real_clips / "ucfTrainTestlist")
    run_all(workspace, size=64, source=source, run=HERE)  # type: ignore[arg-type]
    settings = {"arch": "timm/test_resnet", "weights": "none", "epochs": 2, "device": "cpu", "validation_share": 0.0}
    train(workspace.cache("motion-64"), workspace.runs / "r", TrainSettings(**settings))  # type: ignore[arg-type]
    settled = EvalSettings(device="cpu")
    tested = evaluate(workspace.cache("motion-64"), workspace.runs / "r/best.pt", settled).predictions
    answers = predict(tmp_path / "data", run="r", workspace=workspace, device="cpu")
    logits = {each.name: each.logits for each in answers.files}
    assert len(logits) == 30
    assert len(tested.clips) == 18
    for name, expected in zip(tested.clips, tested.logits, strict=True):
        found = logits[name]
        assert found is not None
        assert found.tobytes() == expected.tobytes()
