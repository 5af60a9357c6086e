"""Everything about one clip that pictures show: its file, its motion and the policies' boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from mocrop.evaluation.pictures.clip_boxes import ClipBoxes, ShowSettings, decided, path_frames
from mocrop.evaluation.pictures.clip_choice import find_clip
from mocrop.pipeline.cache.slots import evenly
from mocrop.pipeline.choices import Source
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.policies.bars import picture_inside_bars
from mocrop.pipeline.policies.base import ClipFacts, PictureSize, PolicyResult
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.stages.registry import Stages
from mocrop.pipeline.video.colour import make_convertible, require_convertible
from mocrop.pipeline.video.decoder import FrameDamage
from mocrop.pipeline.video.frames import NotAsToldError, decode_frames, with_timeline
from mocrop.pipeline.video.open import OpenVideo, open_video
from mocrop.pipeline.video.orientation import Orientation, Orientations
from mocrop.pipeline.video.timeline import Timeline, count_frames
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import read_settings

Picture = npt.NDArray[np.uint8]  # (height, width, 3) RGB, upright


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipView:
    """One clip, ready to be drawn."""

    name: str
    label: str  # its class
    source: str  # h264 or original: what vectors and frames are taken from
    path: Path  # that file
    timeline: Timeline
    picture: PictureSize
    motion: ClipMotion | None
    no_motion: str  # why there is none, in words; empty if there is
    shown: Sequence[int]  # numbers of the frames to show, ascending
    boxes: ClipBoxes

    @property
    def results(self) -> Mapping[str, PolicyResult]:
        """Results of the policies, by name."""
        return self.boxes.results

    @property
    def frames(self) -> int:
        """Number of frames of the clip."""
        return self.timeline.frames

    @property
    def inside_bars(self) -> CropBox:
        """The picture inside black bars; the whole frame if there are none, or nobody has looked for them."""
        if self.motion is None or self.motion.picture is None:
            return WHOLE_FRAME
        return picture_inside_bars(ClipFacts(name=self.name, size=self.picture, motion=self.motion))

    def key_frames(self, most: int) -> Sequence[int]:
        """Numbers of at most so many frames, evenly spread: key frames, if there are enough."""
        return self.shown or some_frames(self.timeline, most)

    def following_p_frame(self, number: int) -> int | None:
        """Number of the first P frame after a frame and before the next key frame; None if there is none."""
        if self.motion is None:
            return None
        types = self.motion.frame_type[number + 1 : self.frames]
        ends = np.flatnonzero((types == FrameType.I) | (types == FrameType.P))
        return number + 1 + int(ends[0]) if len(ends) and types[ends[0]] == FrameType.P else None

    def pictures(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Decode some frames, ascending; yields number and picture, all of one size. Raises: ClipError."""
        left, timeline = list(numbers), self.timeline
        while left:
            try:
                for number, frame, orientation in self._decoded(timeline, left):
                    left.remove(number)
                    require_convertible(frame, clip=self.name)
                    make_convertible(frame)
                    width, height = orientation.size(*self.picture)
                    stored = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
                    yield number, orientation.upright(stored.astype(np.uint8, copy=False))
                return
            except NotAsToldError:
                timeline = count_frames(self.path, clip=self.name, log=ClipLog(0))

    def _decoded(self, timeline: Timeline, numbers: Sequence[int]) -> Iterator[tuple[int, VideoFrame, Orientation]]:
        with open_video(self.path, clip=self.name, log=ClipLog(0)) as video:
            yield from _upright_frames(video, timeline, numbers)


def _upright_frames(
    video: OpenVideo, timeline: Timeline, numbers: Sequence[int]
) -> Iterator[tuple[int, VideoFrame, Orientation]]:
    """Decode chosen frames; yields number, frame and how it is to be turned."""
    orientations = Orientations(video.stream)
    for number, frame in decode_frames(
        video, timeline, numbers, key_frames_only=False, damage=FrameDamage(), orientations=orientations
    ):
        yield number, frame, orientations.now


class ClipViewer:
    """Looks at one clip of a workspace after another; what the manifest says of all of them is read once.

    Attributes:
        rows: all clips, by position.
        class_names: by number.
        dataset: the folder of the data set.
    Raises: WorkspaceError without a workspace, or where its manifest is damaged; SettingsError for bad settings.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        dataset, tables = read_settings(workspace)
        self.dataset = dataset.dataset
        self._extract = Stages(workspace, tables).extract()
        with Manifest(workspace.manifest_file, read_only=True) as manifest:
            self.rows = list(manifest.clips())
            self.class_names = manifest.names("class_names")
            self._no_vectors = _failures(manifest, "extract-mv")
            self._not_transcoded = _failures(manifest, "transcode")
            self._own_files = _own_files(self._extract, manifest)
        self._motion = MotionReader(workspace.motion)

    def view(self, position: int, settings: ShowSettings | None) -> ClipView:
        """Look at a clip, and let the policies choose its box.

        Args:
            settings: None: no boxes, and no frames to show.
        Raises: ClipError if the file cannot be read; MotionStoreError if the motion store is damaged; what
            :func:`~mocrop.evaluation.pictures.clip_boxes.decided` raises.
        """
        row = self.rows[position]
        source, path = self._file(row)
        motion = self._motion.read(position)

        def first(video: OpenVideo, timeline: Timeline) -> tuple[Timeline, PictureSize]:
            _, frame, orientation = next(_upright_frames(video, timeline, [0]))
            return timeline, orientation.size(frame.width, frame.height)

        timeline, picture = with_timeline(path, first, clip=row.name, log=ClipLog(position))
        shown, boxes = [], ClipBoxes(slots=(), results={}, left_out={})
        if settings is not None:
            shown = some_frames(timeline, settings.frames)
            known = 0 if motion is None else min(timeline.frames, motion.frames)
            slots = tuple(range(known)) if settings.every_frame else path_frames(shown, known)
            boxes = decided(ClipFacts(name=row.name, size=picture, motion=motion, slots=slots), settings)
        return ClipView(
            name=row.name,
            label=class_of(row, self.class_names),
            source=source,
            path=path,
            timeline=timeline,
            picture=picture,
            motion=motion,
            no_motion="" if motion else self._why_no_motion(row.name),
            shown=shown,
            boxes=boxes,
        )

    def motion(self, position: int) -> ClipMotion | None:
        """The stored motion of a clip, if there is any. Raises: MotionStoreError if the motion store is damaged."""
        return self._motion.read(position)

    def _why_no_motion(self, clip: str) -> str:
        failure = self._no_vectors.get(clip)
        return failure.message if failure else "mocrop extract-mv has not run on it yet"

    def _file(self, row: ClipRow) -> tuple[Source, Path]:
        """Which file a clip is read from. Raises: ClipError if there is none of the clip as it is now."""
        source = cast(Source, self._extract.settings.source)
        if source == "auto":
            source = "original" if row.name in self._own_files else "h264"
        if row.span is None and source == "original":  # a segment has no file of its own
            return source, self.dataset / row.path
        path = self._workspace.h264_file(row.name)
        command = "extract-mv" if self._extract.settings.source == "auto" else "transcode"
        failure = self._not_transcoded.get(row.name)
        if failure and not (failure.gone and path.is_file()):  # else it is of what the clip was last
            way_out = "put the file back" if failure.gone else f"mend it, then run `mocrop {command}`"
            text = f"{row.name}: transcode failed: {failure.message}; {way_out}, or name another clip"
            raise ClipError(Reason.EARLIER_STAGE_FAILED, text)
        if not path.is_file():
            raise ClipError(Reason.VANISHED, f"{row.name}: {path} is not there; run `mocrop {command}` first")
        return "h264", path


class _Failure(NamedTuple):
    """Why a stage has failed on a clip."""

    message: str
    gone: bool  # because its video is not there any more


def _failures(manifest: Manifest, stage: str) -> dict[str, _Failure]:
    """Clips that a stage has failed on, by name."""
    return {
        name: _Failure(message.removeprefix(f"{name}: "), gone=reasons[:1] == (Reason.VANISHED,))
        for name, reasons, message in manifest.failures(stage)
    }


def _own_files(extract: Stage, manifest: Manifest) -> set[str]:
    """Names of the clips that are read from their own files, for source auto, as transcode has decided."""
    if extract.upstream is None:
        return set()
    noted = manifest.notes(extract.upstream.name, extract.upstream.settings_hash)
    return {name for name, reasons, _ in noted if Reason.OWN_FILE_SERVES in reasons}


def view_clip(workspace: Workspace, clip: str, settings: ShowSettings) -> ClipView:
    """Find a clip in a workspace and let the policies choose its box.

    Args:
        clip: its name, the path of its file, or an ending that no other clip's name has.
    Raises: SettingsError if no clip or several have the name; what :class:`ClipViewer` raises.
    """
    viewer = ClipViewer(workspace)
    return viewer.view(find_clip(viewer.rows, clip, dataset=viewer.dataset)[0], settings)


def some_frames(timeline: Timeline, count: int) -> list[int]:
    """Numbers of at most ``count`` key frames, evenly spread; where there are fewer, of frames between them too."""
    key_frames = timeline.key_frames.tolist()
    starts = [int(key_frames[place]) for place in evenly(len(key_frames), slots=count)] or [0]
    lengths = np.diff([*starts, timeline.frames])
    parts = np.ones_like(lengths)
    for _ in range(min(count, timeline.frames - starts[0]) - len(starts)):
        parts[np.argmax(lengths / parts)] += 1
    return [
        start + length * part // of
        for start, length, of in zip(starts, lengths.tolist(), parts.tolist(), strict=True)
        for part in range(of)
    ]


def class_of(row: ClipRow, class_names: Sequence[str]) -> str:
    """Name of a clip's class."""
    return ", ".join(class_names[label] for label in row.labels or (row.label,) if label >= 0) or "no class"
