"""Late fusion of networks whose answers are all known."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mocrop.evaluation.report.files import SUFFIXES
from mocrop.evaluation.report.fusion import print_fusion, words, write_fusion
from mocrop.evaluation.scores.comparisons import Verdict
from mocrop.evaluation.scores.fusion import Fusion, fuse, late_fusion, mixed_logits
from mocrop.evaluation.scores.metrics import right, softmax
from mocrop.evaluation.scores.predictions import Origin, Predictions, read_predictions, write_predictions
from mocrop.evaluation.views import Look
from mocrop.pipeline.errors import PredictionsError
from mocrop.pipeline.terminal import LineConsole

FRAMES = Origin(
    checkpoint="runs/frames/best.pt",
    checkpoint_hash="a",
    arch="resnet50",
    epoch=1,
    trained_on={"name": "full-192", "hash": "1"},
    cache={"name": "full-192", "hash": "1"},
    segments=8,
)
MOTION = replace(FRAMES, checkpoint="runs/motion/best.pt", checkpoint_hash="b", cache={"name": "fields", "hash": "2"})


def sure_of(answers: list[int], sureness: list[float], *, origin: Origin = FRAMES) -> Predictions:
    """Eight clips of Dig; each is taken for Dig or Run with some probability, the rest goes to the other."""
    probabilities = np.full((8, 2), 1.0)
    probabilities[np.arange(8), answers] = sureness
    probabilities[np.arange(8), 1 - np.array(answers)] = 1 - np.array(sureness)
    return Predictions(
        clips=tuple("abcdefgh"),
        labels=np.zeros(8, np.int64),
        groups=np.full(8, -1, np.int32),
        logits=np.log(probabilities).astype(np.float32),
        class_names=("Dig", "Run"),
        split="1",
        origin=origin,
    )


# The frames get a and b right; the motion gets all but a right. Where they differ, the surer one wins at equal weights.
BY_FRAMES = sure_of([0, 0, 1, 1, 1, 1, 1, 1], [0.9, 0.9, 0.6, 0.6, 0.6, 0.6, 0.6, 0.9])
BY_MOTION = sure_of([1, 0, 0, 0, 0, 0, 0, 0], [0.6, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.6], origin=MOTION)


@pytest.fixture(scope="module")
def fusion() -> Fusion:
    return late_fusion(BY_FRAMES, BY_MOTION, names=("frames", "motion"))


def test_the_softmax_is_averaged_with_the_weight_of_the_second() -> None:
    fused = fuse(BY_FRAMES, BY_MOTION, weight=0.25)
    assert softmax(fused.logits)[0] == pytest.approx([0.75 * 0.9 + 0.25 * 0.4, 0.75 * 0.1 + 0.25 * 0.6])


@pytest.mark.parametrize(("weight", "alone"), [(0.0, BY_FRAMES), (1.0, BY_MOTION)])
def test_a_weight_of_zero_or_one_is_one_network_alone(weight: float, alone: Predictions) -> None:
    assert softmax(fuse(BY_FRAMES, BY_MOTION, weight=weight).logits) == pytest.approx(softmax(alone.logits), rel=1e-5)


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_another_weight_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight must be from 0 to 1"):
        fuse(BY_FRAMES, BY_MOTION, weight=weight)


def test_each_network_and_the_fusion_are_scored(fusion: Fusion) -> None:
    assert [stream.metrics.top1.correct for stream in fusion.streams] == [2, 7, 7]
    assert [stream.name for stream in fusion.streams] == ["frames", "motion", "weights 0.5 and 0.5"]


def test_the_others_are_tested_against_the_first_clip_by_clip(fusion: Fusion) -> None:
    """The motion alone gets six clips right and the frames alone one: of 128 signs of these seven, 16 give a sum of 5
    or more. The fusion keeps that one and loses h, where the frames are surely wrong: five to none, two of 32 signs."""
    assert fusion.first.over_first is None
    second, fused = fusion.second.over_first, fusion.fused.over_first
    assert second is not None
    assert fused is not None
    assert (second.gained, second.lost, fused.gained, fused.lost) == (6, 1, 5, 0)
    assert (second.p_value, fused.p_value) == pytest.approx((16 / 128, 2 / 32), abs=0.007)
    assert fused.p_corrected == 2 * fused.p_value  # the smaller one of two
    assert fused.difference.mean == 5 / 8
    assert 0.1 < fused.difference.low < 5 / 8 < fused.difference.high <= 1.1
    assert fused.verdict is Verdict.NOT_SHOWN


def test_clips_of_one_group_are_one_test() -> None:
    """The clips in four groups of two: no test of four groups can show anything."""
    pairs = (np.arange(8) // 2).astype(np.int32)
    grouped = late_fusion(replace(BY_FRAMES, groups=pairs), replace(BY_MOTION, groups=pairs))
    assert grouped.fused.over_first is not None
    assert grouped.fused.over_first.p_value >= 2 / 16 - 0.01
    assert "stand on 4 groups alone" in " ".join(words(grouped))


def test_clips_are_brought_into_one_order_by_name() -> None:
    shuffled = BY_MOTION.take(np.array([7, 0, 3, 1, 2, 6, 5, 4]))
    assert np.array_equal(fuse(BY_FRAMES, shuffled).logits, fuse(BY_FRAMES, BY_MOTION).logits)


def test_other_clips_are_refused_with_both_named() -> None:
    with pytest.raises(
        PredictionsError, match=r"runs/frames.* on full-192.* runs/motion.* on fields.* 1 \(a\) in the fi"
    ):
        fuse(BY_FRAMES, BY_MOTION.take(np.arange(1, 8)))


CLOSE = np.array([0, 1e-30, 2e-30, 1, 1 + 2**-23, -87.5, -104, -110, -2000, 3e38], np.float32)  # ties are likely
ANY = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False)
USUAL = st.floats(-30, 30, width=32, allow_subnormal=False)
LOGITS = arrays.arrays(np.float32, (4, 7), elements=st.one_of(st.sampled_from(CLOSE.tolist()), ANY, USUAL))
WEIGHTS = st.floats(0, 1, allow_subnormal=False)


def seven_classes(logits: npt.NDArray[np.floating]) -> Predictions:
    """Four clips of the classes 0, 2, 4 and 6 of seven."""
    return replace(BY_FRAMES.take(np.arange(4)), logits=logits, labels=np.arange(0, 8, 2), class_names=tuple("abcdefg"))


@given(LOGITS, WEIGHTS)
def test_a_run_fused_with_itself_keeps_its_order_its_ties_and_its_scores(
    logits: npt.NDArray[np.float32], weight: float
) -> None:
    alone = seven_classes(logits)
    fused = fuse(alone, alone, weight=weight)
    assert np.array_equal(fused.logits, logits)
    for k in (1, 5):
        assert np.array_equal(right(fused, k=k), right(alone, k=k))


@given(LOGITS, LOGITS)
def test_at_the_ends_of_the_weight_one_network_is_left_to_the_bit(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]
) -> None:
    assert np.array_equal(mixed_logits(first, second, weight=0), first)
    assert np.array_equal(mixed_logits(first, second, weight=1), second)


@given(LOGITS, LOGITS, WEIGHTS)
def test_a_fusion_is_finite_and_its_softmax_the_mean(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32], weight: float
) -> None:
    mixed = mixed_logits(first, second, weight=weight)
    assert np.isfinite(mixed).all()
    assert mixed.dtype == np.float64
    mean = (1 - weight) * softmax(first) + weight * softmax(second)
    assert softmax(mixed) == pytest.approx(mean, rel=1e-9, abs=1e-12)


def test_classes_less_likely_than_a_number_can_be_keep_their_order_and_count_for_the_top_five() -> None:
    """Powers of e below -745 are zero in float64, and the first network leaves all but one class there."""
    sure = np.array([[0, -900, -905, -910, -915, -920, -925]], np.float32)
    even = np.array([[0, -1000, -1000, -1000, -1000, -1000, -990]], np.float32)
    mixed = mixed_logits(sure, even, weight=0.5)
    assert (-mixed).argsort(axis=1).tolist() == [[0, 1, 2, 3, 4, 5, 6]]
    assert mixed == pytest.approx(sure + np.log([0.5]) * (sure != 0), rel=1e-12)


def test_a_saved_fusion_is_read_as_it_was(tmp_path: Path) -> None:
    fused = fuse(BY_FRAMES, BY_MOTION)
    write_predictions(fused, tmp_path / "fused.npz")
    assert np.array_equal(read_predictions(tmp_path / "fused.npz").logits, fused.logits)
    assert not np.array_equal(fused.logits.astype(np.float32), fused.logits)


def test_fused_predictions_name_both_origins() -> None:
    origin = fuse(BY_FRAMES, BY_MOTION).origin
    assert origin.checkpoint == "runs/frames/best.pt + runs/motion/best.pt"
    assert origin.cache["name"] == "full-192 + fields"
    assert origin != fuse(BY_FRAMES, BY_MOTION, weight=0.25).origin
    assert origin == fuse(BY_FRAMES, BY_MOTION).origin


@pytest.mark.parametrize("seen", [(0, 5), (5, 2)])
def test_fused_predictions_say_what_the_first_got_of_a_clip_and_how_much_either_had_seen(
    seen: tuple[int, int], tmp_path: Path
) -> None:
    windows = Look(frames=16, clip=(16, 2), windows=4, crop=112, crops=3)
    first = replace(FRAMES, segments=64, look=windows, seen_in_training=seen[0])
    second = replace(FRAMES, checkpoint="other.pt", seen_in_training=seen[1])
    fused = fuse(replace(BY_FRAMES, origin=first), replace(BY_MOTION, origin=second))
    write_predictions(fused, tmp_path / "fused.npz")
    assert read_predictions(tmp_path / "fused.npz").origin == fused.origin
    assert (fused.origin.look, fused.origin.segments, fused.origin.seen_in_training) == (windows, 64, 5)


def test_the_report_has_a_row_for_each_and_the_files_of_the_fusion(fusion: Fusion, tmp_path: Path) -> None:
    files = write_fusion(fusion, ["motion: its saved predictions"], tmp_path, "frames-fused-motion")
    assert tuple(files) == SUFFIXES
    assert all(file.exists() for file in files.values())
    text = files[".md"].read_text()
    for part in (
        "| first | 25.0 % |  |  |  |",
        "| fused | 87.5 % | +62.5 [",
        "| 5 / 0 | 0.1",
        "no difference between fused and first is shown",
        "by 8 clips",
        "its saved predictions",
    ):
        assert part in text
    report = json.loads(files[".json"].read_text())
    assert report["first"]["over_first"] is None
    over = report["fused"]["over_first"]
    assert (over["difference"], over["gained"], over["lost"]) == (5 / 8, 5, 0)
    assert over["interval_95"][0] < 5 / 8 < over["interval_95"][1]
    assert (over["p_corrected"], over["verdict"]) == (2 * over["p_value"], "no difference shown")
    assert report["second"]["top1"]["correct"] == 7
    assert read_predictions(files[".npz"]).origin == fusion.fused.predictions.origin


def test_the_console_names_both_within_80_columns(fusion: Fusion) -> None:
    text = StringIO()
    print_fusion(LineConsole(file=text, force_terminal=True, color_system=None, width=80), fusion, ["a note"])
    assert "second: motion, 7 of 8 clips right" in text.getvalue()
    assert "a note" in text.getvalue()
    assert max(map(len, text.getvalue().splitlines())) <= 80
