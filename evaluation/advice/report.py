"""Print advice, or give it as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from mocrop.evaluation.advice.advise import Advice, advise, share_words
from mocrop.evaluation.advice.measured import measured_tables
from mocrop.evaluation.advice.motion_facts import DataSetFacts, motion_facts
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace

CLIPS_BETWEEN_SIGNS = 500


def advise_in_workspace(workspace: Workspace, *, console: LineConsole) -> Advice:
    """Look at the stored motion of a workspace and recommend options for it.

    Args:
        console: where progress is shown.
    Raises: WorkspaceError without a workspace, or where no clip has motion vectors; MotionStoreError if the store is
        damaged, or of an older mocrop.
    """

    def on_clip(done: int) -> None:
        if done % CLIPS_BETWEEN_SIGNS == 0:
            console.say(f"looked at {done:,} clips")

    return advise(motion_facts(workspace.require(), on_clip=on_clip), measured_tables())


def advice_json(advice: Advice) -> dict[str, Any]:
    """Everything as plain values."""
    return {**asdict(advice), "command": advice.command}


def print_advice(console: LineConsole, advice: Advice) -> None:
    """Print facts, recommended options with reasons, and remarks."""
    facts = Table(box=None, pad_edge=False, show_header=False)
    for what, value in fact_rows(advice.facts):
        facts.add_row(Text(what), Text(value))
    console.print(facts)
    console.print()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("recommended", "because"):
        table.add_column(title, no_wrap=title == "recommended")
    for line in advice.lines:
        table.add_row(Text(f"{line.option} {line.value}"), Text(line.reason))
    console.print(table)
    console.print()
    for remark in advice.remarks:
        console.say(remark)
    for conditions in advice.judged_by:
        console.say(f"measured on: {conditions}")
    console.say(advice.command, whole=True)


def fact_rows(facts: DataSetFacts) -> Iterator[tuple[str, str]]:
    """What the stored motion says, in words."""
    yield "clips with motion vectors", f"{facts.clips:,}"
    yield "camera stands still", f"in {share_words(facts.still)} of them"
    yield "something moves by itself", f"in {share_words(facts.moving)} of them"
    if facts.spread is not None:
        yield "90 % of what moves lies in", f"{share_words(facts.spread)} of the picture (median)"
    yield "frames a clip", _range(facts.frames)
    yield "key frames a clip", _range(facts.key_frames)
    bars = "" if facts.bars is None else f", where they take {share_words(facts.bars)} (median)"
    yield "black bars", f"in {share_words(facts.with_bars)} of them{bars}"


def _range(counts: tuple[int, int, int]) -> str:
    least, median, most = counts
    return f"{least:,} to {most:,}, median {median:,}"
