"""Peak memory of a worker in each stage and of the loader, by size of the pictures and by length of the clips.

Each figure is the largest resident size of a separate process that does one unit of work with the settings of Dask's
workers; the part that was there before the work began, the interpreter and its imports, is shown beside it. The clips
are a textured ground that slides through the picture, so that every block moves; the long ones repeat the short ones,
so that only their length differs.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
from harness import peak_bytes, save_table

from mocrop.evaluation.report.format import markdown_table
from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.layout import ClipTable
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.outcome import ClipTask, Outcome
from mocrop.pipeline.policies.registry import POLICIES
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.extract_mv import ExtractSettings, extract_unit
from mocrop.pipeline.stages.precrop import precrop_unit
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.workspace.paths import Workspace

MIB = 1 << 20
BATCH = 32  # clips that the loader reads at once
SLOTS = 4  # frames of a clip in the cache, few enough that a short clip fills them


def short_clip(path: Path, *, size: tuple[int, int], frames: int) -> Path:
    """Write a view that slides over random squares by 3 and 2 pixels a frame, MPEG-4 Part 2."""
    width, height = size
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, ((height + 2 * frames) // 8 + 1, (width + 3 * frames) // 8 + 1, 3), dtype=np.uint8)
    ground = coarse.repeat(8, axis=0).repeat(8, axis=1)
    with av.open(path, "w") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for n in range(frames):
            picture = np.ascontiguousarray(ground[2 * n : 2 * n + height, 3 * n : 3 * n + width])
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def repeated(path: Path, times: int, target: Path) -> Path:
    """Write the same packets ``times`` times; the first is a key frame."""
    with av.open(path) as source, av.open(target, "w") as output:
        theirs = source.streams.video[0]
        stream = output.add_stream_from_template(theirs)
        packets = [packet for packet in source.demux(theirs) if packet.size]
        ticks = packets[1].dts - packets[0].dts
        for turn in range(times):
            source.seek(0)
            for packet in [packet for packet in source.demux(theirs) if packet.size]:
                shift = turn * len(packets) * ticks
                packet.pts, packet.dts = packet.dts + shift, packet.dts + shift
                packet.stream = stream
                output.mux(packet)
    return target


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """Input of a phase: copies of one clip, in one workspace."""

    workspace: Workspace
    clip: Path
    clips: int

    @property
    def unit(self) -> WorkUnit:
        tasks = [ClipTask(position=n, name=f"A/{n}", path=str(self.clip)) for n in range(self.clips)]
        return WorkUnit(index=0, clips=tuple(tasks))


def transcode(work: Work) -> list[Outcome]:
    return transcode_unit(work.unit, TranscodeSettings(), str(work.workspace.root))


def extract(work: Work) -> list[Outcome]:
    return extract_unit(work.unit, ExtractSettings(), str(work.workspace.root))


def precrop(work: Work, policy: str, fields: MotionFieldSettings | None = None) -> list[Outcome]:
    settings = PrecropSettings(
        name=f"{policy}-fields" if fields else policy,
        size=192,
        policy=policy,
        policy_settings=POLICIES[policy].settings(),
        frames=SLOTS,
        clips_per_shard=16,
        motion_fields=fields,
    )
    path = work.workspace.cache(settings.name)
    if not path.exists():
        create_table(path, settings, work.clips)
    return precrop_unit(work.unit, settings, str(work.workspace.root))


def create_table(path: Path, settings: PrecropSettings, clips: int) -> None:
    zeros = np.zeros(clips, np.int32)
    names = [f"A/{n}" for n in range(clips)]
    subset = np.ones((clips, 1), np.uint8)
    table = ClipTable(names=names, label=zeros, group=zeros, subset=subset, class_names=["A"], split_names=["1"])
    path.parent.mkdir(exist_ok=True)
    create_cache(path, settings.layout, table, attributes={})


def load(work: Work) -> list[Outcome]:
    """Ten epochs of batches, as training reads them, without a network."""
    from mocrop.pipeline.cache.crop_cache import CropCache
    from mocrop.training.data.dataset import CropDataset
    from mocrop.training.data.loader import CropLoader

    rows = np.arange(BATCH, dtype=np.int64) % work.clips
    loader = CropLoader(
        CropDataset(CropCache(work.workspace.cache("motion")), np.tile(rows, 8), segments=3, random=True),
        batch_size=BATCH,
        shuffle=True,
    )
    for _ in range(10):
        for batch in loader:
            batch.frames.sum()
    return []


PHASES: dict[str, Callable[[Work], list[Outcome]]] = {  # each needs the output of those before it
    "transcode": transcode,
    "extract-mv": extract,
    "precrop center": lambda work: precrop(work, "center"),
    "precrop motion": lambda work: precrop(work, "motion"),
    "precrop adaptive": lambda work: precrop(work, "adaptive"),
    "precrop follow": lambda work: precrop(work, "follow"),
    "precrop center, motion fields": lambda work: precrop(work, "center", MotionFieldSettings(camera="compensate")),
    "loader": load,
}


def run_phase(name: str, work: Work) -> None:
    """Do the work of one phase and print its memory as JSON; runs in a process of its own."""
    if name == "loader":
        importlib.import_module("mocrop.training.data.loader")
    before = peak_bytes()
    outcomes = PHASES[name](work)
    failed = [outcome.message for outcome in outcomes if outcome.status != "done"]
    print(json.dumps({"before": before, "peak": peak_bytes(), "failed": failed}))


def measured(name: str, work: Work) -> dict[str, int]:
    """Bytes before the work and at its peak, of a new process."""
    here = [
        sys.executable,
        __file__,
        "--phase",
        name,
        "--workspace",
        str(work.workspace.root),
        "--clip",
        str(work.clip),
    ]
    worker = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}  # as Dask starts its workers
    done = subprocess.run([*here, "--clips", str(work.clips)], capture_output=True, text=True, env=worker, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    facts: dict[str, int] = json.loads(done.stdout)
    if facts["failed"]:
        raise SystemExit(f"{name}: {facts['failed']}")
    return facts


def table(size: tuple[int, int], options: argparse.Namespace, scratch: Path) -> tuple[list[str], list[list[str]]]:
    """Measure all phases on clips of one size, short and long: head and rows of a table."""
    width, height = size
    lengths = (options.short, options.short * options.times)
    short = short_clip(scratch / "short.avi", size=size, frames=options.short)
    clips = (short, repeated(short, options.times, scratch / "long.avi"))
    works = [Work(workspace=Workspace(scratch / clip.stem), clip=clip, clips=options.clips) for clip in clips]
    for work in works:
        work.workspace.root.mkdir()
        (work.workspace.root / "mocrop.toml").touch()
    head = [f"{width}x{height}", "before", *(f"peak, {frames} frames" for frames in lengths), "growth, KiB a frame"]
    rows = []
    for name in options.phases:
        first, second = (measured(name, work) for work in works)
        growth = (second["peak"] - first["peak"]) / (lengths[1] - lengths[0]) / 1024
        before, *peaks = (f"{facts / MIB:.0f}" for facts in (first["before"], first["peak"], second["peak"]))
        rows.append([name, before, *peaks, f"{growth:.1f}"])
        print(*rows[-1], sep=", ", file=sys.stderr)
    return head, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["320x240", "1920x1080"], help="of the pictures, pixels")
    parser.add_argument("--short", type=int, default=48, help="frames of a short clip")
    parser.add_argument("--times", type=int, default=8, help="how often a long clip holds a short one")
    parser.add_argument("--clips", type=int, default=2, help="clips in a unit of work")
    parser.add_argument("--phases", nargs="+", default=list(PHASES), choices=list(PHASES), help="in this order")
    parser.add_argument("--phase", choices=list(PHASES), help=argparse.SUPPRESS)
    parser.add_argument("--workspace", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--clip", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        work = Work(workspace=Workspace(options.workspace), clip=options.clip, clips=options.clips)
        return run_phase(options.phase, work)
    versions = ", ".join(f"{name} {version(name)}" for name in ("av", "numpy", "zarr", "tensorstore", "torch"))
    note = f"MiB, largest resident size of a process that does one unit of {options.clips} clips"
    print(f"{platform.machine()}, Python {platform.python_version()}, {versions}; {note}")
    for text in options.sizes:
        width, _, height = text.partition("x")
        with tempfile.TemporaryDirectory() as scratch:
            head, rows = table((int(width), int(height)), options, Path(scratch))
        print()
        print(markdown_table(head, rows), end="")
        save_table(f"memory at {text}", head, rows, note=note)


if __name__ == "__main__":
    main()
