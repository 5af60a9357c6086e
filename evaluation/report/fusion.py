"""The report of a late fusion, on a console and in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from mocrop.evaluation.report.files import class_lines, pictures, report_files, score_lines, write_scores
from mocrop.evaluation.report.format import in_markdown, points, score_cells, table_lines, write_json
from mocrop.evaluation.report.page import write_markdown
from mocrop.evaluation.report.remarks import few_units
from mocrop.evaluation.report.wrong_answers import wrong_lines
from mocrop.evaluation.scores.fusion import Fusion, Stream
from mocrop.evaluation.scores.statistics import format_p
from mocrop.pipeline.terminal import LineConsole

HEAD = ("", "right", "over the first", "only it / first", "p")
ROLES = ("first", "second", "fused")


def print_fusion(console: LineConsole, fusion: Fusion, notes: Sequence[str]) -> None:
    """Print both networks and their fusion."""
    table = Table(title=f"late fusion, split {fusion.first.predictions.split}")
    table.add_column("")
    for column in HEAD[1:]:
        table.add_column(column, justify="right")
    for role, stream in zip(ROLES, fusion.streams, strict=True):
        table.add_row(role, *stream_cells(stream))
    console.print(table)
    for line in (*words(fusion), *notes):
        console.print(line)


def stream_cells(stream: Stream) -> tuple[str, str, str, str]:
    """Share, gain over the first in points, clips that one of the two alone gets right, the corrected p."""
    share, *_ = score_cells(stream.metrics.top1)
    if stream.over_first is None:
        return share, "", "", ""
    over = stream.over_first
    return share, points(over.difference), f"{over.gained} / {over.lost}", format_p(over.p_corrected)


def words(fusion: Fusion) -> list[str]:
    """What was compared, what was found, and what the columns mean."""
    found = [stream.over_first.sentence for stream in fusion.streams if stream.over_first]
    return [*names(fusion), *found, explanation(fusion), *few_units(fusion.first.metrics.units)]


def names(fusion: Fusion) -> list[str]:
    """Names of both networks and the fusion, with counts."""
    return [
        f"{role}: {stream.name}, {' of '.join(score_cells(stream.metrics.top1)[1].split(' / '))} clips right"
        for role, stream in zip(ROLES, fusion.streams, strict=True)
    ]


def explanation(fusion: Fusion) -> str:
    """What the columns mean."""
    units = fusion.fused.metrics.units
    return (
        f"top-1; fused: the mean softmax, weight of the second {fusion.weight:g}; over the first in points, with its "
        f"95 % interval by {units}; clips that one of the two alone gets right; p from flipping the signs of whole "
        f"{units.kind}, corrected for two tests. All of it is about these checkpoints: other trainings might differ"
    )


def write_fusion(fusion: Fusion, notes: Sequence[str], folder: Path, stem: str) -> dict[str, Path]:
    """Write a report of the fusion; JSON and Markdown also hold both networks. Returns the files by suffix."""
    files, metrics, predictions = report_files(folder, stem), fusion.fused.metrics, fusion.fused.predictions
    title = f"{fusion.first.name} and {fusion.second.name}, test list of split {predictions.split}"
    write_scores(metrics, predictions, files, title=title)
    lines = [
        f"# Late fusion of {in_markdown(title)}",
        "",
        *table_lines(HEAD, ((role, *stream_cells(each)) for role, each in zip(ROLES, fusion.streams, strict=True))),
        "",
        *(f"- {in_markdown(line)}" for line in (*words(fusion), *notes)),
        "\n## The fusion",
        *score_lines(metrics),
        *class_lines(metrics, predictions.class_names),
        *wrong_lines(predictions, folder),
        *pictures(stem),
    ]
    write_markdown("\n".join(lines) + "\n", files[".md"], files[".html"])
    write_json({**fusion.to_json(), "notes": list(notes)}, files[".json"])
    return files
