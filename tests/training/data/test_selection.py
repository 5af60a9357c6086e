"""Which clips are used, which are left out, and which groups are held out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.groups import FIRST_ACROSS_CLASSES
from mocrop.training.data.selection import LeftOut, Subset, hold_out, select_clips, split_index

Open = Callable[..., CropCache]


@pytest.fixture
def open_cache(tmp_path: Path, make_cache: Callable[..., Path]) -> Open:
    def make(**columns: object) -> CropCache:
        return CropCache(make_cache(tmp_path / "c.zarr", **columns))

    return make


def test_only_usable_clips_of_the_subset_are_taken_and_the_others_counted(open_cache: Open) -> None:
    cache = open_cache(
        label=[0] * 8, subset=[1, 1, 1, 1, 1, 2, 2, 0], state=[1, 2, 0, 3, 1, 1, 3, 1], used=[4, 4, 4, 0, 0, 4, 0, 4]
    )
    train = select_clips(cache, split="1", subset=Subset.TRAIN)
    test = select_clips(cache, split="1", subset=Subset.TEST)
    assert train.rows.tolist() == [0, 1]
    assert train.left_out == LeftOut(failed=1, not_written=1, without_frames=1)
    assert str(train.left_out) == "1 failed, 1 not written yet, 1 without frames"
    assert test.rows.tolist() == [5]
    assert test.left_out.total == 1


def test_nothing_left_out_prints_as_none() -> None:
    assert str(LeftOut()) == "none"


def test_an_empty_subset_is_an_error_with_the_counts(open_cache: Open) -> None:
    cache = open_cache(label=[0, 0, 0], subset=[1, 1, 2], state=[1, 1, 3])
    with pytest.raises(SettingsError, match=r"no usable test clip in split 1 .*2 in train, 1 in test.*1 failed"):
        select_clips(cache, split="1", subset=Subset.TEST)


def test_split_is_found_by_name_before_number(open_cache: Open) -> None:
    cache = open_cache(label=[0])
    cache.attributes["split_names"] = ["2", "official", "1"]
    assert [split_index(cache, name) for name in ("2", "official", "1", "3")] == [0, 1, 2, 2]
    for beyond in ("4", "0"):
        with pytest.raises(SettingsError, match=f"no split '{beyond}'; pass --split with one of: 2, official, 1"):
            split_index(cache, beyond)


def test_whole_groups_are_held_out_of_each_class(open_cache: Open) -> None:
    label = [0] * 8 + [1] * 8
    group = [1, 1, 2, 2, 3, 3, 4, 4] * 2
    cache = open_cache(label=label, group=group)
    rows = select_clips(cache, split="1", subset=Subset.TRAIN).rows
    train, validate = hold_out(cache, rows, share=0.25, seed=0)
    assert sorted([*train, *validate]) == list(range(16))
    for number in (0, 1):
        held = {group[row] for row in validate if label[row] == number}
        kept = {group[row] for row in train if label[row] == number}
        assert len(held) == 1
        assert len(kept) == 3
        assert not held & kept


def test_without_groups_single_clips_are_held_out(open_cache: Open) -> None:
    cache = open_cache(label=[0] * 10 + [1] * 10)
    train, validate = hold_out(cache, select_clips(cache, split="1", subset=Subset.TRAIN).rows, share=0.2, seed=0)
    assert len(train) == 16
    assert [int(cache.label[row]) for row in validate] == [0, 0, 1, 1]


def test_another_seed_holds_out_other_groups(open_cache: Open) -> None:
    """One of 12 groups: ten seeds that all choose the same one are as good as impossible."""
    cache = open_cache(label=[0] * 12, group=list(range(12)))
    rows = select_clips(cache, split="1", subset=Subset.TRAIN).rows
    held = [hold_out(cache, rows, share=1 / 12, seed=seed)[1].tolist() for seed in range(10)]
    assert {len(rows) for rows in held} == {1}
    assert len({rows[0] for rows in held}) > 1
    assert held[3] == hold_out(cache, rows, share=1 / 12, seed=3)[1].tolist()


def test_a_class_with_one_group_keeps_it_and_share_0_holds_nothing_out(open_cache: Open) -> None:
    cache = open_cache(label=[0, 0, 1, 1], group=[5, 5, 1, 2])
    rows = select_clips(cache, split="1", subset=Subset.TRAIN).rows
    train, validate = hold_out(cache, rows, share=0.1, seed=0)
    assert len(validate) == 1
    assert cache.label[validate[0]] == 1
    assert hold_out(cache, rows, share=0, seed=0)[1].size == 0
    assert train.tolist() + validate.tolist() != rows.tolist() or validate[0] == 3


def test_other_clips_do_not_change_what_is_held_out(open_cache: Open) -> None:
    cache = open_cache(label=[0] * 6 + [1] * 6, group=[1, 2, 3, 4, 5, 6] * 2)
    rows = select_clips(cache, split="1", subset=Subset.TRAIN).rows
    both = hold_out(cache, rows, share=0.3, seed=3)[1]
    first_class_alone = hold_out(cache, rows[:6], share=0.3, seed=3)[1]
    assert [row for row in both if row < 6] == first_class_alone.tolist()


@pytest.mark.parametrize(("first", "shared"), [(0, False), (FIRST_ACROSS_CLASSES, True)])
def test_a_person_in_several_classes_is_held_out_of_all_of_them(open_cache: Open, first: int, shared: bool) -> None:
    """Groups of one class with equal numbers have nothing in common; from 1,000,000,000 on they have."""
    group = [0, 1, 2, 3, 4, 5, 6, 7] * 2
    cache = open_cache(label=[0] * 8 + [1] * 8, group=[first + number for number in group])
    rows = select_clips(cache, split="1", subset=Subset.TRAIN).rows
    held = [hold_out(cache, rows, share=0.25, seed=seed) for seed in range(6)]
    assert {len(validate) for _, validate in held} == {4}  # two of eight groups of each class
    both = [{group[row] for row in train} & {group[row] for row in validate} for train, validate in held]
    assert any(both) is not shared


def test_people_are_held_out_as_long_as_every_class_keeps_one(open_cache: Open) -> None:
    people = [FIRST_ACROSS_CLASSES + number for number in (0, 0, 1, 1, 2, 2)]
    cache = open_cache(label=[0, 1, 0, 1, 0, 2], group=people, class_names=("Dig", "Run", "Swim"))
    rows = select_clips(cache, split="1", subset=Subset.TRAIN).rows
    for seed in range(20):
        train, validate = hold_out(cache, rows, share=0.9, seed=seed)
        assert {int(cache.label[row]) for row in train} == {0, 1, 2}
        assert validate.tolist() in ([0, 1], [2, 3])  # the person of the third class stays, and one of the others


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(share=st.floats(0, 0.99), seed=st.integers(0, 2**31))
def test_hold_out_parts_the_rows_and_keeps_every_class(
    share: float, seed: int, tmp_path: Path, make_cache: Callable[..., Path]
) -> None:
    path = tmp_path / "c.zarr"
    if not path.exists():
        make_cache(path, label=[0, 0, 0, 0, 1], group=[1, 1, 2, -1, 7], size=1)
    cache = CropCache(path)
    train, validate = hold_out(cache, select_clips(cache, split="1", subset=Subset.TRAIN).rows, share=share, seed=seed)
    assert sorted([*train.tolist(), *validate.tolist()]) == [0, 1, 2, 3, 4]
    assert {int(cache.label[row]) for row in train} == {0, 1}
    assert (0 in validate) == (1 in validate)
