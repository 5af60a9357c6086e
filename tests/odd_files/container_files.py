"""Files whose container is odd: key flags, edit lists, dropped frames, indexes, headers, cuts of transport streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.odd_files import avi, mp4, transport
from tests.odd_files.odd_file import Kind, OddFile
from tests.odd_files.program import encode, ffmpeg, passthrough, remux

Patch = Callable[[Path], object]
P = "-c:v libx264 -pix_fmt yuv420p -x264-params keyint=12:min-keyint=12:scenecut=0:ref=1:bframes=0"  # is taken as it is
B = "-c:v libx264 -pix_fmt yuv420p -x264-params keyint=12:min-keyint=12:scenecut=0:bframes=3"
MPEG4 = "-c:v mpeg4 -q:v 3 -g 12"
COPIED = {  # with groups that lean on the one before
    "hevc": "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=12:min-keyint=12:bframes=4:open-gop=1",
    "h264": "-c:v libx264 -pix_fmt yuv420p -x264-params keyint=12:min-keyint=12:scenecut=0:bframes=3:open-gop=1",
    "mpeg2video": "-c:v mpeg2video -q:v 3 -g 12 -bf 2",
}
MPEG2 = "-c:v mpeg2video -q:v 3 -g 12 -bf 2"
GAPS = "-vf select='not(eq(mod(n\\,3)\\,1))'"  # AVI fills the gaps with chunks of length 0
LATE = "-output_ts_offset 95440"  # the clock of transport streams starts anew after 95,443.7 s


def _encoded(path: Path, *, options: str, patch: Patch | None = None) -> None:
    encode(path, *(passthrough() if " -vf " in options else ()), *options.split())
    if patch is not None:
        patch(path)


def _file(name: str, kind: Kind, what: str, options: str, patch: Patch | None = None, *, quick: bool = True) -> OddFile:
    codec = next(
        each for each in ("libx264", "mpeg4", "mpeg2video", "mjpeg", "huffyuv") if f" {each} " in f" {options} "
    )
    make = partial(_encoded, options=options, patch=patch)
    codec = {"libx264": "h264"}.get(codec, codec)
    return OddFile(name=name, kind=kind, what=what, make=make, codec=codec, quick=quick)


def key_flag_files() -> Iterator[OddFile]:
    """Containers that call other packets key frames than the decoder does."""
    for name, options in (("mpeg4", MPEG4), ("h264", B)):
        for what, key in (
            ("all", lambda n: True),
            ("shifted", lambda n: n % 12 == 1),
            ("none", lambda n: False),
            ("first", lambda n: n == 0),
        ):
            yield _file(
                f"{name}-idx1-{what}.avi",
                "key flags",
                f"idx1: {what} flagged",
                options,
                partial(avi.set_key_flags, key=key),
                quick=name == "mpeg4",
            )
    for name, options in (("p", P), ("b", B)):
        for what, numbers in (
            ("none", None),
            ("shifted", [1, 13, 25]),
            ("partial", [0, 24]),
            ("first", [0]),
            ("more", list(range(0, 30, 6))),
        ):
            patch = partial(mp4.set_key_frames, numbers=numbers)
            said = "no stss" if numbers is None else f"stss: {what}"
            yield _file(f"{name}-stss-{what}.mp4", "key flags", said, options, patch, quick=what in ("none", "shifted"))


def _edits(path: Path, *, frames: list[tuple[int, int | None]]) -> None:
    """Set edits given as number of frames and first frame; None: an empty edit."""
    ticks, start = mp4.ticks_per_frame(path), mp4.first_shown(path)
    mp4.set_edits(path, [(count * 40, -1 if first is None else start + first * ticks) for count, first in frames])


EDITS: dict[str, tuple[str, list[tuple[int, int | None]]]] = {
    "end": ("cut at the end", [(15, 0)]),
    "start": ("cut at the start, in the middle of a group", [(25, 5)]),
    "start-key": ("cut at the start, at a key frame", [(18, 12)]),
    "both": ("cut at both ends", [(15, 7)]),
    "hole": ("a hole in the middle", [(8, 0), (10, 20)]),
    "hole-key": ("a hole up to a key frame", [(10, 0), (6, 24)]),
    "empty": ("begins with an empty edit", [(10, None), (30, 0)]),
    "empty-middle": ("an empty edit in the middle", [(10, 0), (5, None), (20, 10)]),
    "twice": ("a part is shown twice", [(20, 0), (20, 10)]),
    "swapped": ("parts in another order", [(6, 24), (12, 0)]),
}


def edit_list_files() -> Iterator[OddFile]:
    """MP4 files that show other frames than they hold."""
    for name, (what, frames) in EDITS.items():
        for kind, options in (("p", P), ("b", B), ("mpeg4", MPEG4)):
            suffix = "mov" if kind == "mpeg4" else "mp4"
            patch = partial(_edits, frames=frames)
            quick = kind == "p" and name in ("end", "start", "hole", "empty")
            yield _file(f"edit-{name}-{kind}.{suffix}", "edit list", what, options, patch, quick=quick)


def _without_cues(path: Path, *, options: str) -> None:
    """Write Matroska to a pipe, into which no index can be written later."""
    source = encode(path.with_name(f"source-{path.stem}.mp4"), *options.split())
    path.write_bytes(ffmpeg("-i", source, "-c", "copy", "-f", "matroska", "-"))
    source.unlink()


def _remuxed(path: Path, *, options: str, through: str, copy: str) -> None:
    source = encode(path.with_name(f"source-{path.stem}.{through}"), *options.split())
    remux(source, path, *copy.split())
    source.unlink()


def _twice(path: Path, *, options: str) -> None:
    """A file and the same file after it, as `cat` joins them."""
    encode(path, *options.split())
    path.write_bytes(path.read_bytes() * 2)


def container_files() -> Iterator[OddFile]:
    """Whole files whose container is odd."""
    for name, options in (("mjpeg", "-c:v mjpeg -q:v 3"), ("mpeg4", MPEG4), ("huffyuv", "-c:v huffyuv"), ("h264", P)):
        yield _file(
            f"{name}-dropped.avi", "container", "frames dropped", f"{options} {GAPS}", quick=name in ("mjpeg", "mpeg4")
        )
    for name, options in (("mpeg4", MPEG4), ("h264", P)):
        yield _file(f"{name}-no-index.avi", "container", "no index", options, avi.remove_index)
        for count in (10, 34, 60):
            patch = partial(avi.set_frame_count, count=count)
            file = _file(f"{name}-says-{count}.avi", "container", f"header says {count} of 30 frames", options, patch)
            yield replace(file, quick=False, may_be_refused="truncated" if count > 32 else "")
    for name, options in (("p", P), ("b", B)):
        yield _file(
            f"faststart-{name}.mp4", "container", "index in front", f"{options} -movflags +faststart", quick=False
        )
        fragments = f"{options} -movflags +frag_keyframe+empty_moov"
        yield _file(f"fragmented-{name}.mp4", "container", "fragmented", fragments, quick=name == "b")
        each = f"{options} -movflags +frag_every_frame+empty_moov+default_base_moof"
        yield _file(f"fragment-each-{name}.mp4", "container", "a fragment a frame", each, quick=False)
        offset = f"{options} -output_ts_offset 7.3"
        for suffix in ("mp4", "mkv", "ts"):
            yield _file(f"offset-{name}.{suffix}", "container", "time begins late", offset, quick=False)
        uneven = f"{options} -vf setpts=N+2*floor(N/3)"
        for suffix in ("mp4", "mkv", "avi", "ts"):
            yield _file(f"uneven-{name}.{suffix}", "container", "uneven time steps", uneven, quick=False)
        make = partial(_without_cues, options=options)
        yield OddFile(name=f"no-cues-{name}.mkv", kind="container", what="no cues", make=make, quick=name == "b")
        for through in ("ts", "flv", "mkv"):
            make = partial(_remuxed, options=options, through=through, copy="")
            what = f"copied from .{through}"
            yield OddFile(name=f"from-{through}-{name}.mp4", kind="container", what=what, make=make)
        cut = partial(_remuxed, options=options, through="mkv", copy="-ss 0.5")
        yield OddFile(
            name=f"copied-part-{name}.mp4", kind="edit list", what="copied from 0.5 s on", make=cut, quick=True
        )
    yield from _transport_files()
    for codec, options in COPIED.items():
        for suffix in ("mp4", "mkv", "ts") if codec != "mpeg2video" else ("mpg", "ts", "mkv"):
            make = partial(_remuxed, options=options, through="ts" if suffix == "ts" else "mkv", copy="-ss 0.5")
            yield OddFile(
                name=f"copied-part-{codec}.{suffix}",
                kind="edit list",
                what="copied from 0.5 s on",
                make=make,
                codec=codec,
                needs={"hevc": "libx265"}.get(codec, "libx264"),
                quick=suffix == "mkv",
            )
    for codec, encoder, options, suffix in (
        ("theora", "libtheora", "-c:v libtheora -g 12 -q:v 7", "ogv"),
        ("flv1", "flv", "-c:v flv -g 12", "flv"),
        ("h264", "libx264", B, "mkv"),
        ("mpeg4", "mpeg4", MPEG4, "avi"),
        ("h264", "libx264", B, "flv"),
    ):
        yield OddFile(
            name=f"{codec}-twice.{suffix}",
            kind="container",
            what="two joined by cat",
            make=partial(_twice, options=options),
            codec=codec,
            needs=encoder,
            quick=codec == "mpeg4",
        )
    negative = f"{B} -movflags negative_cts_offsets"
    yield _file("negative-offsets.mp4", "container", "negative offsets of presentation", negative, quick=False)


def _transport_files() -> Iterator[OddFile]:
    for name, options, suffix in (("h264", B, "ts"), ("mpeg2", MPEG2, "ts"), ("h264", B, "m2ts")):
        stem = f"{name}-{suffix}"
        yield _file(
            f"{stem}-counters.{suffix}",
            "container",
            "wrong counters",
            options,
            transport.wrong_counters,
            quick=suffix == "ts",
        )
        yield _file(f"{stem}-cut.{suffix}", "container", "begins anywhere", options, transport.cut_start, quick=False)
        yield _file(f"{stem}-wrap.{suffix}", "container", "the clock starts anew", f"{options} {LATE}", quick=False)
        yield _file(f"{stem}-lost.{suffix}", "damage", "packets lost", options, transport.lose_packets, quick=False)
        make = partial(_twice, options=options)
        yield OddFile(name=f"{stem}-twice.{suffix}", kind="container", what="two joined by cat", make=make)
    for suffix in ("mpg", "vob"):
        make = partial(_twice, options=MPEG2)
        what = "two joined by cat"
        yield OddFile(
            name=f"mpeg2-twice.{suffix}", kind="container", what=what, make=make, codec="mpeg2video", quick=True
        )
