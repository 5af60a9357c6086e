"""Crop the windows of one video while it is decoded, once, from its start to its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.run_motion import MotionRuns
from mocrop.pipeline.motion.vectors import FrameVectors, export_vectors, note_missing_motion
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.policies.registry import needs_bars
from mocrop.pipeline.stages.chosen import choose_frames, note_slots
from mocrop.pipeline.stages.clip_crops import ChosenFrame, ClipCrops, crop_frames
from mocrop.pipeline.stages.gathered import Gathered, GradualRefresh
from mocrop.pipeline.stages.held_frames import HeldFrames
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.windows import Window, Windows, WindowSettings
from mocrop.pipeline.video.cropper import Cropper
from mocrop.pipeline.video.decoder import MAX_DAMAGED, FrameDamage, PlainDecode, VideoPacket
from mocrop.pipeline.video.frame_times import FrameClock
from mocrop.pipeline.video.open import OpenVideo, open_video
from mocrop.pipeline.video.orientation import Orientation
from mocrop.pipeline.video.picture_notes import note_container, note_frame
from mocrop.pipeline.video.unsmoothed import Unsmoothed


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowCrops:
    """What is known of a window.

    Attributes:
        window: when it is.
        crops: as of a clip that ends where the window ends; numbers of frames count from the first frame of the window
            on. None if too much of it is damaged.
        reasons: why there are no crops, if there are none; then what is notable about it.
        message: the same in words.
        windows_without_frames: how many have been left out up to this one.
    """

    window: Window
    crops: ClipCrops | None
    reasons: tuple[Reason, ...]
    message: str
    windows_without_frames: int = 0


def read_window_crops(
    path: Path,
    settings: PrecropSettings,
    windows: WindowSettings,
    *,
    clip: str,
    own: bool,
    log: ClipLog,
    max_damaged: float = MAX_DAMAGED,
    by_rate: bool = False,
    times: Sequence[Fraction] | None = None,
) -> Iterator[WindowCrops]:
    """Decode a file once and crop each of its windows as if it were a clip, as soon as all of the window is there.

    The motion, the camera's too, is that which :func:`~mocrop.pipeline.motion.vectors.read_motion` finds in the file.
    By window are decided: the size of the picture (that of its first frame), the picture inside black bars, the times
    of its frames, counted from its first frame on, and whether too much is damaged. A window that is longer than the
    video gives what the whole clip gives. Where a window has no key frame, evenly spaced frames are taken.

    Where bars matter, H.264 is decoded twice side by side, as bars are found before smoothing.

    Frames are held no longer than a window needs them that has not ended, and but key frames where these are chosen.

    Args:
        path: the file.
        settings: which frames are chosen, and how they are cropped.
        windows: where windows begin and end.
        clip: its name, as for :func:`~mocrop.pipeline.stages.clip_crops.crop_file`.
        own: whether it is no file that transcode has made, so that its container is worth a note.
        log: receives what is notable about the file; what is about a window, the window has.
        max_damaged: largest accepted share of the frames of a window that are damaged, 0 to 1.
        by_rate: whether its frames count as evenly spaced, because the times of the file are known not to ascend.
        times: when its frames are shown, seconds from the first on, ascending, where the file does not tell because it
            was made of another one; one a frame.
    Yields: windows in order; those before a break of the file too.
    Raises: ClipError with NO_FRAMES, TRUNCATED, NO_MOTION_VECTORS, WINDOW_TOO_LARGE, or what :func:`open_video` raises.
    """
    with open_video(path, clip=clip, log=log) as video:
        if own:
            note_container(video, log)
        if settings.needs_motion:
            export_vectors(video.stream, smooth=True)
        cropper = Cropper(size=settings.size, fit=settings.fit)
        clock = FrameClock(video.stream, by_rate=by_rate)
        yield from _Reader(video, settings, cropper, windows, clip, log, max_damaged, clock, times).windows()


class _Reader:
    """Decodes a video and crops its windows."""

    def __init__(
        self,
        video: OpenVideo,
        settings: PrecropSettings,
        cropper: Cropper,
        windows: WindowSettings,
        clip: str,
        log: ClipLog,
        max_damaged: float,
        clock: FrameClock,
        times: Sequence[Fraction] | None,
    ) -> None:
        self._video, self._clip, self._log, self._max_damaged = video, clip, log, max_damaged
        self._settings, self._cropper = settings, cropper
        self._cut = Windows(windows)
        self._clock = clock
        self._times = times
        self._decode = PlainDecode(video)
        self._vectors = FrameVectors(video)
        self._refresh = GradualRefresh(video)
        self._runs = MotionRuns(log) if settings.needs_motion else None
        self._bars = needs_bars(settings.policy, settings.policy_settings)
        self._unsmoothed = Unsmoothed.of(video) if self._bars else None
        self._held = HeldFrames(clip=clip, every=settings.select != "keyframes")
        self._gathering: deque[Gathered] = deque()  # of the windows that have not been cropped
        self._closed: deque[Window] = deque()  # those of them that have ended, which are the first
        self._told = FrameDamage()  # how much of the damage the windows know

    def windows(self) -> Iterator[WindowCrops]:
        now = Fraction(0)
        for number, frame in enumerate(self._decode.frames(look=self._look)):
            now = self._seconds(number, frame)
            self._closed.extend(self._cut.add(now))
            yield from self._ready()  # before the next frame is held
            self._add(number, frame)
            yield from self._ready()
        self._decode.account.require_whole(self._video, clip=self._clip)
        self._decode.damage.require_frames(self._clip)
        self._tell_damage()
        self._closed.extend(self._cut.finish(self._end(now)))
        yield from self._ready(at_end=True)

    def _look(self, packet: VideoPacket) -> None:
        self._vectors.look(packet)
        self._refresh.look(packet)
        if self._unsmoothed is not None:
            self._unsmoothed.look(packet)

    def _seconds(self, number: int, frame: VideoFrame) -> Fraction:
        by_file = self._clock.of(frame)
        if self._times is None:
            return by_file
        if number >= len(self._times):
            raise ClipError(Reason.UNEXPECTED, f"{self._clip}: there are times of {len(self._times)} frames, and more")
        return self._times[number]

    def _end(self, now: Fraction) -> Fraction:
        if self._times is None or len(self._times) < 2:
            return self._clock.end
        return now + self._times[-1] - self._times[-2]

    def _add(self, number: int, frame: VideoFrame) -> None:
        """Take a frame that belongs to the windows that are open; those that have ended are not told of it."""
        note_frame(frame, self._log)
        vectors = self._vectors.of(frame)
        orientation = vectors.placement.orientation
        known = len(self._gathering) - len(self._closed)
        self._gathering.extend(Gathered(first_frame=first) for first in self._cut.first_frames[known:])
        self._tell_damage()
        for gathered in self._open():
            gathered.add(frame, number)
        self._see_bars(frame, orientation)
        if self._runs is not None:
            self._runs.add(vectors)
        self._let_go()
        if self._gathering:
            self._held.add(number, frame, orientation)

    def _see_bars(self, frame: VideoFrame, orientation: Orientation) -> None:
        """Show a frame to those who look for bars, if they matter."""
        if not self._bars:
            return
        shown = frame if self._unsmoothed is None else self._unsmoothed.frame(frame)
        for gathered in self._open():
            gathered.brightest.see(shown, orientation)

    def _open(self) -> list[Gathered]:
        return list(self._gathering)[len(self._closed) :]

    def _tell_damage(self) -> None:
        """Tell the windows that are open of packets that the decoder has refused or reports errors of."""
        now, told = self._decode.damage, self._told
        for gathered in self._open():
            for _ in range(now.refused - told.refused):
                gathered.damage.refuse()
            for _ in range(now.reported - told.reported):
                gathered.damage.report_error()
        self._told = FrameDamage(refused=now.refused, reported=now.reported)

    def _ready(self, *, at_end: bool = False) -> Iterator[WindowCrops]:
        """Crop the windows that have ended and whose motion is there."""
        while self._closed:
            window = self._closed[0]
            if self._runs is not None and not at_end and not self._runs.reach(window.frames.stop):
                return
            gathered = self._gathering[0]
            yield self._window_crops(window, gathered)
            self._closed.popleft()
            self._gathering.popleft()
            self._let_go()

    def _let_go(self) -> None:
        """Forget what no window needs any more: of those that have two key frames, frames between key frames."""
        following = self._cut.frames
        first = self._gathering[0].first_frame if self._gathering else following
        without = (each.first_frame for each in self._gathering if len(each.key_frames) < 2)
        self._held.let_go(before=first, between_before=next(without, following))
        if self._runs is not None:
            self._runs.let_go(before=first)

    def _window_crops(self, window: Window, gathered: Gathered) -> WindowCrops:
        log = ClipLog(self._log.position)
        crops: ClipCrops | None = None
        failures: list[ClipError] = []
        try:
            crops = self._crops(window, gathered, log)
        except ClipError as error:
            if error.reason != Reason.DAMAGED:
                raise
            failures.append(error)
        return WindowCrops(
            window=window,
            crops=crops,
            reasons=(*(error.reason for error in failures), *log.reasons),
            message="; ".join((*(str(error) for error in failures), *log.messages)),
            windows_without_frames=self._cut.left_out,
        )

    def _crops(self, window: Window, gathered: Gathered, log: ClipLog) -> ClipCrops:
        settings, clip, frames = self._settings, self._clip, window.frames
        keys = gathered.key_frames
        without_key_frames = not keys or (self._refresh.gradual and len(keys) == 1)
        motion = self._motion(window, gathered, log)
        chosen = choose_frames(
            settings,
            key_frames=[key - frames.start for key in keys],
            frames=len(frames),
            no_keys="it has no key frame to start from" if without_key_frames else "",
            motion=motion,
            log=log,
        )

        def decoded() -> Iterator[ChosenFrame]:
            for number in chosen.numbers:
                held = self._held.frames[frames.start + number]
                yield ChosenFrame(number, held.frame, held.orientation)
            gathered.damage.report(clip=clip, max_damaged=self._max_damaged, log=log)

        crops = crop_frames(decoded(), chosen, settings, self._cropper, clip=clip, motion=motion, log=log)
        note_slots(chosen, settings, log)
        return crops

    def _motion(self, window: Window, gathered: Gathered, log: ClipLog) -> ClipMotion | None:
        if self._runs is None:
            return None
        seconds = gathered.times.seconds(self._video.stream, log)
        brightest = gathered.brightest if self._bars else None
        motion = self._runs.motion(window.frames, seconds=seconds, brightest=brightest)
        note_missing_motion(motion, self._vectors.codec, clip=self._clip, log=log)
        return motion
