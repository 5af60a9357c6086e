"""What is told of the slots of a clip beside their frames: numbers, times and boxes of the source."""

from __future__ import annotations

from pathlib import Path

from mocrop.pipeline.export.base import ExportClip
from mocrop.pipeline.export.work import SlotCrops
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.policies.base import PictureSize
from mocrop.pipeline.settings import Plain
from mocrop.pipeline.video.decoder import PlainDecode
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.orientation import Orientations

_DIGITS = 6  # behind the point, of seconds: times are known to the microsecond


def slot_facts(clip: ExportClip, crops: SlotCrops, log: ClipLog) -> Plain:
    """Facts about the slots as JSON holds them, each list in order of time.

    Returns: ``frames``, numbers of the source frames; ``seconds``, when each is shown, from the first frame of the clip
        on; ``boxes``, left, top, right, bottom of each crop, pixels of the source; ``source``, its width and height;
        and where the slots are those of windows of neighbouring frames, ``windows``: for each window the slots of its
        frames, from 0.
    Raises: ClipError.
    """
    size = source_size(Path(clip.task.path), clip=clip.task.name, log=log)
    return {
        "frames": list(crops.numbers),
        "seconds": [round(seconds, _DIGITS) for seconds in crops.seconds],
        "boxes": [list(box.pixels(*size)) for box in crops.boxes],
        "source": list(size),
        **({} if crops.windows is None else {"windows": crops.windows}),
    }


def source_size(path: Path, *, clip: str, log: ClipLog) -> PictureSize:
    """Width and height of the first upright frame of a video, pixels. Raises: ClipError."""
    with open_video(path, clip=clip, log=log) as video:
        decode, orientations = PlainDecode(video), Orientations(video.stream)
        for frame in decode.frames(look=orientations.look):
            return orientations.see(frame).size(frame.width, frame.height)
        decode.damage.require_frames(clip)
    raise AssertionError("a video without frames has raised an error")
