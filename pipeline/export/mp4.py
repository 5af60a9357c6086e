"""The form `mp4`: each clip, cropped by its box, as H.264 in ``<Class>/<clip>.mp4``, with lists and the boxes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from av.video.frame import VideoFrame

from mocrop.pipeline.choices import Audio, require_choice
from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.export.audio import AudioCopy
from mocrop.pipeline.export.base import Export, ExportClip
from mocrop.pipeline.export.boxes import ClipBoxes
from mocrop.pipeline.export.clip_video import ClipVideo, with_clip_video
from mocrop.pipeline.export.crop_encoder import CropEncoder, CropScaler, EvenCrops
from mocrop.pipeline.export.form import Form
from mocrop.pipeline.export.lists import write_lists
from mocrop.pipeline.export.pace import EvenPace, EveryFrame, Pace, Paced
from mocrop.pipeline.export.work import ExportWork
from mocrop.pipeline.limits import MAX_SIDE_PX, require_number, require_whole
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.policies.base import PictureSize
from mocrop.pipeline.settings import Plain
from mocrop.pipeline.stages.transcode_settings import Preset
from mocrop.pipeline.video.normalise import RegularFrames

MP4_VERSION = 1
BOXES = "boxes.csv"
_HEAD = ("clip", "frame", "left", "top", "right", "bottom", "seconds")
_MOST_FPS = 1000
_FINEST_FPS = 1001  # largest denominator of a rate: 30000/1001


@dataclass(frozen=True, kw_only=True)
class Mp4Settings:
    """How the files are encoded."""

    size: int  # side of the square frames, pixels, even; 0: the pixels of the source are kept
    fps: float = 0.0  # frames a second; 0: all frames at their own times
    crf: int = 18  # x264's constant quality, 0 (lossless) to 51
    preset: Preset = "veryfast"  # x264's preset
    audio: Audio = "drop"  # the sound of the clip

    def __post_init__(self) -> None:
        require_whole("size", self.size, most=MAX_SIDE_PX)
        if self.size % 2:
            raise ValueError(f"size must be even, as H.264 in 4:2:0 has it, not {self.size}")
        require_number("fps", self.fps, least=0, most=_MOST_FPS)
        require_whole("crf", self.crf, most=51)
        require_choice("preset", self.preset, Preset)
        require_choice("audio", self.audio, Audio)

    @property
    def x264_options(self) -> dict[str, str]:
        """Options of libx264; one thread and no processor-dependent code, for the same bytes everywhere."""
        return {"preset": self.preset, "crf": str(self.crf), "x264-params": "threads=1:cpu-independent=1"}

    def pace(self, time_base: Fraction) -> Pace:
        """Which frames are kept."""
        if not self.fps:
            return EveryFrame(time_base)
        return EvenPace(Fraction(self.fps).limit_denominator(_FINEST_FPS), time_base)


def write_mp4(clip: ExportClip, file: Path, work: ExportWork, log: ClipLog) -> Plain:
    """Write a clip as an MP4 file. Returns: its facts: ``boxes``, rows of BOXES without the clip; ``frames``; ``size``.

    Raises: ClipError.
    """
    return encode_mp4(clip, file, work, log).facts


class Encoded(NamedTuple):
    """A clip as an MP4 file."""

    facts: Plain  # see :func:`write_mp4`
    frames: list[int]  # numbers of the source frames in it
    seconds: list[float]  # when each is shown in the source


def encode_mp4(clip: ExportClip, file: Path, work: ExportWork, log: ClipLog) -> Encoded:
    """As :func:`write_mp4`, with what is told of every frame."""
    if clip.task.own_file:  # says which file the boxes are from, as the stage before does
        log.note(Reason.OWN_FILE_SERVES)
    file.open("wb").close()  # here no clip is to blame for what the system says

    def use(video: ClipVideo) -> Encoded:
        with contextlib.ExitStack() as resources:
            return _Encoding(clip, file, work, video, log, resources).all()

    return with_clip_video(clip.task, use, max_damaged=work.settings.crop.max_damaged, log=log)


class _Encoding:
    """A clip on its way into its file."""

    def __init__(
        self,
        clip: ExportClip,
        file: Path,
        work: ExportWork,
        video: ClipVideo,
        log: ClipLog,
        resources: contextlib.ExitStack,
    ) -> None:
        self._clip, self._file, self._work, self._video, self._log = clip, file, work, video, log
        self._resources = resources
        self._settings: Mp4Settings = work.settings.form_settings
        self._pace = self._settings.pace(video.time_base)
        self._regular = RegularFrames(clip=clip.task.name, log=log, keeps_times=True)
        self._times: list[int] = []  # of the frames that have come
        self._rows: list[tuple[float, ...]] = []  # a frame, its box in pixels, and its time, where the box changes
        self._kept: list[int] = []  # numbers of the frames that are encoded
        self._started: _Started | None = None

    def all(self) -> Encoded:
        """Encode everything. Raises: ClipError."""
        for shown in self._video.frames:
            self._times.append(shown.time)
            for frame in self._regular.add(shown.frame, shown.orientation):
                self._take(frame)
        for frame in self._regular.finish():
            self._take(frame)
        started = self._started
        assert started is not None  # a video without frames has raised an error
        for paced in self._pace.rest():
            self._encode(started, paced)
        started.boxes.require_frames(len(self._times), clip=self._clip.task.name)
        started.encoder.finish()
        if started.audio is not None:
            started.audio.until(None)
        started.encoder.close()
        if len(self._times) == 1:
            self._log.note(Reason.ONE_FRAME, "the clip has one frame")
        width, height = started.size
        facts = {"boxes": self._rows, "frames": started.encoder.frames, "width": width, "height": height}
        seconds = [self._seconds(number) for number in self._kept]
        return Encoded({**facts, "source": list(started.crops.picture)}, self._kept, seconds)

    def _seconds(self, number: int) -> float:
        return round(float(self._times[number] * self._video.time_base), 6)

    def _take(self, frame: VideoFrame) -> None:
        """Give the next upright frame to the pace, whose choice is encoded."""
        started = self._started = self._started or self._start(frame)
        number = frame.pts
        assert number is not None  # RegularFrames numbers them
        for paced in self._pace.take(frame, number, self._times[number]):
            self._encode(started, paced)

    def _start(self, frame: VideoFrame) -> _Started:
        """Open the file, once the first frame tells the size of the picture."""
        picture = (frame.width, frame.height)
        boxes = self._work.boxes(self._clip, picture, self._log)
        crops = EvenCrops.of(boxes, picture)
        size = (self._settings.size, self._settings.size) if self._settings.size else crops.size
        encoder = CropEncoder(
            self._file,
            frame,
            size,
            time_base=self._pace.time_base,
            rate=self._pace.rate or self._video.rate,
            options=self._settings.x264_options,
        )
        self._resources.callback(encoder.close)
        audio = None
        if self._settings.audio == "keep":
            audio = AudioCopy(self._video, encoder.output, self._log, self._resources)
        scaler = CropScaler(frame, crops, size=self._settings.size, fit=self._work.settings.crop.fit)
        return _Started(boxes, crops, size, scaler, encoder, audio)

    def _encode(self, started: _Started, paced: Paced) -> None:
        """Crop and encode a frame."""
        edges = started.crops.at(paced.number)
        if not self._rows or self._rows[-1][1:5] != edges:
            self._rows.append((paced.number, *edges, self._seconds(paced.number)))
        self._kept.append(paced.number)
        if started.audio is not None:
            started.audio.until(paced.time * self._pace.time_base)
        started.encoder.add(started.scaler.scaled(paced.frame, edges), paced.time)


class _Started(NamedTuple):
    """What is open once the first frame has come."""

    boxes: ClipBoxes
    crops: EvenCrops
    size: PictureSize
    scaler: CropScaler
    encoder: CropEncoder
    audio: AudioCopy | None


def write_boxes(export: Export) -> Path:
    """Write a row for each clip and change of its box. Returns: the file."""
    file = export.folder / BOXES
    rows = ((clip.path, *row) for clip in export.clips() for row in clip.facts["boxes"])
    write_csv(_HEAD, rows, file)
    return file


def finish_mp4(export: Export) -> list[Path]:
    """Write the lists of labels and subsets, and the boxes."""
    return [*write_lists(export), write_boxes(export)]


MP4 = Form(
    settings=Mp4Settings,
    version=MP4_VERSION,
    suffix=lambda _: ".mp4",
    write=write_mp4,
    finish=finish_mp4,
    own_files=lambda _: True,
)
