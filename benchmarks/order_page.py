"""The page docs/video-networks.md and its pictures, of saved results and prose."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from how_it_works import shrink
from matplotlib.figure import Figure

from mocrop.evaluation.demo.order import CLASSES, OrderSettings, draw_set, orders
from mocrop.evaluation.report.format import table_lines
from mocrop.pipeline.files import write_whole
from mocrop.training.report.figure_file import write_figure

HERE = Path(__file__).resolve().parent
PAGE, PROSE = HERE.parent / "docs" / "video-networks.md", HERE / "order_prose.md"
NOTICE = (
    "<!-- Made by `python benchmarks/order.py` from benchmarks/results/order-*.json and benchmarks/order_prose.md; "
    "change those, not this. -->"
)
STRIP, CHART = "video-networks-clips.png", "video-networks-order.png"
COLOURS = {"video": "#d1495b", "frame": "#5f6c84", "probe": "#b0b7c3"}
HEAD = ("cache", "network", "trained on frames", "tested on frames", "top-1", "95 % interval", "each seed", "learnt")
Row = Mapping[str, Any]


def results_of(study: str) -> Path:
    """File of the rows of a study."""
    return HERE / "results" / f"order-{study}.json"


def read(file: Path) -> dict[str, Any]:
    """Saved results; empty if there are none."""
    saved: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return saved


def write_page(page: Path) -> None:
    """Write the page and, beside it, its pictures."""
    saved = {study: read(results_of(study)) for study in ("made", "real")}
    draw_clips(page.with_name(STRIP))
    shrink(page.with_name(STRIP))
    if saved["made"]:
        draw_accuracies(saved["made"]["rows"], page.with_name(CHART))
        shrink(page.with_name(CHART))
    write_whole(page, markdown(saved, PROSE.read_text(encoding="utf-8")).encode())


def markdown(saved: Mapping[str, Mapping[str, Any]], prose: str) -> str:
    """The prose with the table of a study in the place of each line ``{its name}``."""
    lines = list[str]()
    for line in prose.rstrip().splitlines():
        name = line.strip("{}")
        lines += list(_table(name, saved[name])) if line.startswith("{") and name in saved else [line]
    title, *rest = lines
    return "\n".join([title, "", NOTICE, *rest]) + "\n"


def _table(study: str, saved: Mapping[str, Any]) -> Iterator[str]:
    option = "" if study == "made" else f" --study {study}"
    if not saved:
        yield f"(not run yet: `python benchmarks/order.py{option}`)"
        return
    versions = ", ".join(f"{name} {number}" for name, number in saved["versions"].items())
    yield from (f"- {made}" for made in dict.fromkeys(row["made_by"] for row in saved["rows"]))
    yield f"- {versions}"
    yield ""
    yield from table_lines(HEAD, [_cells(row) for row in saved["rows"]])


def _cells(row: Row) -> tuple[str, ...]:
    low, high = row["interval"]
    each = ", ".join(f"{right}" for right in row["right"])
    learnt = f"{np.mean(row['learnt']):.0%}".replace("%", " %") if "learnt" in row else "-"
    interval = f"{100 * low:.1f} to {100 * high:.1f} %"
    share = f"{100 * row['share']:.1f} %"
    return (
        row["where"],
        row["network"],
        row["trained"],
        row["tested"],
        share,
        interval,
        f"{each} of {row['total']}",
        learnt,
    )


def draw_clips(file: Path) -> None:
    """One set of pictures in the six orders: a row a class."""
    places, pictures = draw_set(OrderSettings(), np.random.default_rng([0, 1, 1]))
    figure = Figure(figsize=(9.5, 7.2), layout="constrained")
    axes = figure.subplots(len(CLASSES), len(pictures))
    for kind, order, row in zip(CLASSES, orders(places), axes, strict=True):
        for number, (axis, picture) in enumerate(zip(row, order, strict=True)):
            axis.imshow(pictures[picture][0], interpolation="lanczos")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.text(6, 118, "abcdefgh"[picture], fontsize=9, color="white", bbox={"color": "black", "pad": 1.5})
            if kind == CLASSES[0]:
                axis.set_title(f"frame {number}", fontsize=9)
        row[0].set_ylabel(kind, fontsize=9)
    write_figure(figure, file, dpi=100)


def draw_accuracies(rows: Sequence[Row], file: Path) -> None:
    """A point and its interval for each row, with chance."""
    names = [_name(row) for row in rows][::-1]
    figure = Figure(figsize=(9.5, 0.9 + 0.36 * len(rows)), layout="constrained")
    axis = figure.subplots()
    for place, row in enumerate(rows[::-1]):
        kind = next((kind for kind in COLOURS if kind in row["network"]), "frame")
        low, high = row["interval"]
        axis.plot([100 * low, 100 * high], [place, place], color=COLOURS[kind], linewidth=2)
        axis.plot([100 * row["share"]], [place], marker="o", color=COLOURS[kind])
        end = (100 * max(high, row["share"]) + 1.5, place)  # beside the interval, where no other line is
        axis.annotate(f"{100 * row['share']:.1f}", end, fontsize=8, va="center")
    chance, top = 100 / len(CLASSES), len(rows) - 0.4
    axis.plot([chance, chance], [-0.6, top], color="black", linewidth=1, linestyle=":")
    axis.annotate("chance", (chance, top + 0.1), fontsize=8, ha="center", va="bottom")
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_xticks(range(0, 101, 20))
    axis.set_xlim(0, 110)  # room for the number of a row that ends at 100
    axis.set_ylim(-0.6, top + 0.7)
    axis.set_xlabel("top-1 on test clips, %, with 95 % intervals")
    axis.spines[["top", "right"]].set_visible(False)
    write_figure(figure, file, dpi=100)


def _name(row: Row) -> str:
    """A row in a line: who, tested how, on which cache."""
    both = "trained and " if row["trained"] == "shuffled" else ""
    order = "" if row["tested"] == "in order" else f", {both}tested shuffled"
    return f"{row['network']}{order}: {row['where'].partition(', whole')[0]}"
