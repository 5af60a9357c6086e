"""The packet of each frame of an MPEG-4 Part 2 stream, from headers written here bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import av
import pytest

from mocrop.pipeline.bitstream.bits import UnusualError
from mocrop.pipeline.bitstream.mpeg4 import shown_pictures
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.decoder import PlainDecode
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.timeline import read_timeline

MakeVideo = Callable[..., Path]

PACKED = b"\0\0\1\xb2DivX503b1393p"
TIME_BITS = 5  # of vop_time_increment at 25 steps a second
# random_accessible_vol, type, no identifier, aspect ratio 1, no control parameters, rectangle, marker, 25 steps,
# marker, no fixed rate, width and height between markers, not interlaced
STEPS_BITS = "0" + "00000001" + "0" + "0001" + "0" + "00" + "1" + f"{25:016b}" + "1" + "0"
LAYER_BITS = STEPS_BITS + "1" + f"{64:013b}" + "1" + f"{48:013b}" + "1" + "0"


def whole_bytes(bits: str) -> bytes:
    bits += "0" + "1" * (-(len(bits) + 1) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


LAYER = b"\0\0\1\x20" + whole_bytes(LAYER_BITS)


def picture(letter: str, *, marker: str = "1") -> bytes:
    """I, P, S or B with something coded in it; n is a placeholder, a P picture that is not coded."""
    kind = {"I": "00", "P": "01", "n": "01", "B": "10", "S": "11"}[letter]
    coded = "0" if letter == "n" else "1"
    return b"\0\0\1\xb6" + whole_bytes(kind + "10" + marker + "0" * TIME_BITS + "1" + coded + "1011" * 8)


def packets(text: str) -> list[bytes]:
    """``"I PB n"``: three packets, the second of two pictures."""
    return [b"".join(map(picture, pictures)) for pictures in text.split()]


def shown_packets(packets: Iterable[bytes], *, extradata: bytes) -> list[int] | None:
    """Numbers of the packets as shown; None where that is left to a decoder."""
    try:
        return shown_pictures(packets, extradata=extradata).packets
    except UnusualError:
        return None


@pytest.mark.parametrize(
    ("stream", "shown"),
    [
        ("I P P", [0, 1, 2]),
        ("I S P", [0, 1, 2]),
        ("I P B B P B B", [0, 2, 3, 1, 5, 6, 4]),
        ("I n P", [0, 2]),
        ("I PB n PB n P", [0, 2, 1, 4, 3, 5]),
        ("I PB B n P", [0, 2, 3, 1, 4]),
        ("I IB n I", [0, 2, 1, 3]),
    ],
)
def test_b_frames_are_shown_before_the_picture_that_comes_in_front_of_them(stream: str, shown: list[int]) -> None:
    assert shown_packets(packets(stream), extradata=LAYER + PACKED) == shown


@pytest.mark.parametrize(("stream", "shown"), [("I PB", [0, 1]), ("I PB B", [0, 2, 1])])
def test_b_frame_held_back_when_the_file_ends_is_never_shown(stream: str, shown: list[int]) -> None:
    assert shown_packets(packets(stream), extradata=LAYER + PACKED) == shown


def test_key_frames_are_the_intra_coded_pictures() -> None:
    found = shown_pictures(packets("I PB B n I P"), extradata=LAYER + PACKED)
    assert (found.packets, found.keys) == ([0, 2, 3, 1, 4, 5], [True, *[False] * 3, True, False])
    assert not found.from_keys
    assert shown_pictures(packets("I P"), extradata=LAYER).from_keys


@pytest.mark.parametrize("fixed_rate", [False, True])
def test_interlaced_b_frames_are_not_the_same_from_a_key_frame_on(fixed_rate: bool) -> None:
    """How long a field takes, FFmpeg tells by the first B-frame that it decodes."""
    bits = LAYER_BITS.replace(STEPS_BITS, STEPS_BITS[:-1] + "1" + "0" * TIME_BITS) if fixed_rate else LAYER_BITS
    fields = b"\0\0\1\x20" + whole_bytes(bits[:-1] + "1")
    frames = b"\0\0\1\x20" + whole_bytes(bits)
    assert not shown_pictures(packets("I P B I P B"), extradata=fields).from_keys
    assert shown_pictures(packets("I P I P"), extradata=fields).from_keys
    assert shown_pictures(packets("I P B I P B"), extradata=frames).from_keys


@pytest.mark.parametrize("name", [b"XviD0046", b"DivX503b1393", b"Lavc51.40.4"])
def test_an_encoder_that_the_packets_alone_name_is_left_to_a_decoder(name: bytes) -> None:
    """FFmpeg decodes the streams of some encoders in ways of their own, once it has read their names."""
    named = b"\0\0\1\xb2" + name
    for at in (0, 2):
        stream = packets("I P I P")
        stream[at] = named + stream[at]
        assert shown_packets(stream, extradata=LAYER) is None
        assert shown_packets(stream, extradata=LAYER + named) == [0, 1, 2, 3]
        assert shown_packets(stream, extradata=LAYER + named + b"1") is None
    first, *others = packets("I P I P")
    assert shown_packets([b"\0\0\1\xb2mark" + first, *others], extradata=LAYER) == [0, 1, 2, 3]


def test_headers_may_be_in_the_first_packet() -> None:
    first, *others = packets("I PB n")
    assert shown_packets([LAYER + PACKED + first, *others], extradata=b"") == [0, 2, 1]


@pytest.mark.parametrize(("steps", "bits"), [(1, 1), (2, 1), (16, 4), (17, 5), (32, 5), (30_000, 15), (32_768, 15)])
def test_a_time_has_as_many_bits_as_its_largest_value_needs(steps: int, bits: int) -> None:
    """Of n steps a second the last is n - 1; there is one bit at least."""
    layer = b"\0\0\1\x20" + whole_bytes(LAYER_BITS.replace(f"{25:016b}", f"{steps:016b}"))
    coded, skipped = (
        b"\0\0\1\xb6" + whole_bytes("01" + "10" + "1" + "0" * bits + "1" + flag + "1011" * 8) for flag in "10"
    )
    key = b"\0\0\1\xb6" + whole_bytes("00" + "10" + "1" + "0" * bits + "1" + "1" + "1011" * 8)
    assert shown_packets([key, coded, skipped, coded], extradata=layer) == [0, 1, 3]


@pytest.mark.parametrize("stream", ["P P", "B I", "I B P", "I PBB n", "I PB P", "I PB PB n", "I nB", "I BB", "In P"])
def test_unusual_orders_are_left_to_a_decoder(stream: str) -> None:
    assert shown_packets(packets(stream), extradata=LAYER + PACKED) is None


def test_two_pictures_in_a_packet_are_left_to_a_decoder_unless_the_stream_says_that_it_packs() -> None:
    assert shown_packets(packets("I PB n"), extradata=LAYER) is None


def test_headers_that_are_missing_cut_off_or_wrong_are_left_to_a_decoder() -> None:
    stream = packets("I P")
    assert shown_packets(stream, extradata=LAYER) == [0, 1]
    assert shown_packets(stream, extradata=b"") is None
    assert shown_packets([stream[0], stream[1][:5]], extradata=LAYER) is None
    assert shown_packets([stream[0], b"noise"], extradata=LAYER) is None
    assert shown_packets([stream[0], picture("P", marker="0")], extradata=LAYER) is None
    shapeless = LAYER_BITS[:15] + "01" + LAYER_BITS[17:]
    assert shown_packets(stream, extradata=b"\0\0\1\x20" + whole_bytes(shapeless)) is None


def pack(source: Path, target: Path) -> Path:
    """The same pictures with their B-frames packed, as DivX wrote them."""
    with av.open(source) as old, av.open(target, "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.codec_context.extradata = (stream.codec_context.extradata or b"") + PACKED
        coded = [bytes(packet) for packet in old.demux(video=0) if packet.size]
        kinds = [data[data.find(b"\0\0\1\xb6") + 4] >> 6 for data in coded]
        packed = [PACKED + coded[0]]
        for n in range(1, len(coded)):
            first, last = kinds[n - 1 : n + 1] != [2, 2], kinds[n : n + 2] != [2, 2]
            if kinds[n] == 2 and first:
                packed[-1] += coded[n]
            else:
                packed.append(coded[n])
            if kinds[n] == 2 and last:
                packed.append(picture("n"))
        for number, data in enumerate(packed):
            packet = av.Packet(data)
            packet.stream, packet.dts, packet.pts, packet.is_keyframe = stream, number, number, number == 0
            new.mux(packet)
    return target


def packets_by_decoding(path: Path) -> list[int]:
    """Number of the packet of each frame, as the decoder says."""
    with open_video(path, clip="A/a", log=ClipLog(0)) as video:
        video.stream.codec_context.copy_opaque = True
        return [cast(int, frame.opaque) for frame in PlainDecode(video).frames(number_packets=True)]


def packets_by_headers(path: Path) -> list[int]:
    log = ClipLog(0)
    with open_video(path, clip="A/a", log=log) as video:
        timeline = read_timeline(video, path, clip="A/a", log=log)
    assert timeline.shown is not None
    assert timeline.damage is None  # nothing was decoded
    return timeline.shown.tolist()


def test_decoder_gets_to_packed_b_frames_where_the_headers_say(make_video: MakeVideo, tmp_path: Path) -> None:
    plain = make_video(tmp_path / "plain.avi", frames=30, key_interval=30, options={"bf": "2"})
    path = pack(plain, tmp_path / "packed.avi")
    decoded = packets_by_decoding(path)
    assert packets_by_headers(path) == decoded
    assert decoded[:4] == [0, 2, 3, 1]


@pytest.mark.real
def test_headers_of_real_clips_with_packed_b_frames_agree_with_a_decoder(real_clips: Path) -> None:
    """The first two end with B-frames held back; the third has packets that show nothing."""
    for name in ("Surfing/v_Surfing_g23_c02", "Archery/v_Archery_g05_c02", "HorseRace/v_HorseRace_g20_c01"):
        path = real_clips / "videos" / f"{name}.avi"
        assert packets_by_headers(path) == packets_by_decoding(path)
