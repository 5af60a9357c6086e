"""Answers drawn: a timeline for each file that was cut into windows, and a video with boxes and classes on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from mocrop.evaluation.answers.answers import Answers, FileAnswer
from mocrop.evaluation.answers.videos import Video
from mocrop.evaluation.answers.windows import FileWindows, WindowAnswers
from mocrop.pipeline.errors import ClipError, SettingsError
from mocrop.pipeline.files import file_stem
from mocrop.pipeline.terminal import count

if TYPE_CHECKING:  # they import Matplotlib, which takes a moment
    from mocrop.evaluation.pictures.answer_video import AnswerPart

CLASSES_ON_VIDEO = 5
OnDrawn = Callable[[int, int], None]  # files drawn, files in all


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What is to be drawn, and where: files, or for several videos folders that are there."""

    timeline: Path | None = None  # a PNG file
    video: Path | None = None  # an MP4 file

    def require_places(self, videos: Sequence[Video]) -> None:
        """Check, before anything is read, that every picture has a place of its own, none of them that of a video.

        Raises: SettingsError.
        """
        sources = {os.path.realpath(video.path) for video in videos}
        for option, target, suffix in self._targets():
            if target.is_dir():
                files = [_file_in(target, video.name, suffix) for video in videos]
                if len(set(files)) < len(files):
                    raise SettingsError(f"{option} {target}: two videos have one name; call mocrop once for each")
            elif len(videos) > 1:
                fact = f"{option} {target} is one file, and there are {count(len(videos), 'video')}"
                raise SettingsError(f"{fact}; pass a folder that is there")
            elif target.suffix.lower() != suffix:
                raise SettingsError(f"{option} {target}: name a {suffix} file, or a folder that is there")
            else:
                files = [target]
            if not target.is_dir() and not target.absolute().parent.is_dir():
                raise SettingsError(f"{option} {target}: there is no folder {target.absolute().parent}; make it first")
            if lost := next((file for file in files if os.path.realpath(file) in sources), None):
                raise SettingsError(f"{option} {target} would write over the video {lost}; name another place")

    def draw(self, answers: Answers | WindowAnswers, *, on_drawn: OnDrawn) -> list[str]:
        """Draw all that has an answer.

        Returns: for each picture that could not be made, why.
        Raises: DiskFullError; FileError.
        """
        from mocrop.evaluation.pictures.answer_video import write_answer_video

        problems, files = [], cast(Sequence[FileAnswer | FileWindows], answers.files)
        for done, file in enumerate(files, start=1):
            parts = parts_of(file, answers.class_names)
            if parts and self.timeline is not None and isinstance(file, FileWindows):
                _draw_timeline(file, answers, _place(self.timeline, file.name, ".png"))
            if parts and self.video is not None:
                place, policy = _place(self.video, file.name, ".mp4"), answers.about["crops"]["policy"]
                try:
                    write_answer_video(Path(os.path.abspath(file.path)), parts, place, policy=policy, clip=file.name)
                except ClipError as error:
                    problems.append(f"{file.path}: no video could be made of it: {error}")
            on_drawn(done, len(files))
        return problems

    def _targets(self) -> list[tuple[str, Path, str]]:
        targets = (("--timeline", self.timeline, ".png"), ("--video", self.video, ".mp4"))
        return [(option, target, suffix) for option, target, suffix in targets if target is not None]


def _place(target: Path, name: str, suffix: str) -> Path:
    return _file_in(target, name, suffix) if target.is_dir() else target


def _file_in(folder: Path, name: str, suffix: str) -> Path:
    return folder / f"{file_stem(name.replace('/', '__'), suffix=suffix)}{suffix}"


def parts_of(file: FileAnswer | FileWindows, class_names: Sequence[str]) -> list[AnswerPart]:
    """What is said of a file, part by part; empty if nothing is."""
    if isinstance(file, FileAnswer):
        return [] if file.failed else [_part(file, 0.0, 0.0, class_names)]
    return [_part(window.answer, window.start, window.end, class_names) for window in file.windows]


def _part(answer: FileAnswer, start: float, end: float, class_names: Sequence[str]) -> AnswerPart:
    from mocrop.evaluation.pictures.answer_video import AnswerPart

    if answer.failed:
        why = f"no answer: {answer.reasons[0].value}"
        return AnswerPart(start=start, end=end, boxes=(), classes=((why, None),))
    boxes = dict(sorted(zip(answer.frames, answer.boxes, strict=True), key=itemgetter(0)))
    classes = tuple((class_names[number], share) for number, share in answer.top(CLASSES_ON_VIDEO))
    return AnswerPart(start=start, end=end, boxes=tuple(boxes.items()), classes=classes)


def _draw_timeline(file: FileWindows, answers: Answers | WindowAnswers, target: Path) -> None:
    from mocrop.evaluation.pictures.timeline import draw_timeline

    silent = np.full(len(answers.class_names), np.nan, np.float32)
    known = [window.answer.probabilities for window in file.windows]
    draw_timeline(
        [(window.start, window.end) for window in file.windows],
        np.stack([silent if each is None else each for each in known]),
        answers.class_names,
        target,
        title=file.path,
    )
