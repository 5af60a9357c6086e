"""The styles of the policies: every two differ in colour, also for the colour blind, in dashes and in marker."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from mocrop.evaluation.pictures.colours import COLOURS, OTHER, STYLES, inked, style_of
from mocrop.pipeline.policies.registry import POLICIES

Colour = npt.NDArray[np.float64]  # (3,)

LINEAR_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
# of linear RGB, at full severity: Machado, Oliveira and Fernandes, IEEE TVCG 15(6), 2009
SEEN_BY = {
    "everyone else": np.eye(3),
    "protanopes": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopes": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopes": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour: str, eye: str) -> Colour:
    """CIE L*a*b* of what an eye sees of a colour."""
    stored = np.array(to_rgb(colour))
    linear = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(SEEN_BY[eye]) @ linear, 0, 1)
    part = LINEAR_RGB_TO_XYZ @ seen / [0.95047, 1, 1.08883]
    x, y, z = np.where(part > 0.008856, np.cbrt(part), 7.787 * part + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_every_policy_has_a_style() -> None:
    assert POLICIES.keys() <= STYLES.keys()
    assert {"follow", "picture", "center-frame"} <= STYLES.keys()
    assert {name: STYLES[name].colour for name in STYLES} == COLOURS


def test_styles_differ_in_dashes_and_in_marker() -> None:
    for one, other in itertools.combinations([*STYLES.values(), OTHER], 2):
        assert one.dashes != other.dashes
        assert one.marker != other.marker


@pytest.mark.parametrize("eye", SEEN_BY)
def test_colours_differ_for_every_eye(eye: str) -> None:
    """A difference of 2 can just be seen."""
    for one, other in itertools.combinations(COLOURS.values(), 2):
        assert np.linalg.norm(lab(one, eye) - lab(other, eye)) > 16


def test_lab_is_known_for_white_and_red() -> None:
    assert lab("#ffffff", "everyone else") == pytest.approx([100, 0, 0], abs=0.1)
    assert lab("#ff0000", "everyone else") == pytest.approx([53.2, 80.1, 67.2], abs=0.1)


def test_full_is_black_and_random_is_grey_and_follow_has_no_gaps() -> None:
    assert STYLES["full"].colour == "#000000"
    assert len(set(to_rgb(STYLES["random"].colour))) == 1
    assert STYLES["follow"].linestyle == "-"


def test_a_variant_looks_like_its_policy_and_anything_else_like_nothing_known() -> None:
    assert style_of("motion (9x16)") is STYLES["motion"]
    assert style_of("center") is STYLES["center"]
    assert style_of("center (frame's shape)") is style_of("center-frame") is STYLES["center-frame"]
    assert style_of("best box") is OTHER


@pytest.mark.parametrize("style", [*STYLES.values(), OTHER])
def test_matplotlib_takes_each_style_and_fills_each_marker(style: object) -> None:
    line = Line2D([], [], color=style.colour, linestyle=style.linestyle, marker=style.marker)  # type: ignore[attr-defined]
    assert line.is_dashed() == bool(style.dashes)  # type: ignore[attr-defined]
    assert line.get_marker() in Line2D.filled_markers


def test_dashes_are_as_long_as_their_line_is_wide() -> None:
    assert inked(10, (), width=4).all()
    assert inked(16, (2, 1), width=3).nonzero()[0].tolist() == [0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14]
    assert inked(0, (2, 1), width=3).shape == (0,)
