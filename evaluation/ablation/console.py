"""What an ablation has found, on a console: the answers in words, and the accuracies in its main view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from mocrop.evaluation.ablation.tables import condition_cells
from mocrop.pipeline.terminal import LineConsole, Part

Content = Mapping[str, Any]  # of report.json


def print_ablation(console: LineConsole, content: Content, files: Mapping[str, Path]) -> None:
    """Print the answers to the questions, a table of accuracies, and the paths of the files of the report."""
    for line in content["in_words"]:
        console.say(*emphasised(line))
    console.print()
    console.print(accuracies(content))
    console.print("top-1 in %, with 95 % intervals over groups", style="dim")
    for kind, file in files.items():
        console.print(f"{kind}: {file}")


def emphasised(line: str) -> Iterator[Part]:
    """A sentence of a report, whose Markdown marks become bold letters.

    >>> list(emphasised("Does it help? **Yes.** 3 of 3"))
    [('Does it help? ', ''), ('Yes.', 'bold'), (' 3 of 3', '')]
    """
    for number, words in enumerate(line.split("**")):
        yield words, "bold" if number % 2 else ""


def accuracies(content: Content) -> Table:
    """Top-1 by crop at each size, with the number of frames and the pool of the main view, and what a clip costs."""
    main = content["main"]
    shown = [
        each
        for each in content["conditions"]
        if each["train_size"] == each["size"] and (each["frames"], each["pool"]) == (main["frames"], main["pool"])
    ]
    head, rows = condition_cells(content, shown)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, title in enumerate(head):
        table.add_column(title, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    return table
