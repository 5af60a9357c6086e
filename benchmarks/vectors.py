"""CPU time of a clip's motion vectors, against motion-vector-extractor and against decoding alone.

First every peer is checked to give the same vectors, frame by frame. The camera's motion and the compact form, which
mocrop also makes, are in its first row and not in its second. Needs `pip install .[bench]`.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from harness import arguments, choose_clips, count_frames, interleave, report

from mocrop.pipeline.motion import vectors
from mocrop.pipeline.motion.raw_vectors import RAW_VECTOR
from mocrop.pipeline.outcome import ClipLog, ClipTask
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.video.decoder import PlainDecode
from mocrop.pipeline.video.open import open_container, open_video
from mocrop.pipeline.workspace.paths import Workspace

try:
    from mvextractor.videocap import VideoCap
except ImportError as error:
    raise SystemExit("this benchmark compares with motion-vector-extractor; `pip install .[bench]`") from error

PEER = "plain decode, no loop filter"
_PEERS_COLUMNS = (0, 1, 2, 5, 6, 7, 8, 9)  # of motion-vector-extractor, in the order of RAW_VECTOR's fields


def motion(file: Path) -> int:
    """Vectors, camera fit and compact form, as in `mocrop extract-mv`. Returns the number of frames."""
    return vectors.read_motion(file, clip=file.stem, log=ClipLog(0)).frames


def raw_vectors(file: Path) -> Iterator[bytes]:
    """The vectors of each frame as FFmpeg exports them, by mocrop's own reader."""
    with open_video(file, clip=file.stem, log=ClipLog(0)) as video:
        vectors.export_vectors(video.stream, smooth=False)
        kept = vectors.FrameVectors(video)
        for frame in vectors._kept_frames(kept, PlainDecode(video), vectors._Beside(), ClipLog(0)):
            yield frame.raw_vectors


def peers_vectors(file: Path, *, frames: bool) -> Iterator[npt.NDArray[np.int32]]:
    """The same by motion-vector-extractor, with or without decoded pictures."""
    capture = VideoCap()
    assert capture.open(str(file))
    if not frames:
        capture.set_decode_frames(False)
    while (read := capture.read())[0]:
        yield read[2]
    capture.release()


def plain_decode(file: Path) -> None:
    """The least work that is needed: a decoder on one thread, without loop filter; nothing is exported."""
    with open_container(file) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"skip_loop_filter": "all"}
        for _ in container.decode(stream):
            pass


def ffmpeg_decode(file: Path) -> None:
    """The same by the ffmpeg program."""
    given = ["-threads", "1", "-skip_loop_filter", "all", "-flags2", "+export_mvs", "-i", f"file:{file}"]
    subprocess.run(["ffmpeg", "-v", "error", *given, "-an", "-fps_mode", "passthrough", "-f", "null", "-"], check=True)


def require_same_vectors(file: Path) -> int:
    """Compare every field of every vector; returns their number. B-frames of MPEG-4 have none of their own."""
    count = 0
    theirs = zip(peers_vectors(file, frames=True), peers_vectors(file, frames=False), strict=True)
    for number, (ours, (shown, quick)) in enumerate(zip(raw_vectors(file), theirs, strict=True)):
        rows = np.frombuffer(ours, RAW_VECTOR)
        seen = np.stack([rows[name].astype(np.int32) for name in RAW_VECTOR.names or ()], axis=-1)
        for other in (shown, quick):
            if len(seen) and not np.array_equal(seen, other[:, _PEERS_COLUMNS]):
                raise SystemExit(f"{file}: frame {number} has other vectors")
        count += len(seen)
    return count


def all_of(work: Callable[[Path], object], files: list[Path]) -> None:
    for file in files:
        result = work(file)
        if isinstance(result, Iterator):
            for _ in result:
                pass


def compare(title: str, files: list[Path], *, rounds: int) -> None:
    count = sum(map(require_same_vectors, files))
    print(f"{title}: {count:,} vectors, the same by all three ways of getting them")
    works: dict[str, Callable[[Path], object]] = {
        "mocrop, camera fit included": motion,
        "mocrop, vectors alone": raw_vectors,
        "motion-vector-extractor": partial(peers_vectors, frames=True),
        "the same without frames": partial(peers_vectors, frames=False),
        PEER: plain_decode,
    }
    if shutil.which("ffmpeg"):
        works["the ffmpeg program, decoding"] = ffmpeg_decode
    cases = {name: partial(all_of, work, files) for name, work in works.items()}
    report(title, interleave(cases, rounds=rounds), unit="frames", count=count_frames(files), peer=PEER)


def main() -> None:
    parser = arguments(__doc__ or "")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace(Path(scratch) / "work")
        clips = choose_clips(options.data, options.clips, Path(scratch))
        tasks = tuple(ClipTask(position=n, name=f"A/{n:04d}", path=str(clip)) for n, clip in enumerate(clips))
        outcomes = transcode_unit(WorkUnit(index=0, clips=tasks), TranscodeSettings(), str(workspace.root))
        assert all(outcome.status == "done" for outcome in outcomes), outcomes
        files = [workspace.h264_file(task.name) for task in tasks]
        compare("vectors of H.264", files, rounds=options.rounds)
        compare("vectors of the original files", clips, rounds=options.rounds)


if __name__ == "__main__":
    main()
