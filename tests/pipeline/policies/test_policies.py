"""Policies: what each makes of the same clip."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.choices import Shape
from mocrop.pipeline.crop_box import WHOLE_FRAME
from mocrop.pipeline.errors import CropBoxError
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.policies import registry
from mocrop.pipeline.policies.base import LEAST_RATIO, ClipFacts, GridBoxSettings, PolicyResult, PolicySettings
from mocrop.pipeline.policies.box_search import rectangles
from mocrop.pipeline.policies.controls import CenterSettings, center_box
from mocrop.pipeline.policies.motion_v1 import MotionSettings
from mocrop.pipeline.policies.registry import POLICIES

MakeMotion = Callable[..., ClipMotion]
PICTURE = (320, 240)


def decide(
    policy: str, settings: PolicySettings | None = None, *, motion: ClipMotion | None = None, clip: str = "A/a"
) -> PolicyResult:
    facts = ClipFacts(name=clip, size=PICTURE, motion=motion)
    return registry.decide(policy, facts, settings or POLICIES[policy].settings())


def test_only_policies_that_look_at_motion_ask_for_it() -> None:
    assert {name for name, policy in POLICIES.items() if policy.needs_motion} == {
        "picture",
        "motion",
        "motion-v2",
        "adaptive",
        "follow",
    }


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "maps"])  # whose maps are files
def test_result_has_the_shape_of_the_grid(policy: str, make_motion: MakeMotion) -> None:
    settings = dataclasses.replace(POLICIES[policy].settings(), grid=(9, 16))
    result = decide(policy, settings, motion=make_motion([(20, 20, 1, 0)]))
    assert result.density.shape == (9, 16)
    assert result.density.dtype == np.float32
    assert result.usable


def test_full_keeps_the_whole_frame_and_is_usable() -> None:
    result = decide("full")
    assert (result.box, result.usable, result.density.any()) == (WHOLE_FRAME, True, False)


def test_center_of_three_quarters_of_four_by_three_is_the_centred_square() -> None:
    assert decide("center").box.pixels(320, 240) == (40, 0, 280, 240)


@given(width=st.integers(16, 4000), height=st.integers(16, 4000), ratio=st.floats(0.01, 1))
def test_center_has_the_area_is_centred_and_as_square_as_the_frame_allows(
    width: int, height: int, ratio: float
) -> None:
    box = center_box(ClipFacts(name="", size=(width, height)), CenterSettings(ratio=ratio)).box
    assert box.area == pytest.approx(ratio)
    assert box.left == pytest.approx(1 - box.right)
    assert box.top == pytest.approx(1 - box.bottom)
    across, down = (box.right - box.left) * width, (box.bottom - box.top) * height
    side = math.sqrt(ratio * width * height)
    if side <= min(width, height):
        assert across == pytest.approx(down)
    else:
        assert min(across, down) == pytest.approx(min(width, height))


def test_center_of_the_frame_s_own_shape_is_a_smaller_frame() -> None:
    assert decide("center", CenterSettings(ratio=0.25, shape="frame")).box.pixels(320, 240) == (80, 60, 240, 180)


def test_random_chooses_each_box_of_the_motion_search_about_equally_often() -> None:
    """7 boxes, 1400 clips: 200 each, give or take five standard deviations of 13.1."""
    boxes = [decide("random", clip=f"A/{n}").box for n in range(1400)]
    candidates = rectangles((6, 8), ratio=0.75)
    counts = [boxes.count(candidates.box(index)) for index in range(len(candidates))]
    assert sum(counts) == 1400
    assert all(135 < count < 265 for count in counts)


def test_random_depends_on_seed_and_name_alone() -> None:
    fine = GridBoxSettings(grid=(18, 32), ratio=0.25)
    box = decide("random", fine).box
    assert decide("random", fine).box == box
    assert decide("random", fine, clip="A/b").box != box
    assert decide("random", dataclasses.replace(fine, seed=1)).box != box


def test_motion_crops_to_where_the_vectors_are(make_motion: MakeMotion) -> None:
    vectors = [(x, y, 2, 0) for x in range(88, 320, 8) for y in range(8, 240, 8)]  # columns 2 to 7
    result = decide("motion", motion=make_motion(vectors))
    assert result.box.pixels(*PICTURE) == (80, 0, 320, 240)
    assert result.density[:, :2].sum() == 0
    assert result.density.sum() == len(vectors)


def test_box_of_one_vector_holds_it(make_motion: MakeMotion) -> None:
    left, top, right, bottom = decide("motion", motion=make_motion([(300, 200, 5, 5)])).box.pixels(*PICTURE)
    assert left <= 300 < right
    assert top <= 200 < bottom


@pytest.mark.parametrize(
    ("vectors", "why"),
    [(None, "it has no motion vectors"), ([], "no motion vector is 0.5 pixels"), ([(9, 9, 0.25, 0)], "0.5 pixels")],
)
def test_clip_without_usable_motion_keeps_the_whole_frame_and_says_why(
    make_motion: MakeMotion, vectors: list[tuple[float, ...]] | None, why: str
) -> None:
    result = decide("motion", motion=None if vectors is None else make_motion(vectors))
    assert (result.box, result.usable, result.density.any()) == (WHOLE_FRAME, False, False)
    assert why in result.why


def test_another_seed_changes_the_sample_and_nothing_of_what_is_not_random(make_motion: MakeMotion) -> None:
    vectors = [(x, y, 2, 0) for x in range(4, 320, 8) for y in range(4, 240, 8)]
    maps = [
        decide("motion", MotionSettings(seed=seed, samples=samples), motion=make_motion(vectors)).density
        for seed in (0, 1)
        for samples in (100, 10_000)
    ]
    assert not np.array_equal(maps[0], maps[2])
    assert np.array_equal(maps[1], maps[3])


@pytest.mark.parametrize(
    "wrong",
    [
        {"grid": (0, 8)},
        {"grid": (6, 129)},
        {"grid": (6,)},
        {"ratio": 0.0},
        {"ratio": 1e-15},
        {"ratio": 1.5},
        {"ratio": float("nan")},
        {"eps_px": -1.0},
        {"eps_px": float("nan")},
        {"samples": 0},
        {"seed": -1},
    ],
)
def test_impossible_settings_are_refused_when_made(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MotionSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", ["square", "frame"])
def test_the_least_area_makes_a_box_that_a_cache_can_keep(shape: Shape) -> None:
    """Edges in float32 that are not apart made every clip fail."""
    with pytest.raises(ValueError, match="ratio must be at least 1e-09"):
        CenterSettings(ratio=1e-15, shape=shape)
    box = center_box(ClipFacts(name="", size=(320, 240)), CenterSettings(ratio=LEAST_RATIO, shape=shape)).box
    assert box.in_float32().area > 0


@pytest.mark.parametrize("kind", [GridBoxSettings, MotionSettings])
def test_grid_that_has_no_box_of_the_ratio_is_refused_when_settings_are_made(kind: type[GridBoxSettings]) -> None:
    with pytest.raises(CropBoxError, match="pass a finer --grid or a larger --ratio"):
        kind(grid=(2, 2), ratio=0.1)
