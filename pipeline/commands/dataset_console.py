"""Print what a scan of a data set has found: how it was read, what is wrong with it, and a table of counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table

from mocrop.pipeline.dataset.issues import Issue
from mocrop.pipeline.dataset.report import DatasetReport
from mocrop.pipeline.terminal import LineConsole, count


def print_dataset(console: LineConsole, report: DatasetReport) -> None:
    """Print what was found in a data set; the table of counts comes last."""
    classes = f" in {count(report.classes, 'class', plural='classes')}" if report.form else ", not labelled"
    console.print(f"{count(report.clips, 'clip')}{classes}")
    if report.form:
        console.say(f"  read as {report.form}: {report.why}")
    for clip, label, subset in report.examples if report.form else ():
        console.say(f"    {clip} is {label}, {subset}")
    print_issues(console, report.issues)
    if report.left_out is not None:
        console.say(f"every row that gives no labelled clip: {report.left_out}")
    console.print()
    if report.splits:
        console.print(_subsets(report))
        console.print()
    facts = Table(box=None, pad_edge=False, show_header=False)
    for name, fact in _facts(report):
        facts.add_row(name, fact)
    console.print(facts)
    console.print(f"workspace: {report.workspace}")


def print_issues(console: LineConsole, issues: Iterable[Issue]) -> None:
    """Print a line an issue."""
    for issue in issues:
        console.say("  ", ("note", "yellow"), f" {issue.sentence}")


def _subsets(report: DatasetReport) -> Table:
    """Clips by split and subset."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("split", overflow="fold")
    for title in ("train", "validation", "test", "in none"):
        table.add_column(title, justify="right")
    for name, counts in report.splits.items():
        table.add_row(name, *(f"{n:,}" if n else "-" for n in (counts.train, counts.val, counts.test, counts.none)))
    return table


def _facts(report: DatasetReport) -> Iterator[tuple[str, str]]:
    """The other counts, each with its name."""
    if report.form:
        yield "classes", _classes(report)
    suffixes = ", ".join(f"{number:,} {suffix}" for suffix, number in report.suffixes.items())
    yield "videos", f"{sum(report.suffixes.values()):,}: {suffixes}"
    if report.listed:
        share = f" ({100 * report.missing / report.listed:.1f} %)" if report.missing else ""
        yield "missing", f"{report.missing:,} of {report.listed:,} in the lists{share}"
        yield "in no list", f"{report.in_no_list:,}"
    yield "unreadable", f"{report.unreadable:,}"
    if report.absent:
        yield "gone", f"{count(report.absent, 'clip')} found earlier"


def _classes(report: DatasetReport) -> str:
    of = f" of {report.listed_classes:,} in the lists" if report.listed_classes != report.classes else ""
    sizes = {clips for clips in report.class_clips.values() if clips}
    spread = " to ".join(f"{clips:,}" for clips in sorted({min(sizes), max(sizes)})) if sizes else "no"
    several = ", several for a clip" if report.several_labels else ""
    alone = "; with one class there is nothing to learn" if report.classes == 1 else ""
    return f"{report.classes:,}{of}, {spread} {'clip' if sizes == {1} else 'clips'} each{several}{alone}"
