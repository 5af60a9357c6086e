"""What a network has answered on each clip, from the predictions of `mocrop eval`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocrop.evaluation.scores.metrics import softmax
from mocrop.evaluation.scores.predictions import Predictions, describe, read_predictions, require_one_label

TOP = 5  # classes listed


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer on one clip."""

    right: bool
    top: tuple[tuple[str, float], ...]  # the most likely classes and their probabilities, the answer first

    @property
    def label(self) -> str:
        return self.top[0][0]

    @property
    def confidence(self) -> float:
        """The largest softmax of the clip's logits, as in the reports of `mocrop eval`."""
        return self.top[0][1]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The answers on the clips of a test list."""

    words: str  # checkpoint, cache and split
    by_clip: dict[str, Answer]


def read_answers(file: Path) -> Answers:
    """Read the predictions of a report.

    Args:
        file: its .npz, or the .json beside that.
    Raises: PredictionsError if there are none, or if a clip may have several labels: no answer is right or wrong then.
    """
    predictions = read_predictions(file.with_suffix(".npz") if file.suffix == ".json" else file)
    require_one_label(predictions)
    return Answers(words=describe(predictions), by_clip=_by_clip(predictions))


def _by_clip(predictions: Predictions) -> dict[str, Answer]:
    probabilities = softmax(predictions.logits)
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    return {
        clip: Answer(
            right=int(best[row, 0]) == int(predictions.labels[row]),
            top=tuple((predictions.class_names[c], float(probabilities[row, c])) for c in best[row].tolist()),
        )
        for row, clip in enumerate(predictions.clips)
    }
