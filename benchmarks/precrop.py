"""CPU time of `mocrop precrop`, the write included, against a bare loop that decodes and scales key frames.

With ``--motion-fields`` also the ratio of precrop's time with motion fields stored beside the frames to that without.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import statistics
import tempfile
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.filter import Graph
from harness import arguments, choose_clips, interleave, report

from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.layout import ClipTable
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.motion.store import CLIPS_PER_SHARD
from mocrop.pipeline.outcome import ClipTask, Outcome
from mocrop.pipeline.policies.registry import POLICIES
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.extract_mv import ExtractSettings, extract_unit
from mocrop.pipeline.stages.precrop import precrop_unit
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.video.open import open_container
from mocrop.pipeline.workspace.paths import Workspace

PEER = "bare loop"
FIELDS = ", with fields"  # added to the name of a policy that also stores motion fields


def bare_loop(clips: list[Path], *, size: int, frames: int) -> None:
    """The least work that is needed: decode and scale the same number of key frames, without keeping them."""
    for clip in clips:
        with open_container(clip) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            stream.codec_context.skip_frame = "NONKEY"
            graph: Graph | None = None
            for frame in itertools.islice(container.decode(stream), frames):
                graph = graph or scaler(frame, size)
                graph.vpush(frame)
                graph.vpull()


def scaler(frame: av.VideoFrame, size: int) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/25"
    steps = [("buffer", source), ("scale", f"{size}:{size}:flags=bicubic"), ("format", "rgb24"), ("buffersink", None)]
    graph.link_nodes(*(graph.add(name, arguments) for name, arguments in steps)).configure()
    return graph


def units(tasks: tuple[ClipTask, ...], per_unit: int) -> list[WorkUnit]:
    spans = range(0, len(tasks), per_unit)
    return [WorkUnit(index=n, clips=tasks[first : first + per_unit]) for n, first in enumerate(spans)]


def prepare(tasks: tuple[ClipTask, ...], workspace: Workspace, source: str) -> None:
    """Make the transcoded files and vectors that precrop needs for ``source``, so that it alone is measured."""
    if source == "h264":
        require(transcode_unit(WorkUnit(index=0, clips=tasks), TranscodeSettings(), str(workspace.root)))
    for unit in units(tasks, CLIPS_PER_SHARD):
        require(extract_unit(unit, ExtractSettings(source=source), str(workspace.root)))


def require(outcomes: list[Outcome]) -> None:
    failed = [outcome.message for outcome in outcomes if outcome.status != "done"]
    if failed:
        raise SystemExit("\n".join(failed))


def new_cache(settings: PrecropSettings, tasks: tuple[ClipTask, ...], workspace: Workspace) -> None:
    zeros = np.zeros(len(tasks), np.int32)
    table = ClipTable(
        names=[task.name for task in tasks],
        label=zeros,
        group=zeros,
        subset=np.ones((len(tasks), 1), np.uint8),
        class_names=["A"],
        split_names=["1"],
    )
    workspace.caches.mkdir(exist_ok=True)
    create_cache(workspace.cache(settings.name), settings.layout, table, attributes={})


def ours(tasks: tuple[ClipTask, ...], settings: PrecropSettings, workspace: Workspace) -> None:
    for unit in units(tasks, settings.clips_per_shard):
        require(precrop_unit(unit, settings, str(workspace.root)))


def measure(source: str, options: argparse.Namespace, folder: Path) -> None:
    """Crop the clips by each policy from one source, and print the times against the bare loop's."""
    clips = choose_clips(options.data, options.clips, folder)
    tasks = tuple(ClipTask(position=n, name=f"A/{n:04d}", path=str(clip)) for n, clip in enumerate(clips))
    workspace = Workspace(folder / "work")
    workspace.root.mkdir()
    prepare(tasks, workspace, source)
    files = [workspace.h264_file(task.name) for task in tasks] if source == "h264" else clips
    cases = {PEER: partial(bare_loop, files, size=options.size, frames=options.frames)}
    for policy in options.policies:
        settings = PrecropSettings(
            name=policy,
            size=options.size,
            source=source,
            frames=options.frames,
            policy=policy,
            policy_settings=POLICIES[policy].settings(),
        )
        new_cache(settings, tasks, workspace)
        cases[f"mocrop precrop, {policy}"] = partial(ours, tasks, settings, workspace)
        if options.motion_fields:
            both = dataclasses.replace(settings, name=f"{policy}-fields", motion_fields=MotionFieldSettings())
            new_cache(both, tasks, workspace)
            cases[f"{policy}{FIELDS}"] = partial(ours, tasks, both, workspace)
    seconds = interleave(cases, rounds=options.rounds)
    report(f"precrop from {source}, size {options.size}", seconds, unit="clips", count=len(clips), peer=PEER)
    for policy in options.policies if options.motion_fields else ():
        taken = zip(seconds[f"{policy}{FIELDS}"], seconds[f"mocrop precrop, {policy}"], strict=True)
        pairs = [both / alone for both, alone in taken]
        print(
            f"{policy}, with fields to without: {statistics.median(pairs):.2f} ({min(pairs):.2f} to {max(pairs):.2f})"
        )


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--size", type=int, default=192, help="side of the stored frames, pixels")
    parser.add_argument("--frames", type=int, default=16, help="key frames a clip")
    parser.add_argument("--policies", nargs="+", default=["center", "motion"], choices=sorted(POLICIES))
    parser.add_argument("--sources", nargs="+", default=["h264", "original"], choices=["h264", "original"])
    parser.add_argument("--motion-fields", action="store_true", help="measure each policy with motion fields, too")
    options = parser.parse_args()
    for source in options.sources:
        with tempfile.TemporaryDirectory() as scratch:
            measure(source, options, Path(scratch))


if __name__ == "__main__":
    main()
