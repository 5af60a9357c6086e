"""Time to read the windows of a long video against that of reading the video as one clip, on one thread.

Both read the motion and crop 16 frames, the one of each window, the other of the whole; the network is left out, as it
takes as long for a window as for a clip. As a foot, PyAV decodes the same file once and does nothing with its frames.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import av
import numpy as np
from harness import arguments, choose_clips, interleave, report

from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.stages.file_windows import read_windows
from mocrop.pipeline.stages.in_memory import ReadingSettings, read_file
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.stages.windows import WindowSettings
from mocrop.pipeline.video.decoder import MAX_DAMAGED

WHOLE = "the video as one clip"


def joined(clips: list[Path], target: Path, *, frames: int) -> Path:
    """The clips in a row, again and again until there are so many frames, in the form that transcode makes."""
    settings = TranscodeSettings()
    with av.open(target, "w") as output:
        stream = output.add_stream("libx264", rate=25, options=settings.x264_options)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.thread_count, stream.codec_context.gop_size = 1, settings.key_interval
        count = 0
        while count < frames:
            for clip in clips:
                with av.open(clip) as source:
                    for frame in source.decode(video=0):
                        picture = frame.to_ndarray(format="rgb24", width=320, height=240)
                        again = av.VideoFrame.from_ndarray(picture.astype(np.uint8, copy=False), format="rgb24")
                        again.pts = count
                        output.mux(stream.encode(again))
                        count += 1
        output.mux(stream.encode(None))
    return target


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--frames", type=int, default=3000, help="of the long video, at least")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        clips = choose_clips(options.data, options.clips, Path(scratch))
        file = joined(clips, Path(scratch) / "long.mp4", frames=options.frames)
        crop = PrecropSettings(name="bench", size=192, source="original")
        reading = ReadingSettings(crop=crop, transcode=None, max_damaged=MAX_DAMAGED)

        def windows(seconds: float, stride: float) -> None:
            cut = WindowSettings(seconds=seconds, stride_seconds=stride)
            for _ in read_windows(file, reading, cut, clip="a", log=ClipLog(0)):
                pass

        def decode() -> None:
            with av.open(file) as container:
                container.streams.video[0].codec_context.thread_count = 1
                for _ in container.decode(video=0):
                    pass

        cases = {
            WHOLE: lambda: read_file(file, reading, clip="a", log=ClipLog(0)),
            "windows of 2 s, one every 2 s": lambda: windows(2, 2),
            "windows of 2 s, one every s": lambda: windows(2, 1),
            "PyAV decodes it once": decode,
        }
        seconds = interleave(cases, rounds=options.rounds)
        report(f"windows of a video of {options.frames} frames", seconds, unit="videos", count=1, peer=WHOLE)


if __name__ == "__main__":
    main()
