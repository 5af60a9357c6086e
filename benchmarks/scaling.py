"""The page docs/scaling.md, from saved results and prose: growth, the first bottleneck and a cost model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from aims import Result
from cost_model import (
    CASES,
    KINETICS400,
    UCF101,
    ClipCost,
    DataSet,
    clips_at,
    core_hours,
    hours,
    measured_cost,
)
from harness import STAGES
from page import NOTICE, Results, figure, origin, read_prose, table
from plots import draw_scale

from mocrop.pipeline.files import write_whole

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128)
MILLION = 1_000_000
SOURCES = {"h264": "through H.264", "original": "`--source original`"}
Fact = Mapping[str, Mapping[str, float]]

# A figure of scale.py, its limit, and how to compute it from one of the facts.
LIMITS: tuple[tuple[str, float, Callable[[Fact], float]], ...] = (
    ("`mocrop status`, CPU s", 2, lambda fact: fact["status"]["run, cpu"]),
    ("start of training, CPU s", 5, lambda fact: fact["training"]["run, cpu"]),
    ("`mocrop init`, CPU s", 60, lambda fact: fact["init"]["run, cpu"]),
    ("a stage with nothing to do, CPU s", 60, lambda fact: max(fact[stage]["again, cpu"] for stage in STAGES)),
    ("memory of the client, MB", 2000, lambda fact: max(fact[phase]["MB"] for phase in ("init", *STAGES))),
    (
        "memory of the loader beside PyTorch, MB",
        2000,
        lambda fact: fact["training"]["MB"] - fact["training"]["before MB"],
    ),
)


def write_scaling(results: Results, *, reasons: Path, page: Path) -> None:
    """Write ``page`` and the plot beside it."""
    prose = read_prose(reasons.read_text(encoding="utf-8"))
    drawn = draw_scale(results.get("scale", ()), page.with_name("scaling.png"))
    write_whole(page, markdown(results, prose, picture=drawn.name if drawn else "").encode())


def markdown(results: Results, prose: Mapping[str, str], *, picture: str) -> str:
    """The page's text."""
    scale, preprocessing = results.get("scale", ()), results.get("preprocessing", ())
    parts = ["# Scaling", NOTICE, prose.get("scaling", "")]
    if scale:
        parts += ["## Growth with the number of clips", origin(scale), f"![growth]({picture})"]
        parts += [prose.get("scaling: growth", ""), *(table(each["columns"], each["rows"]) for each in scale)]
        parts += ["## The first bottleneck", prose.get("scaling: limits", ""), limits_table(scale[0])]
    if forms := results.get("forms", ()):
        parts += ["## Each form of data sets", origin(forms), prose.get("forms", "")]
        parts += [table(each["columns"], each["rows"]) for each in forms]
    if workers := results.get("workers", ()):
        parts += ["## Workers", origin(workers), prose.get("scaling: workers", "")]
        parts += [table(each["columns"], each["rows"]) for each in workers]
    if scale and preprocessing:
        costs = {source: measured_cost(source, preprocessing=preprocessing, scale=scale) for source in CASES}
        parts += ["## What it costs", prose.get("scaling: cost", ""), *cost_tables(costs, [UCF101, KINETICS400])]
    return "\n\n".join(part for part in parts if part) + "\n"


def limits_table(result: Result) -> str:
    """Number of clips at which each figure reaches its limit, extrapolated from the two largest numbers of clips."""
    facts = result["facts"]
    lines = []
    for name, limit, value in LIMITS:
        reached = clips_at(limit, [(fact["clips"], value(fact)) for fact in facts])
        lines.append(
            [name, figure(value(facts[-1])), figure(limit), "does not grow" if reached is None else millions(reached)]
        )
    return table(["", f"at {facts[-1]['clips']:,} clips", "too much", "reached at, clips"], lines)


def cost_tables(costs: Mapping[str, ClipCost], data: Sequence[DataSet]) -> Iterator[str]:
    """Tables of one clip, of hours by number of workers, and of core hours and disk."""
    cases = [
        (f"{each.name}, {SOURCES[source]}", each, cost.of(each)) for each in data for source, cost in costs.items()
    ]
    head = ["a clip", "frames", "worker, CPU s", "client, CPU s", "workers one client keeps busy", "KB on the disk"]
    measured = [(f"as measured, {SOURCES[source]}", cost) for source, cost in costs.items()]
    yield table(head, [_clip_line(name, cost) for name, cost in [*measured, *((n, cost) for n, _, cost in cases)]])
    yield "Hours on the clock, by number of workers:"
    yield table(
        ["", "clips", *(f"{workers}" for workers in WORKERS)],
        [
            [name, f"{each.clips:,}"] + [figure(hours(cost, clips=each.clips, workers=n)) for n in WORKERS]
            for name, each, cost in cases
        ],
    )
    yield "Core hours and disk; `p` is the price of an hour of one core:"
    yield table(
        ["", "core hours", "of it the client", "a million clips, dollars", "GB of cache", "GB of files"],
        [_total_line(name, each, cost) for name, each, cost in cases],
    )


def _clip_line(name: str, cost: ClipCost) -> list[str]:
    return [
        name,
        f"{cost.frames:.0f}",
        f"{cost.worker_seconds:.3f}",
        f"{cost.client_seconds:.5f}",
        f"{cost.most_workers:.0f}",
        ", ".join(f"{kind} {size / 1e3:,.0f}" for kind, size in cost.bytes.items()),
    ]


def _total_line(name: str, data: DataSet, cost: ClipCost) -> list[str]:
    return [
        name,
        figure(core_hours(cost, clips=data.clips)),
        figure(data.clips * cost.client_seconds / 3600),
        f"{figure(core_hours(cost, clips=MILLION))} p",
        figure(data.clips * cost.bytes["cache"] / 1e9),
        figure(data.clips * sum(cost.file_bytes.values()) / 1e9),
    ]


def millions(clips: float) -> str:
    """A number of clips with two significant digits.

    >>> millions(2_040), millions(1_234_567), millions(43_210_000)
    ('2,000', '1.2 million', '43 million')
    """
    if clips < MILLION:
        digits = len(str(int(clips))) - 2
        return f"{round(clips, -digits):,.0f}"
    return f"{clips / MILLION:.1f} million" if clips < 10 * MILLION else f"{clips / MILLION:.0f} million"
