"""Splits made without lists: whole groups on one side, and the same for the same seed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.generated_splits import TEST, TRAIN, generated_subsets, groups_to_test
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog


def clips_of(groups: dict[str, list[int]], *, clips_per_group: int = 2) -> list[Clip]:
    """Clips of the given groups per class; group -1 stands for clips without a group."""
    return [
        Clip(
            name=f"{name}/{n}_g{group}_c{c}",
            path=f"{name}/{n}_g{group}_c{c}.avi",
            class_name=name,
            group=group,
            size_bytes=1,
            mtime_ns=1,
        )
        for name, members in groups.items()
        for n, group in enumerate(members)
        for c in range(clips_per_group)
    ]


some_classes = st.dictionaries(
    st.sampled_from("ABCD"), st.lists(st.integers(-1, 9), min_size=1, max_size=12), min_size=1
)


@given(some_classes, st.integers(0, 5))
def test_every_clip_is_on_one_side_and_a_group_never_on_both(groups: dict[str, list[int]], seed: int) -> None:
    clips = clips_of(groups)
    subset = generated_subsets(clips, IssueLog(), seed=seed)
    assert set(np.unique(subset)) <= {TRAIN, TEST}
    for column in subset.T:
        sides: dict[tuple[str, int], set[int]] = {}
        for clip, side in zip(clips, column, strict=True):
            if clip.group >= 0:
                sides.setdefault((clip.class_name, clip.group), set()).add(int(side))
        assert all(len(side) == 1 for side in sides.values())


@given(some_classes, st.integers(0, 5))
def test_no_clip_is_tested_in_two_splits_and_every_class_is_trained_in_each(
    groups: dict[str, list[int]], seed: int
) -> None:
    clips = clips_of(groups)
    subset = generated_subsets(clips, IssueLog(), seed=seed)
    assert np.all((subset == TEST).sum(axis=1) <= 1)
    for name in groups:
        rows = np.array([clip.class_name == name for clip in clips])
        assert np.all((subset[rows] == TRAIN).any(axis=0))


@given(some_classes, st.integers(0, 99))
def test_the_order_of_the_clips_does_not_matter(groups: dict[str, list[int]], order_seed: int) -> None:
    clips = clips_of(groups)
    order = np.random.default_rng(order_seed).permutation(len(clips))
    mixed = generated_subsets([clips[n] for n in order], IssueLog(), seed=0)
    assert np.array_equal(mixed, generated_subsets(clips, IssueLog(), seed=0)[order])


def test_25_groups_give_three_splits_that_test_on_8_groups_each() -> None:
    clips = clips_of({"A": list(range(1, 26))})
    subset = generated_subsets(clips, IssueLog(), seed=0)
    assert subset.shape == (50, 3)
    assert (subset == TEST).sum(axis=0).tolist() == [16, 16, 16]


@pytest.mark.parametrize(("groups", "splits"), [([1], 1), ([1, 2], 1), ([1, 2, 3], 3), ([-1, -1], 3)])
def test_three_splits_need_three_groups_in_every_class(groups: list[int], splits: int) -> None:
    clips = clips_of({"A": groups, "B": list(range(9))})
    assert generated_subsets(clips, IssueLog(), seed=0).shape[1] == splits


@given(st.integers(2, 1000))
def test_about_three_tenths_of_the_groups_are_for_test(groups: int) -> None:
    assert abs(groups_to_test(groups, splits=1) - 0.3 * groups) <= 0.5
    if groups >= 3:
        assert 3 * groups_to_test(groups, splits=3) <= groups


def test_another_seed_gives_another_split_and_another_process_the_same() -> None:
    clips = clips_of({"A": list(range(1, 26))})
    first, second = (generated_subsets(clips, IssueLog(), seed=seed)[:, 0] for seed in (0, 1))
    assert not np.array_equal(first, second)
    code = (
        "from mocrop.pipeline.dataset.generated_splits import generated_subsets;"
        "from mocrop.pipeline.dataset.issues import IssueLog;"
        "from mocrop.pipeline.dataset.clips import Clip;"
        f"clips = {clips!r};"
        "print(generated_subsets(clips, IssueLog(), seed=0)[:, 0].tolist())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(first.tolist())


def test_another_class_does_not_change_the_split_of_the_first() -> None:
    alone, together = (
        generated_subsets(clips_of({name: [1, 2, 3, 4, 5] for name in names}), IssueLog(), seed=0)[:10]
        for names in ("A", "AB")
    )
    assert np.array_equal(alone, together)


def test_clips_without_groups_and_classes_of_one_group_are_reported() -> None:
    log = IssueLog()
    generated_subsets(clips_of({"A": [-1, -1], "B": [3]}), log, seed=0)
    assert {issue.code: issue.count for issue in log.issues} == {
        IssueCode.NO_GROUPS: 4,
        IssueCode.CLASS_NOT_TESTED: 1,
    }
