"""Estimate the time of making a crop cache of all videos of a workspace, from a few of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.evaluation.bench.sample_run import SampleRun, run_sample
from mocrop.pipeline.policies.precomputed import POLICY as MAPS
from mocrop.pipeline.policies.registry import POLICIES
from mocrop.pipeline.stages.cache_settings import DENSE_OPTIONS
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.stored_settings import read_precrop_settings
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import read_settings

MAX_VIDEOS = 9
_NO_OPTIONS = frozenset(  # settings of precrop that belong to the cache, or that options spell otherwise
    {"name", "source", "clips_per_shard", "policy_settings", "motion_fields"}
)
VIDEO_SECONDS = 15.0  # about so long may the other videos take, after the first


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """Cost of one stage per clip, in one process."""

    stage: str
    cpu_ms_per_clip: float
    wall_ms_per_clip: float


@dataclass(frozen=True, kw_only=True)
class VideoSpeed:
    """Measured and estimated time of making a cache of the workspace's videos."""

    videos: int  # measured
    failed: int  # of them, counted once a stage
    stages: tuple[StageCost, ...]
    clips: int  # of the data set that are there
    workers: int  # of the estimate
    total_seconds: float  # for all clips, with that many workers as fast as this one process was


def measure_videos(
    workspace: Workspace, *, cache: str | None, workers: int, folder: Path, say: Callable[[str], object]
) -> VideoSpeed | None:
    """Run the stages on a few videos in ``folder``, with the workspace's settings: first on one, then as many as fit.

    Args:
        cache: whose settings precrop takes; None: its defaults.
        workers: number of workers of the estimate.
    Returns: None if no video of the data set is there, or all clips are segments of longer ones.
    """
    tables = read_settings(workspace)[1]
    videos = present_videos(workspace)
    if not videos:
        say("no stage is timed: there is no video of the data set whose clip is the whole file")
        return None
    options: dict[str, Any] = {
        "transcode": tables.get("transcode"),
        "extract": tables.get("extract-mv"),
        "precrop": precrop_options(read_precrop_settings(workspace, cache)) if cache else {},
    }
    say("taking a video through the stages")
    first = run_sample(videos[:1], folder / "first", **options)
    more = min(MAX_VIDEOS - 1, len(videos) - 1, int(VIDEO_SECONDS / sum(stage.wall for stage in first.stages)))
    if more < 1:
        return _summed(first, clips=len(videos), workers=workers)
    say(f"taking {more} more through the stages")
    chosen = [videos[1 + n * (len(videos) - 1) // more] for n in range(more)]
    rest = run_sample(chosen, folder / "more", **options)
    return _summed(rest, clips=len(videos), workers=workers)  # the first run was the warm-up


def present_videos(workspace: Workspace) -> list[Path]:
    """The video files of a data set that exist and are clips as a whole, in the manifest's order."""
    dataset = read_settings(workspace)[0].dataset
    with Manifest(workspace.manifest_file, read_only=True) as manifest:
        files = [dataset / clip.path for clip in manifest.clips() if clip.span is None]
    return [file for file in files if file.is_file()]


def precrop_options(settings: PrecropSettings) -> dict[str, Any]:
    """Settings of a cache as options of precrop, without its name, its files to read and its shards.

    Maps, which belong to other clips, become whole frames.
    """
    names = {field.name for field in dataclasses.fields(PrecropSettings)} - _NO_OPTIONS
    if settings.dense is None:
        names -= set(DENSE_OPTIONS)
    options = {name: getattr(settings, name) for name in names}
    if settings.motion_fields is not None:
        options |= {f"field_{name}": value for name, value in vars(settings.motion_fields).items()}
    if settings.policy == MAPS:
        return {**options, "policy": "full"}
    kept = {field.name for field in dataclasses.fields(POLICIES[settings.policy].settings)}
    return {
        **options,
        **{name: getattr(settings.policy_settings, name) for name in kept},
    }


def _summed(run: SampleRun, *, clips: int, workers: int) -> VideoSpeed:
    measured = run.clips
    stages = tuple(
        StageCost(
            stage=stage.stage,
            cpu_ms_per_clip=stage.cpu / measured * 1e3,
            wall_ms_per_clip=stage.wall / measured * 1e3,
        )
        for stage in run.stages
    )
    each = sum(stage.wall_ms_per_clip for stage in stages) / 1e3
    return VideoSpeed(
        videos=measured,
        failed=run.failed,
        stages=stages,
        clips=clips,
        workers=workers,
        total_seconds=each * clips / workers,
    )
