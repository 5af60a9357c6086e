"""Time every stage on a few videos, in a workspace of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Any

from mocrop.evaluation.bench.interleaved_timing import cpu_seconds
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.files import real_path
from mocrop.pipeline.platform_calls import link_or_copy
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace

Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class StageSeconds:
    """Seconds of one stage for all clips of a sample, in one process."""

    stage: str
    cpu: float
    wall: float


@dataclass(frozen=True, kw_only=True)
class SampleRun:
    """The workspace of a sample, and the time of each stage."""

    workspace: Workspace
    clips: int
    failed: int  # clips, counted once a stage
    stages: tuple[StageSeconds, ...]


def run_sample(
    videos: Sequence[Path],
    folder: Path,
    *,
    transcode: Options | None = None,
    extract: Options | None = None,
    precrop: Options,
) -> SampleRun:
    """Link some videos into ``folder``, make a workspace of them and run every stage that their crop cache needs.

    Args:
        videos: the parent folder of each names its class; repeated names get a number.
        folder: in which ``data`` and ``work`` are made.
        transcode, extract, precrop: options of the stages, as their commands take them. With ``source`` "original" in
            ``extract`` there is nothing to transcode; with "auto", extract-mv transcodes what needs it.
    Raises: what the stages raise.
    """
    for number, video in enumerate(videos):
        link = folder / "data" / video.parent.name / video.name
        if os.path.lexists(link):
            link = link.with_name(f"{number}-{video.name}")
        link.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(real_path(video), link)
    workspace, run = Workspace(folder / "work"), RunOptions(workers=0, console=LineConsole(file=StringIO()))
    preprocess.init(workspace, folder / "data")
    seconds: list[StageSeconds] = []
    failed = 0
    if (extract or {}).get("source", "h264") == "h264":
        with _timed("transcode", seconds):
            failed += preprocess.transcode(workspace, run=run, **(transcode or {})).failed
    with _timed("extract-mv", seconds):
        failed += preprocess.extract_mv(workspace, run=run, **(extract or {})).failed
    with _timed("precrop", seconds):
        failed += preprocess.precrop(workspace, run=run, **precrop).failed
    return SampleRun(workspace=workspace, clips=len(videos), failed=failed, stages=tuple(seconds))


@contextmanager
def _timed(stage: str, seconds: list[StageSeconds]) -> Iterator[None]:
    cpu, wall = cpu_seconds(), perf_counter()
    yield
    seconds.append(StageSeconds(stage=stage, cpu=cpu_seconds() - cpu, wall=perf_counter() - wall))
