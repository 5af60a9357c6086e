"""Kill the workers of a stage from outside, as a system short of memory does, and see that no clip is blamed for it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cloudpickle

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipTask, Outcome, clip_log
from mocrop.pipeline.run.executors import open_executor
from mocrop.pipeline.run.runner import run_units
from mocrop.pipeline.stages.contract import Stage, WorkUnit
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import this file

NAME = "extract-mv"


@dataclass(frozen=True, kw_only=True)
class Work:
    """Settings of a stage that only takes time."""

    seconds_per_clip: float
    killer: int | None  # position of a clip that ends its process


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What became of the clips while workers were killed."""

    kills: int
    done: int
    failed: dict[int, tuple[Reason, ...]]  # by position
    seconds: float


def storm_of_kills(
    folder: Path,
    *,
    kills: int,
    clips: int = 200,
    clips_per_unit: int = 16,
    killer: int | None = None,
    workers: int = 2,
    seconds_per_clip: float = 0.05,
    seconds_between: tuple[float, float] = (0.1, 1.0),
    seed: int = 0,
) -> Aftermath:
    """Run a stage of shards on a local cluster while random workers get SIGKILL, until so many have died.

    Args:
        folder: for the manifest; must be empty.
        killer: position of a clip that ends its own process; None: all are innocent.
        seconds_between: bounds of the time from one kill to the next.
    Raises: whatever ends the run early, such as ClusterError.
    """
    tasks = [ClipTask(position=n, name=f"A/{n}", path=f"/nowhere/{n}.avi") for n in range(clips)]
    spans = [range(first, min(first + clips_per_unit, clips)) for first in range(0, clips, clips_per_unit)]
    units = [WorkUnit(index=n, clips=tuple(tasks[position] for position in span)) for n, span in enumerate(spans)]
    rows = [
        ClipRow(name=task.name, path=f"{task.position}.avi", label=0, group=-1, subset=(1,), size_bytes=1, mtime_ns=1)
        for task in tasks
    ]
    stage = _stage(Work(seconds_per_clip=seconds_per_clip, killer=killer), clips_per_unit)
    start = time.monotonic()
    with Manifest(folder / "manifest.sqlite") as manifest, open_executor(workers, None) as executor:
        manifest.replace_clips(rows, class_names=["A"], split_names=["1"])
        with _killing(kills, seconds_between, seed) as killed:
            run_units(stage, units, executor=executor, manifest=manifest, workspace=folder, progress=_Nobody())
        failed = {int(name.removeprefix("A/")): reasons for name, reasons, _ in manifest.failures(NAME)}
        done = manifest.counts(NAME, stage.settings_hash).done
    return Aftermath(kills=len(killed), done=done, failed=failed, seconds=time.monotonic() - start)


def _stage(work: Work, clips_per_unit: int) -> Stage:
    return Stage(
        name=NAME,
        function=_pass_time,
        settings=work,
        version=1,
        clips_per_unit=clips_per_unit,
        writes_shards=True,
        output=lambda position, name: Path("/"),
    )


def _pass_time(unit: WorkUnit, work: Work, _: str) -> list[Outcome]:
    outcomes = []
    for task in unit.clips:
        with clip_log(task) as log:
            task.require_accepted()
            time.sleep(work.seconds_per_clip)
            if task.position == work.killer:
                os._exit(1)
        assert log.outcome is not None
        outcomes.append(log.outcome)
    return outcomes


@contextlib.contextmanager
def _killing(kills: int, seconds_between: tuple[float, float], seed: int) -> Iterator[list[int]]:
    """Kill workers of this process in a thread, until so many are dead or the body has ended; yields their numbers."""
    killed: list[int] = []
    ended = threading.Event()
    draw = random.Random(seed)

    def kill() -> None:
        while len(killed) < kills and not ended.wait(draw.uniform(*seconds_between)):
            workers = [child for child in multiprocessing.active_children() if child.name.startswith("Dask Worker")]
            pids = [child.pid for child in workers if child.pid is not None and child.pid not in killed]
            if pids:
                victim = draw.choice(sorted(pids))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    killed.append(victim)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


class _Nobody:
    """Takes no interest in progress."""

    def advance(self, *, clips: int, failed: int, size_bytes: int) -> None:
        pass
