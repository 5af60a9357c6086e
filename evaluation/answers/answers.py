"""What a network answers for video files: one after the other, while threads read the next ones."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from mocrop.evaluation.answers.predictor import Numbers, Predictor
from mocrop.evaluation.answers.videos import NamedBy, Video
from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.outcome import ClipTask, Outcome, clip_log
from mocrop.pipeline.stages.in_memory import FileCrops
from mocrop.training.model.trained_on import are_among
from mocrop.training.recipe import Activation

READ_AHEAD = 2  # files that are read, or wait to be, for each thread
MOST_THREADS = 16  # a file takes up to some 100 MiB while it is read
OnFile = Callable[[int, int], None]  # files done, files in all
State = Literal["cropped", "whole-frame", "failed"]
Seen = Literal["trained on", "validated on"]


@dataclass(frozen=True, kw_only=True, eq=False)
class FileAnswer:
    """What the network answers for one file, or why it does not.

    Attributes:
        path: as it was given.
        name: of the clip, see :class:`~mocrop.evaluation.answers.videos.Video`.
        reasons: codes of why it failed, and of what is notable about it; docs/reasons.md explains them.
        message: the same in words.
        frames: numbers of the frames that the network got, in the file that was read, window by window; one that
            stands for several segments, or is in several windows, is there several times.
        times: when they are shown, seconds from the first frame; None where no motion was read.
        boxes: the part of the frame that each of them shows, left, top, right, bottom as fractions.
        box: of the clip.
        logits: float32, (classes,); None if it failed.
        probabilities: of the classes, in the same order.
        seen: whether the checkpoint says that a clip of this name was trained on; None: it does not say so.
        seconds: that reading it took.
    """

    path: str
    name: str
    named_by: NamedBy
    state: State
    reasons: tuple[Reason, ...]
    message: str
    frames: tuple[int, ...] = ()
    times: tuple[float, ...] | None = None
    boxes: tuple[CropBox, ...] = ()
    box: CropBox | None = None
    logits: Numbers | None = None
    probabilities: Numbers | None = None
    seen: Seen | None = None
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether there is no answer, because the file could not be read."""
        return self.state == "failed"

    def top(self, count: int) -> list[tuple[int, float]]:
        """The most probable classes, by number, with their probabilities; of equal ones the first ones."""
        if self.probabilities is None:
            return []
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(number, float(self.probabilities[number])) for number in order.tolist()]

    def to_json(self, class_names: Sequence[str], *, top: int) -> dict[str, Any]:
        """The answer as plain values, with its ``top`` most probable classes; not which file it is for."""
        return {
            "state": self.state,
            "reasons": [reason.value for reason in self.reasons],
            "message": self.message,
            "top": [{"class": class_names[number], "probability": share} for number, share in self.top(top)],
            "logits": None if self.logits is None else self.logits.tolist(),
            "box": None if self.box is None else list(self.box.edges),
            "frames": list(self.frames),
            "boxes": [list(box.edges) for box in self.boxes],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """The answers for all files, in their order, and what gave them."""

    files: tuple[FileAnswer, ...]
    class_names: tuple[str, ...]
    activation: Activation  # that makes probabilities of logits
    about: dict[str, Any]  # checkpoint, arch, epoch, input, crop, segments, device: plain values
    remarks: tuple[str, ...] = ()  # on the files that were given, and on their names

    @property
    def failed(self) -> int:
        """Number of files without an answer."""
        return sum(each.failed for each in self.files)

    def to_json(self, *, top: int) -> dict[str, Any]:
        """Everything as plain values, with the ``top`` most probable classes of each file."""
        return {
            **self.about,
            "probabilities": self.activation,
            "classes": list(self.class_names),
            "remarks": list(self.remarks),
            "failed": self.failed,
            "files": [self._file_json(each, top) for each in self.files],
        }

    def _file_json(self, file: FileAnswer, top: int) -> dict[str, Any]:
        return {
            "path": file.path,
            "name": file.name,
            "named_by": file.named_by,
            **file.to_json(self.class_names, top=top),
            "seen": file.seen,
            "times": None if file.times is None else list(file.times),
            "seconds": file.seconds,
        }


def answers_for(
    videos: Sequence[Video], predictor: Predictor, *, on_file: OnFile = lambda done, total: None
) -> Iterator[FileAnswer]:
    """Answer for files, in their order; those that come next are read by threads meanwhile.

    Args:
        on_file: called after each file.
    Raises: CheckpointError if the network answers with NaN; DiskFullError.
    """
    for done, (video, outcome, read) in enumerate(_read_ahead(videos, predictor), start=1):
        yield answer_of(video, outcome, read, predictor)
        on_file(done, len(videos))


_Read = tuple[Video, Outcome, FileCrops | None]


def _read_ahead(videos: Sequence[Video], predictor: Predictor) -> Iterator[_Read]:
    threads = min(os.cpu_count() or 1, MOST_THREADS, len(videos))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
    pending: deque[Future[_Read]] = deque()
    try:
        for number, video in enumerate(videos):
            pending.append(pool.submit(_read, number, video, predictor))
            if len(pending) > READ_AHEAD * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:  # without waiting: after Ctrl-C, for files that may be long
        pool.shutdown(wait=False, cancel_futures=True)


def _read(number: int, video: Video, predictor: Predictor) -> _Read:
    read: FileCrops | None = None
    path = Path(os.path.abspath(video.path))
    with clip_log(ClipTask(position=number, name=video.name, path=str(path))) as log:
        require_there(path, name=video.name)
        read = predictor.read(path, clip=video.name, log=log)
    assert log.outcome is not None
    return video, log.outcome, read


def require_there(path: Path, *, name: str) -> None:
    """Raises: ClipError with VANISHED, in the words for a file that somebody has named, unless it is there."""
    if not path.exists():
        raise ClipError(Reason.VANISHED, f"{name}: there is no such file")


def answer_of(video: Video, outcome: Outcome, read: FileCrops | None, predictor: Predictor) -> FileAnswer:
    """Let the network answer for what was read of a file."""
    if read is None:
        return FileAnswer(
            path=video.path,
            name=video.name,
            named_by=video.named_by,
            state="failed",
            reasons=outcome.reasons,
            message=outcome.message,
            seconds=outcome.seconds,
        )
    crops, slots = read.crops, predictor.slots(read.crops).reshape(-1).tolist()
    logits = predictor.answer(crops)
    numbers = tuple(crops.numbers[slot] for slot in slots)
    seconds = None if read.motion is None else read.motion.seconds
    return FileAnswer(
        path=video.path,
        name=video.name,
        named_by=video.named_by,
        state="cropped" if crops.state is ClipState.CROPPED else "whole-frame",
        reasons=outcome.reasons,
        message=outcome.message,
        frames=numbers,
        times=None if seconds is None else tuple(float(seconds[number]) for number in numbers),
        boxes=tuple(crops.boxes[slot] for slot in slots),
        box=crops.box,
        logits=logits,
        probabilities=predictor.probabilities(logits),
        seen=_seen(video.name, predictor),
        seconds=outcome.seconds,
    )


def _seen(name: str, predictor: Predictor) -> Seen | None:
    lists: tuple[tuple[Seen, Tensor | None], ...] = (
        ("trained on", predictor.checkpoint.trained_on),
        ("validated on", predictor.checkpoint.validated_on),
    )
    for how, hashes in lists:
        if isinstance(hashes, Tensor) and are_among([name], hashes)[0]:
            return how
    return None
