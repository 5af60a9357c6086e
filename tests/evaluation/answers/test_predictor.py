"""What the network answers for a file is what `mocrop eval` has for the clip, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from mocrop.evaluation import EvalSettings, evaluate
from mocrop.evaluation.answers.predictor import load_predictor
from mocrop.pipeline import CropCache, Workspace
from mocrop.pipeline.outcome import ClipLog
from tests.evaluation.answers.conftest import Train

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
        frames = read.crops.frames if read.crops.fields is None or kind != "fields" else read.crops.fields
        assert predictor.answer(frames).tobytes() == expected.tobytes()
