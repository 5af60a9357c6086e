"""Cost of a data set of many clips besides its pixels: the real runner, manifest, status and loader index.

The clips are files of one byte, and the units of work do nothing, or write frames of a few pixels, so that mocrop's own
cost per clip remains. Each figure is of a process of its own: CPU seconds of the client, which also runs Dask's
scheduler, wall seconds, and its peak memory. Kinetics-400 has 240,000 clips.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from harness import STAGES, peak_bytes, save_table

from mocrop.evaluation.bench.interleaved_timing import cpu_seconds
from mocrop.pipeline.cache.writer import CacheWriter, Shard
from mocrop.pipeline.dataset.init import init_workspace
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.run.session import RunOptions, Session, open_session
from mocrop.pipeline.stages.cache_settings import resolve_precrop
from mocrop.pipeline.stages.caches import prepare_cache
from mocrop.pipeline.stages.contract import Stage, WorkUnit
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import write_stage_settings

MAX_CLASSES, GROUPS = 400, 25
HOLDERS = ("init", *STAGES, "training")  # phases whose memory is shown
NOTE = "CPU time of the client, on the clock in brackets"
FRAME_PX = 4
Facts = dict[str, float]


def make_dataset(folder: Path, clips: int) -> Path:
    """Write files of one byte into up to 400 class folders, 25 groups each."""
    classes = max(1, min(MAX_CLASSES, clips // GROUPS))
    for label in range(classes):
        (folder / f"Class{label:03d}").mkdir(parents=True)
    for clip in range(clips):
        number, label = divmod(clip, classes)
        (folder / f"Class{label:03d}/v_g{number % GROUPS + 1:02d}_c{number:05d}.avi").write_bytes(b"x")
    return folder


def do_nothing(unit: WorkUnit, settings: Any, workspace: str) -> list[Outcome]:
    """Function of a stage without work."""
    return [Outcome(position=clip.position, status="done") for clip in unit.clips]


def write_specks(unit: WorkUnit, settings: PrecropSettings, workspace: str) -> list[Outcome]:
    """Function of a stage that writes frames of a few pixels into a real cache."""
    count, slots = len(unit.clips), settings.frames
    CacheWriter(Workspace(Path(workspace)).cache(settings.name)).write(
        Shard(
            first=unit.clips[0].position,
            frames=[np.zeros((slots, 3, settings.size, settings.size), np.uint8)] * count,
            frame_index=np.tile(np.arange(slots, dtype=np.int32), (count, 1)),
            box=np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1)),
            density=np.zeros((count, *settings.policy_settings.grid), np.float32),
            state=np.ones(count, np.uint8),
        )
    )
    return do_nothing(unit, settings, workspace)


def idle(stage: Stage, work: Callable[[WorkUnit, Any, str], list[Outcome]], there: Path) -> Stage:
    """A real stage with another function, whose output always counts as present."""
    upstream = idle(stage.upstream, do_nothing, there) if stage.upstream else None
    return dataclasses.replace(stage, function=work, output=lambda *_: there, upstream=upstream)


@contextmanager
def timed(facts: Facts, name: str) -> Iterator[None]:
    """Add wall seconds of the body, and its CPU seconds in this process, to ``facts``."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    yield
    facts[f"{name}, wall"], facts[f"{name}, cpu"] = time.perf_counter() - wall, cpu_seconds() - cpu


def run_stage(session: Session, stage: Stage) -> Facts:
    """Run a stage, then run it again with nothing left to do."""
    facts: Facts = {}
    with timed(facts, "run"):
        report = session.run(stage)
    with timed(facts, "again"):
        again = session.run(stage)
    assert report.summary.done == report.plan.to_run
    assert again.plan.to_run == 0
    return facts


def phase_init(workspace: Workspace, dataset: Path, workers: int) -> Facts:
    facts: Facts = {}
    with timed(facts, "run"):
        init_workspace(workspace, dataset=dataset)
    return facts


def phase_transcode(workspace: Workspace, dataset: Path, workers: int) -> Facts:
    with open_session(workspace, RunOptions(workers=workers)) as session:
        stage = session.stages.transcode()
        write_stage_settings(workspace, stage.name, stage.settings)
        return run_stage(session, idle(stage, do_nothing, workspace.root))


def phase_extract(workspace: Workspace, dataset: Path, workers: int) -> Facts:
    with open_session(workspace, RunOptions(workers=workers)) as session:
        stage = session.stages.extract()
        write_stage_settings(workspace, stage.name, stage.settings)
        return run_stage(session, idle(stage, do_nothing, workspace.root))


def phase_precrop(workspace: Workspace, dataset: Path, workers: int) -> Facts:
    facts: Facts = {}
    with open_session(workspace, RunOptions(workers=workers)) as session:
        options = {"policy": "center", "size": FRAME_PX, "frames": 1}
        stage = idle(
            session.stages.precrop(resolve_precrop(workspace, session.stages, options)), write_specks, workspace.root
        )
        with timed(facts, "create"):
            prepare_cache(workspace, session.manifest, stage, overwrite=True)
        return {**facts, **run_stage(session, stage)}


def phase_status(workspace: Workspace, dataset: Path, workers: int) -> Facts:
    """Time the whole command, the start of Python included."""
    facts: Facts = {}
    command = [sys.executable, "-c", "from mocrop.cli import main; main()", "status", "--json"]
    with timed(facts, "run"):
        said = subprocess.run([*command, "-w", str(workspace.root)], stdout=subprocess.PIPE, check=True).stdout
    state = json.loads(said)
    assert all(stage["done"] == state["clips"] for stage in state["stages"])
    return facts


def phase_training(workspace: Workspace, dataset: Path, workers: int) -> Facts:
    """Time from a path to the first batch, without the import of PyTorch."""
    from mocrop.pipeline.cache.crop_cache import CropCache
    from mocrop.training.data.dataset import CropDataset
    from mocrop.training.data.frame_reader import require_shards
    from mocrop.training.data.loader import CropLoader
    from mocrop.training.loop.clips import choose_clips
    from mocrop.training.model.checkpoint import describe_cache
    from mocrop.training.recipe import TrainSettings

    facts: Facts = {"before MB": peak_bytes() / 1e6}
    with timed(facts, "run"):
        cache = CropCache(workspace.choose_cache(None))
        describe_cache(cache)
        require_shards(cache)
        clips = choose_clips(cache, TrainSettings())
        dataset_of_crops = CropDataset(cache, clips.train, segments=3, random=True)
        loader = CropLoader(dataset_of_crops, batch_size=32, shuffle=True, drop_last=True)
        next(iter(loader))
    return facts


PHASES: dict[str, Callable[[Workspace, Path, int], Facts]] = {
    "init": phase_init,
    "transcode": phase_transcode,
    "extract-mv": phase_extract,
    "precrop": phase_precrop,
    "status": phase_status,
    "training": phase_training,
}


def measured(phase: str, folder: Path, workers: int) -> Facts:
    """Run one phase in a process of its own."""
    command = [sys.executable, __file__, "--phase", phase, "--folder", str(folder), "--workers", str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{phase} failed:\n{done.stderr}")
    facts: Facts = json.loads(done.stdout.splitlines()[-1])
    return facts


def table(found: Mapping[int, Mapping[str, Facts]]) -> list[list[str]]:
    """Rows of the table: a row a figure, a column a number of clips."""

    def row(name: str, cell: Callable[[int, Mapping[str, Facts]], str]) -> list[str]:
        return [name, *(cell(clips, phases) for clips, phases in found.items())]

    def seconds(phase: str, what: str = "run") -> Callable[[int, Mapping[str, Facts]], str]:
        return lambda _, phases: f"{phases[phase][f'{what}, cpu']:.2f} ({phases[phase][f'{what}, wall']:.2f})"

    def each(phase: str) -> Callable[[int, Mapping[str, Facts]], str]:
        def cell(clips: int, phases: Mapping[str, Facts]) -> str:
            cpu, wall = (1e3 * phases[phase][f"run, {clock}"] / clips for clock in ("cpu", "wall"))
            return f"{cpu:.2f} ({wall:.2f})"

        return cell

    return [
        row("init, s", seconds("init")),
        *(row(f"{stage}, ms a clip", each(stage)) for stage in STAGES),
        *(row(f"{stage} with nothing to do, s", seconds(stage, "again")) for stage in STAGES),
        row("creating a cache, s", seconds("precrop", "create")),
        row("`mocrop status`, s", seconds("status")),
        row("start of training, s", seconds("training")),
        *(row(f"memory of {phase}, MB", lambda _, phases, p=phase: f"{phases[p]['MB']:.0f}") for phase in HOLDERS),
        row("of it PyTorch before a cache is opened, MB", lambda _, phases: f"{phases['training']['before MB']:.0f}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[1_000, 10_000, 60_000, 240_000])
    parser.add_argument("--workers", type=int, default=2, help="Dask workers; 0: a plain loop")
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        workspace = Workspace(options.folder / "work")
        facts = PHASES[options.phase](workspace, options.folder / "data", options.workers)
        print(json.dumps({**facts, "MB": peak_bytes() / 1e6}))
        return
    title = f"scale: {options.workers} workers that do nothing"
    print(f"{title}; {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {NOTE}")
    found: dict[int, dict[str, Facts]] = {}
    for clips in options.clips:
        with tempfile.TemporaryDirectory() as scratch:
            make_dataset(Path(scratch) / "data", clips)
            found[clips] = {phase: measured(phase, Path(scratch), options.workers) for phase in PHASES}
            print(f"\n{clips:,} clips")
            for name, value in table({clips: found[clips]}):
                print(f"{name:36s} {value:>20s}", flush=True)
    columns = ["clips", *(f"{clips:,}" for clips in found)]
    save_table(title, columns, table(found), note=NOTE, facts=[{"clips": n, **phases} for n, phases in found.items()])


if __name__ == "__main__":
    main()
