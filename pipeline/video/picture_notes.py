"""Notes on how the pictures of a clip lie and what they are made of, in the same words in every stage."""

from __future__ import annotations

from av.video.frame import VideoFrame

from mocrop.pipeline.bitstream.container_crop import container_crop
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.colour import require_convertible, unknown_colours
from mocrop.pipeline.video.open import OpenVideo
from mocrop.pipeline.video.orientation import Orientation

PLAIN_FORMATS = frozenset({"yuv420p", "yuvj420p"})  # the pixel formats of nearly every video, not worth a note
SQUARE = 0.01  # how far from 1 the shape of a pixel may be: containers round it


def note_container(video: OpenVideo, log: ClipLog) -> None:
    """Note what the file asks a player to do with the shown picture, which mocrop does not do."""
    shape = video.stream.sample_aspect_ratio
    if shape and abs(shape - 1) > SQUARE:
        fact = f"its pixels are {shape.numerator}:{shape.denominator}; it is taken as it is stored"
        log.note(Reason.PIXELS_NOT_SQUARE, fact)
    if crop := container_crop(video.path, video.container.format.name):
        log.note(Reason.CONTAINER_CROP, f"its container asks to show {crop}; the whole picture is taken")


def note_frame(frame: VideoFrame, log: ClipLog, *, deinterlaced: bool = False) -> None:
    """Note that a frame is made of two fields, and what becomes of them."""
    if frame.interlaced_frame:
        fact = "one picture made of two fields" if deinterlaced else "moving edges are combed, see --deinterlace"
        log.note(Reason.INTERLACED, f"it is interlaced: {fact}")


def note_orientation(orientation: Orientation, log: ClipLog) -> None:
    """Note that a frame had to be turned or mirrored, or that its angle is none of ours."""
    if orientation.changes or orientation.nearest:
        log.note(Reason.ROTATED, str(orientation))


def note_colours(frame: VideoFrame, log: ClipLog) -> None:
    """Note colours that FFmpeg cannot convert; call it before the frame is made convertible."""
    if unknown := unknown_colours(frame):
        log.note(Reason.UNKNOWN_COLOUR, f"{unknown}: FFmpeg cannot convert it, so it counts as unspecified")


def picture_form(frame: VideoFrame, orientation: Orientation) -> tuple[object, ...]:
    """All that :func:`note_picture` looks at: of two frames of one form, one need be noted."""
    colours = frame.colorspace, frame.color_trc, frame.color_primaries
    return frame.width, frame.height, frame.format.name, colours, frame.interlaced_frame, orientation


def note_picture(
    frame: VideoFrame, orientation: Orientation, picture: tuple[int, int], *, clip: str, log: ClipLog
) -> None:
    """Note what is odd about a frame that is to be cropped.

    Args:
        orientation: of the frame.
        picture: width and height of the upright picture of the clip.
        clip: its name, for messages.
    Raises: ClipError with UNREADABLE if FFmpeg cannot convert its pixels.
    """
    note_orientation(orientation, log)
    note_colours(frame, log)
    note_frame(frame, log)
    if orientation.size(frame.width, frame.height) != picture:
        log.note(Reason.SIZE_CHANGES, "the frame size changes; the box covers the same part of every frame")
    if frame.format.name not in PLAIN_FORMATS:
        require_convertible(frame, clip=clip)
        log.note(Reason.PIXEL_FORMAT_CONVERTED, f"{frame.format.name} converted to 8-bit RGB")
