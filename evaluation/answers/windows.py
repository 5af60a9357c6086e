"""What a network answers for the windows of long videos, each as soon as it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mocrop.evaluation.answers.answers import FileAnswer, answer_of
from mocrop.evaluation.answers.predictor import Predictor
from mocrop.evaluation.answers.videos import NamedBy, Video
from mocrop.evaluation.answers.window_readers import Readers
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.stages.in_memory import FileCrops
from mocrop.pipeline.stages.window_crops import WindowCrops
from mocrop.pipeline.stages.windows import WindowSettings
from mocrop.training.recipe import Activation

OnTime = Callable[[float], None]  # seconds of video done


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowAnswer:
    """What the network answers for a window.

    Attributes:
        start, end: seconds from the first frame of the video on.
        span: numbers of the frames of the video that are in it.
        answer: as for a file; numbers of frames are those of the video.
    """

    start: float
    end: float
    span: range
    answer: FileAnswer


@dataclass(frozen=True, kw_only=True, eq=False)
class FileWindows:
    """The answers for one file, and what became of it.

    Attributes:
        windows: in order; those before what is wrong with the file.
        reasons, message: why the file failed, and what is notable about it.
        broken: whether something is wrong with the file as a whole, so that windows at its end may be missing.
        left_out: number of windows in which no frame is first shown.
    """

    path: str
    name: str
    named_by: NamedBy
    windows: tuple[WindowAnswer, ...]
    reasons: tuple[Reason, ...]
    message: str
    broken: bool
    left_out: int
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether the file or any of its windows has no answer."""
        return self.broken or any(each.answer.failed for each in self.windows)


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowAnswers:
    """The answers for the windows of all files, in their order, and what gave them."""

    files: tuple[FileWindows, ...]
    windows: WindowSettings
    class_names: tuple[str, ...]
    activation: Activation
    about: dict[str, Any]
    remarks: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """Number of files of which something has no answer."""
        return sum(each.failed for each in self.files)

    def to_json(self, *, top: int) -> dict[str, Any]:
        """Everything as plain values, with the ``top`` most probable classes of each window."""
        return {
            **self.about,
            "probabilities": self.activation,
            "classes": list(self.class_names),
            "window": self.windows.seconds,
            "stride": float(self.windows.stride),
            "remarks": list(self.remarks),
            "failed": self.failed,
            "files": [self._file_json(each, top) for each in self.files],
        }

    def _file_json(self, file: FileWindows, top: int) -> dict[str, Any]:
        return {
            "path": file.path,
            "name": file.name,
            "named_by": file.named_by,
            "state": "broken" if file.broken else "read",
            "reasons": [reason.value for reason in file.reasons],
            "message": file.message,
            "windows_without_frames": file.left_out,
            "windows": [self._window_json(each, top) for each in file.windows],
            "seconds": file.seconds,
        }

    def _window_json(self, window: WindowAnswer, top: int) -> dict[str, Any]:
        return {
            "start": window.start,
            "end": window.end,
            "first_frame": window.span.start,
            "last_frame": window.span.stop - 1,
            **window.answer.to_json(self.class_names, top=top),
        }


def answers_for_windows(
    videos: Sequence[Video], predictor: Predictor, windows: WindowSettings, *, on_time: OnTime = lambda seconds: None
) -> Iterator[FileWindows]:
    """Answer for the windows of files, in order; threads read ahead, a few windows of a few files.

    Args:
        on_time: is called after each window with the seconds of video that are done, of all files.
    Raises: CheckpointError if the network answers with NaN; DiskFullError.
    """
    before = 0.0
    with Readers(videos, predictor, windows) as readers:
        for reader in readers:
            done: list[WindowAnswer] = []
            left_out = 0
            for crops in reader.windows():
                done.append(_answered(reader.video, crops, predictor))
                left_out = crops.windows_without_frames
                on_time(before + done[-1].end)
            before += done[-1].end if done else 0.0
            yield _file_windows(reader.video, done, reader.outcome, left_out)


def _answered(video: Video, read: WindowCrops, predictor: Predictor) -> WindowAnswer:
    status, window = "failed" if read.crops is None else "done", read.window
    outcome = Outcome(position=0, status=status, reasons=read.reasons, message=read.message)  # type: ignore[arg-type]
    crops = None if read.crops is None else FileCrops(crops=read.crops, motion=None)
    answer = answer_of(video, outcome, crops, predictor)
    numbers = tuple(window.frames.start + number for number in answer.frames)
    return WindowAnswer(
        start=float(window.start), end=float(window.end), span=window.frames, answer=replace(answer, frames=numbers)
    )


def _file_windows(video: Video, windows: Sequence[WindowAnswer], outcome: Outcome, left_out: int) -> FileWindows:
    return FileWindows(
        path=video.path,
        name=video.name,
        named_by=video.named_by,
        windows=tuple(windows),
        reasons=outcome.reasons,
        message=outcome.message,
        broken=outcome.status == "failed",
        left_out=left_out,
        seconds=outcome.seconds,
    )
