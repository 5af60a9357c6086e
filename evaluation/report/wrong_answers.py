"""The clips that a network was surest of and wrong about, as a table whose names lead to a gallery that is there."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import numpy as np

from mocrop.evaluation.report.format import Markdown, in_link, table_lines
from mocrop.evaluation.report.page import GALLERY
from mocrop.evaluation.scores.metrics import softmax
from mocrop.evaluation.scores.predictions import Predictions
from mocrop.pipeline.names import is_utf8

MAX_WRONG = 50


def wrong_lines(predictions: Predictions, folder: Path) -> list[str]:
    """Lines of Markdown: the wrong answers, the surest first; none if all are right.

    Args:
        folder: that the report will lie in.
    """
    found = wrong_answers(predictions)
    if not found:
        return []
    shown = found[:MAX_WRONG]
    rest = f"The {len(shown)} surest of {len(found)}; the .npz file has all.\n" if len(shown) < len(found) else ""
    name = linked if (folder / GALLERY).exists() else str
    rows = ((name(clip), true, answer, f"{100 * sure:.1f} %") for clip, true, answer, sure in shown)
    table = table_lines(("clip", "true class", "answer", "confidence"), rows)
    return ["\n## Wrong answers\n", *([rest] if rest else []), *table]


def wrong_answers(predictions: Predictions) -> list[tuple[str, str, str, float]]:
    """Clip, true class, answer and its confidence, from 0 to 1, of each wrong clip; the surest first."""
    names, shares = predictions.class_names, softmax(predictions.logits)
    answers = predictions.logits.argmax(axis=1)
    wrong = np.flatnonzero(answers != predictions.labels)
    sure = np.round(shares[wrong, answers[wrong]], 6)  # equal ones stay in the order of the list
    ordered = wrong[np.argsort(-sure, kind="stable")]
    return [
        (predictions.clips[row], names[predictions.labels[row]], names[answers[row]], float(shares[row, answers[row]]))
        for row in ordered.tolist()
    ]


def linked(clip: str) -> str:
    """A clip's name as a link to its view in the gallery; a name that is no UTF-8 has no address.

    >>> linked("Dig/a b")
    '[Dig/a b](gallery/index.html#/clip/Dig%2Fa%20b)'
    """
    if not is_utf8(clip):
        return clip
    return Markdown(f"[{in_link(clip)}]({GALLERY}#/clip/{quote(clip, safe='')})")
