"""Costs and gains of ways to write H.264: CPU time, bytes, picture quality, boxes and actors kept, as a table.

Every clip is transcoded with each variant and used as the later stages use it. Times are ratios to CABAC, x264's own
choice of entropy coder at this preset, on the same clip, measured one after the other.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from harness import arguments, choose_clips, save_table

from mocrop.evaluation.coverage.actor_boxes import ActorBoxes, fractions, read_actor_boxes
from mocrop.evaluation.coverage.overlap import overlap
from mocrop.evaluation.report.format import markdown_table
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.motion.vectors import read_motion
from mocrop.pipeline.outcome import ClipLog, ClipTask
from mocrop.pipeline.policies.base import AreaSettings, ClipFacts
from mocrop.pipeline.policies.registry import POLICIES, decide
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.video.open import open_container
from mocrop.pipeline.workspace.paths import Workspace

VARIANTS: Mapping[str, tuple[str, str]] = {  # x264's preset, and parameters added to it
    "CABAC": ("veryfast", "cabac=1"),
    "CAVLC": ("veryfast", "cabac=0"),
    "no deblocking": ("veryfast", "cabac=1:no-deblock=1"),
    "no weighted prediction": ("veryfast", "cabac=1:weightp=0"),
    "16x16 blocks only": ("veryfast", "cabac=1:partitions=none"),
    "no 8x8 transform": ("veryfast", "cabac=1:8x8dct=0"),
    "CAVLC, no deblocking": ("veryfast", "cabac=0:no-deblock=1"),
    "all of these": ("veryfast", "cabac=0:no-deblock=1:weightp=0:partitions=none:8x8dct=0"),
    "preset superfast": ("superfast", "cabac=1"),
    "preset ultrafast": ("ultrafast", "cabac=0"),
}
PEER = "CABAC"  # x264's own choice at this preset
MEASURED = {"motion 0.75": ("motion", 0.75), "motion 0.5": ("motion", 0.5), "adaptive 0.5": ("adaptive", 0.5)}


@dataclass(frozen=True, kw_only=True)
class Variant(TranscodeSettings):
    """Transcoding with additional x264 parameters."""

    extra: str = ""

    @property
    def x264_options(self) -> dict[str, str]:
        options = super().x264_options
        return {
            **options,
            "x264-params": f"{options['x264-params']}:{self.extra}",
        }  # the last value of a parameter counts


@dataclass
class Results:
    """Results of one variant: one value a clip, in the order of the clips."""

    seconds: dict[str, list[float]] = field(default_factory=dict)  # by step
    size_bytes: list[int] = field(default_factory=list)
    psnr_db: list[float] = field(default_factory=list)
    boxes: dict[str, list[CropBox]] = field(default_factory=dict)  # by policy and ratio
    inside: dict[str, list[float]] = field(default_factory=dict)  # share of the actor, annotated clips only


def decode(path: Path, *, key_frames_only: bool) -> list[npt.NDArray[np.uint8]]:
    """Luma of all frames, or of the key frames: uint8, (height, width) each; deblocked if the stream asks for it."""
    with open_container(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        if key_frames_only:
            stream.codec_context.skip_frame = "NONKEY"
        return [luma(frame) for frame in container.decode(stream)]


def luma(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width]


def psnr(seen: list[npt.NDArray[np.uint8]], wanted: list[npt.NDArray[np.uint8]]) -> float:
    """PSNR over all pictures of a clip together, dB."""
    squares = [((a.astype(np.float64) - b) ** 2).mean() for a, b in zip(seen, wanted, strict=True)]
    return float(10 * np.log10(255**2 / np.mean(squares)))


def timed(results: Results, step: str, work: Callable[[], object]) -> object:
    start = time.process_time()
    value = work()
    results.seconds.setdefault(step, []).append(time.process_time() - start)
    return value


def measure(clip: Path, name: str, folder: Path, actors: ActorBoxes, results: Mapping[str, Results]) -> None:
    """Transcode one clip by every variant, decode it, extract vectors and find boxes."""
    originals = decode(clip, key_frames_only=False)[:: TranscodeSettings().key_interval]
    for variant, mine in results.items():
        (preset, extra), workspace = VARIANTS[variant], Workspace(folder / variant)
        unit = WorkUnit(index=0, clips=(ClipTask(position=0, name=name, path=str(clip)),))
        wanted = Variant(preset=preset, extra=extra)
        outcomes = timed(mine, "transcode", lambda u=unit, w=wanted, s=workspace: transcode_unit(u, w, str(s.root)))
        assert all(outcome.status == "done" for outcome in outcomes), outcomes  # type: ignore[attr-defined]
        file = workspace.h264_file(name)
        mine.size_bytes.append(file.stat().st_size)
        timed(mine, "decode all", lambda f=file: decode(f, key_frames_only=False))
        keys = timed(mine, "decode key frames", lambda f=file: decode(f, key_frames_only=True))
        mine.psnr_db.append(psnr(keys, originals))  # type: ignore[arg-type]
        motion = timed(mine, "extract", lambda f=file: read_motion(f, clip=name, log=ClipLog(0)))
        truth = fractions(actors.get(name, ()), width=motion.width, height=motion.height)  # type: ignore[attr-defined]
        for label, (policy, ratio) in MEASURED.items():
            asked = POLICIES[policy].settings(ratio=ratio)  # type: ignore[call-arg]
            assert isinstance(asked, AreaSettings)
            picture = (motion.width, motion.height)  # type: ignore[attr-defined]
            box = decide(policy, ClipFacts(name=name, size=picture, motion=motion), asked).box  # type: ignore[arg-type]
            mine.boxes.setdefault(label, []).append(box)
            if len(truth):
                mine.inside.setdefault(label, []).append(float(overlap(truth, box)[0]))


def same(boxes: list[CropBox], others: list[CropBox]) -> float:
    """Mean intersection over union."""
    edges = [np.array([box.edges]) for box in others]
    return float(np.mean([overlap(other, box)[2] for box, other in zip(boxes, edges, strict=True)]))


def table(results: Mapping[str, Results]) -> tuple[list[str], list[list[str]]]:
    """Head and rows, one a variant; times as medians of the ratio to CABAC, clip by clip."""
    peer = results[PEER]
    steps, labels, annotated = list(peer.seconds), list(MEASURED), list(peer.inside)
    head = ["variant", *steps, "bytes", "PSNR dB", *(f"IoU {label}" for label in labels)]
    rows = []
    for name, mine in results.items():
        cells = [name, *(f"{ratio(mine.seconds[step], peer.seconds[step]):.2f}" for step in steps)]
        cells += [f"{sum(mine.size_bytes) / sum(peer.size_bytes):.2f}", f"{np.mean(mine.psnr_db):.2f}"]
        cells += [f"{same(mine.boxes[label], peer.boxes[label]):.3f}" for label in labels]
        rows.append(cells + [f"{np.mean(mine.inside[label]):.3f}" for label in annotated])
    return [*head, *(f"actor, {label}" for label in annotated)], rows


def ratio(mine: list[float], theirs: list[float]) -> float:
    return float(np.median([a / b for a, b in zip(mine, theirs, strict=True)]))


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--boxes", type=Path, help="annotated actors; default: actor-boxes.json beside the videos")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS), help="besides CABAC")
    options = parser.parse_args()
    box_file = options.boxes or options.data.parent / "actor-boxes.json"
    actors: ActorBoxes = read_actor_boxes(box_file) if box_file.is_file() else {}
    names = [PEER, *(name for name in options.variants if name != PEER)]
    results = {name: Results() for name in names}
    with tempfile.TemporaryDirectory() as scratch:
        clips = choose_clips(options.data, options.clips, Path(scratch))
        warm_up = {name: Results() for name in names}
        measure(clips[0], "A/warm-up", Path(scratch), {}, warm_up)
        for _ in range(options.rounds):
            for clip in clips:
                measure(clip, f"{clip.parent.name}/{clip.stem}", Path(scratch), actors, results)
    annotated = len(results[PEER].inside.get("motion 0.5", [])) // options.rounds
    title = f"bitstream: {len(clips)} clips, {annotated} of them annotated, {options.rounds} rounds"
    head, rows = table(results)
    print(f"{title}, CPU time\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(markdown_table(head, rows), end="")
    save_table(title, head, rows, note="CPU time of each step, and bytes, as ratios to CABAC")


if __name__ == "__main__":
    main()
