"""Read the motion of one video file: vectors as FFmpeg exports them, the camera's motion, times of frames, and bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from mocrop.pipeline.errors import ClipError, Reason
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.placement import Placement, Placements
from mocrop.pipeline.motion.raw_vectors import VectorBlock, joined
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.brightest import Brightest
from mocrop.pipeline.video.decoder import MAX_DAMAGED, PlainDecode, VideoPacket
from mocrop.pipeline.video.frame_times import FrameTimes
from mocrop.pipeline.video.open import OpenVideo, let_go_of_side_data, open_video, set_decoder_options
from mocrop.pipeline.video.picture_notes import note_frame, note_orientation

EXPORTING_CODECS = frozenset(  # FFmpeg's names of the codecs whose vectors it exports, each of them tested
    {"flv1", "h261", "h263", "h264", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v2", "msmpeg4v3", "rv10", "rv20"}
    | {"snow", "wmv1", "wmv2"}
)
NO_B_VECTORS = frozenset({"mpeg4", "rv20"})  # FFmpeg's H.263 decoders do not keep vectors of B-frames and export others
_FRAME_TYPE: dict[int, FrameType] = {
    PictureType.I: FrameType.I,
    PictureType.SI: FrameType.I,
    PictureType.P: FrameType.P,
    PictureType.SP: FrameType.P,
    PictureType.S: FrameType.P,  # MPEG-4 sprite: predicted from the past
    PictureType.B: FrameType.B,
    PictureType.BI: FrameType.B,
}


def read_motion(path: Path, *, clip: str, log: ClipLog, max_damaged: float = MAX_DAMAGED) -> ClipMotion:
    """Read every motion vector of a file, in presentation order, the times of its frames and the picture inside bars.

    Positions and displacements are those of the upright picture; where the frame size changes, they are scaled to that
    of the first frame. Displacements beyond 8191 pixels are clipped; positions outside the picture are kept. B-frames
    of MPEG-4 Part 2 count as frames without vectors: those that FFmpeg exports for them belong to other frames.

    Args:
        path: the file.
        clip: its name, for messages.
        log: receives ROTATED, SIZE_CHANGES, INTERLACED, ONE_FRAME, ALL_KEY_FRAMES, NOTHING_MOVES, TIMES_BY_RATE and
            DAMAGED_FRAMES where they apply.
        max_damaged: largest accepted share of damaged frames, 0 to 1.
    Raises: ClipError with NO_FRAMES, TRUNCATED, DAMAGED, NO_MOTION_VECTORS, or what :func:`open_video` raises.
    """
    with open_video(path, clip=clip, log=log) as video:
        export_vectors(video.stream, smooth=False)  # vectors do not depend on it, and bars hardly
        decode, beside, vectors = PlainDecode(video), _Beside(), FrameVectors(video)
        runs: list[ClipMotion] = []
        picture: tuple[int, int] | None = None
        for block in _blocks(_kept_frames(vectors, decode, beside, log), log):
            picture = picture or block.placement.upright
            runs.append(block.motion(picture))
        decode.finish(clip=clip, max_damaged=max_damaged, log=log)
        seconds = beside.times.seconds(video.stream, log)
    motion = joined(runs)
    inside = beside.brightest.picture(motion.width, motion.height)
    motion = replace(motion, seconds=seconds, picture=inside)
    note_missing_motion(motion, vectors.codec, clip=clip, log=log)
    return motion


def export_vectors(stream: VideoStream, *, smooth: bool) -> None:
    """Make a decoder that has decoded nothing yet export its vectors.

    Args:
        smooth: whether its pictures are needed, too: without smoothing (the loop filter) it is a third faster.
    """
    set_decoder_options(stream, flags2="+export_mvs", **({} if smooth else {"skip_loop_filter": "all"}))


@dataclass(frozen=True, kw_only=True)
class _Beside:
    """What is learned of a clip beside its vectors."""

    times: FrameTimes = field(default_factory=FrameTimes)
    brightest: Brightest = field(default_factory=Brightest)


class VectorFrame(NamedTuple):
    """What is kept of a decoded frame."""

    placement: Placement
    frame_type: FrameType
    raw_vectors: bytes


class FrameVectors:
    """Takes the vectors of frame after frame of a video that is decoded from its start to its end.

    Attributes:
        codec: FFmpeg's name of the codec.
    """

    def __init__(self, video: OpenVideo) -> None:
        self.codec = video.stream.codec_context.codec.canonical_name
        self._placements = Placements(video)

    def look(self, packet: VideoPacket) -> None:
        """Look for headers in a packet before it is decoded."""
        self._placements.look(packet)

    def of(self, frame: VideoFrame) -> VectorFrame:
        """Copy what is needed of the next frame, and free its side data."""
        frame_type = _FRAME_TYPE.get(frame.pict_type, FrameType.OTHER)
        usable = frame_type != FrameType.B or self.codec not in NO_B_VECTORS
        return VectorFrame(self._placements.of(frame), frame_type, _raw_vectors(frame, usable=usable))


def _kept_frames(vectors: FrameVectors, decode: PlainDecode, beside: _Beside, log: ClipLog) -> Iterator[VectorFrame]:
    for frame in decode.frames(look=vectors.look):
        note_frame(frame, log)
        yield _kept(frame, vectors, beside)


def _kept(frame: VideoFrame, vectors: FrameVectors, beside: _Beside) -> VectorFrame:
    """Copy what is needed of a frame, and free it."""
    kept = vectors.of(frame)
    beside.times.add(frame)
    beside.brightest.see(frame, kept.placement.orientation)
    return kept


def _raw_vectors(frame: VideoFrame, *, usable: bool) -> bytes:
    vectors = frame.side_data.get("MOTION_VECTORS") if usable else None
    raw = b"" if vectors is None else bytes(vectors)
    del vectors
    let_go_of_side_data(frame)
    return raw


def _blocks(frames: Iterable[VectorFrame], log: ClipLog) -> Iterator[VectorBlock]:
    """Collect frames in blocks, each of one placement."""
    block: VectorBlock | None = None
    for frame in frames:
        if block is None or block.full or block.placement != frame.placement:
            if block is not None:
                yield block
            note_placement(frame.placement, block.placement if block else None, log)
            block = VectorBlock(placement=frame.placement)
        block.add(frame.raw_vectors, frame.frame_type)
    if block is not None:
        yield block


def note_placement(now: Placement, before: Placement | None, log: ClipLog) -> None:
    """Note how frames lie in the picture where that is unusual, or has changed."""
    note_orientation(now.orientation, log)
    if before is not None and before.upright != now.upright:
        log.note(Reason.SIZE_CHANGES, f"the frame size changes; vectors are scaled to {before.upright}")


def note_missing_motion(motion: ClipMotion, codec: str, *, clip: str, log: ClipLog) -> None:
    """Note or raise why there is no motion: one frame, a codec without vectors, no predicted block, or no movement.

    A codec counts as one without vectors if there were none and it is not known to export any.
    """
    moving, still = len(motion.x), int(motion.zero_vectors.sum())
    if motion.frames == 1:
        log.note(Reason.ONE_FRAME, "the clip has one frame, so nothing moves in it")
    elif moving + still == 0 and codec not in EXPORTING_CODECS:
        raise ClipError(
            Reason.NO_MOTION_VECTORS,
            f"{clip}: FFmpeg exports no motion vectors from {codec}; `mocrop extract-mv --source auto` transcodes such "
            "clips",
        )
    elif moving + still == 0:
        fact = (
            "every frame is a key frame" if (motion.frame_type == FrameType.I).all() else "every block is intra-coded"
        )
        log.note(Reason.ALL_KEY_FRAMES, f"{fact}, so there are no motion vectors")
    elif moving == 0:
        log.note(Reason.NOTHING_MOVES, "no motion vector has any displacement")
