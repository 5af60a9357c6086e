"""Read the windows of one video file, in memory, each as the stages read a clip of a crop cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.span import MICROSECONDS
from mocrop.pipeline.stages.in_memory import ReadingSettings, readable_form
from mocrop.pipeline.stages.window_crops import WindowCrops, read_window_crops
from mocrop.pipeline.stages.windows import WindowSettings
from mocrop.pipeline.video.index import complete_index
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.spans import read_times, told_times


def read_windows(
    path: Path, settings: ReadingSettings, windows: WindowSettings, *, clip: str, log: ClipLog
) -> Iterator[WindowCrops]:
    """Read the windows of a file, in order, each as soon as it is there.

    The file, or its H.264 form in memory, is decoded once. Times are those of the file also where that form has frames
    that are evenly spaced.

    Args:
        clip: its name, as for :func:`~mocrop.pipeline.stages.in_memory.read_file`.
        log: receives what is notable about the file.
    Raises: ClipError, after the windows before what is wrong with the file.
    """
    with readable_form(path, settings, clip=clip, log=log) as file:
        own, by_rate = file == path, False
        times: Sequence[Fraction] | None = None
        if own:
            told = told_times(path, clip=clip)
            by_rate = told.known and told.seconds is None
        else:
            times = _times_of_source(path, file, clip=clip, log=log)
        yield from read_window_crops(
            file,
            settings.crop,
            windows,
            clip=clip,
            own=own,
            log=log,
            max_damaged=settings.max_damaged,
            by_rate=by_rate,
            times=times,
        )


def _times_of_source(source: Path, file: Path, *, clip: str, log: ClipLog) -> Sequence[Fraction] | None:
    """Times of the frames of the H.264 form of a file as the file itself has them; None if it is the form that has.

    The form has one frame for each of the file, evenly spaced by its rate.
    """
    told = told_times(source, clip=clip)
    seconds = told.seconds
    if not told.known:
        timed = read_times(source, clip=clip)
        seconds = None if timed.by_rate else [Fraction(each, MICROSECONDS) for each in timed.times_us.tolist()]
    if seconds is None:
        return None
    with open_video(file, clip=clip, log=ClipLog(0)) as video:
        frames = len(complete_index(video) or ())
    if frames != len(seconds):
        fact = f"{frames} of its {len(seconds)} frames could be read; times of windows count them as evenly spaced"
        log.note(Reason.TIMES_BY_RATE, fact)
        return None
    return seconds
