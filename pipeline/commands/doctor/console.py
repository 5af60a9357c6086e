"""Print what the doctor has found."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from mocrop.pipeline.commands.doctor.finding import Finding, State
from mocrop.pipeline.commands.doctor.report import DoctorReport
from mocrop.pipeline.terminal import LineConsole

STYLES = {State.OK: "green", State.NOTE: "yellow", State.MISSING: "red"}


def print_doctor(console: LineConsole, report: DoctorReport) -> None:
    """Print a row for each finding, and what it comes to."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in report.findings:
        table.add_row(Text(finding.state, STYLES[finding.state]), finding.name, _words(finding))
    console.print(table)
    console.print()
    notes, missing = report.count(State.NOTE), report.count(State.MISSING)
    if missing or notes:
        works = "mocrop works here; " if report.can_work else ""
        console.print(f"{works}{missing} missing, {notes} to note, each with the way out in its row")
    else:
        console.print("mocrop works here, and nothing is missing")


def _words(finding: Finding) -> str:
    return finding.fact + (f"; {finding.way_out}" if finding.way_out else "")
