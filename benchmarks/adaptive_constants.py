"""Sensitivity of `adaptive` and `follow` to their constants: mean coverage with each 30 % off, and with parts left out.

    python benchmarks/adaptive_constants.py --of real real-work actor-boxes.json --of made static-work static/boxes.json

Each workspace must hold motion vectors (`mocrop init`, `mocrop transcode`, `mocrop extract-mv`). Of the clips those of
groups 1 to 12 count, on which the constants were found. ``coverage_page.py`` writes the tables.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from actor_coverage import TUNED, arguments, clips_of, write_rows

from mocrop.evaluation.coverage.clips import AnnotatedClip, places_at, slots_of
from mocrop.evaluation.coverage.measure import Coverage, measure_coverage
from mocrop.evaluation.coverage.settings import FRAME_CENTER, VARIANTS, CoverageSettings
from mocrop.pipeline.policies.adaptive import AdaptiveSettings
from mocrop.pipeline.policies.base import PolicySettings
from mocrop.pipeline.policies.follow import MAX_WINDOW_SECONDS, FollowSettings

CONSTANTS = ("prior_size", "prior_still", "prior_moving", "blur_cells")
WINDOWS = (0.06, 0.12, 0.24, 0.36, 0.48, 0.96, 1.92, MAX_WINDOW_SECONDS)  # seconds; 0.24 is kept
KEPT = AdaptiveSettings()
LEFT_OUT: Mapping[str, Mapping[str, Any]] = {
    "camera ignored in the density": {"camera": "ignore"},
    "prior as for a still camera": {"prior_moving": 0},
    "prior as for a moving camera": {"prior_still": KEPT.prior_still + KEPT.prior_moving, "prior_moving": 0},
    "no prior": {"prior_still": 0, "prior_moving": 0},
    "no blur": {"blur_cells": 0},
    "grid 12x16, blur 1": {"grid": (12, 16), "blur_cells": 1},
    "square box": {"shape": "square"},
}


def variants() -> dict[str, PolicySettings]:
    """All variants to compare, by name."""
    changes = {"": {}} | {
        f" ({name} x{factor})": {name: getattr(KEPT, name) * factor} for name in CONSTANTS for factor in (0.7, 1.3)
    }
    changes |= {f" ({name})": dict(changed) for name, changed in LEFT_OUT.items()}
    compared: dict[str, PolicySettings] = {name: VARIANTS[name] for name in ("center", "motion", FRAME_CENTER)}
    for policy, kind in (("adaptive", AdaptiveSettings), ("follow", FollowSettings)):
        compared |= {f"{policy}{name}": kind(**changed) for name, changed in changes.items()}
    for seconds in WINDOWS:
        said = "without end" if seconds == MAX_WINDOW_SECONDS else f"{seconds:g} s"
        compared[f"follow (window {said})"] = FollowSettings(window_seconds=seconds)
    return compared


def at_slots(clips: Iterable[AnnotatedClip], settings: CoverageSettings) -> Iterator[AnnotatedClip]:
    """Clips without their boxes in frames that have no slot, which nobody asks for here."""
    for clip in clips:
        slots = slots_of(clip.motion, select=settings.select, slots=settings.slots)
        places = places_at(clip, slots)
        if len(places.truth):
            yield dataclasses.replace(clip, frames=np.array(slots)[places.slot], truth=places.truth)


def rows_of(name: str, coverage: Coverage) -> Iterator[dict[str, Any]]:
    """Mean share of the actor inside at slots, by kind of camera."""
    for kind in ("camera moves", "camera still"):
        if kind in coverage.sets:
            inside = coverage.values["slots"][coverage.sets[kind], ..., 0]
            for variant, means in zip(coverage.variants, inside.mean(axis=0).round(5).tolist(), strict=True):
                yield {"of": name, "set": kind, "clips": len(inside), "variant": variant, "inside": means}


def main() -> None:
    given = arguments(__doc__.splitlines()[0] if __doc__ else "", file="adaptive-constants.json").parse_args()
    settings = CoverageSettings(variants=variants(), leave_out=False)
    rows: list[dict[str, Any]] = []
    for name, workspace, boxes in given.of:
        clips = at_slots(clips_of(workspace, boxes, groups=TUNED), settings)
        rows += rows_of(name, measure_coverage(clips, settings))
    write_rows(rows, given.results)


if __name__ == "__main__":
    main()
