"""FFmpeg as PyAV brings it: x264 to encode with, the decoder of H.264, and its motion vectors on a clip made here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from mocrop.pipeline.commands.doctor.finding import Finding, State

INSTALL = "pip install --force-reinstall av: the wheel has it; a build of FFmpeg of your own may not"
SIDE_PX, FRAMES, STEP_PX = 64, 4, 4


def ffmpeg() -> Iterator[Finding]:
    """Its version, its codecs, and whether motion vectors come out. The ffmpeg program is not needed."""
    try:
        import av
    except ImportError as error:
        way_out = "pip install av"
        yield Finding(name="FFmpeg", state=State.MISSING, fact=f"no PyAV ({error})", way_out=way_out, stops=True)
        return
    library = ".".join(map(str, av.library_versions["libavcodec"]))
    yield Finding(name="FFmpeg", state=State.OK, fact=f"libavcodec {library} in PyAV {av.__version__}")
    yield _codec("libx264", "w", without="mocrop transcode; --source original needs none", stops=False)
    yield _codec("h264", "r", without="all that reads a video", stops=True)
    yield _vectors()


def _codec(name: str, mode: Literal["r", "w"], *, without: str, stops: bool) -> Finding:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    kind = "encoder" if mode == "w" else "decoder"
    try:
        Codec(name, mode)
    except UnknownCodecError:
        fact = f"this FFmpeg has no such {kind}, so no {without}"
        return Finding(name=f"{kind} {name}", state=State.MISSING, fact=fact, way_out=INSTALL, stops=stops)
    return Finding(name=f"{kind} {name}", state=State.OK, fact="there")


def _vectors() -> Finding:
    """Encode a few frames that move, decode them, and look at the vectors: those of a square that moves by itself."""
    try:
        found = moved_by(made_clip())
    except Exception as error:  # every way in which a build of FFmpeg may fail is the same finding
        fact = f"a clip cannot be made and read ({error})"
        return Finding(name="motion vectors", state=State.MISSING, fact=fact, way_out=INSTALL)
    if STEP_PX not in found:
        fact = f"a clip moves by {STEP_PX} pixels a frame, and its vectors say {sorted(found) or 'nothing'}"
        return Finding(name="motion vectors", state=State.MISSING, fact=fact, way_out=INSTALL, stops=True)
    return Finding(name="motion vectors", state=State.OK, fact="read from a clip that was made for it")


def made_clip() -> bytes:
    """A clip in memory, as `mocrop transcode` makes them: a picture of noise that moves to the right."""
    import av
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 255, (SIDE_PX, 2 * SIDE_PX), dtype=np.uint8)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "18", "x264-params": "bframes=0:threads=1"})
        stream.width = stream.height = SIDE_PX
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES):
            left = SIDE_PX - STEP_PX * number
            picture = np.repeat(noise[:, left : left + SIDE_PX, None], 3, axis=2)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def moved_by(clip: bytes) -> set[int]:
    """By how many pixels to the right the blocks of a clip have moved, as its motion vectors say."""
    import av

    found: set[int] = set()
    with av.open(io.BytesIO(clip), "r") as source:
        stream = source.streams.video[0]
        stream.codec_context.options = {"flags2": "+export_mvs"}
        for frame in source.decode(stream):
            vectors = frame.side_data.get("MOTION_VECTORS")
            if vectors is not None:
                array = vectors.to_ndarray()
                found.update((array["dst_x"] - array["src_x"]).tolist())
    return found
