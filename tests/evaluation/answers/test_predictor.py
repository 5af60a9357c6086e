"""What the network answers for a file is what `mocrop eval` has for the clip, to the last bit."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from mocrop.evaluation import EvalSettings, evaluate, predict
from mocrop.evaluation.answers.predict import answer, answer_windows, videos_for
from mocrop.evaluation.answers.predictor import load_predictor
from mocrop.evaluation.answers.report import print_answers
from mocrop.pipeline import CropCache, Workspace, extract_mv, init, run_all, transcode
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.stages.windows import WindowSettings
from mocrop.pipeline.terminal import LineConsole
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
    "clips": {"policy": "motion", "arch": "video/mc3_18"},
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


WINDOWS = {
    "dense": {"policy": "motion", "training": {"clip": (3, 4), "crop": 24, "segments": 3}},
    "dense-follow": {"policy": "follow", "training": {"clip": (5, 2), "crop": 24, "segments": 3}},
    "dense-video": {"policy": "motion", "training": {"arch": "video/mc3_18", "segments": 3}},
    "dense-short": {"policy": "motion", "stride": 6, "training": {"clip": (5, 6), "segments": 3}},
}


@pytest.mark.parametrize("kind", WINDOWS)
def test_windows_and_crops_get_the_logits_of_eval_bit_for_bit(made: Workspace, trained: Train, kind: str) -> None:
    """Clips have 26 frames; windows of 5 span 9 frames, and of the last kind 25, so that there are two."""
    chosen = {"select": "dense", "clips": 3, "frames": 5, "stride": 2, **WINDOWS[kind]}
    run = trained(kind, **chosen)
    cache = CropCache(made.cache(kind))
    crops = 3 if "crop" in chosen["training"] else 1
    for views in (None, (2, 1), (3, crops)):
        tested = evaluate(made.cache(kind), run / "best.pt", EvalSettings(device="cpu", views=views)).predictions
        predictor = load_predictor(run / "best.pt", device="cpu", views=views)
        assert predictor.look == tested.origin.look
        for clip, expected in zip(tested.clips, tested.logits, strict=True):
            read = predictor.read(made.root.parent / f"data/{clip}.avi", clip=clip, log=ClipLog(0))
            row = cache.clip.index(clip)
            windows = cache.window[row]
            assert read.crops.windows == windows[windows >= 0].tolist()
            assert predictor.answer(read.crops).tobytes() == expected.tobytes()


def test_an_answer_says_which_frames_of_which_windows_the_network_got(made: Workspace, trained: Train) -> None:
    """Of 26 frames 3 windows that span 9 begin at 0, 8 and 17; of their clips of 3 frames, 4 apart, each fits once."""
    chosen = {"select": "dense", "clips": 3, "frames": 5, "stride": 2, **WINDOWS["dense"]}
    predictor = load_predictor(trained("dense", **chosen) / "best.pt", device="cpu", views=(3, 3))
    clip = CropCache(made.cache("dense")).clip[0]
    answers = answer(predictor, [made.root.parent / f"data/{clip}.avi"], workspace=made)
    assert answers.files[0].frames == (0, 4, 8, 8, 12, 16, 17, 21, 25)
    assert len(answers.files[0].boxes) == 9
    assert answers.about["look"] == {"frames": 3, "clip": (3, 4), "windows": 3, "crop": 24, "crops": 3}
    console = LineConsole(file=(shown := StringIO()), width=200)
    print_answers(console, answers, top=1)
    assert "9 frames a file (3 clips of 3 frames, 4 apart), 3 crops of 24 px of each" in shown.getvalue()


def test_windows_of_a_long_video_are_read_as_clips(made: Workspace, trained: Train) -> None:
    """A window of 20 frames at 25 a second is a clip of 20 frames."""
    chosen = {"select": "dense", "clips": 3, "frames": 5, "stride": 2, **WINDOWS["dense"]}
    predictor = load_predictor(trained("dense", **chosen) / "best.pt", device="cpu", views=(1, 1))
    clip = CropCache(made.cache("dense")).clip[0]
    found = videos_for(predictor, [made.root.parent / f"data/{clip}.avi"], workspace=made)
    (file,) = answer_windows(predictor, found, WindowSettings(seconds=0.8)).files
    for window in file.windows:
        first, second, third = window.answer.frames
        assert window.span.start <= first < second < third < window.span.stop
        assert (second - first, third - second) == (4, 4)


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
