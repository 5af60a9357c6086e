"""Write the tables and pictures of docs/ablation.md from saved reports of `mocrop ablate`.

``--save NAME REPORT`` keeps what the page needs of a report.json in benchmarks/results/ablation-NAME.json. A table
stands between two marks, ``<!-- table: NAME: WHAT -->`` and ``<!-- end of table -->``; the prose around them is written
by hand.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mocrop.evaluation.ablation import tables
from mocrop.evaluation.ablation.facts import facts
from mocrop.evaluation.ablation.plots import draw_accuracy, draw_few_shot, draw_operations
from mocrop.evaluation.ablation.variants import BASES
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.strict_json import parsed_json

HERE = Path(__file__).resolve().parent
RESULTS, PAGES = HERE / "results", HERE.parent / "docs"
NAMES = ("real", "crossing")
END = "<!-- end of table -->"
DROPPED = ("classes",)  # long, and not on the page
DIGITS = 5
_TABLE = re.compile(rf"(<!-- table: ([^\n]+?) -->\n).*?(?={re.escape(END)})", re.DOTALL)
Content = Mapping[str, Any]


def kept(report: Content) -> dict[str, Any]:
    """What the page needs of a report, with short numbers."""
    return {name: _rounded(value) for name, value in report.items() if name not in DROPPED}


def _rounded(value: Any) -> Any:
    """The same value, its numbers with few significant digits.

    >>> _rounded({"a": [0.123456789, 7]})
    {'a': [0.12346, 7]}
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
        "whole lists tested": tables.comparison_table(content["full_data"]),
        "few groups tested": tables.comparison_table(few_shot["tested"]),
        "pools": tables.comparison_table(few_shot["pools"]),
        "equal operations": tables.operations_table(few_shot["equal_operations"]),
        "equal accuracy": tables.equal_accuracy_table(few_shot["equal_accuracy"]),
        "confused": tables.pair_table(few_shot["pairs"]),
        **{f"against {base}": tables.curve_table(few_shot["tested"], base) for base in BASES},
        **{f"pool {pool}": tables.accuracy_table(content, pool) for pool in content["settings"]["pools"]},
    }
    return ((f"{name}: {what}", text) for what, text in found.items())


def filled(page: str, texts: Mapping[str, str]) -> str:
    """A page with its tables put between their marks.

    Raises: KeyError for a mark that names no table.

    >>> filled("<!-- table: a: b -->\\nold\\n<!-- end of table -->\\n", {"a: b": "new\\n"})
    '<!-- table: a: b -->\\nnew\\n<!-- end of table -->\\n'
    """
    return _TABLE.sub(lambda found: found[1] + texts[found[2]], page)


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
        draw_accuracy(content, page.with_name(f"ablation-{name}-accuracy.png"))
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
