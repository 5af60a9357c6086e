"""Saved predictions: what is read back, what is refused, and how rows are matched by clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mocrop.evaluation.scores.alignment import align, shared_clips
from mocrop.evaluation.scores.predictions import Origin, Predictions, file_hash, read_predictions, write_predictions
from mocrop.pipeline.errors import PredictionsError

ORIGIN = Origin(
    checkpoint="runs/a/best.pt",
    checkpoint_hash="0123456789abcdef",
    arch="resnet50",
    epoch=3,
    trained_on={"name": "full-192", "hash": "aaaa"},
    cache={"name": "motion-192", "hash": "bbbb"},
    segments=8,
)


def predictions(clips: str = "abc", **changes: object) -> Predictions:
    """Clips named by letters; every letter has the same label and logits wherever it stands."""
    numbers = np.array(["abcdef".index(clip) for clip in clips])
    made = Predictions(
        clips=tuple(clips),
        labels=numbers % 2,
        groups=np.full(len(clips), -1, np.int32),
        logits=np.stack((numbers, -numbers), axis=1).astype(np.float32),
        class_names=("Dig", "Run"),
        split="1",
        origin=ORIGIN,
    )
    return replace(made, **changes)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    wide = ("Dig/größe", "Run/v_1 (2)", "Run/" + "x" * 300)
    written = predictions(clips="abc", logits=np.array([[0.1, 1e-30], [-3, 7], [2, 2]], np.float32))
    written = replace(written, clips=wide, groups=np.array([1, 25, -1], np.int32), split="my split")
    write_predictions(written, tmp_path / "reports" / "p.npz")
    read = read_predictions(tmp_path / "reports" / "p.npz")
    assert (read.clips, read.class_names, read.split, read.origin) == (wide, ("Dig", "Run"), "my split", ORIGIN)
    for name in ("labels", "groups", "logits"):
        assert np.array_equal(getattr(read, name), getattr(written, name))
        assert getattr(read, name).dtype == getattr(written, name).dtype


def test_the_same_predictions_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        write_predictions(predictions(), tmp_path / name)
    assert file_hash(tmp_path / "one.npz") == file_hash(tmp_path / "two.npz")


def test_plain_numpy_reads_the_file_without_pickles(tmp_path: Path) -> None:
    write_predictions(predictions("ab"), tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as arrays:
        assert arrays["clip"].tolist() == ["a", "b"]
        assert arrays["logits"].dtype == np.float32


def _pickled(file: Path) -> None:
    np.savez(file, about=np.array([{"format": 1}], dtype=object))


def _cut_short(file: Path) -> None:
    write_predictions(predictions(), file)
    file.write_bytes(file.read_bytes()[:-40])


@pytest.mark.parametrize(
    "spoil",
    [_pickled, _cut_short, lambda file: file.write_bytes(b"no zip"), lambda file: file.touch()],
)
def test_a_file_that_is_damaged_or_something_else_is_refused(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(tmp_path / "p.npz")
    with pytest.raises(PredictionsError, match=r"p\.npz cannot be read as predictions .*run `mocrop eval` again"):
        read_predictions(tmp_path / "p.npz")


def test_another_format_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", about=np.array('{"format": 99}'))
    with pytest.raises(
        PredictionsError, match=r"predictions of format 99, this mocrop reads 2: a newer mocrop wrote it"
    ):
        read_predictions(tmp_path / "p.npz")


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"there are no predictions .*make them with `mocrop eval`"):
        read_predictions(tmp_path / "p.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.array([0, 1])}, "labels has shape"),
        ({"logits": np.zeros((3, 5), np.float32)}, "logits has shape"),
        ({"labels": np.array([0, 1, 2])}, "labels must be from 0 to 1"),
        ({"clips": ("a", "b", "a")}, "no name twice"),
        ({"logits": np.array([[0, 1], [0, np.nan], [0, 1]], np.float32)}, "logits of b are no numbers"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predictions(**changes)


def test_aligning_brings_every_clip_into_the_row_of_the_first() -> None:
    first, second = align(predictions("abc"), predictions("cab"))
    assert second.clips == ("a", "b", "c")
    assert np.array_equal(second.logits, first.logits)


def test_aligning_other_clips_is_refused_with_both_named() -> None:
    elsewhere = replace(ORIGIN, checkpoint="runs/b/best.pt")
    with pytest.raises(PredictionsError) as refused:
        align(predictions("abc"), predictions("bcdef", origin=elsewhere))
    for part in ("runs/a/best.pt on motion-192", "runs/b/best.pt", r"1 (a) in the first", r"3 (d, e, f) in the second"):
        assert part in str(refused.value)


def test_aligning_other_classes_is_refused_with_both_named() -> None:
    with pytest.raises(PredictionsError, match=r"\(from number 2: Run\) and 2 classes \(from number 2: Walk\)"):
        align(predictions(), predictions(class_names=("Dig", "Walk")))


def test_aligning_other_labels_is_refused() -> None:
    with pytest.raises(PredictionsError, match="b is Run in the first and Dig in the second"):
        align(predictions("ab"), predictions("ba", labels=np.array([0, 0])))


def test_shared_clips_are_those_that_all_have() -> None:
    kept = shared_clips(predictions("abcd"), predictions("dcb"), predictions("bde"))
    assert [each.clips for each in kept] == [("b", "d")] * 3
    with pytest.raises(PredictionsError, match="no clip is in all of"):
        shared_clips(predictions("ab"), predictions("cd"))


def test_clips_of_one_group_of_one_class_are_a_cluster() -> None:
    """Group 1 of Dig and group 1 of Run are different people; clips without a group stand alone."""
    grouped = predictions("abcdef", groups=np.array([1, 1, 1, 2, -1, -1], np.int32))  # labels 0 1 0 1 0 1
    assert grouped.grouped
    assert grouped.clusters[0] == grouped.clusters[2]
    assert len(set(grouped.clusters.tolist())) == 5
    assert not predictions("abcdef").grouped
    assert len(set(predictions("abcdef").clusters.tolist())) == 6
