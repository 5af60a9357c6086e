"""Colours as swscale, FFmpeg's converter, can be given them.

Source of the numbers: ITU-T H.273, tables 2 to 4.
"""

from __future__ import annotations

from av.video.frame import VideoFrame

from mocrop.pipeline.errors import ClipError, Reason

UNSPECIFIED = 2
RGB_MATRIX = 0  # what is stored is red, green and blue, or grey
MATRICES = {1: "bt709", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}  # vf_scale's names
TRANSFERS = frozenset({1, 4, 5, 6, 7, 8, *range(11, 19)})
PRIMARIES = frozenset({1, *range(4, 13), 22})
_KNOWN_MATRICES = frozenset({*MATRICES, UNSPECIFIED})
_KNOWN_TRANSFERS = TRANSFERS | {UNSPECIFIED}
_KNOWN_PRIMARIES = PRIMARIES | {UNSPECIFIED}


_UNCONVERTIBLE = frozenset(  # swscale reads none of these, and ends the process at the last
    {"bgr4", "gbrap32", "gray32", "rgb4", "rgb96", "rgba128", "rgbaf32", "yaf32"}
)
_UNCONVERTIBLE_BIG_ENDIAN = frozenset({"v30x", "x2bgr10", "x2rgb10", "xv30", "y210", "y212", "y216"})


def require_convertible(frame: VideoFrame, *, clip: str) -> None:
    """Refuse pixels that FFmpeg can decode and not convert. None of its encoders writes them.

    Raises: ClipError with UNREADABLE.
    """
    name = frame.format.name
    kind = name.removesuffix("le").removesuffix("be")
    if kind in _UNCONVERTIBLE or (name.endswith("be") and kind in _UNCONVERTIBLE_BIG_ENDIAN):
        raise ClipError(
            Reason.UNREADABLE,
            f"{clip}: FFmpeg decodes it to {name} pixels, which it cannot convert; encode it again in a usual format",
        )


def unknown_colours(frame: VideoFrame) -> str:
    """Say which properties of a frame's colours swscale does not know; empty if it knows all of them.

    >>> frame = VideoFrame(16, 16, "yuv420p")
    >>> frame.colorspace, frame.color_trc = 8, 9
    >>> unknown_colours(frame)
    'matrix 8, transfer 9'
    """
    unknown = [] if matrix_is_known(frame) else [f"matrix {frame.colorspace}"]
    if frame.color_trc not in _KNOWN_TRANSFERS:
        unknown.append(f"transfer {frame.color_trc}")
    if frame.color_primaries not in _KNOWN_PRIMARIES:
        unknown.append(f"primaries {frame.color_primaries}")
    return ", ".join(unknown)


def matrix_is_known(frame: VideoFrame) -> bool:
    """Whether swscale has the matrix that makes red, green and blue of this frame, or needs none."""
    return frame.colorspace in _KNOWN_MATRICES or (frame.colorspace == RGB_MATRIX and not _luma_and_chroma(frame))


def _luma_and_chroma(frame: VideoFrame) -> bool:
    form = frame.format
    return not form.is_rgb and not form.has_palette and len(form.components) > 2


def make_convertible(frame: VideoFrame) -> None:
    """Leave of a frame's colours what a conversion needs: a matrix that swscale knows, and the range.

    Transfer and primaries change no pixel as long as they stay the same, and swscale refuses those that it does not
    know. A matrix that it does not know becomes unspecified, which it takes for that of BT.601.
    """
    frame.color_trc = frame.color_primaries = UNSPECIFIED
    if not matrix_is_known(frame):
        frame.colorspace = UNSPECIFIED
