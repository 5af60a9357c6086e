"""Write the tables and pictures of docs/ablation.md from saved reports of `mocrop ablate`.

``--save NAME REPORT`` keeps what the page needs of a report.json in benchmarks/results/ablation-NAME.json. A table
stands between two marks, ``<!-- table: NAME: WHAT -->`` and ``<!-- end of table -->``; the prose around them is written
by hand.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from coverage_page import filled

from mocrop.evaluation.ablation import tables
from mocrop.evaluation.ablation.facts import facts
from mocrop.evaluation.ablation.families import policy_of
from mocrop.evaluation.ablation.plots import draw_few_shot, draw_operations
from mocrop.evaluation.ablation.variants import BASES
from mocrop.evaluation.report.format import markdown_table
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.strict_json import parsed_json

HERE = Path(__file__).resolve().parent
RESULTS, PAGES = HERE / "results", HERE.parent / "docs"
NAMES = ("real", "crossing")
DROPPED = ("classes",)  # long, and not on the page
DIGITS = 6
Content = Mapping[str, Any]


def kept(report: Content) -> dict[str, Any]:
    """What the page needs of a report, with short numbers."""
    return {name: _rounded(value) for name, value in report.items() if name not in DROPPED}


def _rounded(value: Any) -> Any:
    """The same value, its numbers with few significant digits.

    >>> _rounded({"a": [0.123456789, 7]})
    {'a': [0.123457, 7]}
    """
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def all_tables(name: str, content: Content) -> Iterator[tuple[str, str]]:
    """Every table of one report under its name."""
    few_shot = content["few_shot"]
    found = {
        "facts": "\n\n".join(facts(content)) + "\n",
        "answers": "\n".join(f"- {line}" for line in content["in_words"]) + "\n",
        "summary": tables.summary_table(content),
        "whole lists": tables.condition_table(content),
        "whole lists tested": by_base(content["full_data"]),
        "pools": tables.comparison_table(few_shot["pools"]),
        "choices": tables.choices_table(few_shot["equal_operations"]),
        "equal accuracy": tables.equal_accuracy_table(few_shot["equal_accuracy"]),
        "confused": tables.pair_table(few_shot["pairs"]),
        **{f"against {base}": tables.curve_table(few_shot["tested"], base) for base in BASES},
        **{f"{base} within a budget": tables.curve_table(few_shot["equal_operations"], base) for base in BASES},
        **{f"pool {pool}": tables.accuracy_table(content, pool) for pool in content["settings"]["pools"]},
    }
    return ((f"{name}: {what}", text) for what, text in found.items())


def by_base(comparisons: Sequence[Content]) -> str:
    """Differences of one setting: a row a crop, a column a base; bold where a difference is shown."""
    found = {(each["variant"], policy_of(each["base"])): each for each in comparisons}
    bases = [base for base in BASES if any(base == each for _, each in found)]
    rows = []
    for variant in dict.fromkeys(each["variant"] for each in comparisons):
        rows.append([variant, *(tables.difference_cell(found.get((variant, base))) for base in bases)])
    return markdown_table(["crop", *(f"against {base}" for base in bases)], rows)


def read(name: str) -> Content:
    """A saved report."""
    content: Content = parsed_json((RESULTS / f"ablation-{name}.json").read_bytes())
    return content


def write_page(page: Path) -> None:
    """Fill the tables of a page anew, and draw its pictures beside it."""
    texts: dict[str, str] = {}
    for name in NAMES:
        content = read(name)
        texts.update(all_tables(name, content))
        draw_operations(content, page.with_name(f"ablation-{name}-operations.png"))
        draw_few_shot(content, page.with_name(f"ablation-{name}-few-shot.png"))
    write_whole(page, filled(page.read_text(encoding="utf-8"), texts).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", nargs=2, metavar=("NAME", "REPORT"), help="keep a report first")
    parser.add_argument("--page", type=Path, default=PAGES / "ablation.md")
    options = parser.parse_args()
    if options.save:
        name, report = options.save
        text = json.dumps(kept(parsed_json(Path(report).read_bytes())), separators=(",", ":")).replace("},{", "},\n{")
        write_whole(RESULTS / f"ablation-{name}.json", f"{text}\n".encode())
    write_page(options.page)


if __name__ == "__main__":
    main()
