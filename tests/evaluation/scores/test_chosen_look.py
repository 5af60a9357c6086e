"""What a network is tested on, and that its answer is the mean over just that.

The windows of the made cache are frames 6, 8, 10, 12 and 26, 28, 30, 32 of 40; slots 0 to 3 and 4 to 7.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mocrop.evaluation.commands import saved_predictions
from mocrop.evaluation.report.files import report_files, write_report
from mocrop.evaluation.scores.chosen_look import Stored, look_of
from mocrop.evaluation.scores.evaluate import EvalSettings, evaluate
from mocrop.evaluation.scores.predictions import Origin, read_predictions
from mocrop.evaluation.scores.targets import Target
from mocrop.evaluation.views import Look, Views, parse_views
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import DenseWindows
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.data.inputs import normalise
from mocrop.training.loop.train import train
from mocrop.training.model.checkpoint import Checkpoint, load_checkpoint, restore_backbone
from mocrop.training.recipe import TrainSettings
from tests import dense_cache
from tests.conftest import MakeCache
from tests.dense_cache import make_dense_cache

DENSE = DenseWindows(windows=2, frames=4, stride=2)
SETTINGS = TrainSettings(
    arch="timm/test_resnet", weights="none", epochs=1, batch_size=2, validation_share=0, device="cpu", crop=24
)
CLIP = replace(SETTINGS, clip=(2, 2))


def noise(row: int, number: int, *, size: int) -> np.ndarray:
    """A frame that has no like, nor have its parts."""
    return np.random.default_rng((row, number)).integers(0, 256, (3, size, size), dtype=np.uint8)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a cache of windows of noise, and runs on it."""
    workspace = Workspace(tmp_path_factory.mktemp("look") / "work")
    workspace.caches.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense_cache, "telling_frame", noise)
        path = make_dense_cache(
            workspace.cache("dense"), lengths=[40] * 6, dense=DENSE, label=[0, 1] * 3, subset=[1] * 4 + [2] * 2, size=32
        )
    train(path, workspace.runs / "windows", CLIP)
    train(path, workspace.runs / "video", replace(CLIP, arch="video/mc3_18"))
    train(path, workspace.runs / "frames", SETTINGS)
    train(path, workspace.runs / "whole", replace(SETTINGS, crop=None))
    return workspace


def best(place: Workspace, run: str) -> Path:
    return place.runs / run / "best.pt"


def scored(place: Workspace, run: str, **settings: object) -> tuple[np.ndarray, Look]:
    found = evaluate(place.cache("dense"), best(place, run), EvalSettings(device="cpu", **settings))  # type: ignore[arg-type]
    return found.predictions.logits, found.look


def by_hand(place: Workspace, run: str, views: list[list[int]], corners: list[tuple[int, int]]) -> np.ndarray:
    """Logits of the test clips, the mean over views of so many slots, at each corner (left, top) of 24 pixels."""
    checkpoint = load_checkpoint(best(place, run))
    backbone = restore_backbone(checkpoint, size=24, source=Path("it"), frames=len(views[0]))
    stored = CropCache(place.cache("dense")).open_frames()[4:6].read().result()
    logits = []
    with torch.inference_mode():
        for slots in views:
            for left, top in corners:
                frames = torch.from_numpy(stored[:, slots, :, top : top + 24, left : left + 24])
                inputs = normalise(frames, mean=backbone.mean, std=backbone.std)
                model = backbone.model.eval()
                if backbone.video:
                    logits.append(model(inputs.transpose(1, 2)))
                else:
                    logits.append(model(inputs.flatten(0, 1)).view(2, len(slots), -1).mean(dim=1))
    return torch.stack(logits).mean(dim=0).numpy()


@pytest.mark.parametrize("run", ["windows", "video"])
@pytest.mark.parametrize(
    ("views", "slots", "corners"),
    [
        (None, [[1, 2], [5, 6]], [(4, 4)]),
        ((1, 1), [[5, 6]], [(4, 4)]),
        ((2, 3), [[1, 2], [5, 6]], [(0, 4), (4, 4), (8, 4)]),
    ],
)
def test_the_answer_is_the_mean_over_windows_and_crops(
    place: Workspace, run: str, views: Views | None, slots: list[list[int]], corners: list[tuple[int, int]]
) -> None:
    logits, look = scored(place, run, views=views)
    assert logits == pytest.approx(by_hand(place, run, slots, corners), abs=1e-5)
    assert look == Look(frames=2, clip=(2, 2), windows=len(slots), crop=24, crops=len(corners))


def test_a_network_of_frames_sees_three_crops_of_each(place: Workspace) -> None:
    """Of 8 slots in 2 segments the middle ones are 2 and 6."""
    logits, look = scored(place, "frames", segments=2, views=(1, 3))
    assert logits == pytest.approx(by_hand(place, "frames", [[2, 6]], [(0, 4), (4, 4), (8, 4)]), abs=1e-5)
    assert look == Look(frames=2, crop=24, crops=3)
    middle, _ = scored(place, "frames", segments=2)
    assert middle == pytest.approx(by_hand(place, "frames", [[2, 6]], [(4, 4)]), abs=1e-5)


def test_batches_change_nothing(place: Workspace) -> None:
    together, alone = (scored(place, "windows", views=(2, 3), batch_size=size)[0] for size in (32, 1))
    assert together.tobytes() == alone.tobytes()


@pytest.mark.parametrize(
    ("run", "settings", "message"),
    [
        ("windows", {"views": (3, 1)}, "--views 3: {cache} has 2 windows per clip; pass 2 or fewer"),
        ("windows", {"segments": 3}, "takes clips of 2 frames, 2 apart, not single frames; pass --views instead"),
        (
            "frames",
            {"views": (2, 1)},
            "was trained on single frames, not on windows of them; pass --segments, or train",
        ),
        (
            "whole",
            {"views": (1, 3)},
            "--views 1x3: {file} sees the whole of frames of 32 px, which leaves no room for 3",
        ),
        ("frames", {"segments": 9}, "{cache} has 8 frames per clip; pass --segments 8 or fewer"),
    ],
)
def test_what_cannot_be_tested_is_refused_in_one_line(
    place: Workspace, run: str, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        scored(place, run, **settings)
    assert message.format(cache=place.cache("dense"), file=best(place, run)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cache_that_holds_no_such_clips_is_refused(place: Workspace, tmp_path: Path, make_cache: MakeCache) -> None:
    names = {"label": [0, 1], "subset": [2, 2], "size": 32}
    plain = make_cache(tmp_path / "plain.zarr", **names)
    other = make_dense_cache(
        tmp_path / "other.zarr",
        lengths=[40] * 2,
        dense=DenseWindows(windows=1, frames=4, stride=3),
        label=[0, 1],
        subset=[2, 2],
        size=32,
    )
    for path, what in ((plain, "no windows of neighbouring frames for"), (other, "windows for clips of 4 frames, 3")):
        with pytest.raises(SettingsError) as caught:
            evaluate(path, best(place, "windows"), EvalSettings(device="cpu"))
        message = str(caught.value)
        assert message.startswith(f"{path} has {what}")
        assert f"for clips of 2 frames, 2 apart, which {best(place, 'windows')} takes; make a cache" in message
        assert "`mocrop precrop --select dense --frames 2 --stride 2`" in message


def test_a_cache_of_windows_that_hold_the_clips_will_do(place: Workspace, tmp_path: Path) -> None:
    path = make_dense_cache(
        tmp_path / "long.zarr",
        lengths=[40] * 2,
        dense=DenseWindows(windows=1, frames=9, stride=1),
        label=[0, 1],
        subset=[2, 2],
        size=32,
    )
    assert evaluate(path, best(place, "windows"), EvalSettings(device="cpu")).look.windows == 1


def test_reports_and_predictions_say_what_the_network_got(place: Workspace, tmp_path: Path) -> None:
    result = evaluate(place.cache("dense"), best(place, "windows"), EvalSettings(device="cpu", views=(2, 3)))
    files = write_report(result, tmp_path, "it")
    look = {"frames": 2, "clip": [2, 2], "windows": 2, "crop": 24, "crops": 3}
    assert json.loads(files[".json"].read_text())["look"] == look
    assert "4 per clip (2 clips of 2 frames, 2 apart), 3 crops of 24 px of each" in files[".md"].read_text()
    origin = read_predictions(files[".npz"]).origin
    assert origin.look == Look(frames=2, clip=(2, 2), windows=2, crop=24, crops=3)
    assert origin.segments == 4
    assert result.latency.segments == 12


def test_predictions_of_single_whole_frames_say_no_more_than_they_did() -> None:
    origin = Origin(
        checkpoint="", checkpoint_hash="", arch="", epoch=1, trained_on={}, cache={}, segments=8, look=Look(frames=8)
    )
    assert "look" not in origin.plain()


@pytest.mark.parametrize("run", ["windows", "frames"])
def test_saved_predictions_serve_only_for_the_same_views(place: Workspace, run: str) -> None:
    target = Target(checkpoint=best(place, run), cache=place.cache("dense"))
    views: dict[str, list[Views | None]] = {"windows": [None, (2, 1), (1, 1), (2, 3)], "frames": [None, (1, 1), (1, 3)]}
    for saved in views[run]:
        result = evaluate(target.cache, target.checkpoint, EvalSettings(device="cpu", views=saved))
        write_report(result, place.reports, target.stem("1"))
        assert report_files(place.reports, target.stem("1"))[".npz"].exists()
        usual = (2, 1) if run == "windows" else (1, 1)
        for asked in views[run]:
            found = saved_predictions(place, EvalSettings(device="cpu", views=asked), target)
            assert (found is not None) == ((asked or usual) == (saved or usual))


def test_views_are_read_from_the_command_line() -> None:
    assert [parse_views(text) for text in ("4x3", "1", " 2X1 ")] == [(4, 3), (1, 1), (2, 1)]
    for wrong in ("4x2", "0", "x3", "4x", "-1", "4x3x1", ""):
        with pytest.raises(ValueError, match=r"--views|is not WINDOWS"):
            parse_views(wrong)


def test_a_video_network_of_another_program_gets_the_clips_that_are_stored() -> None:
    foreign = Checkpoint(
        arch="video/mc3_18",
        class_names=["a"],
        size=32,
        mean=(0.0,),
        std=(1.0,),
        settings={"split": "unknown"},
        cache={},
        epoch=0,
        metrics={},
        state_dict={},
    )
    stored = Stored(slots=8, size=32, dense=DENSE, subject="it")
    look = look_of(foreign, stored, segments=None, views=None, source=Path("x.pt"))
    assert look == Look(frames=4, clip=(4, 2), windows=2)
    frames = replace(foreign, arch="resnet50")
    assert look_of(frames, stored, segments=None, views=None, source=Path("x.pt")) == Look(frames=8)
