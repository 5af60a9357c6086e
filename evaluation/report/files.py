"""The files of an evaluation in the reports folder.

===========================  ==================================================================================
``<stem>.json``              everything but the logits and the confusion matrix
``<stem>.md``                the same to read
``<stem>.html``              the same as a page for a browser, with the pictures inside
``<stem>.csv``               confusion matrix: a row a true class, a column an answer
``<stem>-classes.csv``       a row a class
``<stem>.png``               confusion matrix
``<stem>-calibration.png``   accuracy against confidence
``<stem>.npz``               logits clip by clip, see :mod:`~mocrop.evaluation.scores.predictions`
===========================  ==================================================================================

Where a clip may have several labels there are no confusions and no confidence, so ``.csv`` and pictures are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mocrop.evaluation.report.console import facts, headline, score_rows
from mocrop.evaluation.report.format import class_cells, in_markdown, interval_head, picture, table_lines, write_json
from mocrop.evaluation.report.page import write_markdown
from mocrop.evaluation.report.plots import draw_calibration, draw_confusion
from mocrop.evaluation.report.remarks import remarks
from mocrop.evaluation.report.several_labels import CLASS_COLUMNS, by_class_lines, class_rows, precision_lines
from mocrop.evaluation.report.wrong_answers import wrong_lines
from mocrop.evaluation.scores.evaluate import EvalResult
from mocrop.evaluation.scores.label_metrics import LabelMetrics
from mocrop.evaluation.scores.metrics import Metrics, confused_pairs
from mocrop.evaluation.scores.predictions import Predictions, write_predictions
from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.files import file_stem

SUFFIXES = (".json", ".md", ".html", ".csv", "-classes.csv", ".png", "-calibration.png", ".npz")
SEVERAL_SUFFIXES = (".json", ".md", ".html", "-classes.csv", ".npz")  # where a clip may have several labels
MAX_PAIRS = 10  # of confused classes


def write_report(result: EvalResult, folder: Path, stem: str) -> dict[str, Path]:
    """Write all files of one evaluation, each whole or not at all, the JSON last; returns them by suffix."""
    files = report_files(folder, stem)
    if isinstance(result.metrics, LabelMetrics):
        return _write_precisions(result, result.metrics, files)
    write_scores(result.metrics, result.predictions, files, title=headline(result))
    write_markdown(markdown(result, stem, folder), files[".md"], files[".html"])
    write_json(result.to_json(), files[".json"])
    return files


def report_files(folder: Path, stem: str) -> dict[str, Path]:
    """Paths of the files of a report, by suffix; their names are those of the networks, caches and splits in it."""
    stem = report_stem(stem)
    return {suffix: folder / f"{stem}{suffix}" for suffix in SUFFIXES}  # with_suffix would cut a name with a dot


def report_stem(names: str) -> str:
    """The first part of the names of a report's files."""
    return file_stem(names, suffix=max(SUFFIXES, key=len))


def write_scores(metrics: Metrics, predictions: Predictions, files: Mapping[str, Path], *, title: str) -> None:
    """Write what needs predictions alone: CSV tables, pictures and the predictions themselves."""
    names = predictions.class_names
    write_csv(("true class", *names), zip(names, *metrics.confusion.T.tolist(), strict=True), files[".csv"])
    write_csv(
        ("class", "clips", "correct", "share", "answered", "taken_for", "taken_for_clips"),
        (
            (row.name, row.clips, row.correct, row.share, row.answered, row.taken_for, row.taken_for_clips)
            for row in metrics.classes
        ),
        files["-classes.csv"],
    )
    score = f"{title}: {100 * metrics.top1.share:.1f} % of {metrics.top1.total} clips right"
    draw_confusion(metrics.confusion, names, files[".png"], title=score)
    draw_calibration(metrics.calibration, files["-calibration.png"], title=title)
    write_predictions(predictions, files[".npz"])


def markdown(result: EvalResult, stem: str, folder: Path) -> str:
    """The report as Markdown; it shows the pictures beside it, and leads to a gallery that is in the folder."""
    lines = [
        f"# {in_markdown(headline(result))}",
        *score_lines(result.accuracies),
        *fact_lines(result),
        *class_lines(result.accuracies, result.predictions.class_names),
        *wrong_lines(result.predictions, folder),
        *pictures(stem),
    ]
    return "\n".join(lines) + "\n"


def fact_lines(result: EvalResult) -> list[str]:
    """Facts and remarks as lines of Markdown."""
    return [
        *(f"- **{label}**: {in_markdown(text)}" for label, text in facts(result).items()),
        *(f"- {in_markdown(line)}" for line in remarks(result)),
    ]


def _write_precisions(result: EvalResult, metrics: LabelMetrics, files: Mapping[str, Path]) -> dict[str, Path]:
    """Write the report of several labels a clip; what it has no files of is removed, as it would be of another one."""
    written = {suffix: file for suffix, file in files.items() if suffix in SEVERAL_SUFFIXES}
    for suffix in files.keys() - written.keys():
        files[suffix].unlink(missing_ok=True)
    write_csv(CLASS_COLUMNS, class_rows(metrics), files["-classes.csv"])
    write_predictions(result.predictions, files[".npz"])
    lines = [f"# {in_markdown(headline(result))}", *precision_lines(metrics), *fact_lines(result)]
    write_markdown("\n".join([*lines, *by_class_lines(metrics), ""]), files[".md"], files[".html"])
    write_json(result.to_json(), files[".json"])
    return written


def pictures(stem: str) -> list[str]:
    """Lines of Markdown that show the plots of a report."""
    stem = report_stem(stem)
    return [
        "\n## Pictures\n",
        picture("Confusion matrix", f"{stem}.png"),
        "",
        picture("Calibration", f"{stem}-calibration.png"),
    ]


def score_lines(metrics: Metrics) -> list[str]:
    """Scores as lines of a Markdown table."""
    head = ("", "right", "correct / total", interval_head(metrics.units))
    return ["", *table_lines(head, score_rows(metrics)), ""]


def class_lines(metrics: Metrics, names: tuple[str, ...]) -> list[str]:
    """Classes and the most frequent confusions as lines of Markdown tables."""
    pairs = confused_pairs(metrics.confusion, names, most=MAX_PAIRS)
    confused = ["\n## Most frequent confusions\n", *table_lines(("class", "taken for", "clips"), pairs)]
    rows = [class_cells(row) for row in metrics.classes if row.clips]
    head = ("class", "right", "correct / total", "wrong ones most often taken for")
    return [*(confused if pairs else []), "\n## By class\n", *table_lines(head, rows)]
