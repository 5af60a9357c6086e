"""Fixtures for every folder: small clips made on the spot, and the real ones where they are."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.bitstream import BitStreamFilterContext
from hypothesis import settings

from mocrop.cli import main
from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.layout import CacheLayout, ClipTable
from mocrop.pipeline.cache.writer import CacheWriter, Shard
from mocrop.pipeline.choices import Compression
from mocrop.pipeline.video.orientation import Orientation
from tests.cloud import bucket as bucket
from tests.cloud import faulty_line as faulty_line
from tests.cloud import hasty as hasty
from tests.cloud import s3_server as s3_server

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it for what it starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure, and a check of somebody's change draws the same examples each time.
settings.register_profile("mocrop", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("mocrop")

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="trains a network, and torch is not installed")

REAL_CLIPS = Path(__file__).resolve().parents[1] / "../shared/data/ucf-mini"
Frames = Sequence[npt.NDArray[np.uint8]]
MakeVideo = Callable[..., Path]
MakeCache = Callable[..., Path]


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """The folder of the real UCF-101 clips."""
    if not REAL_CLIPS.is_dir() and "MOCROP_REQUIRE_REAL_CLIPS" not in os.environ:
        pytest.skip("the real clips are not at ../shared/data/ucf-mini")
    return REAL_CLIPS.resolve()


def moving_square(count: int, *, width: int, height: int, step: int = 2) -> list[npt.NDArray[np.uint8]]:
    """RGB frames of a bright textured square that moves right by ``step`` pixels a frame on a dark textured ground."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
    side = height // 3
    square = rng.integers(120, 255, (side, side, 3), dtype=np.uint8)
    frames = []
    for n in range(count):
        frame = ground.copy()
        left = (n * step) % max(1, width - side)
        frame[side : 2 * side, left : left + side] = square
        frames.append(frame)
    return frames


def mocrop(*arguments: str | Path) -> int:
    """Run a command in this process and return its exit code."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new folder, which is the current one, in which no workspace is named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOCROP_WORKSPACE", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def make_video() -> MakeVideo:
    """Write a small video: ``make_video(path, frames=24, size=(64, 48), codec="libx264", ...) -> path``."""

    def make(
        path: Path,
        *,
        frames: int | Frames = 24,
        size: tuple[int, int] = (64, 48),
        codec: str = "mpeg4",
        pix_fmt: str = "yuv420p",
        rate: int = 25,
        key_interval: int = 12,
        options: dict[str, str] | None = None,
        rotation: int = 0,
        pts: Sequence[int] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        pictures = moving_square(frames, width=size[0], height=size[1]) if isinstance(frames, int) else frames
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(f"file:{path}", "w") as output:
            output.metadata.update(metadata or {})
            stream = output.add_stream(codec, rate=rate, options=options or {})
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = pix_fmt
            stream.codec_context.thread_count = 1
            stream.codec_context.gop_size = key_interval
            if codec in ("mpeg4", "libx264"):
                stream.codec_context.max_b_frames = 0
            if rotation:
                stream.set_display_rotation(rotation)
            for n, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame.pts, frame.time_base = (pts[n] if pts else n), Fraction(1, rate)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return path

    return make


@pytest.fixture(scope="session")
def make_oriented(make_video: MakeVideo) -> MakeVideo:
    """Write pictures so that a player must turn them to show them as they are given.

    ``make_oriented(path, frames=pictures, orientation=..., said_by="container", ...)``: an MP4 of H.264 that says so in
    the matrix of its track, or, by "stream", in a message (SEI) before each key picture, or "behind" it, where the
    filter of FFmpeg writes it; more as for ``make_video``.
    """

    def make(path: Path, *, frames: Frames, orientation: Orientation, said_by: str, **how: Any) -> Path:
        stored = [unturned(picture, orientation) for picture in frames]
        made = make_video(path, frames=stored, codec="libx264", **how)
        if said_by == "container":
            data = bytearray(made.read_bytes())
            at = data.index(b"tkhd") + 44
            data[at : at + 36] = struct.pack(">9i", *display_matrix(orientation))
            path.write_bytes(data)
        else:
            message = orientation_message(orientation)
            add_to_key_packets(path, len(message).to_bytes(4) + message, behind=said_by == "behind")
        return path

    return make


def add_to_key_packets(path: Path, unit: bytes, *, behind: bool) -> None:
    """Write a unit, its length before it, into each key packet of an MP4, before the picture or behind it."""
    plain = path.with_suffix(".plain.mp4")
    path.rename(plain)
    with av.open(plain) as source, av.open(path, "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                both = (bytes(packet), unit) if behind else (unit, bytes(packet))
                copy = av.Packet(b"".join(both) if packet.is_keyframe else bytes(packet))
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.duration, copy.is_keyframe, copy.stream = packet.duration, packet.is_keyframe, stream
                output.mux(copy)


def unturned(picture: npt.NDArray[np.uint8], orientation: Orientation) -> npt.NDArray[np.uint8]:
    """The picture that is to be stored so that it is seen as given."""
    across, down = (-1 if orientation.mirrored else 1), (-1 if orientation.flipped else 1)
    flipped = picture[::down, ::across]
    return flipped.swapaxes(0, 1) if orientation.transposed else flipped


def display_matrix(orientation: Orientation) -> list[int]:
    """Nine numbers a b u c d v x y w: what is stored at x, y is shown at a x + c y, b x + d y."""
    across, down = (-1 if orientation.mirrored else 1) << 16, (-1 if orientation.flipped else 1) << 16
    ab, cd = ((0, down), (across, 0)) if orientation.transposed else ((across, 0), (0, down))
    return [*ab, 0, *cd, 0, 0, 0, 1 << 30]


def orientation_message(orientation: Orientation) -> bytes:
    """A display orientation message of H.264 (D.1.27): flips, which come first, and a turn anticlockwise."""
    # anticlockwise by a quarter is transposed and then flipped, so what is transposed alone was mirrored before it
    across = orientation.mirrored if not orientation.transposed else not orientation.flipped
    down = orientation.flipped if not orientation.transposed else orientation.mirrored
    bits = f"0{across:b}{down:b}{(1 << 14) * orientation.transposed:016b}0100"  # persists; no extension
    payload = int(bits + "1" + "0" * (-(len(bits) + 1) % 8), 2).to_bytes((len(bits) + 8) // 8)
    return b"\x06" + bytes([47, len(payload)]) + payload + b"\x80"


@pytest.fixture(scope="session")
def make_cropped() -> MakeVideo:
    """Change what headers of H.264 say: ``make_cropped(source, target, left=34, ...)`` is a bare stream (``.h264``).

    ``left``, ``top``, ``right`` and ``bottom`` crop by pixels; other names are those of FFmpeg's filter h264_metadata.
    """

    def make(source: Path, target: Path, **fields: int) -> Path:
        sides = ("left", "top", "right", "bottom")
        values = {f"crop_{name}" if name in sides else name: value for name, value in fields.items()}
        changes = ":".join(f"{name}={value}" for name, value in values.items())
        with av.open(source) as container, target.open("wb") as file:
            stream = container.streams.video[0]
            headers = BitStreamFilterContext(f"h264_mp4toannexb,h264_metadata={changes}", stream)
            for packet in container.demux(stream):
                for written in headers.filter(packet if packet.size else None):
                    file.write(bytes(written))
        return target

    return make


@pytest.fixture(scope="session")
def make_cache() -> MakeCache:
    """Write a small crop cache of random frames: ``make_cache(path, label=[0, 0, 1], used=[4, 2, 4], ...) -> path``.

    Per-clip lists are as long as ``label``; of several splits, ``subset`` has a row a clip; ``pixels``, shape (clips,
    slots, 3, size, size), replaces the noise; ``fields``, int8, shape (clips, slots, 2, side, side), are motion fields,
    without which there are none; ``labels`` has a row a clip, with 1 for each of its classes.
    """

    def make(
        path: Path,
        *,
        label: Sequence[int],
        group: Sequence[int] | None = None,
        subset: Sequence[int] | Sequence[Sequence[int]] | None = None,
        used: Sequence[int] | None = None,
        state: Sequence[int] | None = None,
        pixels: npt.NDArray[np.uint8] | None = None,
        fields: npt.NDArray[np.int8] | None = None,
        slots: int = 4,
        size: int = 8,
        clips_per_shard: int = 3,
        compression: Compression = "none",
        class_names: Sequence[str] = ("Dig", "Run"),
        attributes: Mapping[str, object] | None = None,
        labels: Sequence[Sequence[int]] | None = None,
    ) -> Path:
        clips = len(label)
        if pixels is None:
            pixels = np.random.default_rng(0).integers(1, 256, (clips, slots, 3, size, size), dtype=np.uint8)
        used = [pixels.shape[1]] * clips if used is None else used
        subsets = np.array([1] * clips if subset is None else subset, dtype=np.uint8).reshape(clips, -1)
        table = ClipTable(
            names=[f"{class_names[number] if number >= 0 else '-'}/clip{row}" for row, number in enumerate(label)],
            label=np.array(label, dtype=np.int32),
            group=np.array([-1] * clips if group is None else group, dtype=np.int32),
            subset=subsets,
            class_names=class_names,
            split_names=[str(1 + number) for number in range(subsets.shape[1])],
            labels=None if labels is None else np.array(labels, np.uint8),
        )
        layout = CacheLayout(
            frames=pixels.shape[1],
            size=pixels.shape[-1],
            grid=(2, 3),
            clips_per_shard=clips_per_shard,
            compression=compression,
            motion_side=0 if fields is None else fields.shape[-1],
        )
        create_cache(path, layout, table, attributes=attributes or {"policy": "full"})
        slot = np.arange(pixels.shape[1], dtype=np.int32)
        writer = CacheWriter(path)
        for first in range(0, clips, clips_per_shard):
            rows = range(first, min(first + clips_per_shard, clips))
            writer.write(
                Shard(
                    first=first,
                    frames=[pixels[row, : used[row]] for row in rows],
                    frame_index=np.array([np.where(slot < used[row], slot, -1) for row in rows], dtype=np.int32),
                    box=np.tile(np.array([0, 0, 1, 1], dtype=np.float32), (len(rows), 1)),
                    density=np.zeros((len(rows), 2, 3), dtype=np.float32),
                    state=np.array([1 if state is None else state[row] for row in rows], dtype=np.uint8),
                    motion=[] if fields is None else [fields[row, : used[row]] for row in rows],
                )
            )
        return path

    return make
