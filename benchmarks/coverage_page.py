"""Write the tables of docs/coverage.md, docs/adaptive.md and docs/follow.md, and docs/coverage.png, from saved results.

A table stands between two marks, ``<!-- table: NAME -->`` and ``<!-- end of table -->``; the prose around them is
written by hand. Results are saved by ``actor_coverage.py``, ``coverage_bars.py`` and ``adaptive_constants.py``.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from actor_coverage import RESULTS, Row, read_rows
from coverage_tables import (
    FRAME_CENTER,
    MOVING,
    STATIC,
    bars_table,
    constants_table,
    gains_table,
    inside_table,
    of_set,
    policy_table,
    sets_of,
    title,
)

from mocrop.evaluation.coverage.plot import draw_coverage
from mocrop.evaluation.coverage.rows import CoverageRow
from mocrop.evaluation.scores.statistics import Estimate
from mocrop.pipeline.files import write_whole

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = ("coverage.md", "adaptive.md", "follow.md")
END = "<!-- end of table -->"
_TABLE = re.compile(rf"(<!-- table: ([^\n]+?) -->\n).*?(?={re.escape(END)})", re.DOTALL)


def filled(page: str, tables: Mapping[str, str]) -> str:
    """A page with its tables put between their marks.

    Raises: KeyError for a mark that names no table.

    >>> filled("<!-- table: a -->\\nold\\n<!-- end of table -->\\n", {"a": "new\\n"})
    '<!-- table: a -->\\nnew\\n<!-- end of table -->\\n'
    """
    return _TABLE.sub(lambda found: found[1] + tables[found[2]], page)


def tables(coverage: list[Row], bars: list[Row], constants: list[Row]) -> Iterator[tuple[str, str]]:
    """All tables by name."""
    for chosen in sets_of(coverage):
        for at in ("slots", "frames"):
            rows = of_set(coverage, chosen, at=at)
            yield f"{title(*chosen)}: {at}", inside_table(rows)
            yield f"{title(*chosen)}: gains at {at}", gains_table(rows)
    for half in ("1-12", "13-25"):
        yield f"bars {half}", bars_table([row for row in bars if row["groups"] == half])
    yield from _of_adaptive(coverage)
    yield from _of_follow(coverage)
    names = dict.fromkeys(row["variant"] for row in constants)
    controls = ("center", "motion", FRAME_CENTER)
    for policy in ("adaptive", "follow"):
        mine = [name for name in names if name.startswith(policy) and "window" not in name]
        yield f"constants of {policy}", constants_table(constants, {name: name for name in (*controls, *mine)})
    windows = {name: name[len("follow (") : -1] for name in names if "window" in name}
    yield "windows", constants_table(constants, {"adaptive": "adaptive", **windows, MOVING: MOVING})


def _of_adaptive(coverage: list[Row]) -> Iterator[tuple[str, str]]:
    policies = ("center", FRAME_CENTER, "motion", "motion-v2", "adaptive", STATIC)
    over = (("adaptive", "center"), ("adaptive", "motion"), ("adaptive", FRAME_CENTER))
    for files, sets in _by_files(coverage).items():
        for at in ("slots", "frames"):
            yield f"adaptive{files}: {at}", policy_table(coverage, sets, at=at, policies=policies, over=over)


def _of_follow(coverage: list[Row]) -> Iterator[tuple[str, str]]:
    policies, over = ("adaptive", STATIC, "follow", MOVING), (("follow", "adaptive"), ("follow", FRAME_CENTER))
    for files, sets in _by_files(coverage).items():
        for at in ("slots", "frames"):
            yield f"follow{files}: {at}", policy_table(coverage, sets, at=at, policies=policies, over=over)


def _by_files(coverage: list[Row]) -> dict[str, list[tuple[str, str]]]:
    """Sets of clips by the files that their vectors come from: "" for transcoded ones, or what follows their names."""
    found: dict[str, list[tuple[str, str]]] = {}
    for of, name in sets_of(coverage):
        _, blank, files = of.partition(" ")
        found.setdefault(blank + files, []).append((of, name))
    return found


def plotted(row: Row) -> CoverageRow:
    """A saved row as the plot takes it."""
    nan = float("nan")
    mean, low, high = (nan if value is None else value for value in row["inside"])
    area = nan if row["area"] is None else row["area"]
    return CoverageRow(
        at=row["at"],
        clips_of=title(row["of"], row["set"]),
        clips=row["counts"][0],
        groups=row["counts"][1],
        variant=row["variant"],
        ratio=row["ratio"],
        estimates={
            "inside": Estimate(mean=mean, low=low, high=high),
            "area": Estimate(mean=area, low=area, high=area),
        },
        over={},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=Path, default=DOCS, help="folder of the pages, and of the plot to write")
    folder = parser.parse_args().pages
    saved = (
        list(read_rows(RESULTS / file)) for file in ("coverage.json", "coverage-bars.json", "adaptive-constants.json")
    )
    coverage, bars, constants = saved
    made = dict(tables(coverage, bars, constants))
    for name in PAGES:
        page = folder / name
        write_whole(page, filled(page.read_text(encoding="utf-8"), made).encode())
    draw_coverage([plotted(row) for row in coverage if " " not in row["of"]], folder / "coverage.png")


if __name__ == "__main__":
    main()
