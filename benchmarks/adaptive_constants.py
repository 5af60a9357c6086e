"""Sensitivity of `adaptive` to its constants: mean coverage with each 30 % off, and with parts left out.

    python benchmarks/adaptive_constants.py --groups 1-12 --of real-work actor-boxes.json --of static-work boxes.json

Each workspace must hold motion vectors (`mocrop init`, `mocrop extract-mv`).
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from mocrop.evaluation.coverage.actor_boxes import read_actor_boxes
from mocrop.evaluation.coverage.measure import Coverage, annotated_clips, measure_coverage
from mocrop.evaluation.coverage.settings import CoverageSettings, coverage_settings
from mocrop.evaluation.report.format import markdown_table
from mocrop.pipeline.policies.adaptive import AdaptiveSettings
from mocrop.pipeline.policies.base import PolicySettings
from mocrop.pipeline.policies.registry import POLICIES
from mocrop.pipeline.workspace.paths import Workspace

CONSTANTS = ("prior_size", "prior_still", "prior_moving", "blur_cells")
KEPT = AdaptiveSettings()
LEFT_OUT = {
    "camera ignored in the density": dataclasses.replace(KEPT, camera="ignore"),
    "prior as for a still camera": dataclasses.replace(KEPT, prior_moving=0),
    "prior as for a moving camera": dataclasses.replace(
        KEPT, prior_still=KEPT.prior_still + KEPT.prior_moving, prior_moving=0
    ),
    "no prior": dataclasses.replace(KEPT, prior_still=0, prior_moving=0),
    "no blur": dataclasses.replace(KEPT, blur_cells=0),
    "grid 12x16, blur 1": dataclasses.replace(KEPT, grid=(12, 16), blur_cells=1),
    "square box": dataclasses.replace(KEPT, shape="square"),
}


def variants() -> dict[str, PolicySettings]:
    """All variants to compare, by name."""
    compared: dict[str, PolicySettings] = {name: POLICIES[name].settings() for name in ("center", "motion")}
    compared["center (frame's shape)"] = coverage_settings().variants["center (frame's shape)"]
    compared["adaptive"] = KEPT
    for name in CONSTANTS:
        for factor in (0.7, 1.3):
            changed = {name: getattr(KEPT, name) * factor}
            compared[f"adaptive ({name} x{factor})"] = dataclasses.replace(KEPT, **changed)
    return compared | {f"adaptive ({name})": settings for name, settings in LEFT_OUT.items()}


def means(coverages: list[Coverage], variant: int) -> dict[str, float]:
    """Mean share of the actor inside, over ratios and clips, with a moving and with a still camera."""
    found = {}
    for name in ("camera moves", "camera still"):
        of = [one.values[one.sets[name], variant, :, 0] for one in coverages if name in one.sets]
        found[name] = float(np.concatenate(of).mean()) if of else float("nan")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--of", nargs=2, action="append", required=True, metavar=("WORKSPACE", "BOXES"))
    parser.add_argument("--groups", default="1-12", help="UCF groups of the clips to measure")
    given = parser.parse_args()
    settings = CoverageSettings(variants=variants(), groups=coverage_settings(groups=given.groups).groups)
    coverages = []
    for workspace, boxes in given.of:
        clips = annotated_clips(Workspace(Path(workspace)), read_actor_boxes(Path(boxes)), groups=settings.groups)
        coverages.append(measure_coverage(clips, settings))
    rows = [
        (name, *(f"{value:.4f}" for value in means(coverages, number).values()))
        for number, name in enumerate(settings.variants)
    ]
    print(markdown_table(("policy", "camera moves", "camera still"), rows), end="")


if __name__ == "__main__":
    main()
