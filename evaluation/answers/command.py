"""`mocrop predict` as a call."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mocrop.evaluation.answers.answers import Answers
from mocrop.evaluation.answers.predict import Network, answer
from mocrop.evaluation.answers.report import write_answers
from mocrop.evaluation.answers.videos import LIST
from mocrop.evaluation.report.console import evaluation_progress
from mocrop.pipeline.dataset.walk import VIDEO_SUFFIXES
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace


def predict_files(
    workspace: Workspace,
    network: Network,
    given: Sequence[str],
    *,
    top: int,
    csv: Path | None,
    console: LineConsole,
) -> Answers:
    """Answer for video files, with a progress bar, and write the CSV file if one is asked for.

    Args:
        workspace: where a run lies; for a checkpoint it need not be there.
        given: files, folders, patterns; ``-``: their paths, one a line, on standard input.
    Raises: SettingsError if the CSV file could not be written; what :func:`~mocrop.evaluation.answers.predict.answer`
        and :meth:`~mocrop.evaluation.answers.predict.Network.load` raise.
    """
    if csv is not None:
        _require_place(csv)
    predictor = network.load(workspace)
    listed = map(os.fsdecode, sys.stdin.buffer) if LIST in given else ()  # paths may be any bytes
    with evaluation_progress(console, "predict", unit="files") as on_file:
        answers = answer(predictor, given, workspace=workspace, listed=listed, on_file=on_file)
    if csv is not None:
        write_answers(answers, csv, top=top)
    return answers


def _require_place(file: Path) -> None:
    """Refuse, before anything is read, a place where no CSV file can be, or where it would replace a video."""
    if file.is_dir() or file.suffix.lower() in VIDEO_SUFFIXES:
        raise SettingsError(f"--csv {file} is a {'folder' if file.is_dir() else 'video'}; pass the path of a .csv file")
    if not (folder := file.absolute().parent).is_dir():
        raise SettingsError(f"--csv {file}: there is no folder {folder}; make it, or name another place")
