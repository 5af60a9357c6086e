"""A checkpoint knows by name which clips it was trained on, those of its first weights included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mocrop.training.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mocrop.training.model.trained_on import are_among, checkpoint_of_weights, name_hashes, seen_clips

CHECKPOINT = Checkpoint(
    arch="timm/test_resnet",
    class_names=["Dig"],
    size=32,
    mean=(0.0,),
    std=(1.0,),
    settings={"split": "1"},
    cache={"name": "full-32"},
    epoch=1,
    metrics={},
    state_dict={"fc.bias": torch.zeros(1)},
    trained_on=name_hashes(["Dig/a", "Dig/b"]),
    validated_on=name_hashes(["Dig/c"]),
)


def test_a_name_is_eight_bytes_in_ascending_order_and_the_same_everywhere() -> None:
    hashes = name_hashes(["Dig/b", "Dig/a", "日本/x", "Dig/a"])
    assert (hashes.dtype, hashes.shape) == (torch.int64, (3,))
    assert hashes.tolist() == sorted(hashes.tolist())
    assert name_hashes(["a"]).tolist() == [3405396810240292928]  # what another process, machine or version must find
    assert name_hashes([]).shape == (0,)


def test_names_are_found_whatever_else_was_hashed() -> None:
    hashes = name_hashes(["Dig/a", "Dig/b"])
    assert are_among(["Dig/b", "dig/b", "Dig/b "], hashes).tolist() == [True, False, False]
    assert are_among(["Dig/b"], name_hashes([])).tolist() == [False]


def test_a_run_has_seen_what_its_first_weights_have_seen(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "best.pt", CHECKPOINT)
    seen = seen_clips(["Dig/c", "Dig/d"], ["Dig/e"], before=checkpoint_of_weights(str(tmp_path / "best.pt")))
    names = [f"Dig/{letter}" for letter in "abcdef"]
    assert are_among(names, seen.trained_on).tolist() == [True, True, True, True, False, False]
    assert are_among(names, seen.validated_on).tolist() == [False, False, True, False, True, False]


@pytest.mark.parametrize("weights", ["imagenet", "none", "no-such-file.pt"])
def test_weights_from_elsewhere_have_seen_nothing_that_is_known(weights: str) -> None:
    assert checkpoint_of_weights(weights) is None


def test_a_state_dict_is_no_checkpoint_of_ours(tmp_path: Path) -> None:
    torch.save({"fc.bias": torch.zeros(1)}, tmp_path / "theirs.pt")
    assert checkpoint_of_weights(str(tmp_path / "theirs.pt")) is None


def test_a_checkpoint_of_an_older_mocrop_is_read_and_does_not_say(tmp_path: Path) -> None:
    content = {name: value for name, value in vars(CHECKPOINT).items() if name not in ("trained_on", "validated_on")}
    torch.save(content, tmp_path / "best.pt")
    loaded = load_checkpoint(tmp_path / "best.pt")
    assert (loaded.trained_on, loaded.validated_on) == (None, None)
    assert seen_clips(["Dig/a"], [], before=loaded).trained_on.tolist() == name_hashes(["Dig/a"]).tolist()


def test_the_clips_of_ucf101_take_about_100_kilobytes(tmp_path: Path) -> None:
    before = replace(CHECKPOINT, trained_on=name_hashes([]))
    save_checkpoint(tmp_path / "without.pt", before)
    save_checkpoint(tmp_path / "with.pt", replace(before, trained_on=name_hashes([f"A/{n}" for n in range(9537)])))
    more = (tmp_path / "with.pt").stat().st_size - (tmp_path / "without.pt").stat().st_size
    assert abs(more - 8 * 9537) < 1000
