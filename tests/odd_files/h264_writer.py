"""A small H.264 encoder: macroblocks of plain samples (I_PCM), and P macroblocks with given vectors and no residual.

Source: ITU-T H.264, 7.3.3 to 7.3.5 (slices and macroblocks), 8.2.1 (picture order count), 8.4.1.3 (prediction of
vectors).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tests.odd_files.h264_bits import FRAME_NUMBER_BITS, ORDER_BITS, BitWriter, Form, NalType, nal
from tests.odd_files.picture import Pixels, draw

MACROBLOCK_PX = 16
Vector = tuple[int, int]  # quarter pixels: position of the reference minus that of the block
Parity = Literal["frame", "top", "bottom"]
_SLICE_TYPE = {"I": 7, "P": 5, "B": 6}  # all slices of the picture have this type
_PCM_TYPE = {"I": 25, "P": 30, "B": 48}


class Planes(NamedTuple):
    """A picture as 8-bit 4:2:0 samples."""

    y: npt.NDArray[np.uint8]
    u: npt.NDArray[np.uint8]
    v: npt.NDArray[np.uint8]

    def field(self, parity: Parity) -> Planes:
        """Every second line of each plane, or all."""
        return self if parity == "frame" else Planes(*(plane[int(parity == "bottom") :: 2] for plane in self))

    def macroblock(self, row: int, column: int) -> bytes:
        """Samples of one macroblock in the order of I_PCM."""
        parts = ((self.y, 16), (self.u, 8), (self.v, 8))
        return b"".join(
            plane[row * side : (row + 1) * side, column * side : (column + 1) * side].tobytes() for plane, side in parts
        )


def planes(picture: Pixels) -> Planes:
    """Convert RGB to BT.601 of limited range, chroma as the mean of 2x2 pixels."""
    r, g, b = np.moveaxis(picture.astype(np.float64), -1, 0)
    y = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    u, v = 128 - 0.148 * r - 0.291 * g + 0.439 * b, 128 + 0.439 * r - 0.368 * g - 0.071 * b
    height, width = y.shape
    small = [plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3)) for plane in (u, v)]
    return Planes(*(np.rint(plane).astype(np.uint8) for plane in (y, *small)))


@dataclass(frozen=True, kw_only=True)
class Coded:
    """One coded picture: a frame or a field."""

    number: int  # of the picture that it shows
    kind: Literal["I", "P", "B"] = "I"
    idr: bool = False
    reference: bool = True
    frame_number: int = 0  # frame_num
    order: int = 0  # picture order count, from the last IDR picture on
    parity: Parity = "frame"
    vectors: dict[tuple[int, int], Vector] = field(default_factory=dict)  # by row, column; the others are plain
    slices: int = 1

    def encode(self, form: Form, source: Planes | None = None) -> bytes:
        """NAL units of its slices. ``source`` replaces the picture of ``number``."""
        source = source or planes(draw(self.number, width=form.width, height=form.height))
        part = source.field(self.parity)
        rows = form.height // MACROBLOCK_PX // (1 if self.parity == "frame" else 2)
        starts = [rows * n // self.slices for n in range(self.slices + 1)]
        kind = NalType.IDR_SLICE if self.idr else NalType.SLICE
        return b"".join(
            nal(kind, self._slice(form, part, range(first, last)), priority=2 * self.reference)
            for first, last in itertools.pairwise(starts)
        )

    def _slice(self, form: Form, source: Planes, rows: range) -> bytes:
        bits = BitWriter()
        columns = form.width // MACROBLOCK_PX
        self._header(bits, form, first=rows.start * columns)
        predictor = _Predictor(columns)
        for row in rows:
            for column in range(columns):
                if self.kind != "I":
                    bits.unsigned(0)  # no macroblock is skipped
                vector = self.vectors.get((row, column))
                difference = predictor.difference(row, column, vector)
                if difference is None:
                    bits.unsigned(_PCM_TYPE[self.kind])
                    bits.aligned(source.macroblock(row, column))
                else:
                    bits.unsigned(0)  # P_L0_16x16
                    bits.signed(*difference)
                    bits.unsigned(0)  # no residual
        return bits.closed()

    def _header(self, bits: BitWriter, form: Form, *, first: int) -> None:
        bits.unsigned(first, _SLICE_TYPE[self.kind], 0)
        bits.fixed(self.frame_number % (1 << FRAME_NUMBER_BITS), FRAME_NUMBER_BITS)
        if form.fields:
            bits.flags(self.parity != "frame", *([] if self.parity == "frame" else [self.parity == "bottom"]))
        if self.idr:
            bits.unsigned(0)
        if form.order_type == 0:
            bits.fixed(self.order % (1 << ORDER_BITS), ORDER_BITS)
        elif form.order_type == 1:
            bits.signed(self.order - 2 * max(0, self.frame_number - (not self.reference)))
        self._references(bits)
        bits.signed(0)
        bits.unsigned(1)  # no deblocking

    def _references(self, bits: BitWriter) -> None:
        if self.kind == "B":
            bits.flags(True)
        if self.kind != "I":
            bits.flags(False, False, *([False] if self.kind == "B" else []))  # lists as they are
        if self.reference:
            bits.flags(*((False, False) if self.idr else (False,)))


class _Predictor:
    """Predicts the vectors of one slice from those of its neighbours."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._coded: dict[tuple[int, int], Vector | None] = {}  # None: intra-coded

    def difference(self, row: int, column: int, vector: Vector | None) -> Vector | None:
        """Vector minus its prediction; None for a plain macroblock."""
        found = None
        if vector is not None:
            predicted = self._predicted(row, column)
            found = (vector[0] - predicted[0], vector[1] - predicted[1])
        self._coded[row, column] = vector
        return found

    def _predicted(self, row: int, column: int) -> Vector:
        left, above = (row, column - 1), (row - 1, column)
        corner = (row - 1, column + 1) if (row - 1, column + 1) in self._coded else (row - 1, column - 1)
        near = [self._coded.get(place) for place in (left, above, corner)]
        if above not in self._coded and corner not in self._coded and left in self._coded:
            return near[0] or (0, 0)
        known = [vector for vector in near if vector is not None]
        if len(known) == 1:
            return known[0]
        (x, y) = (sorted((vector or (0, 0))[axis] for vector in near)[1] for axis in (0, 1))
        return x, y


def field_pair(picture: Coded, form: Form, *, bottom_first: bool = False) -> tuple[bytes, bytes]:
    """The two fields of a frame, which is given as a whole; the second field of an IDR picture is P."""
    parities: tuple[Parity, Parity] = ("bottom", "top") if bottom_first else ("top", "bottom")
    second = replace(
        picture,
        parity=parities[1],
        idr=False,
        kind="P" if picture.idr else picture.kind,
        order=picture.order + 1,
        vectors={} if picture.idr else picture.vectors,
    )
    return replace(picture, parity=parities[0]).encode(form), second.encode(form)


def lower_half(form: Form, vector: Vector, *, fields: bool = False) -> dict[tuple[int, int], Vector]:
    """The same vector for all macroblocks below the bars."""
    rows = form.height // MACROBLOCK_PX // (2 if fields else 1)
    return {(row, column): vector for row in range(rows // 2, rows) for column in range(form.width // MACROBLOCK_PX)}
