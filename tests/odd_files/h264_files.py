"""Files of H.264 streams that no common encoder writes, by the writer of these tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.odd_files.h264_bits import Form
from tests.odd_files.h264_streams import (
    DELIMITER,
    KeyFlag,
    Plan,
    Unit,
    field_units,
    in_order,
    open_groups,
    reordered_late,
    units,
    write_h264,
)
from tests.odd_files.odd_file import Kind, OddFile

FIELDS = Form(fields=True)
MOVING = (-8, 0)  # quarter pixels: content moves right by 2 pixels a frame
Units = Callable[[], Iterable[Unit]]


def _frames(form: Form, plan: Plan, *, slices: int = 1) -> Units:
    return lambda: units(form, plan, slices=slices)


def _fields(plan: Plan, *, apart: bool) -> Units:
    return lambda: field_units(FIELDS, plan, apart=apart, vector=MOVING)


def _half_fields() -> Iterable[Unit]:
    """Field pairs in one packet; every second frame a frame picture."""
    plan = in_order(30)
    pairs, frames = list(field_units(FIELDS, plan, apart=False)), list(units(FIELDS, plan))
    return [(pairs, frames)[n % 2][n] for n in range(len(plan))]


def _joined() -> Iterable[Unit]:
    """Every sixth packet holds two pictures."""
    made = list(units(Form(), in_order(30)))
    pairs = {n: replace(made[n], data=made[n].data + made[n + 1].data) for n in range(3, 29, 6)}
    return [pairs.get(n, unit) for n, unit in enumerate(made) if n - 1 not in pairs]


def _with_empty_packets() -> Iterable[Unit]:
    """After every sixth picture comes a packet with parameter sets alone."""
    for unit in units(Form(), in_order(30)):
        yield replace(unit, number=unit.number + unit.number // 6)
        if unit.number % 6 == 5:
            yield Unit(data=Form().parameter_sets(), number=unit.number + unit.number // 6 + 1, key=False)


def _short_codes() -> Iterable[Unit]:
    """Start codes of three bytes, and delimiters."""
    for unit in units(Form(), open_groups(37)):
        yield replace(unit, data=DELIMITER + unit.data.replace(b"\0\0\0\1", b"\0\0\1"))


def _bottom_first() -> Iterable[Unit]:
    """Field pairs whose second field comes first."""
    return field_units(FIELDS, in_order(30), apart=False, bottom_first=True)


def _new_size() -> Iterable[Unit]:
    """The picture grows at the second IDR picture."""
    small, large = list(units(Form(), in_order(24))), list(units(Form(width=128, height=96), in_order(24)))
    return small[:12] + large[12:]


def _lone_field() -> Iterable[Unit]:
    """The last frame has only its first field."""
    return list(field_units(FIELDS, in_order(30), apart=True))[:-1]


STREAMS: dict[str, tuple[Units, Kind, str]] = {
    "order-type-0": (_frames(Form(), in_order(30)), "order", "picture order count of type 0"),
    "order-type-1": (_frames(Form(order_type=1), open_groups(37)), "order", "picture order count of type 1, B"),
    "order-type-2": (_frames(Form(order_type=2), in_order(30)), "order", "picture order count of type 2"),
    "slices": (_frames(Form(), open_groups(37), slices=4), "order", "four slices a picture"),
    "late": (_frames(Form(), reordered_late(60, first=40)), "order", "reordered from frame 40 on, no VUI"),
    "late-1": (_frames(Form(order_type=1), reordered_late(60, first=40)), "order", "the same, order type 1"),
    "late-vui": (_frames(Form(reordered=1), reordered_late(60, first=40)), "order", "the same, announced by the VUI"),
    "open": (_frames(Form(), open_groups(37)), "order", "open groups with recovery points"),
    "open-cut": (_frames(Form(), open_groups(49)[10:]), "order", "open groups, cut before a recovery point"),
    "cut": (_frames(Form(), open_groups(49)[15:]), "order", "open groups, cut anywhere"),
    "recovery-only": (_frames(Form(), in_order(30, key="SEI")), "order", "recovery points, no IDR picture"),
    "recovery-open": (_frames(Form(), open_groups(37, first="SEI")), "order", "open groups, no IDR picture"),
    "no-key": (_frames(Form(), in_order(30, key="I")), "order", "I pictures, no IDR picture, no recovery point"),
    "no-key-b": (_frames(Form(), open_groups(37, first="I", key="I")), "order", "the same with B pictures"),
    "one-key": (_frames(Form(), open_groups(37, key="I")), "order", "one IDR picture, then I pictures"),
    "paff": (_fields(in_order(30), apart=False), "order", "field pairs, two fields a packet"),
    "paff-apart": (_fields(in_order(30), apart=True), "order", "field pairs, one field a packet"),
    "paff-b": (_fields(open_groups(37), apart=False), "order", "field pairs with B pictures, two fields a packet"),
    "paff-apart-b": (_fields(open_groups(37), apart=True), "order", "field pairs with B pictures, one field a packet"),
    "paff-mixed": (_half_fields, "order", "field pairs and frames by turns"),
    "paff-lone": (_lone_field, "order", "the last frame has one field"),
    "paff-bottom": (_bottom_first, "order", "field pairs, the bottom one first"),
    "two-in-one": (_joined, "order", "two pictures in some packets"),
    "empty-packets": (_with_empty_packets, "order", "packets without a picture"),
    "short-codes": (_short_codes, "order", "start codes of three bytes, delimiters"),
    "new-size": (_new_size, "geometry", "the frame size changes"),
    "crop": (_frames(Form(crop=(4, 2, 2, 1)), in_order(30)), "geometry", "SPS crop on all sides"),
    "crop-left": (_frames(Form(crop=(8, 0, 0, 0)), open_groups(37)), "geometry", "SPS crop on the left"),
    "crop-top": (_frames(Form(crop=(0, 0, 8, 0)), open_groups(37)), "geometry", "SPS crop at the top"),
}
# fmt: off
QUICK = frozenset({  # what the suite looks at
    "order-type-1.mp4", "late.avi", "late.mp4", "open.mp4", "open-cut.mp4", "cut.ts", "no-key.mp4", "paff.mp4",
    "paff-apart.mp4", "paff-apart.ts", "paff-apart-b.mkv", "new-size.mkv", "crop.mp4", "recovery-only.avi",
})
# fmt: on
CONTAINERS = ("mp4", "mkv", "avi", "ts")


def h264_files() -> Iterator[OddFile]:
    """Every stream in every container, and with key flags that are none."""
    for name, (made, kind, what) in STREAMS.items():
        for container in CONTAINERS:
            yield _file(f"{name}.{container}", made, kind, what)
    for name in ("open", "paff", "no-key"):
        made, _, what = STREAMS[name]
        yield _file(f"{name}-allkeys.mp4", made, "key flags", f"{what}; all packets flagged", key=lambda _: True)
        yield _file(f"{name}-allkeys.avi", made, "key flags", f"{what}; all packets flagged", key=lambda _: True)
        yield _file(f"{name}-nokeys.mkv", made, "key flags", f"{what}; no packet flagged", key=lambda _: False)


def _file(name: str, made: Units, kind: Kind, what: str, *, key: KeyFlag | None = None) -> OddFile:
    return OddFile(
        name=f"own-{name}",
        kind=kind,
        what=what,
        needs="",
        make=partial(_write, made=made, key=key or (lambda unit: unit.key)),
        quick=name in QUICK,
    )


def _write(path: Path, *, made: Units, key: KeyFlag) -> None:
    write_h264(path, made(), key=key)
