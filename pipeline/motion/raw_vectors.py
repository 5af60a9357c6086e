"""Turn the raw vectors of a run of frames, as FFmpeg exports them, into a ClipMotion of that run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.motion.camera import MotionField, fit_camera
from mocrop.pipeline.motion.clip_motion import QUARTER_PIXELS, ClipMotion, FrameType
from mocrop.pipeline.motion.placement import Placement

RAW_VECTOR = np.dtype(  # FFmpeg's AVMotionVector; its other fields are not needed, and its padding is garbage
    {
        "names": ["source", "w", "h", "dst_x", "dst_y", "motion_x", "motion_y", "motion_scale"],
        "formats": ["<i4", "u1", "u1", "<i2", "<i2", "<i4", "<i4", "<u2"],
        "offsets": [0, 4, 5, 10, 12, 24, 28, 32],
        "itemsize": 40,
    }
)
LANES = 32  # vectors in a column; a frame has whole columns of a VectorBlock, so its sums are sums of columns
FULL_BYTES = 4 << 20  # raw vectors worked on at once: a few hundred small frames
_COLUMN_BYTES = LANES * RAW_VECTOR.itemsize
_LIMIT = 32767  # of int16, both ways

FloatMap = npt.NDArray[np.float32]


@dataclass(kw_only=True, eq=False)
class VectorBlock:
    """Collects the raw vectors of consecutive frames that lie in the picture in the same way.

    A block begins right after a frame that others may refer to (an I or P frame) or at the start of the clip.
    """

    placement: Placement
    frame_types: list[FrameType] = field(default_factory=list)
    _columns_per_frame: list[int] = field(default_factory=list)
    _pieces: list[bytes] = field(default_factory=list)
    _size_bytes: int = 0

    def add(self, raw: bytes, frame_type: FrameType) -> None:
        """Append a frame in presentation order; ``raw`` holds whole AVMotionVector structs, or nothing."""
        columns = max(1, -(-len(raw) // _COLUMN_BYTES))
        unused = columns * _COLUMN_BYTES - len(raw)
        self._pieces += (raw, bytes(unused))  # zeros read as blocks of no size that stand still
        self._size_bytes += columns * _COLUMN_BYTES
        self._columns_per_frame.append(columns)
        self.frame_types.append(frame_type)

    @property
    def full(self) -> bool:
        """Whether to begin a new block: after a reference frame if possible, so that reference distances are right."""
        size_bytes = self._size_bytes
        return size_bytes >= FULL_BYTES and (self.may_end or size_bytes >= 8 * FULL_BYTES)

    @property
    def may_end(self) -> bool:
        """Whether the last frame is one that others may refer to."""
        return self.frame_types[-1] != FrameType.B

    def motion(self, picture: tuple[int, int]) -> ClipMotion:
        """Motion of these frames in an upright picture of this width and height, with the camera fitted."""
        raw = np.frombuffer(b"".join(self._pieces), RAW_VECTOR).reshape(-1, LANES).T
        first_column = np.cumsum([0, *self._columns_per_frame[:-1]])
        frame_type = np.array(self.frame_types, dtype=np.uint8)
        from_past = np.ascontiguousarray(raw["source"] < 0)
        x, y, dx, dy, w, h = _upright(raw, self.placement, picture)
        per_frame = _pixels_per_frame(from_past, frame_type, self._columns_per_frame)
        blocks = MotionField(x=x, y=y, u=dx * per_frame, v=dy * per_frame, area=w * h, first_column=first_column)
        camera, support = fit_camera(blocks, width=picture[0], height=picture[1])
        moving = (dx != 0) | (dy != 0)
        moving_per_frame = _count(moving, first_column)
        kept = np.nonzero(moving.T)[::-1]  # column by column: in the order of the decoder
        return ClipMotion(
            width=picture[0],
            height=picture[1],
            vectors_per_frame=moving_per_frame,
            x=x[kept].astype(np.int16),
            y=y[kept].astype(np.int16),
            dx=dx[kept].astype(np.int16),
            dy=dy[kept].astype(np.int16),
            w=w[kept].astype(np.uint8),
            h=h[kept].astype(np.uint8),
            ref=np.where(from_past[kept], -1, 1).astype(np.int8),
            zero_vectors=_count(w > 0, first_column) - moving_per_frame,
            frame_type=frame_type,
            camera=camera,
            camera_support=support,
        )


def _upright(raw: npt.NDArray[np.void], placement: Placement, picture: tuple[int, int]) -> tuple[FloatMap, ...]:
    """x, y, dx, dy, w, h in the upright picture: whole numbers, each float32 of the shape of ``raw``."""
    x, y, w, h = (raw[name].astype(np.float32, order="C") for name in ("dst_x", "dst_y", "w", "h"))
    quarters = np.float32(-QUARTER_PIXELS) / np.maximum(raw["motion_scale"], 1).astype(np.float32, order="C")
    dx, dy = (raw[name].astype(np.float32, order="C") * quarters for name in ("motion_x", "motion_y"))
    width, height = placement.upright
    if placement.cut != (0, 0):
        x, y = x - np.float32(placement.cut[0]), y - np.float32(placement.cut[1])
    if placement.fields:
        dy = dy * np.float32(2)
    if placement.orientation.transposed:
        x, y, dx, dy, w, h = y, x, dy, dx, h, w
    if placement.orientation.mirrored:
        x, dx = width - x, -dx
    if placement.orientation.flipped:
        y, dy = height - y, -dy
    if placement.upright != picture:
        across, down = (np.float32(now / then) for now, then in zip(picture, placement.upright, strict=True))
        x, y, dx, dy = x * across, y * down, dx * across, dy * down
        w, h = np.clip(np.ceil(w * across), 0, 255), np.clip(np.ceil(h * down), 0, 255)
    return (*(np.clip(np.rint(values), -_LIMIT, _LIMIT) for values in (x, y, dx, dy)), w, h)


def _pixels_per_frame(
    from_past: npt.NDArray[np.bool_], frame_type: npt.NDArray[np.uint8], columns_per_frame: Sequence[int]
) -> FloatMap:
    """Factors from displacement to motion forward in time, pixels per frame: float32, shape (lanes, columns)."""
    past, future = reference_distances(frame_type)
    forward = np.repeat(np.float32(1 / QUARTER_PIXELS) / past, columns_per_frame)
    backward = np.repeat(np.float32(-1 / QUARTER_PIXELS) / future, columns_per_frame)
    return np.where(from_past, forward, backward)


def reference_distances(frame_type: npt.NDArray[np.uint8]) -> tuple[FloatMap, FloatMap]:
    """Distance in frames from each frame to those that its vectors refer to, in the past and in the future.

    These are the nearest frames other than B: certain for MPEG-1, -2 and -4 and for H.264 with one reference and no
    B-pyramid; elsewhere the likeliest, as FFmpeg does not export which reference a vector has. The frame before the
    first one counts as a reference.

    >>> reference_distances(np.array([FrameType.B, FrameType.B, FrameType.P, FrameType.P], dtype=np.uint8))
    (array([1., 2., 3., 1.], dtype=float32), array([2., 1., 1., 1.], dtype=float32))

    Args:
        frame_type: uint8, shape (frames,): see FrameType.
    Returns: float32, shape (frames,), twice: distances to the past and to the future.
    """
    frames = len(frame_type)
    index = np.arange(frames)
    is_reference = frame_type != FrameType.B
    last = np.maximum.accumulate(np.where(is_reference, index, -1))
    following = np.minimum.accumulate(np.where(is_reference, index, frames)[::-1])[::-1]
    past = index - np.append(-1, last[:-1])
    future = np.append(following[1:], frames) - index
    return past.astype(np.float32), future.astype(np.float32)


def _count(flags: npt.NDArray[np.bool_], first_column: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
    """Count the flags that are set in each frame: int32, shape (frames,)."""
    return np.add.reduceat(np.count_nonzero(flags, axis=0), first_column).astype(np.int32)


def joined(runs: list[ClipMotion]) -> ClipMotion:
    """Join consecutive runs of frames of pictures of the same size into one ClipMotion; empties the list.

    Times are known if they are of all runs; the picture inside bars is that of the first run.
    """
    width, height = runs[0].width, runs[0].height
    of_clip: dict[str, Any] = {"width": width, "height": height, "picture": runs[0].picture}
    if any(run.seconds is None for run in runs):
        of_clip["seconds"] = None
    names = [item.name for item in dataclasses.fields(ClipMotion) if item.name not in of_clip]
    parts = {name: [getattr(run, name) for run in runs] for name in names}
    runs.clear()  # and free one array after the other, so that a long clip is not in memory twice
    of_clip |= {name: np.concatenate(parts.pop(name)) for name in names}
    return ClipMotion(**of_clip)
