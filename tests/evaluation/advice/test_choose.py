"""What the measured tables recommend: nothing that their tests do not show."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.evaluation.advice.choose import (
    Crop,
    choose_crop,
    choose_frames,
    choose_size,
    coverage_words,
    nearest_table,
    passed_over,
    tables_like,
)
from mocrop.evaluation.advice.measured import CoverageEntry, Kind, Tables
from mocrop.evaluation.advice.motion_facts import summed_up
from mocrop.evaluation.scores.comparisons import Verdict
from mocrop.evaluation.scores.statistics import Estimate
from mocrop.pipeline.choices import Shape
from mocrop.pipeline.policies.registry import POLICIES
from tests.evaluation.advice.made_tables import ALL_BETTER, BETTER, NOT_SHOWN, WORSE, clip, table


def test_of_crops_that_are_shown_better_the_most_accurate_is_chosen() -> None:
    made = table(
        {"follow 0.25": ALL_BETTER, "adaptive 0.25": ALL_BETTER},
        accuracies=[("follow 0.25", 160, 4, 0.8), ("adaptive 0.25", 160, 4, 0.7)],
    )
    crop = choose_crop([made], bars=False)
    assert (crop.policy, crop.ratio, crop.variant) == ("follow", 0.25, "follow 0.25")
    assert "+3.0 [+1.0, +5.0] to full" in crop.reason
    assert "made clips" in crop.reason


@pytest.mark.parametrize("base", ["full", "picture", "center-frame 0.25", "center 0.25"])
@pytest.mark.parametrize("verdict", [NOT_SHOWN, WORSE])
def test_a_crop_that_motion_places_must_be_shown_better_than_no_crop_and_than_the_centre(
    base: str, verdict: Verdict
) -> None:
    made = table({"follow 0.25": {**ALL_BETTER, base: verdict}})
    assert choose_crop([made], bars=False).policy == "full"


def test_where_the_centre_is_as_good_it_is_chosen() -> None:
    made = table(
        {
            "follow 0.25": {**ALL_BETTER, "center-frame 0.25": NOT_SHOWN},
            "center-frame 0.25": {"full": BETTER, "picture": BETTER},
        },
        accuracies=[("follow 0.25", 160, 4, 0.9)],
    )
    crop = choose_crop([made], bars=False)
    assert crop.variant == "center-frame 0.25"
    (why,) = passed_over(crop, [made])
    assert "follow 0.25 has 90.0 %, center-frame 0.25 has 50.0 %" in why
    assert "+0.1 [-1.9, +2.1] to center-frame 0.25 (not shown) on made clips." in why
    assert list(passed_over(Crop(policy="follow", ratio=0.25, reason=""), [made])) == []
    assert list(passed_over(crop, [])) == []


def test_where_nothing_is_shown_better_the_whole_picture_is_kept_and_the_reason_says_so() -> None:
    made = table({"follow 0.25": {"full": BETTER, "picture": NOT_SHOWN}})
    assert choose_crop([made], bars=True).variant == "picture"
    crop = choose_crop([made], bars=False)
    assert (crop.variant, crop.ratio) == ("full", None)
    assert "no crop is shown to be better" in crop.reason
    assert "no table" in choose_crop([], bars=False).reason


@pytest.mark.parametrize("missing", [("full", "picture"), ("center-frame 0.25", "center 0.25")])
def test_what_was_not_compared_is_not_shown(missing: tuple[str, str]) -> None:
    made = table({"follow 0.25": {base: BETTER for base in ALL_BETTER if base not in missing}})
    assert choose_crop([made], bars=False).policy == "full"


def test_in_two_tables_a_crop_must_be_better_in_one_and_worse_in_none() -> None:
    moving = {"adaptive 0.25": ALL_BETTER, "follow 0.25": {**ALL_BETTER, "full": NOT_SHOWN}}
    still = {"adaptive 0.25": {**ALL_BETTER, "picture": WORSE}, "follow 0.25": ALL_BETTER}
    crop = choose_crop([table(moving, data="one"), table(still, data="other")], bars=False)
    assert crop.variant == "follow 0.25"
    assert "+0.1 [-1.9, +2.1] to full (not shown)" in crop.reason
    assert "one" in crop.reason
    assert "other" in crop.reason


def test_the_fewest_frames_that_are_within_a_point_of_the_most_are_taken() -> None:
    crop = Crop(policy="follow", ratio=0.25, reason="")
    curve = [("follow 0.25", 160, frames, share) for frames, share in ((1, 0.6), (2, 0.695), (4, 0.70))]
    frames = choose_frames(crop, [table({"follow 0.25": ALL_BETTER}, accuracies=curve)])
    assert frames is not None
    assert frames.value == 2
    assert "69.5 % with 2 frames" in frames.reason
    assert "70.0 % with 4 frames" in frames.reason
    assert "60.0 % with 1 frame" in frames.reason
    assert "not tested" in frames.reason
    assert choose_frames(Crop(policy="full", ratio=None, reason=""), [table({"follow 0.25": ALL_BETTER})]) is None


def test_the_smallest_size_that_is_within_a_point_of_the_largest_is_taken() -> None:
    crop = Crop(policy="follow", ratio=0.25, reason="")
    curve = [("follow 0.25", size, 2, share) for size, share in ((96, 0.60), (160, 0.70), (224, 0.69))]
    size = choose_size(crop, [table({"follow 0.25": ALL_BETTER}, accuracies=curve)], frames=2)
    assert size is not None
    assert size.value == 160


def test_a_data_set_is_judged_by_tables_of_clips_like_it() -> None:
    still, mixed = table({}, data="still", still=1.0, spread=0.1), table({}, data="mixed", still=0.6, spread=0.45)
    facts = summed_up([clip(still=True, spread=0.12)])
    assert tables_like(facts, [still, mixed]) == [still]
    assert tables_like(summed_up([clip(still=number < 5, spread=0.4) for number in range(10)]), [still, mixed]) == [
        mixed
    ]
    moving = summed_up([clip(still=False, spread=0.5)])
    assert tables_like(moving, [still, mixed]) == []
    assert nearest_table(moving, [still, mixed]) is mixed
    assert nearest_table(facts, []) is None


@pytest.mark.parametrize(
    ("crop", "options"),
    [
        (Crop(policy="picture", ratio=None, reason=""), ["--policy", "picture"]),
        (Crop(policy="follow", ratio=0.1, reason=""), ["--policy", "follow", "--ratio", "0.1"]),
        (
            Crop(policy="center-frame", ratio=0.5, reason=""),
            ["--policy", "center", "--ratio", "0.5", "--shape", "frame"],
        ),
    ],
)
def test_a_crop_has_the_options_of_precrop(crop: Crop, options: list[str]) -> None:
    assert [word for pair in crop.options.items() for word in pair] == options
    assert crop.options["--policy"] in POLICIES
    assert crop.options.get("--shape", "frame") in get_args(Shape)


VERDICTS = st.sampled_from([BETTER, WORSE, NOT_SHOWN])
TESTS = st.dictionaries(
    st.sampled_from(["follow 0.25", "adaptive 0.25", "motion 0.25", "center-frame 0.25"]),
    st.fixed_dictionaries(dict.fromkeys(ALL_BETTER, VERDICTS)),
    max_size=4,
)


@given(st.lists(TESTS, max_size=3))
def test_whatever_the_tables_hold_a_crop_that_is_chosen_is_shown_better_than_no_crop_and_nowhere_worse(
    tests: list[dict[str, dict[str, Verdict]]],
) -> None:
    tables = [table(each) for each in tests]
    crop = choose_crop(tables, bars=False)
    if crop.ratio is not None:
        for base in ("full", "picture"):
            verdicts = [each[crop.variant][base] for each in tests]
            assert BETTER in verdicts
            assert WORSE not in verdicts


@pytest.mark.parametrize(("still", "told"), [(0.9, ["still"]), (0.5, ["still", "moves"]), (0.1, ["moves"])])
def test_coverage_is_told_of_crops_for_the_kinds_of_camera_that_there_are(still: float, told: list[str]) -> None:
    held = Estimate(mean=0.9, low=0.8, high=1.0)
    kinds: tuple[Kind, ...] = ("still", "moves")
    coverage = tuple(
        CoverageEntry(data=kind, kind=kind, variant=variant, inside=held)
        for kind in kinds
        for variant in ("follow 0.1", "full")
    )
    tables = Tables(accuracy=(), coverage=coverage)
    words = coverage_words(Crop(policy="follow", ratio=0.1, reason=""), tables, still=still)
    assert words == [f"follow 0.1 holds 0.900 [0.800, 1.000] of the actors of {kind}." for kind in told]
    assert coverage_words(Crop(policy="full", ratio=None, reason=""), tables, still=still) == []


def test_what_only_the_correction_of_the_tests_takes_back_is_said_to_be_so() -> None:
    made = table({"follow 0.25": {**ALL_BETTER, "center-frame 0.25": NOT_SHOWN}})
    clear = dataclasses.replace(
        made,
        tested=tuple(
            dataclasses.replace(test, difference=Estimate(mean=0.02, low=0.006, high=0.036)) for test in made.tested
        ),
    )
    (why,) = passed_over(choose_crop([clear], bars=False), [clear])
    assert "+2.0 [+0.6, +3.6] to center-frame 0.25 (not shown, corrected for all tests of the question)" in why
