"""The report of a coverage: JSON, Markdown tables, and a plot against the area of the box."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mocrop.evaluation.coverage.actor_boxes import ActorBoxes, read_actor_boxes
from mocrop.evaluation.coverage.clips import WhyNot, annotated_clips
from mocrop.evaluation.coverage.measure import Coverage, measure_coverage
from mocrop.evaluation.coverage.plot import draw_coverage
from mocrop.evaluation.coverage.rows import At, CoverageRow
from mocrop.evaluation.coverage.settings import BASE, BEST_MOVING, BEST_STATIC, CEILINGS, CoverageSettings
from mocrop.evaluation.report.format import in_markdown, markdown_table, write_json
from mocrop.evaluation.scores.statistics import FEW_GROUPS, Estimate
from mocrop.pipeline.dataset.clips import group_of
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.workspace.paths import Workspace

PICTURE = "picture"
COLUMNS = ("inside", f"over {BASE}", f"over {PICTURE}", "whole actor")
PLACES: dict[At, str] = {"slots": "at slots", "frames": "at all frames"}
HEAD = ("policy", "area", *(f"{column}, {place}" for place in PLACES.values() for column in COLUMNS))
FEW = f"Fewer than {FEW_GROUPS} groups: these intervals are not known to hold 95 %."


def coverage_in_workspace(
    workspace: Workspace,
    settings: CoverageSettings,
    *,
    boxes: Path,
    on_clip: Callable[[str], None] = lambda _: None,
) -> tuple[Coverage, dict[str, Path]]:
    """Measure the annotated clips of a workspace and write the report to its ``reports/``.

    Args:
        boxes: the box file, see :func:`~mocrop.evaluation.coverage.actor_boxes.read_actor_boxes`.
        on_clip: called with the name of each clip that is done.
    Raises: WorkspaceError without a workspace; DatasetError if the box file cannot be read or fits no clip;
        MotionStoreError if the motion store is damaged, or too old for a policy that must be measured.
    """
    known = read_actor_boxes(boxes)
    passed: dict[str, WhyNot] = {}
    clips = annotated_clips(workspace.require(), known, groups=settings.groups, on_left_out=passed.__setitem__)
    coverage = with_not_measured(measure_coverage(clips, settings, on_clip=on_clip), known, passed)
    return coverage, write_coverage(coverage, workspace.reports)


def with_not_measured(coverage: Coverage, boxes: ActorBoxes, passed: Mapping[str, WhyNot]) -> Coverage:
    """The coverage, and which clips of the groups that were asked for are left out: of the workspace and the box file.

    Args:
        passed: clips of the workspace, and why they are not measured.
    """
    groups, known = coverage.settings.groups, {*coverage.clips, *passed}
    wanted = (name for name, tubes in boxes.items() if tubes and (groups is None or group_of(name) in groups))
    missing = {name: WhyNot.NOT_THERE for name in wanted if name not in known}
    return replace(coverage, not_measured={**passed, **missing})


def coverage_table(coverage: Coverage, *, clips_of: str = "all") -> str:
    """Markdown table of one set of clips: what is inside at slots and at all frames, and what that gains."""
    rows: dict[tuple[str, float], dict[str, CoverageRow]] = {}
    for row in coverage.rows:
        if row.clips_of == clips_of:
            rows.setdefault((row.variant, row.ratio), {})[row.at] = row
    return markdown_table(HEAD, (_cells(of) for of in rows.values()))


def _cells(of: dict[str, CoverageRow]) -> list[str]:
    one = next(iter(of.values()))
    area = one.estimates["area"].mean
    cells = [one.variant, f"{one.ratio:g}" if one.ratio != 1 or np.isnan(area) else f"{area:.3g}"]
    for at in PLACES:
        cells += _cells_at(of[at]) if at in of else ["-"] * len(COLUMNS)
    return cells


def _cells_at(row: CoverageRow) -> Iterator[str]:
    yield plain(row.estimates["inside"])
    for base in (BASE, PICTURE):
        yield signed(row.over[base]["inside"]) if base in row.over else "-"
    yield plain(row.estimates["whole"], interval=False)


def plain(estimate: Estimate, *, interval: bool = True) -> str:
    """A share with its interval.

    >>> plain(Estimate(mean=0.5, low=0.25, high=0.75)), plain(Estimate(mean=0.5, low=0, high=1), interval=False)
    ('0.500 [0.250, 0.750]', '0.500')
    """
    if np.isnan(estimate.mean):
        return "no box"
    return f"{estimate.mean:.3f}" + (f" [{estimate.low:.3f}, {estimate.high:.3f}]" if interval else "")


def signed(estimate: Estimate) -> str:
    """A difference of shares with its interval.

    >>> signed(Estimate(mean=0.02, low=-0.01, high=0.05))
    '+0.020 [-0.010, +0.050]'
    """
    if np.isnan(estimate.mean):
        return "-"
    return f"{estimate.mean:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"


def meaning(settings: CoverageSettings) -> dict[str, str]:
    """What the numbers and their intervals are, in words; the first two by where a row is measured."""
    frames = "key frames" if settings.select == "keyframes" else "frames at even steps"
    return {
        "slots": f"{PLACES['slots']}: in those of the {settings.slots} {frames} of a crop cache that are annotated",
        "frames": f"{PLACES['frames']}: in every annotated frame, as boxes of the whole video would hold",
        "ceilings": f"{BEST_STATIC}, {BEST_MOVING}: what one box of the frame's shape and this area, or one for each "
        "frame, can hold at most of the actor inside; of the whole actor others may hold more",
        "area": "area: the share of the frame that was asked for; policies that choose whole cells may be a tenth off, "
        "and coverage.json has what it was",
        "intervals": "95 %, by Student's t over groups of clips",
    }


def remarks(coverage: Coverage) -> list[str]:
    """What a reader must know of the tables: policies and clips that are missing, clips without annotated slots."""
    found = [f"{name} is left out: {why}" for name, why in coverage.left_out.items()]
    if without := int(np.isnan(coverage.values["slots"]).all(axis=(1, 2, 3)).sum()):
        found.append(f"{_counts(without, 'clip')} without an annotated slot: counted at all frames alone")
    for why in WhyNot:
        if names := [name for name, of in coverage.not_measured.items() if of is why]:
            few = f"{names[0]}{', ...' if len(names) > 1 else ''}"
            found.append(f"{_counts(len(names), 'clip')} {why.value}: left out ({few})")
    return found


def coverage_json(coverage: Coverage) -> dict[str, Any]:
    """Everything as plain values; NaN where a policy has no box."""
    return {
        "mocrop": version("mocrop"),
        "base": BASE,
        "ceilings": list(CEILINGS),
        "meaning": meaning(coverage.settings),
        "remarks": remarks(coverage),
        "clips": list(coverage.clips),
        "clips_left_out": {name: why.value for name, why in coverage.not_measured.items()},
        "rows": [asdict(row) for row in coverage.rows],
    }


def coverage_markdown(coverage: Coverage) -> str:
    """All tables, with what their numbers mean."""
    lines = ["# Actor coverage", "", *(f"- {text}" for text in meaning(coverage.settings).values())]
    lines += [f"- {in_markdown(text)}" for text in remarks(coverage)]
    for name in coverage.sets:
        table = coverage_table(coverage, clips_of=name)
        lines += ["", f"## {in_markdown(name)}", "", *_counted(coverage, name), "", table]
    return "\n".join(lines)


def _counted(coverage: Coverage, name: str) -> Iterator[str]:
    """How many clips and groups a set has."""
    found = {row.at: row for row in coverage.rows if row.clips_of == name}
    said = [f"{_counts(row.clips, 'clip')} of {_counts(row.groups, 'group')} {PLACES[at]}" for at, row in found.items()]
    yield ", ".join(said) + "."
    if min(row.groups for row in found.values()) < FEW_GROUPS:
        yield FEW


def _counts(count: int, of: str) -> str:
    return f"{count} {of}" if count == 1 else f"{count} {of}s"


def write_coverage(coverage: Coverage, folder: Path) -> dict[str, Path]:
    """Write ``coverage.json``, ``.md`` and ``.png``, each whole or not at all; returns the files by suffix."""
    files = {suffix: folder / f"coverage.{suffix}" for suffix in ("json", "md", "png")}
    write_json(coverage_json(coverage), files["json"], indent=1)
    write_whole(files["md"], coverage_markdown(coverage).encode())
    draw_coverage(coverage.rows, files["png"])
    return files
