"""`mocrop bench` measures a workspace, or noise where there is none, and draws conclusions."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from mocrop.cli import main
from mocrop.evaluation.bench import bench, read_speed, video_speed
from mocrop.evaluation.bench.bench import BenchResult, BenchSettings, bench_in_workspace
from mocrop.evaluation.bench.read_speed import ReadSpeed, sample_rows
from mocrop.evaluation.bench.report import conclusions, duration, print_bench, resnet50_tflops
from mocrop.evaluation.bench.video_speed import StageCost, VideoSpeed
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.policies.follow import FollowSettings
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.stages.cache_settings import resolve_precrop
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.registry import Stages
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace

MakeCache = Callable[..., Path]
MakeVideo = Callable[..., Path]
QUICK = BenchSettings(rounds=1, batch_size=2)


@pytest.fixture(autouse=True)
def _few_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_speed, "WARM_BATCHES", 2)
    monkeypatch.setattr(bench, "MADE_SIZE_PX", 16)
    monkeypatch.setattr(bench, "MADE_CLIPS", 4)


def speed(*, clips_per_second: float, state: read_speed.State = "memory") -> ReadSpeed:
    return ReadSpeed(
        kind="training",
        state=state,
        segments=3,
        clips_per_second=clips_per_second,
        mb_per_second=1.0,
        to_memmap=0.5,
        to_memcpy=None,
    )


def result(*reads: ReadSpeed, videos: VideoSpeed | None = None, no_disk: str = "") -> BenchResult:
    return BenchResult(
        cache="noise",
        size=224,
        compressed=False,
        clips_read=4,
        batch_size=2,
        reads=reads,
        disk_mb_per_second=None,
        no_disk=no_disk,
        videos=videos,
    )


def test_without_a_workspace_noise_is_read_and_nothing_stays(tmp_path: Path) -> None:
    said: list[str] = []
    measured = bench_in_workspace(Workspace(tmp_path / "is" / "not" / "there"), QUICK, say=said.append)
    assert (measured.cache, measured.size, measured.clips_read, measured.videos) == ("noise", 16, 4, None)
    assert said[0] == "making a cache of 4 clips of noise"
    places = ["memory"] if measured.no_disk else ["memory", "disk"]
    assert [(read.kind, read.state) for read in measured.reads] == [
        (kind, place) for place in places for kind in ("training", "evaluation")
    ]
    assert all(read.clips_per_second > 0 and read.to_memmap > 0 for read in measured.reads)
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_is_measured_with_its_cache_and_its_videos(tmp_path: Path, make_video: MakeVideo) -> None:
    for number in range(3):
        make_video(tmp_path / f"data/Run/clip{number}.avi", frames=24)
    workspace, run = Workspace(tmp_path / "work"), RunOptions(workers=0, console=LineConsole(quiet=True))
    options = {"size": 16, "policy": "center", "frames": 2}
    preprocess.run_all(workspace, tmp_path / "data", run=run, **options)
    before = sorted(path.name for path in workspace.root.iterdir())
    measured = bench_in_workspace(workspace, BenchSettings(rounds=1, batch_size=2, workers=4))
    assert (measured.cache, measured.size) == (str(workspace.cache("center-16")), 16)
    videos = measured.videos
    assert videos is not None
    assert [stage.stage for stage in videos.stages] == ["transcode", "extract-mv", "precrop"]
    assert (videos.clips, videos.videos, videos.failed, videos.workers) == (3, 2, 0, 4)
    each = sum(stage.wall_ms_per_clip for stage in videos.stages) / 1e3
    assert videos.total_seconds == pytest.approx(each * 3 / 4)
    assert sorted(path.name for path in workspace.root.iterdir()) == before


@pytest.mark.parametrize(
    "settings",
    [
        PrecropSettings(name="c", size=96),
        PrecropSettings(
            name="c",
            size=96,
            policy="follow",
            policy_settings=FollowSettings(bars="cut", shape="square", window_seconds=1.0, ratio=0.25),
            select="uniform",
            motion_fields=MotionFieldSettings(side=7, camera="compensate"),
            fit="pad",
        ),
    ],
)
def test_the_cost_of_videos_is_that_of_the_settings_of_the_cache(settings: PrecropSettings, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    options = {**video_speed.precrop_options(settings), "name": "c"}
    assert resolve_precrop(workspace, Stages(workspace, {}), options) == settings


def test_one_video_that_takes_long_is_enough(
    tmp_path: Path, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_speed, "VIDEO_SECONDS", 0.0)
    for number in range(2):
        make_video(tmp_path / f"data/Run/clip{number}.avi")
    workspace = Workspace(tmp_path / "work")
    preprocess.init(workspace, tmp_path / "data")
    measured = video_speed.measure_videos(workspace, cache=None, workers=1, folder=tmp_path, say=lambda _: None)
    assert measured is not None
    assert (measured.videos, measured.clips) == (1, 2)


def test_videos_of_the_same_name_in_nested_folders_stay_apart(tmp_path: Path, make_video: MakeVideo) -> None:
    for place in ("A/day1/1", "B/day2/1", "C/day3/1"):
        make_video(tmp_path / f"data/{place}.avi")
    workspace = Workspace(tmp_path / "work")
    preprocess.init(workspace, tmp_path / "data")
    measured = video_speed.measure_videos(workspace, cache=None, workers=1, folder=tmp_path, say=lambda _: None)
    assert measured is not None
    assert (measured.videos, measured.failed) == (2, 0)


def test_a_workspace_whose_videos_are_gone_has_no_video_speed(tmp_path: Path, make_video: MakeVideo) -> None:
    video = make_video(tmp_path / "data/Run/clip0.avi")
    workspace = Workspace(tmp_path / "work")
    preprocess.init(workspace, tmp_path / "data")
    video.unlink()
    measured = video_speed.measure_videos(workspace, cache=None, workers=1, folder=tmp_path, say=lambda _: None)
    assert measured is None


def test_the_command_prints_json_and_says_what_it_does(
    tmp_path: Path, make_cache: MakeCache, capsys: pytest.CaptureFixture[str]
) -> None:
    make_cache(tmp_path / "caches" / "full-8.zarr", label=[0] * 4)
    with pytest.raises(SystemExit) as end:
        main(["bench", "-w", str(tmp_path), "--json"])
    assert end.value.code == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["cache"].endswith("full-8.zarr")
    assert "reading training batches" in printed.err


def test_an_unknown_cache_is_refused(tmp_path: Path, make_cache: MakeCache) -> None:
    make_cache(tmp_path / "caches" / "full-8.zarr", label=[0] * 4)
    with pytest.raises(CacheError, match="there is no crop cache 'other'; the caches are full-8"):
        bench_in_workspace(Workspace(tmp_path), BenchSettings(cache="other"))


def test_a_sample_is_whole_shards_spread_over_the_cache(tmp_path: Path, make_cache: MakeCache) -> None:
    """Three clips of four frames of 192 bytes: 2,304 bytes a shard, so two of the four shards fit into 5,000."""
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0] * 10))
    assert sample_rows(cache, most_bytes=5_000).tolist() == [0, 1, 2, 6, 7, 8]
    assert sample_rows(cache, most_bytes=1).tolist() == [0, 1, 2]
    assert np.array_equal(sample_rows(cache, most_bytes=10**9), np.arange(10))


def test_a_cache_without_frames_is_refused(tmp_path: Path, make_cache: MakeCache) -> None:
    cache = CropCache(make_cache(tmp_path / "c.zarr", label=[0], state=[0]))
    with pytest.raises(CacheError, match="no clip that can be read yet; run `mocrop precrop` first"):
        sample_rows(cache, most_bytes=1)


def test_a_thousand_clips_a_second_are_74_tflops_of_resnet50() -> None:
    """3 frames x 4.11e9 multiply-adds x 2 operations x 3 for forward and backward."""
    assert resnet50_tflops(speed(clips_per_second=1000), size=224) == pytest.approx(73.98)
    assert resnet50_tflops(speed(clips_per_second=1000), size=112) == pytest.approx(73.98 / 4)


def test_conclusions_say_what_the_disk_feeds_and_what_the_data_set_takes() -> None:
    videos = VideoSpeed(
        videos=8,
        failed=0,
        stages=(StageCost(stage="precrop", cpu_ms_per_clip=90, wall_ms_per_clip=100),),
        clips=72_000,
        workers=2,
        total_seconds=3600,
    )
    reads = speed(clips_per_second=12_345), speed(clips_per_second=1000, state="disk")
    memory, disk, whole = conclusions(result(*reads, videos=videos))
    assert memory.startswith("From memory this machine feeds about 12,000 ResNet-50 training clips/s (3 frames each)")
    assert disk.endswith("an accelerator would have to compute 74 TFLOP/s before it waits.")
    assert whole == ("A crop cache of all 72,000 clips takes about 60 minutes with 2 workers, judging by 8 of them.")


def test_conclusions_say_why_the_disk_was_not_measured() -> None:
    sentences = list(conclusions(result(speed(clips_per_second=10), no_disk="it is a drum")))
    assert sentences[-1] == "Reading from the disk could not be measured: it is a drum."


def test_tables_fit_into_80_columns() -> None:
    console = LineConsole(force_terminal=True, width=80, record=True, file=StringIO())
    videos = VideoSpeed(
        videos=1,
        failed=1,
        stages=(StageCost(stage="transcode", cpu_ms_per_clip=90, wall_ms_per_clip=100),),
        clips=1,
        workers=1,
        total_seconds=0.1,
    )
    print_bench(console, result(speed(clips_per_second=10), videos=videos))
    printed = console.export_text()
    assert max(map(len, printed.splitlines())) <= 80
    assert "1 of those failed" in " ".join(printed.split())
    assert "with 1 worker," in " ".join(printed.split())


def test_durations_have_fitting_units() -> None:
    assert [duration(seconds) for seconds in (90, 600, 7200)] == ["90 seconds", "10 minutes", "2.0 hours"]
