"""Files of many codecs, containers, pixel formats and orders of pictures, as the ffmpeg program writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.odd_files.odd_file import OddFile
from tests.odd_files.program import FRAMES, encode

X264 = "scenecut=0:keyint=12:min-keyint=12"
X265 = "log-level=none:scenecut=0:keyint=12:min-keyint=12"
# fmt: off
QUICK = frozenset({  # what the suite looks at
    "h264-b.mp4", "h264-open.mkv", "h264-intra-refresh.mp4", "hevc-open.mp4", "mpeg4-b.avi", "mpeg4-packed.avi",
    "mpeg2video-b.mpg", "mpeg2video-interlaced.ts", "vp8-altref.webm", "vp9-hidden.webm", "wmv2.wmv", "h263.3gp",
    "theora.ogv", "mjpeg.avi", "flv.flv", "gif.gif", "ffv1.mkv", "h264-b-yuv420p10le.mp4", "prores.mov",
})
# fmt: on


@dataclass(frozen=True, kw_only=True)
class Codec:
    """How one codec is written: every container in every order, and every pixel format in the first of both."""

    name: str
    containers: str  # suffixes
    orders: Mapping[str, str] = field(default_factory=lambda: {"": ""})  # name -> options
    options: str = ""
    encoder: str = ""  # "": named as the codec
    pix_fmts: str = "yuv420p"  # the first is the usual one
    size: tuple[int, int] = (64, 48)
    frames: int = FRAMES


CODECS = (
    Codec(
        name="h264",
        encoder="libx264",
        containers="mp4 mkv mov avi ts m2ts flv 3gp m4v mpg",
        orders={
            "b": f"-x264-params {X264}:bframes=3:b-pyramid=normal",
            "p": f"-x264-params {X264}:bframes=0",
            "open": f"-x264-params {X264}:bframes=3:open-gop=1",
            "intra-refresh": f"-x264-params {X264}:bframes=0:intra-refresh=1",
            "mbaff": f"-x264-params {X264}:bframes=2:tff=1",
            "refs": f"-x264-params {X264}:bframes=5:ref=6:b-pyramid=strict",
            "taken": f"-x264-params {X264}:bframes=0:ref=1",
            "intra": "-x264-params keyint=1",
            "b16": f"-x264-params {X264}:bframes=16:b-adapt=0:b-pyramid=normal:ref=16",
            "pulldown": f"-x264-params {X264}:bframes=2:pulldown=32",
            "lossless": f"-qp 0 -x264-params {X264}",
        },
        pix_fmts="yuv420p yuvj420p yuv422p yuv444p yuv420p10le yuv422p10le yuv444p10le gray nv12",
    ),
    Codec(name="h264-rgb", encoder="libx264rgb", containers="mp4 mkv", pix_fmts="rgb24 bgr24", options="-g 12"),
    Codec(
        name="hevc",
        encoder="libx265",
        containers="mp4 mkv mov ts",
        orders={
            "open": f"-x265-params {X265}:bframes=4:b-pyramid=1:open-gop=1",
            "closed": f"-x265-params {X265}:bframes=4:b-pyramid=1:open-gop=0",
            "p": f"-x265-params {X265}:bframes=0",
        },
        options="-preset ultrafast",
        pix_fmts="yuv420p yuv422p yuv444p yuv420p10le yuv422p10le yuv420p12le gray gbrp",
    ),
    Codec(
        name="mpeg4",
        containers="avi mp4 mkv mov m4v 3gp ts",
        orders={"b": "-bf 2", "p": "", "interlaced": "-bf 2 -flags +ildct+ilme", "qpel": "-bf 2 -flags +qpel"},
        options="-q:v 3 -g 12",
    ),
    Codec(
        name="mpeg4-xvid",
        encoder="libxvid",
        containers="mp4 mkv",
        orders={"b": "-bf 2", "p": "", "gmc": "-bf 2 -gmc 1"},
        options="-q:v 3 -g 12",
    ),
    Codec(name="mpeg4-packed", encoder="libxvid", containers="avi", options="-q:v 4 -g 12 -bf 2", frames=60),
    Codec(
        name="mpeg2video",
        containers="mpg ts m2ts vob mkv mp4 avi mxf",
        orders={
            "b": "-bf 2",
            "p": "",
            "interlaced": "-bf 2 -flags +ildct+ilme",
            "open": "-bf 2 -sc_threshold 1e9 -b_strategy 0",
        },
        options="-q:v 3 -g 12",
        pix_fmts="yuv420p yuv422p",
    ),
    Codec(name="mpeg1video", containers="mpg mkv avi", orders={"b": "-bf 2", "p": ""}, options="-q:v 3 -g 12"),
    Codec(name="wmv1", containers="wmv avi", options="-q:v 5 -g 12"),
    Codec(name="wmv2", containers="wmv avi mkv", options="-q:v 5 -g 12"),
    Codec(name="msmpeg4v2", containers="avi wmv", options="-q:v 5 -g 12"),
    Codec(name="msmpeg4v3", encoder="msmpeg4", containers="avi wmv", options="-q:v 5 -g 12"),
    Codec(name="flv", containers="flv avi", options="-q:v 5 -g 12"),
    Codec(name="h261", containers="avi mkv", options="-q:v 5 -g 12", size=(176, 144)),
    Codec(name="h263", containers="3gp avi mov mkv", options="-q:v 5 -g 12", size=(128, 96)),
    Codec(name="h263p", containers="avi", options="-q:v 5 -g 12"),
    Codec(name="rv10", containers="rm", options="-q:v 5 -g 12", size=(128, 96)),
    Codec(name="rv20", containers="rm", options="-q:v 5 -g 12", size=(128, 96)),
    Codec(name="theora", encoder="libtheora", containers="ogv mkv", options="-q:v 7 -g 12", pix_fmts="yuv420p yuv444p"),
    Codec(
        name="vp8",
        encoder="libvpx",
        containers="webm mkv avi",
        orders={"altref": "-auto-alt-ref 1 -lag-in-frames 8 -arnr-maxframes 7", "plain": "-auto-alt-ref 0"},
        options="-g 12 -b:v 400k -deadline good -cpu-used 8",
    ),
    Codec(
        name="vp9",
        encoder="libvpx-vp9",
        containers="webm mp4 mkv",
        orders={"hidden": "-auto-alt-ref 1 -lag-in-frames 12", "plain": "-auto-alt-ref 0 -lag-in-frames 0"},
        options="-g 12 -b:v 400k -deadline good -cpu-used 8",
        pix_fmts="yuv420p yuv422p yuv444p gbrp yuv420p10le",
    ),
    Codec(
        name="av1-aom",
        encoder="libaom-av1",
        containers="mp4 mkv webm",
        options="-g 12 -crf 25 -cpu-used 8 -lag-in-frames 12",
    ),
    Codec(name="av1-svt", encoder="libsvtav1", containers="mp4", options="-g 12 -crf 25 -preset 10", size=(128, 96)),
    Codec(name="mjpeg", containers="avi mov mp4 mkv", options="-q:v 3", pix_fmts="yuvj420p yuvj422p yuvj444p"),
    Codec(name="prores", encoder="prores_ks", containers="mov mkv", pix_fmts="yuv422p10le yuva444p10le"),
    Codec(
        name="ffv1",
        containers="mkv avi mov",
        orders={"": "-g 12", "intra": "-g 1"},
        pix_fmts="yuv420p yuv444p yuv422p10le yuv410p yuv411p gray gray16le gbrp bgra yuva420p bgr0 gray10le",
    ),
    Codec(name="huffyuv", containers="avi mkv", pix_fmts="yuv422p bgra rgb24"),
    Codec(name="ffvhuff", containers="avi mkv", pix_fmts="yuv420p gbrp yuv444p10le"),
    Codec(name="utvideo", containers="avi mkv", pix_fmts="yuv420p yuv422p gbrp gbrap"),
    Codec(name="magicyuv", containers="avi mkv", pix_fmts="yuv420p gbrp gray"),
    Codec(name="dvvideo", containers="avi mov dv", pix_fmts="yuv420p", size=(720, 576), frames=6),
    Codec(name="dnxhd", containers="mov mkv mxf", options="-profile:v dnxhr_lb", pix_fmts="yuv422p", size=(256, 128)),
    Codec(name="cfhd", containers="mov mkv", pix_fmts="yuv422p10le gbrp12le"),
    Codec(name="jpeg2000", containers="mov mkv avi", pix_fmts="yuv420p rgb24"),
    Codec(name="png", containers="mov avi mkv", pix_fmts="rgb24 rgba pal8 gray rgb48be"),
    Codec(name="qtrle", containers="mov", pix_fmts="rgb24 argb rgb555be", options="-g 12"),
    Codec(name="rawvideo", containers="avi mov mkv", pix_fmts="yuv420p uyvy422 yuyv422"),
    Codec(name="v210", containers="mov avi", pix_fmts="yuv422p10le"),
    Codec(name="snow", containers="avi mkv", options="-q:v 3 -g 12"),
    Codec(name="svq1", containers="mov avi", pix_fmts="yuv410p", options="-q:v 3 -g 12"),
    Codec(name="cinepak", containers="avi mov", pix_fmts="rgb24", options="-g 12", frames=15),
    Codec(name="zmbv", containers="avi", pix_fmts="bgr0 pal8 rgb24", options="-g 12"),
    Codec(name="flashsv", containers="flv", pix_fmts="bgr24", options="-g 12"),
    Codec(name="gif", containers="gif", pix_fmts="bgr8 pal8 gray"),
    Codec(name="apng", containers="apng", pix_fmts="rgb24 rgba"),
    Codec(name="ljpeg", containers="avi mkv", pix_fmts="yuvj420p"),
)


def codec_files() -> Iterator[OddFile]:
    """All files of CODECS."""
    for codec in CODECS:
        usual, *others = codec.pix_fmts.split()
        containers = codec.containers.split()
        for order in codec.orders:
            for container in containers:
                yield _file(codec, order, container, usual)
        for pix_fmt in others:
            yield _file(codec, next(iter(codec.orders)), containers[0], pix_fmt, other=True)


def _file(codec: Codec, order: str, container: str, pix_fmt: str, *, other: bool = False) -> OddFile:
    encoder = codec.encoder or codec.name
    options = f"-c:v {encoder} -pix_fmt {pix_fmt} {codec.options} {codec.orders[order]}".split()
    if container == "m4v":
        options += ["-f", "mp4"]
    if container == "mpg" and codec.name == "h264":
        options += ["-f", "vob"]
    if codec.name == "apng":
        options += ["-plays", "1"]
    stem = "-".join(part for part in (codec.name, order, pix_fmt if other else "") if part)
    name = f"{stem}.{container}"
    return OddFile(
        name=name,
        kind="codec",
        what=order or "as usual",
        make=partial(_write, options=options, size=codec.size, frames=codec.frames),
        codec=codec.name,
        pix_fmt=pix_fmt,
        needs=encoder,
        quick=name in QUICK,
    )


def _write(path: Path, *, options: list[str], size: tuple[int, int], frames: int) -> None:
    encode(path, "-strict", "-2", *options, numbers=range(frames), size=size)
