"""H.264 streams with odd structures, as access units, and files of them with time stamps and key flags as given."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np

from tests.odd_files.h264_bits import Form, NalType, nal, recovery_point
from tests.odd_files.h264_writer import Coded, Vector, field_pair, lower_half, planes
from tests.odd_files.picture import Pixels, draw, oriented

Kind = Literal["IDR", "SEI", "I", "P", "B"]  # SEI: an I picture at a recovery point; B: no reference for others
RATE = 25  # frames per second
DELIMITER = nal(NalType.DELIMITER, b"\xf0")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What becomes one packet."""

    data: bytes
    number: int  # of the picture
    key: bool  # whether the container is to say that it is a key frame
    half: int = 0  # 1: the second field of its picture
    lone: bool = True  # whether it is the whole picture


Plan = Sequence[tuple[int, Kind]]  # number and kind, in the order of decoding


def units(
    form: Form,
    plan: Plan,
    *,
    slices: int = 1,
    vector: Vector | None = None,
    message: bytes = b"",
    repeated: bool = True,
    orientation: int = 0,
) -> Iterator[Unit]:
    """One access unit for each picture of a plan.

    Args:
        vector: of the lower half of P pictures; None: they are plain.
        message: an SEI message that comes with every picture, or with key frames alone (not ``repeated``).
        orientation: of the stored pictures; see :func:`tests.odd_files.picture.oriented`.
    """
    for picture, head in _pictures(form, plan, slices=slices, vector=vector):
        source = planes(_stored(picture.number, form, orientation))
        data = head + (message if head or repeated else b"") + picture.encode(form, source)
        yield Unit(data=data, number=picture.number, key=bool(head))


def _stored(number: int, form: Form, orientation: int) -> Pixels:
    """The picture of a number, turned, in the part of the stored picture that is shown; around it there is grey."""
    left, right, top, bottom = (2 * edge for edge in form.crop)
    shown = (form.width - left - right, form.height - top - bottom)
    width, height = reversed(shown) if orientation % 2 else shown
    picture = oriented(draw(number, width=width, height=height), orientation)
    return np.pad(picture, ((top, bottom), (left, right), (0, 0)), constant_values=128)


def field_units(
    form: Form, plan: Plan, *, apart: bool, vector: Vector | None = None, bottom_first: bool = False
) -> Iterator[Unit]:
    """Field pictures, both of a frame in one packet or one in each (``apart``)."""
    for picture, head in _pictures(form, plan, slices=1, vector=vector):
        first, second = field_pair(picture, form, bottom_first=bottom_first)
        unit = Unit(data=head + first, number=picture.number, key=bool(head), lone=not apart)
        if apart:
            yield unit
            yield replace(unit, data=second, key=False, half=1)
        else:
            yield replace(unit, data=unit.data + second)


def _pictures(form: Form, plan: Plan, *, slices: int, vector: Vector | None) -> Iterator[tuple[Coded, bytes]]:
    """Coded pictures, and what stands before them: parameter sets and SEI where decoding can begin."""
    references = start = 0
    for number, kind in plan:
        if kind == "IDR":
            references, start = 0, number
        head = form.parameter_sets() if kind in ("IDR", "SEI", "I") else b""
        picture = Coded(
            number=number,
            kind="I" if kind in ("IDR", "SEI", "I") else kind,
            idr=kind == "IDR",
            reference=kind != "B",
            frame_number=references,
            order=2 * (number - start) + (0 if any(k == "IDR" for _, k in plan) else 40),
            vectors=lower_half(form, vector, fields=form.fields) if vector and kind == "P" else {},
            slices=slices,
        )
        yield picture, head + (recovery_point() if kind == "SEI" else b"")
        references += kind != "B"


# plans


def in_order(count: int, *, key_interval: int = 12, key: Kind = "IDR") -> Plan:
    """I and P pictures, shown as they are decoded."""
    return [(n, key if n % key_interval == 0 else "P") for n in range(count)]


def reordered_late(count: int, *, first: int) -> Plan:
    """As decoded at first; from picture ``first`` on every other picture is a B picture."""
    plan: list[tuple[int, Kind]] = [(n, "P" if n else "IDR") for n in range(first)]
    for n in range(first, count - 1, 2):
        plan += [(n + 1, "P"), (n, "B")]
    return plan


def open_groups(count: int, *, key_interval: int = 12, first: Kind = "IDR", key: Kind = "SEI") -> Plan:
    """Every third picture is I or P, two B pictures before it are decoded after it, those before a key frame too."""
    plan: list[tuple[int, Kind]] = [(0, first)]
    for n in range(3, count, 3):
        plan += [(n, key if n % key_interval == 0 else "P"), (n - 2, "B"), (n - 1, "B")]
    return plan


# files

KeyFlag = Callable[[Unit], bool]


def write_h264(path: Path, made: Iterable[Unit], *, pts: bool = True, key: KeyFlag = lambda unit: unit.key) -> Path:
    """Write units to a file, one packet each.

    Args:
        pts: whether packets have presentation time stamps; AVI has none in any case.
        key: which packets the container calls key frames.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    packets = list(made)
    stream = b"".join(unit.data for unit in packets)
    if path.suffix == ".h264":
        path.write_bytes(stream)
        return path
    delay = max(0, max(n - _ticks(unit) for n, unit in enumerate(packets)))  # shown no earlier than decoded
    with av.open(io.BytesIO(stream), format="h264") as source, av.open(str(path), "w") as output:
        target = output.add_stream_from_template(source.streams.video[0])
        ticks = 1 if packets[0].lone else 2
        target.time_base = Fraction(1, RATE * ticks)
        for n, unit in enumerate(packets):
            packet = av.Packet((DELIMITER if path.suffix == ".ts" else b"") + unit.data)
            packet.stream = target
            packet.time_base = Fraction(1, RATE * ticks)
            packet.dts, packet.duration = n, 1
            packet.pts = _ticks(unit) + delay if pts else None
            packet.is_keyframe = key(unit)
            output.mux(packet)
    return path


def _ticks(unit: Unit) -> int:
    """When a unit is shown, in frames, or in fields where packets hold fields."""
    return unit.number if unit.lone else 2 * unit.number + unit.half
