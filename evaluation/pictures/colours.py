"""The colour of each policy in every picture."""

from __future__ import annotations

COLOURS = {
    "full": "#888888",
    "center": "#0072b2",
    "random": "#b0b0b0",
    "motion": "#d55e00",
    "motion-v2": "#cc79a7",
    "adaptive": "#009e73",
}
