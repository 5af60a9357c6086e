"""Files whose pictures are to be turned, cut or coloured in odd ways, and files with several streams or none."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

from tests.odd_files import mp4
from tests.odd_files.h264_bits import Form, display_orientation
from tests.odd_files.h264_streams import in_order, units, write_h264
from tests.odd_files.odd_file import Maker, OddFile
from tests.odd_files.picture import ORIENTATIONS, inverse
from tests.odd_files.program import encode, ffmpeg, remux

H264 = "-c:v libx264 -pix_fmt yuv420p -x264-params keyint=12:min-keyint=12:scenecut=0:ref=1:bframes=0"
TURNED = {
    "h264": ("libx264", H264),
    "mpeg4": ("mpeg4", "-c:v mpeg4 -q:v 3 -g 12"),
    "hevc": ("libx265", "-c:v libx265 -x265-params log-level=none:keyint=12"),
}
ODD_SIZES = {  # codec -> encoder, options, suffix
    "mjpeg": ("mjpeg", "-c:v mjpeg -q:v 3", "avi"),
    "mpeg4": ("mpeg4", "-c:v mpeg4 -q:v 3", "avi"),
    "ffv1": ("ffv1", "-c:v ffv1 -pix_fmt yuv444p", "mkv"),
    "vp9": ("libvpx-vp9", "-c:v libvpx-vp9 -b:v 300k -cpu-used 8", "webm"),
}
RED = ("-f", "lavfi", "-i", "color=red:s=48x32:r=5:d=1.2")
TONE = ("-f", "lavfi", "-i", "sine=440:d=1.2")
TEXT = "1\n00:00:00,000 --> 00:00:01,000\nHello\n\n"


def orientation_files() -> Iterator[OddFile]:
    """All eight display matrices, and those of an SEI message; shown as they should be, the bars are upright."""
    for codec, (encoder, options) in TURNED.items():
        for suffix in ("mp4", "mov"):
            for orientation in range(ORIENTATIONS):
                yield OddFile(
                    name=f"turned-{codec}-{orientation}.{suffix}",
                    kind="orientation",
                    what=f"display matrix {mp4.MATRICES[orientation]}",
                    make=partial(_turned, options=options, orientation=orientation),
                    codec=codec,
                    needs=encoder,
                    quick=(codec, suffix) == ("h264", "mp4"),
                )
    for orientation, suffix, repeated in product(range(1, ORIENTATIONS), ("mp4", "mkv", "ts"), (True, False)):
        yield OddFile(
            name=f"turned-sei-{'' if repeated else 'keys-'}{orientation}.{suffix}",
            kind="orientation",
            what=f"SEI of every {'picture' if repeated else 'key frame'}",
            make=partial(_turned_by_message, orientation=orientation, repeated=repeated),
            quick=suffix == "mp4" and repeated and orientation in (3, 5),
        )


def _turned(path: Path, *, options: str, orientation: int) -> None:
    encode(path, *options.split(), size=(96, 64), orientation=inverse(orientation))
    mp4.set_matrix(path, mp4.MATRICES[orientation])


def _turned_by_message(path: Path, *, orientation: int, repeated: bool) -> None:
    message = display_orientation(turns=orientation % 4, mirrored=orientation >= 4)
    stored = inverse(orientation)
    form = Form(width=64, height=96) if orientation % 2 else Form(width=96, height=64)
    made = units(form, in_order(30), message=message, repeated=repeated, orientation=stored)
    write_h264(path, made)


def geometry_files() -> Iterator[OddFile]:
    """Odd sizes, crops, and pixels that are not square."""
    for codec, (encoder, options, suffix) in ODD_SIZES.items():
        yield OddFile(
            name=f"odd-size-{codec}.{suffix}",
            kind="geometry",
            what="65x49 pixels",
            make=partial(_encoded, options=options, size=(65, 49)),
            codec=codec,
            needs=encoder,
            quick=codec == "mpeg4",
        )
    for ratio in ("2/1", "1/2", "16/11"):
        for suffix in ("mp4", "mkv"):
            yield OddFile(
                name=f"sar-{ratio.replace('/', '-')}.{suffix}",
                kind="geometry",
                what=f"sample aspect ratio {ratio}",
                make=partial(_encoded, options=f"{H264} -vf setsar={ratio}"),
            )
    for crop in ("crop_left=16", "crop_top=8", "crop_left=6:crop_right=4:crop_top=2:crop_bottom=2"):
        name = crop.replace("crop_", "").replace("=", "").replace(":", "-")
        yield OddFile(
            name=f"sps-{name}.mp4",
            kind="geometry",
            what=f"SPS {crop}",
            make=partial(_filtered, options=H264, bitstream=f"h264_metadata={crop}"),
            quick=crop == "crop_left=16",
        )


def colour_files() -> Iterator[OddFile]:
    """Tags that swscale does not know, and ranges."""
    tags = [f"matrix_coefficients={n}" for n in (0, 1, 4, 5, 7, 8, 9, 10, 11, 12, 14)]
    tags += [f"transfer_characteristics={n}" for n in (1, 8, 9, 10, 11, 13, 16, 18)]
    tags += [f"colour_primaries={n}" for n in (1, 8, 9, 10, 12, 22)]
    tags += ["video_full_range_flag=1", "video_full_range_flag=0"]
    for tag in tags:
        yield OddFile(
            name=f"colour-{tag.replace('_', '-').replace('=', '-')}.mp4",
            kind="colour",
            what=tag.replace("_", " ").replace("=", " "),
            make=partial(_filtered, options=H264, bitstream=f"h264_metadata={tag}"),
            quick=tag in ("matrix_coefficients=8", "matrix_coefficients=14", "transfer_characteristics=9"),
        )


def _encoded(path: Path, *, options: str, size: tuple[int, int] = (64, 48)) -> None:
    encode(path, *options.split(), size=size)


def _filtered(path: Path, *, options: str, bitstream: str) -> None:
    source = encode(path.with_name(f"source-{path.name}"), *options.split(), size=(96, 64))
    remux(source, path, "-bsf:v", bitstream)
    source.unlink()


def stream_files() -> Iterator[OddFile]:
    """Files with a preview, a cover picture, several videos, sound and text."""
    both = "-map 0:v -map 1:v -c:v:0 mjpeg -c:v:1 libx264 -pix_fmt yuv420p"
    default = f"{both} -disposition:v:0 0 -disposition:v:1 default"
    yield _with_inputs("preview-first.mp4", "preview first, video is default", default, RED, stream="v:1", quick=True)
    yield _with_inputs("preview-first.mkv", "preview first, video is default", default, RED, stream="v:1")
    neither = f"{both} -disposition:v:0 0 -disposition:v:1 0"
    yield _with_inputs(
        "preview-undeclared.mkv", "preview first, none is default", neither, RED, stream="v:1", quick=True
    )
    for suffix in ("mp4", "mkv"):
        yield OddFile(
            name=f"cover.{suffix}",
            kind="streams",
            what="cover picture",
            make=_with_cover,
            quick=suffix == "mp4",
        )
    two = "-map 0:v -map 1:v -c:v libx264 -pix_fmt yuv420p"
    yield _with_inputs(
        "small-first.mkv", "a smaller video first, none is default", f"{two} -disposition:v 0", RED, stream="v:1"
    )
    yield _with_inputs(
        "small-second.mp4", "a smaller video second", "-map 1:v -map 0:v -c:v libx264 -pix_fmt yuv420p", RED
    )
    sound = f"-map 0:a -map 1:v {H264} -c:a aac"
    for suffix in ("mp4", "mkv", "ts"):
        yield _with_inputs(f"sound-first.{suffix}", "sound first", sound, TONE, quick=suffix == "mp4")
    longer = ("-f", "lavfi", "-i", "sine=440:d=4")
    for suffix in ("mp4", "mkv"):
        yield _with_inputs(
            f"sound-longer.{suffix}", "sound goes on after the video", sound, longer, quick=suffix == "mkv"
        )
    yield _with_inputs("sound.avi", "sound", "-map 0:a -map 1:v -c:v mpeg4 -q:v 3 -c:a mp2", TONE)
    yield _with_inputs("timecode.mov", "time code track", f"-map 0:v {H264} -timecode 01:00:00:00", ())


def _with_inputs(
    name: str, what: str, options: str, before: tuple[str, ...], *, stream: str = "V:0", quick: bool = False
) -> OddFile:
    def make(path: Path) -> None:
        encode(path, *options.split(), before=before)

    return OddFile(name=name, kind="streams", what=what, make=make, stream=stream, quick=quick)


def _with_cover(path: Path) -> None:
    cover = path.with_suffix(".jpg")
    ffmpeg(*RED, "-frames:v", "1", cover)
    if path.suffix == ".mkv":
        encode(path, *H264.split(), "-attach", str(cover), "-metadata:s:t", "mimetype=image/jpeg")
    else:
        source = encode(path.with_name(f"source-{path.name}"), *H264.split())
        order = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic")
        ffmpeg("-i", cover, "-i", source, *order, path)
        source.unlink()
    cover.unlink()


def refused_files() -> Iterator[OddFile]:
    """Files that hold no whole video; each must get its reason code."""
    ends = {
        "cut.avi": ("-c:v mpeg4 -q:v 3", "truncated"),
        "cut.mp4": (H264, "truncated"),
        "cut.mkv": (H264, "truncated"),
    }
    for name, (options, reason) in ends.items():
        yield _refused(name, "half of the file", partial(_cut, options=options), reason)
    texts = {
        "empty.mp4": ("no bytes", b"", "empty-file"),
        "garbage.avi": ("bytes that mean nothing", bytes(range(256)) * 40, "not-a-video"),
        "subtitles.mp4": ("subtitles", TEXT.encode() * 4, "not-a-video"),
        "concat.mp4": ("a script of files to join", b"ffconcat version 1.0\nfile other.mp4\n", "not-a-video"),
        "playlist.mp4": ("a playlist", b"#EXTM3U\n#EXTINF:1.2,\nother.ts\n#EXT-X-ENDLIST\n", "not-a-video"),
        "list.mp4": ("a list of files", b"file 'other.mp4'\n", "not-a-video"),
    }
    for name, (what, content, reason) in texts.items():
        yield _refused(name, what, partial(Path.write_bytes, data=content), reason)
    yield _refused("sound-only.mp4", "sound alone", partial(ffmpeg, *TONE, "-c:a", "aac"), "no-video-stream")


def _refused(name: str, what: str, make: Maker, reason: str) -> OddFile:
    return OddFile(name=name, kind="no video", what=what, make=make, codec="", pix_fmt="", refused=reason, quick=True)


def _cut(path: Path, *, options: str) -> None:
    encode(path, *options.split())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
