"""What a network answers for the windows of long videos, each as soon as it is read."""

from __future__ import annotations

import itertools
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from mocrop.evaluation.answers.answers import FileAnswer, answer_of, require_there
from mocrop.evaluation.answers.predictor import Activation, Predictor
from mocrop.evaluation.answers.videos import NamedBy, Video
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipTask, Outcome, clip_log
from mocrop.pipeline.stages.file_windows import read_windows
from mocrop.pipeline.stages.in_memory import FileCrops
from mocrop.pipeline.stages.window_crops import WindowCrops
from mocrop.pipeline.stages.windows import WindowSettings

FILES_AT_A_TIME = 4  # each has its decoder and the frames of its windows
WINDOWS_AHEAD = 4  # of a file that wait for the network
_PATIENCE_SECONDS = 0.2
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
        answer = window.answer
        return {
            "start": window.start,
            "end": window.end,
            "first_frame": window.span.start,
            "last_frame": window.span.stop - 1,
            "state": answer.state,
            "reasons": [reason.value for reason in answer.reasons],
            "message": answer.message,
            "top": [{"class": self.class_names[number], "probability": share} for number, share in answer.top(top)],
            "logits": None if answer.logits is None else answer.logits.tolist(),
            "box": None if answer.box is None else list(answer.box.edges),
            "frames": list(answer.frames),
            "boxes": [list(box.edges) for box in answer.boxes],
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
    with _Readers(videos, predictor, windows) as readers:
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


class _Readers:
    """Threads that read files, in order; a few files at a time. They end with the block."""

    def __init__(self, videos: Sequence[Video], predictor: Predictor, windows: WindowSettings) -> None:
        self._stop = threading.Event()
        self._all = (_Reader(number, video, predictor, windows, self._stop) for number, video in enumerate(videos))

    def __enter__(self) -> _Readers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def __iter__(self) -> Iterator[_Reader]:
        started: deque[_Reader] = deque()
        at_a_time = min(os.cpu_count() or 1, FILES_AT_A_TIME)
        for reader in itertools.chain(self._all, itertools.repeat(None)):
            if reader is not None:
                reader.start()
                started.append(reader)
            if not started:
                return
            if reader is None or len(started) >= at_a_time:
                yield started.popleft()


class _Reader(threading.Thread):
    """Reads the windows of one file; waits where several are not asked for yet."""

    def __init__(
        self, number: int, video: Video, predictor: Predictor, windows: WindowSettings, stop: threading.Event
    ) -> None:
        super().__init__(name=f"predict-{number}", daemon=True)  # after Ctrl-C nobody waits for a file that may be long
        self.video = video
        self._task = ClipTask(position=number, name=video.name, path=os.path.abspath(video.path))
        self._predictor, self._settings, self._stop_asked = predictor, windows, stop
        self._queue: queue.Queue[WindowCrops | Outcome | BaseException] = queue.Queue(WINDOWS_AHEAD)

    def run(self) -> None:
        try:
            with clip_log(self._task) as log:
                path, name = Path(self._task.path), self._task.name
                require_there(path, name=name)
                for window in read_windows(path, self._predictor.reading, self._settings, clip=name, log=log):
                    if not self._put(window):
                        break
            assert log.outcome is not None
            self._put(log.outcome)
        except BaseException as error:  # the thread that asks raises it
            self._put(error)

    def windows(self) -> Iterator[WindowCrops]:
        """The windows, as they are read; sets ``outcome`` in the end. Raises: what no file is to blame for."""
        while isinstance(item := self._queue.get(), WindowCrops):
            yield item
        if isinstance(item, BaseException):
            raise item
        self.outcome = item

    def _put(self, item: WindowCrops | Outcome | BaseException) -> bool:
        """Hand something over; False if nobody wants it any more."""
        while not self._stop_asked.is_set():
            try:
                self._queue.put(item, timeout=_PATIENCE_SECONDS)
            except queue.Full:
                continue
            return True
        return False


def time_of(seconds: float) -> str:
    """A time in a video, to the hundredth of a second.

    >>> time_of(3.5), time_of(63.25), time_of(3600)
    ('0:03.5', '1:03.25', '1:00:00')
    """
    whole = Fraction(round(seconds * 100), 100)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f"{float(rest):05.2f}".rstrip("0").rstrip(".")
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"
