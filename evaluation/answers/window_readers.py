"""Threads that read the windows of files ahead of the network."""

from __future__ import annotations

import itertools
import os
import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from mocrop.evaluation.answers.answers import require_there
from mocrop.evaluation.answers.predictor import Predictor
from mocrop.evaluation.answers.videos import Video
from mocrop.pipeline.outcome import ClipTask, Outcome, clip_log
from mocrop.pipeline.stages.file_windows import read_windows
from mocrop.pipeline.stages.window_crops import WindowCrops
from mocrop.pipeline.stages.windows import WindowSettings

FILES_AT_A_TIME = 4  # each has its decoder and the frames of its windows
WINDOWS_AHEAD = 4  # of a file that wait for the network
_PATIENCE_SECONDS = 0.2


class Readers:
    """Threads that read files, in order; a few files at a time. They end with the block."""

    def __init__(self, videos: Sequence[Video], predictor: Predictor, windows: WindowSettings) -> None:
        self._stop = threading.Event()
        self._all = (Reader(number, video, predictor, windows, self._stop) for number, video in enumerate(videos))

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def __iter__(self) -> Iterator[Reader]:
        started: deque[Reader] = deque()
        at_a_time = min(os.cpu_count() or 1, FILES_AT_A_TIME)
        for reader in itertools.chain(self._all, itertools.repeat(None)):
            if reader is not None:
                reader.start()
                started.append(reader)
            if not started:
                return
            if reader is None or len(started) >= at_a_time:
                yield started.popleft()


class Reader(threading.Thread):
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
