"""`mocrop predict` as a call."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import av

from mocrop.evaluation.answers.answers import Answers
from mocrop.evaluation.answers.drawn import Wishes
from mocrop.evaluation.answers.predict import Network, answer_videos, answer_windows, videos_for
from mocrop.evaluation.answers.report import print_answers, write_answers
from mocrop.evaluation.answers.videos import LIST
from mocrop.evaluation.answers.window_report import print_window_answers, write_window_answers
from mocrop.evaluation.answers.windows import WindowAnswers
from mocrop.evaluation.report.console import evaluation_progress
from mocrop.pipeline.dataset.walk import VIDEO_SUFFIXES
from mocrop.pipeline.errors import ClipError, SettingsError
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.stages.windows import WindowSettings
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.workspace.paths import Workspace


def predict_files(
    workspace: Workspace,
    network: Network,
    given: Sequence[str],
    *,
    csv: Path | None,
    wishes: Wishes,
    windows: WindowSettings | None,
    console: LineConsole,
) -> Answers | WindowAnswers:
    """Answer for video files, with a progress bar, where all that is asked for has a place.

    Args:
        workspace: where a run lies; for a checkpoint it need not be there.
        given: files, folders, patterns; ``-``: their paths, one a line, on standard input.
        csv, wishes: what :func:`keep_answers` is to write.
        windows: to answer for each window of the videos; None: for each as a whole.
    Raises: SettingsError if a file could not be written where it is wanted; what
        :func:`~mocrop.evaluation.answers.predict.answer` and :meth:`~mocrop.evaluation.answers.predict.Network.load`
        raise.
    """
    if wishes.timeline is not None and windows is None:
        raise SettingsError("--timeline draws answers over time, of which there is one; pass --window, too")
    if csv is not None:
        _require_place(csv)
    predictor = network.load(workspace)
    listed = map(os.fsdecode, sys.stdin.buffer) if LIST in given else ()  # paths may be any bytes
    found = videos_for(predictor, given, workspace=workspace, listed=listed)
    wishes.require_places(found.videos)
    if csv is not None:
        _require_own_place(csv, (predictor.source, wishes.timeline, *(video.path for video in found.videos)))
    if windows is None:
        with evaluation_progress(console, "predict", unit="files") as on_file:
            return answer_videos(predictor, found, on_file=on_file)
    total = round(sum(declared_seconds(video.path) for video in found.videos))
    with evaluation_progress(console, "predict", unit="seconds of video") as on_second:
        return answer_windows(
            predictor, found, windows, on_time=lambda seconds: on_second(round(seconds), max(total, round(seconds)))
        )


def print_any_answers(console: LineConsole, answers: Answers | WindowAnswers, *, top: int) -> None:
    """Print answers for files, or for windows of which the top class is shown."""
    if isinstance(answers, Answers):
        print_answers(console, answers, top=top)
    else:
        print_window_answers(console, answers)


def keep_answers(
    answers: Answers | WindowAnswers, *, top: int, csv: Path | None, wishes: Wishes, console: LineConsole
) -> int:
    """Write the CSV file and draw what is asked for: once answers are printed, so that a full disk loses none of them.

    Returns: number of files of which there is no answer, or no video where one is asked for.
    Raises: DiskFullError; FileError.
    """
    if csv is not None:
        write = write_answers if isinstance(answers, Answers) else write_window_answers
        write(answers, csv, top=top)  # type: ignore[arg-type]
    with evaluation_progress(console, "draw", unit="files") as on_drawn:
        problems = wishes.draw(answers, on_drawn=on_drawn)
    for problem in problems:
        console.print(problem)
    return answers.failed + len(problems)


def declared_seconds(path: str) -> float:
    """How long a video is, as its container says; 0 if it does not, or cannot be read."""
    try:
        with open_video(Path(os.path.abspath(path)), clip=path, log=ClipLog(0)) as video:
            return (video.container.duration or 0) / av.time_base
    except ClipError:
        return 0.0


def _require_place(file: Path) -> None:
    """Refuse, before anything is read, a place where no CSV file can be, or where it would replace a video."""
    if file.is_dir() or file.suffix.lower() in VIDEO_SUFFIXES:
        raise SettingsError(f"--csv {file} is a {'folder' if file.is_dir() else 'video'}; pass the path of a .csv file")
    if not (folder := file.absolute().parent).is_dir():
        raise SettingsError(f"--csv {file}: there is no folder {folder}; make it, or name another place")


def _require_own_place(csv: Path, others: Iterable[Path | str | None]) -> None:
    """Refuse a place where the CSV file would replace what is read, or the timeline replace it."""
    if os.path.realpath(csv) in {os.path.realpath(other) for other in others if other is not None}:
        raise SettingsError(f"--csv {csv} is the place of another file of this command; name another one")
