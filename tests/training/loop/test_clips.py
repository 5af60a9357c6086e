"""Which clips a run trains on and validates on, with and without a validation list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import SettingsError
from mocrop.training.loop.clips import choose_clips
from mocrop.training.recipe import TrainSettings

Open = Callable[..., CropCache]


@pytest.fixture
def open_cache(tmp_path: Path, make_cache: Callable[..., Path]) -> Open:
    return lambda **columns: CropCache(make_cache(tmp_path / "c.zarr", **columns))


def listed(open_cache: Open, **columns: object) -> CropCache:
    """Four clips to train on, two to validate on, of which the last has failed, and one to test on."""
    values: dict[str, object] = {"label": [0, 1, 0, 1, 0, 1, 0], "subset": [1, 1, 1, 1, 3, 3, 2]}
    return open_cache(**{**values, "state": [1, 1, 1, 1, 1, 3, 1], **columns})


def test_a_validation_list_is_used_and_all_of_the_training_list_is_trained_on(open_cache: Open) -> None:
    clips = choose_clips(listed(open_cache), TrainSettings())
    assert (clips.train.tolist(), clips.validate.tolist()) == ([0, 1, 2, 3], [4])
    assert (clips.listed, clips.by_list, clips.validation_left_out.failed) == (2, True, 1)


def test_without_one_groups_of_the_training_list_are_held_out(open_cache: Open) -> None:
    clips = choose_clips(listed(open_cache, subset=[1, 1, 1, 1, 1, 0, 2]), TrainSettings())
    assert sorted([*clips.train.tolist(), *clips.validate.tolist()]) == [0, 1, 2, 3, 4]
    assert clips.validate.size
    assert (clips.listed, clips.by_list) == (0, False)


def test_a_share_beside_a_validation_list_is_refused_and_none_validates_on_nothing(open_cache: Open) -> None:
    cache = listed(open_cache)
    with pytest.raises(SettingsError, match=r"validation list of 2 clips.*in place of --validation-share 0\.2; leave"):
        choose_clips(cache, TrainSettings(validation_share=0.2))
    clips = choose_clips(cache, TrainSettings(validation_share=0))
    assert (clips.train.tolist(), clips.validate.size, clips.by_list) == ([0, 1, 2, 3], 0, False)


def test_a_validation_list_without_a_usable_clip_is_an_error_not_another_choice(open_cache: Open) -> None:
    with pytest.raises(SettingsError, match=r"no usable val clip in split 1 .*2 in val.*left out: 2 failed"):
        choose_clips(listed(open_cache, state=[1, 1, 1, 1, 3, 3, 1]), TrainSettings())


@pytest.mark.parametrize(("row", "subset"), [(1, "train"), (4, "val")])
@pytest.mark.parametrize("several", [False, True])
def test_a_clip_without_a_label_is_not_taken_for_one_of_no_class(
    open_cache: Open, row: int, subset: str, several: bool
) -> None:
    label = [0, 1, 0, 1, 0, 1, 0]
    labels = [[1, 0], [1, 1], [1, 0], [0, 1], [1, 0], [0, 1], [1, 0]]
    label[row], labels[row] = -1, [0, 0]
    cache = listed(open_cache, label=label, **({"labels": labels} if several else {}))
    with pytest.raises(SettingsError, match=f"clip{row} is in the {subset} list and has no label; give it one"):
        choose_clips(cache, TrainSettings())


def test_clips_without_a_label_outside_the_lists_do_not_matter(open_cache: Open) -> None:
    cache = listed(open_cache, label=[0, 1, 0, 1, 0, 1, -1], subset=[1, 1, 1, 1, 3, 3, 0])
    assert choose_clips(cache, TrainSettings()).train.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("several", [False, True])
def test_where_clips_may_have_several_labels_a_group_is_held_out_whole_whatever_their_first(
    open_cache: Open, several: bool
) -> None:
    """The clips of group 1 have first labels that differ: of one label each, these are groups of two classes."""
    label, group = [0, 1, 0, 1, 0, 1, 0, 1], [1, 1, 2, 2, 3, 3, 4, 4]
    labels = [[1, 1], [0, 1]] * 4
    cache = open_cache(label=label, group=group, **({"labels": labels} if several else {}))
    parted = set()
    for seed in range(6):
        clips = choose_clips(cache, TrainSettings(validation_share=0.25, seed=seed))
        sides = [{group[row] for row in rows.tolist()} for rows in (clips.train, clips.validate)]
        parted.add(bool(sides[0] & sides[1]))
    assert (True in parted) is not several


def test_groups_are_held_out_of_every_class_of_their_clips(open_cache: Open) -> None:
    """Of class B only clip 0 would be left if 1 and 2 were held out; every class keeps one, so one of them stays."""
    labels = [[1, 1], [1, 0], [1, 1], [1, 0]]
    clips = choose_clips(open_cache(label=[0] * 4, labels=labels), TrainSettings(validation_share=0.5))
    assert 0 < len({0, 2} & set(clips.validate.tolist())) < 2
    assert len(clips.validate) == 2


def test_unlabelled_clips_are_one_error_that_says_how_to_get_labels(open_cache: Open) -> None:
    cache = open_cache(label=[-1, -1], subset=[[], []], class_names=[])
    with pytest.raises(SettingsError, match=r"no labels; run `mocrop init` again.*--splits.*mocrop precrop --name c"):
        choose_clips(cache, TrainSettings())
