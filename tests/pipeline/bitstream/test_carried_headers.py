"""What packets bring that decoders keep, in units written by hand and in files of real encoders."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from mocrop.pipeline.bitstream.bits import UnusualError
from mocrop.pipeline.bitstream.carried_headers import CarriedHeaders, h264_header, h264_headers
from mocrop.pipeline.bitstream.h264 import header_units
from mocrop.pipeline.bitstream.hevc import HevcHeaders
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.video.spans import read_times
from tests.pipeline.stages.cut_segments import cut, frames_given, frames_in, name_of

MakeVideo = Callable[..., Path]

SEQUENCE, FIRST, SECOND, OTHER_FIRST = b"\x67\x64\0\x0a", b"\x68\xee", b"\x68\x5e", b"\x68\xef"  # sets 0, 1 and 0 again
AVCC = b"\x01\x64\0\x0a\xff\xe1\0\x04" + SEQUENCE + b"\x02\0\x02" + FIRST + b"\0\x02" + SECOND


def see(*packets: tuple[list[bytes], bool]) -> bool:
    """Whether a decoder may start at all key packets; units and whether decoding may start with each."""
    carried = CarriedHeaders(h264_headers(AVCC))
    try:
        for units, key in packets:
            carried.see([header for unit in units for header in h264_header(unit, profile=100)], key=key)
    except UnusualError:
        return False
    return True


def test_the_sets_of_a_header_are_those_of_sequences_and_pictures() -> None:
    assert list(header_units(AVCC)) == [SEQUENCE, FIRST, SECOND]
    assert list(header_units(AVCC[:10])) == [SEQUENCE[:2]]
    codes = b"".join(b"\0\0\0\1" + unit for unit in (SEQUENCE, FIRST, SECOND))
    assert dict(h264_headers(codes)) == dict(h264_headers(AVCC))


def test_a_key_packet_must_bring_what_a_packet_before_it_has_changed() -> None:
    assert see(([FIRST], True), ([], True), ([FIRST, SECOND], False), ([], True))
    assert see(([], True), ([OTHER_FIRST], True), ([], False), ([OTHER_FIRST], True))
    assert not see(([], True), ([OTHER_FIRST], True), ([], True))
    assert not see(([], True), ([OTHER_FIRST], False), ([], True))
    assert not see(([OTHER_FIRST], True), ([SECOND], True))
    assert not see(([], True), ([OTHER_FIRST], True), ([FIRST], True), ([], True))  # changed back, once


def test_an_old_build_of_x264_must_be_named_before_every_key_packet() -> None:
    def named(build: int) -> bytes:
        return b"\x06\x05\x28" + bytes(16) + b"x264 - core %d r1" % build

    assert [len(list(h264_header(named(build), profile=244))) for build in (164, 165)] == [1, 0]
    assert [len(list(h264_header(named(build), profile=100))) for build in (33, 34)] == [1, 0]
    assert not see(([named(33)], True), ([], True))
    assert see(([named(33)], True), ([named(33)], True))
    assert see(([named(142)], True), ([], True))


def test_sets_of_other_layers_and_damaged_ones_of_h265_change_nothing() -> None:
    codes, own = b"\0\0\1", b"\x44\x01\xc0"
    headers = HevcHeaders(codes + own)
    assert not headers.changed_by(codes + own + codes + b"\x44\x09\xff" + codes + b"\x44")
    assert headers.changed_by(codes + b"\x44\x01\xc1")
    assert headers.changed_by(codes + own)  # since then
    assert HevcHeaders(b"\x01" + bytes(21) + b"\x01\x22").changed_by(b"\x03" + own)


@pytest.mark.parametrize(("kind", "kept_in_h264"), [(19, False), (47, False), (147, True)])
def test_decoders_keep_film_grain_and_turns_of_h265_and_transfer_functions_and_no_other_messages(
    kind: int, kept_in_h264: bool
) -> None:
    other, message, headers = b"\x05\x02ab", bytes([kind, 1, 18]), HevcHeaders(b"")
    assert not headers.changed_by(b"\0\0\1\x4e\x01" + other + b"\x80")
    assert headers.changed_by(b"\0\0\1\x4e\x01" + other + message + b"\x80")
    assert see(([b"\x06" + other + b"\x80"], True), ([], True))
    assert see(([b"\x06" + other + message + b"\x80"], True), ([], True)) != kept_in_h264


@pytest.mark.parametrize("at_every_key", [True, False])
def test_a_segment_of_h265_is_turned_as_a_plain_decode_turns_it(
    at_every_key: bool, make_video: MakeVideo, tmp_path: Path
) -> None:
    """By a quarter, from frame 0 on: FFmpeg's decoder keeps it until another message comes."""
    options = {"x265-params": X265.format(0, 0), "preset": "ultrafast"}
    made = make_video(tmp_path / "made.mp4", frames=48, codec="libx265", options=options)
    message = b"\x4e\x01\x2f\x03\x08\x00\x0c\x80"
    with av.open(made) as source, av.open(tmp_path / "turned.mp4", "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(each for each in source.demux(video=0) if each.size):
            says = number == 0 or (at_every_key and packet.is_keyframe)
            copy = av.Packet((len(message).to_bytes(4, "big") + message) * says + bytes(packet))
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            copy.stream, copy.is_keyframe = stream, packet.is_keyframe
            output.mux(copy)
    outcomes = cut(tmp_path / "turned.mp4", [(0, 1), (1.2, 1.6)], tmp_path)
    assert [outcome.reasons for outcome in outcomes] == [(Reason.ROTATED,)] * 2
    entered = read_times(tmp_path / "turned.mp4", clip="A/a").timeline.shown is not None
    assert entered == at_every_key


X264 = "keyint=12:min-keyint=12:scenecut=0:bframes={}:repeat-headers=0:weightp=0:chroma-qp-offset={}"
X265 = "keyint=12:min-keyint=12:scenecut=0:bframes={}:repeat-headers=0:open-gop=0:log-level=none:cbqpoffs={}"


def joined(made: list[Path], target: Path, *, at_every_key: bool) -> Path:
    """Join two videos; the second brings its parameter sets with its first packet, or with every key packet."""
    with av.open(made[0]) as one, av.open(made[1]) as other, av.open(target, "w") as output:
        stream = output.add_stream_from_template(one.streams.video[0])
        extradata = bytes(other.streams.video[0].codec_context.extradata or b"")
        units = HevcHeaders(extradata).units if "hevc" in target.name else list(header_units(extradata))
        sets = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
        number = 0
        for source in (one, other):
            for at, packet in enumerate(each for each in source.demux(video=0) if each.size):
                brings = source is other and (at == 0 or (at_every_key and packet.is_keyframe))
                copy = av.Packet(sets * brings + bytes(packet))
                copy.pts = copy.dts = number
                copy.time_base, copy.stream, copy.is_keyframe = Fraction(1, 25), stream, packet.is_keyframe
                output.mux(copy)
                number += 1
    return target


@pytest.mark.parametrize("at_every_key", [True, False])
@pytest.mark.parametrize(
    ("name", "codec", "params"),
    [
        ("h264.mp4", "libx264", X264.format(0, "{}")),
        ("h264.mkv", "libx264", X264.format(0, "{}")),
        ("hevc.mp4", "libx265", X265.format(0, "{}")),
    ],
)
def test_a_segment_behind_a_change_of_the_headers_is_that_of_a_plain_decode(
    name: str, codec: str, params: str, at_every_key: bool, make_video: MakeVideo, tmp_path: Path
) -> None:
    """The colours of the second part are coded coarser, which its picture parameter set says."""
    made = []
    for offset in (0, 8):
        options = {f"{codec[3:]}-params": params.format(offset), "preset": "ultrafast"}
        made.append(make_video(tmp_path / f"{offset}.mp4", frames=48, codec=codec, options=options))
    path = joined(made, tmp_path / name, at_every_key=at_every_key)
    entered = read_times(path, clip="A/a").timeline.shown is not None
    assert entered == at_every_key
    with frames_given() as given:
        (outcome,) = cut(path, [(3, 3.5)], tmp_path)
    assert outcome.status == "done"
    assert given[name_of((3, 3.5))] == frames_in(path, (3, 3.5))
