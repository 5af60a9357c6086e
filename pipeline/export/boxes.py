"""The boxes of a clip for any of its frames: those of a cache, moved evenly from slot to slot, or a policy's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from mocrop.pipeline.arrays import open_array, short
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import DenseWindows
from mocrop.pipeline.cache.layout import OF_WINDOWS, USABLE
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.errors import ClipError, Reason


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipBoxes:
    """Boxes of a clip, in fractions of its upright picture, at some of its frames.

    Attributes:
        numbers: intp, shape (n,), ascending: frames that have a box of their own; empty: one box holds for all.
        edges: float64, shape (max(n, 1), 4): left, top, right, bottom.
        frames: how many the clip must have; 0: that is not known.
    """

    numbers: npt.NDArray[np.intp]
    edges: npt.NDArray[np.float64]
    frames: int = 0

    @classmethod
    def of(cls, numbers: Sequence[int], boxes: Sequence[CropBox], *, frames: int = 0) -> ClipBoxes:
        """Boxes of frames; one box alone if all are the same."""
        edges = np.array([box.edges for box in boxes], np.float64).reshape(-1, 4)
        if (edges == edges[0]).all():
            return cls(numbers=np.zeros(0, np.intp), edges=edges[:1], frames=frames)
        return cls(numbers=np.array(numbers, np.intp), edges=edges, frames=frames)

    @property
    def moves(self) -> bool:
        return len(self.numbers) > 0

    def at(self, number: int) -> CropBox:
        """The box of a frame: between two that have one it goes from one to the other evenly; outside it stays.

        >>> one, other = (CropBox(left=x, top=0, right=x + 0.5, bottom=1) for x in (0, 0.5))
        >>> boxes = ClipBoxes.of([2, 6], [one, other])
        >>> [boxes.at(number).left for number in (0, 2, 3, 4, 9)]
        [0.0, 0.0, 0.125, 0.25, 0.5]
        """
        if not self.moves:
            edges = self.edges[0]
        else:
            edges = np.array([np.interp(number, self.numbers, each) for each in self.edges.T])
        return CropBox.of(edges.tolist())

    def require_frames(self, frames: int, *, clip: str) -> None:
        """Check that a clip has the frames that its boxes are of. Raises: ClipError."""
        if self.frames not in (0, frames) or (len(self.numbers) and self.numbers[-1] >= frames):
            fact = f"its boxes are for {self.frames or int(self.numbers[-1]) + 1} frames, and it has {frames}"
            raise ClipError(Reason.UNREADABLE, f"{clip}: {fact}; run `mocrop extract-mv`, then `mocrop precrop` again")


@dataclass(frozen=True, kw_only=True, eq=False)
class CacheRow:
    """What a cache holds of one clip beside its frames."""

    numbers: list[int]  # of the source frames of the used slots
    boxes: tuple[CropBox, ...]  # of the same
    starts: list[int] | None  # of the source frames that windows begin with; None: it has no windows


class CacheRows:
    """Reads rows of a crop cache, each from the files of its shard alone.

    Raises: CacheError if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._cache = CropCache(path)
        self._frames = open_array(path, "frames", must_be_there=True)
        self._columns: dict[str, ts.TensorStore] = {}

    def row(self, position: int, *, clip: str) -> CacheRow:
        """Raises: ClipError if the cache does not hold the clip, or is damaged there."""
        state, index, box = (self._column(name, position, clip) for name in ("state", "frame_index", "box"))
        numbers = index[index >= 0].tolist()
        if state not in USABLE or not numbers:
            raise ClipError(Reason.UNREADABLE, f"{clip}: {self._cache.path} has no frames of it; run `mocrop precrop`")
        slots = self._column("slot_box", position, clip) if self._cache.has_column("slot_box") else None
        edges = [box] * len(numbers) if slots is None else slots[: len(numbers)]
        window = None if self._cache.dense is None else self._column(OF_WINDOWS, position, clip)
        return CacheRow(
            numbers=numbers,
            boxes=tuple(CropBox.of(each.tolist()) for each in edges),
            starts=None if window is None else window[window >= 0].tolist(),
        )

    @property
    def dense(self) -> DenseWindows | None:
        """The windows that clips may have."""
        return self._cache.dense

    def frames(self, position: int, used: int, *, clip: str) -> npt.NDArray[np.uint8]:
        """Frames of the used slots: uint8, shape (used, 3, size, size). Raises: ClipError if they are damaged."""
        try:
            return np.asarray(self._frames[position, :used].read().result())
        except ValueError as error:
            raise self._damaged("frames", clip, error) from error

    def _column(self, name: str, position: int, clip: str) -> npt.NDArray[Any]:
        try:
            if name not in self._columns:
                self._columns[name] = open_array(self._cache.path, name, must_be_there=True)
            return np.asarray(self._columns[name][position].read().result())
        except (ValueError, IndexError) as error:
            raise self._damaged(name, clip, error) from error

    def _damaged(self, name: str, clip: str, error: Exception) -> ClipError:
        return ClipError(
            Reason.UNREADABLE,
            f"{clip}: {name} of {self._cache.path} cannot be read ({short(error)}); "
            "`mocrop verify` says how to repair it",
        )
