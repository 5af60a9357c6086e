"""Colours of the policies, the same in every picture: black for no crop, grey for the random one."""

from __future__ import annotations

COLOURS = {
    "full": "#000000",
    "center": "#0072b2",
    "random": "#b0b0b0",
    "motion": "#d55e00",
    "motion-v2": "#cc79a7",
    "adaptive": "#009e73",
}
