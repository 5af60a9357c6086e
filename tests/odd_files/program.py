"""The ffmpeg and ffprobe programs: write test files with them, and decode files independently of PyAV."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tests.odd_files.picture import Pixels, draw, inverse, oriented, read

FRAMES = 30  # of a file where nothing else is said
SIDE_PX = 64  # decoded pictures are scaled to a square of this side, as the crops are that they are compared with


# One thread, for the same repair of damage each time; and crops of the headers to the pixel, which is not the default.
_EXACT = ("-threads", "1", "-flags", "unaligned")


def missing_programs() -> str:
    """Which of the programs is not there; empty if both are."""
    return ", ".join(name for name in ("ffmpeg", "ffprobe") if shutil.which(name) is None)


@cache
def has_encoder(name: str) -> bool:
    """Whether the ffmpeg program can write this codec."""
    listed = subprocess.run(["ffmpeg", "-hide_banner", "-encoders"], capture_output=True, text=True, check=True).stdout
    return re.search(rf"^ [VAS.]\S* {re.escape(name)} ", listed, re.MULTILINE) is not None


@cache
def passthrough() -> tuple[str, str]:
    """Option by which every frame is written once, whatever its time stamp."""
    said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout
    version = re.match(r"ffmpeg version n?(\d+)", said)
    return ("-vsync" if version and int(version[1]) < 6 else "-fps_mode", "passthrough")


def ffmpeg(*arguments: str | Path, given: bytes | None = None) -> bytes:
    """Run the ffmpeg program quietly and return what it writes to its output.

    Raises: subprocess.CalledProcessError with what it said.
    """
    command = ["ffmpeg", "-v", "error", "-y", "-nostdin", *map(str, arguments)]
    if given is not None:
        command.remove("-nostdin")
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')[-800:]}")
    return done.stdout


def encode(
    path: Path,
    *options: str,
    numbers: Iterable[int] = range(FRAMES),
    size: tuple[int, int] = (64, 48),
    before: Sequence[str] = (),
    orientation: int = 0,
) -> Path:
    """Write pictures with these numbers to a file, at 25 frames a second, with options of the ffmpeg program.

    Args:
        options: for the output, and further inputs.
        before: options and inputs that stand before the pictures.
        orientation: of the stored pictures; see :func:`tests.odd_files.picture.oriented`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [oriented(draw(number, width=size[0], height=size[1]), orientation) for number in numbers]
    height, width = pictures[0].shape[:2]
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25", "-i", "-")
    ffmpeg(*before, *source, *options, path, given=b"".join(picture.tobytes() for picture in pictures))
    return path


def remux(source: Path, target: Path, *options: str) -> Path:
    """Copy the streams of a file into another container, or with other options."""
    ffmpeg("-i", source, "-map", "0", "-c", "copy", *options, target)
    return target


@dataclass(frozen=True, kw_only=True, eq=False)
class Decode:
    """What the programs make of one video stream."""

    pictures: Pixels  # (frames, SIDE_PX, SIDE_PX, 3), the bars upright
    numbers: tuple[int | None, ...]  # what the bars of each frame say
    key_frames: tuple[int, ...]  # numbers of the frames that the decoder calls key frames
    fault: str = ""  # why the program cannot decode it at all


def decode(path: Path, *, stream: str = "V:0") -> Decode:
    """Decode a stream with the ffmpeg program, each frame once, scaled to a square.

    All files of these tests are made so that their bars are upright when they are shown as they should be. Pictures
    that this version of the program shows otherwise are turned.

    Args:
        stream: specifier of the program; "V" are video streams that are no attached pictures.
    """
    scaled = ("-vf", f"scale={SIDE_PX}:{SIDE_PX}:flags=bicubic+accurate_rnd", "-pix_fmt", "rgb24")
    try:
        raw = ffmpeg(*_EXACT, "-i", path, "-map", f"0:{stream}", *passthrough(), *scaled, "-f", "rawvideo", "-")
    except RuntimeError as error:
        raw, fault = b"", str(error).splitlines()[-1]
    else:
        fault = ""
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, SIDE_PX, SIDE_PX, 3)
    key_frames = tuple(number for number, key in enumerate(_frame_flags(path, stream)) if key)
    return decoded(pictures, key_frames, fault=fault)


def decoded(pictures: Pixels, key_frames: Sequence[int], *, fault: str = "") -> Decode:
    """Read the bars of decoded pictures and turn them upright by them."""
    seen = [read(picture) for picture in pictures]
    upright = [oriented(p, inverse(s.orientation)) if s else p for p, s in zip(pictures, seen, strict=True)]
    return Decode(
        pictures=np.array(upright, np.uint8).reshape(pictures.shape),
        numbers=tuple(each and each.number for each in seen),
        key_frames=tuple(key_frames),
        fault=fault,
    )


def _frame_flags(path: Path, stream: str) -> Sequence[bool]:
    """For each frame that the decoder returns, whether it is a key frame."""
    command = ["ffprobe", "-v", "error", "-select_streams", stream, "-show_frames", "-show_entries", "frame=key_frame"]
    done = subprocess.run([*command, "-of", "compact=p=0", str(path)], capture_output=True, text=True, check=False)
    return [flag == "1" for flag in re.findall(r"^key_frame=(\d)", done.stdout, re.MULTILINE)]
