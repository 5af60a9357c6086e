"""The motion of one clip as a value: its vectors and, for each frame, its type, zero vectors and camera motion."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.crop_box import PixelEdges

QUARTER_PIXELS = 4  # stored displacement units per pixel


class FrameType(IntEnum):
    """Picture type of a frame; only P and B frames can have vectors."""

    OTHER = 0
    I = 1  # noqa: E741  (the standard's own letter)
    P = 2
    B = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipMotion:
    """Motion vectors of one clip that are not zero, in presentation order, and facts about each frame.

    All coordinates are those of the upright picture, with the display rotation of the source applied.

    Attributes:
        width, height: pixels of the upright picture.
        vectors_per_frame: int32, shape (frames,): how many rows of the vector arrays belong to each frame.
        x, y: int16, shape (n,): centre of the block in its frame, pixels; may lie outside the picture.
        dx, dy: int16, shape (n,): block minus reference position, quarter pixels; never both zero.
        w, h: uint8, shape (n,): block size, pixels.
        ref: int8, shape (n,): -1 if the block is predicted from the past, +1 from the future. Content moves forward
            in time by (dx, dy) for -1 and by (-dx, -dy) for +1.
        zero_vectors: int32, shape (frames,): vectors without displacement, which are counted and not kept. A frame
            with neither these nor others is a key frame, wholly intra-coded, or one whose vectors are not exported.
        frame_type: uint8, shape (frames,): see FrameType.
        camera: float32, shape (frames, 6): affine motion of the background forward in time,
            ``u = a0 + a1*X + a2*Y``, ``v = a3 + a4*X + a5*Y`` in pixels per frame, where X and Y are pixels
            relative to the centre of the picture; zeros for frames without vectors or whose vectors do not agree.
        camera_support: float32, shape (frames,): share of the picture that follows ``camera``, in [0, 1]: the area of
            the blocks that do, divided by the area of the picture or, if that is larger because blocks have two
            vectors, by the area of the blocks of all vectors. Blocks without vectors follow nothing. 0 where no camera
            motion was found.
        seconds: float64, shape (frames,): when each frame is shown, strictly ascending, the first at 0; None if that
            is not known, as of stores of an older mocrop.
        picture: left, top, right, bottom of the picture inside black bars, pixels of the upright frame; the whole
            frame where there are none; None if they were not looked for, as in stores of an older mocrop.
    """

    width: int
    height: int
    vectors_per_frame: npt.NDArray[np.int32]
    x: npt.NDArray[np.int16]
    y: npt.NDArray[np.int16]
    dx: npt.NDArray[np.int16]
    dy: npt.NDArray[np.int16]
    w: npt.NDArray[np.uint8]
    h: npt.NDArray[np.uint8]
    ref: npt.NDArray[np.int8]
    zero_vectors: npt.NDArray[np.int32]
    frame_type: npt.NDArray[np.uint8]
    camera: npt.NDArray[np.float32]
    camera_support: npt.NDArray[np.float32]
    seconds: npt.NDArray[np.float64] | None = None
    picture: PixelEdges | None = None

    @property
    def frames(self) -> int:
        """Number of frames of the clip."""
        return len(self.vectors_per_frame)

    @property
    def frame(self) -> npt.NDArray[np.int32]:
        """int32, shape (n,): the frame of each vector, 0-based, ascending."""
        return np.repeat(np.arange(self.frames, dtype=np.int32), self.vectors_per_frame)

    @property
    def intra_frames(self) -> npt.NDArray[np.intp]:
        """intp, ascending: numbers of the pictures of type I, which key frames are; a few files have others, too."""
        return np.flatnonzero(self.frame_type == FrameType.I)

    def vectors_of(self, frames: range) -> slice:
        """Rows of the vector arrays that belong to some consecutive frames."""
        before = int(self.vectors_per_frame[: frames.start].sum())
        return slice(before, before + int(self.vectors_per_frame[frames.start : frames.stop].sum()))

    def of_frames(self, frames: range) -> ClipMotion:
        """The motion of some consecutive frames, whose times count from the first of them on; all in views."""
        rows, each = self.vectors_of(frames), slice(frames.start, frames.stop)
        return ClipMotion(
            width=self.width,
            height=self.height,
            vectors_per_frame=self.vectors_per_frame[each],
            x=self.x[rows],
            y=self.y[rows],
            dx=self.dx[rows],
            dy=self.dy[rows],
            w=self.w[rows],
            h=self.h[rows],
            ref=self.ref[rows],
            zero_vectors=self.zero_vectors[each],
            frame_type=self.frame_type[each],
            camera=self.camera[each],
            camera_support=self.camera_support[each],
            seconds=None if self.seconds is None else self.seconds[each] - self.seconds[frames.start],
            picture=self.picture,
        )

    @property
    def displacement(self) -> npt.NDArray[np.float32]:
        """float32, shape (n,): length of each vector in pixels."""
        length = np.hypot(self.dx.astype(np.float32), self.dy.astype(np.float32))
        return (length / np.float32(QUARTER_PIXELS)).astype(np.float32, copy=False)
