"""docs/reliability.md: prose, and a table of what storms came to, from benchmarks/results/reliability.json."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mocrop.evaluation.report.format import Markdown, table_lines
from mocrop.pipeline.files import write_whole

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks/results/reliability.json"
PAGE = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- table: python -m tests.reliability --save -->", "<!-- end of table -->"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a storm came to."""

    name: str
    harm: str
    must: str
    tried: int
    ended: Mapping[str, int]  # how often, by what became of it
    faults: Sequence[str]  # what must not happen


def table(rows: Iterable[Row]) -> str:
    """A Markdown table."""
    cells = [
        (
            row.name,
            Markdown(row.harm),
            Markdown(row.must),
            f"{row.tried:,}",
            _ended(row),
            len(row.faults) if row.tried else "-",
        )
        for row in rows
    ]
    return "\n".join(table_lines(("harmed", "by", "must hold", "tried", "ended", "faults"), cells))


def _ended(row: Row) -> str:
    return ", ".join(f"{what} {times:,}" for what, times in row.ended.items()) or "not run here"


def save(rows: Sequence[Row], *, minutes: float) -> None:
    """Write the results, and the page with them."""
    results = {
        "minutes": minutes,
        "date": datetime.date.today().isoformat(),
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "rows": [asdict(row) for row in rows],
    }
    write_whole(RESULTS, (json.dumps(results, indent=2) + "\n").encode())
    write_whole(PAGE, page(PAGE.read_text(encoding="utf-8"), results).encode())


def page(text: str, results: Mapping[str, Any]) -> str:
    """The text of the page with the table of these results."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = [Row(**row) for row in results["rows"]]
    made = f"{results['minutes']:g} minutes on {results['date']}, {results['system']}."
    return f"{before}{BEGIN}\n{table(rows)}\n\n{made}\n{END}{after}"
