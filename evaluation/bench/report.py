"""Tables and conclusions of `mocrop bench`, on a console."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from mocrop.evaluation.bench.bench import BenchResult, BenchSettings, bench_in_workspace
from mocrop.evaluation.bench.read_speed import ReadSpeed
from mocrop.evaluation.bench.video_speed import VideoSpeed
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace

RESNET50_GFLOPS_224 = 4.11  # a multiplication with its addition counts once: `mocrop flops --arch resnet50 --size 224`
OPERATIONS_OF_TRAINING = 2 * 3  # per one counted there: the addition too, and a step costs about three forward passes
PLACES = {"memory": "from memory", "disk": "from the disk"}


def bench_with_status(workspace: Workspace, settings: BenchSettings, console: LineConsole) -> BenchResult:
    """Measure, and show the progress on ``console``."""
    if not console.is_terminal:
        return bench_in_workspace(workspace, settings, say=console.say)
    with console.status("") as status:
        return bench_in_workspace(workspace, settings, say=lambda what: status.update(Text(what)))


def print_bench(console: LineConsole, result: BenchResult) -> None:
    """Print tables and conclusions."""
    codec = "zstd" if result.compressed else "uncompressed"
    what = (
        f"{result.cache}: {result.clips_read:,} clips of {result.size} px, {codec}, in batches of {result.batch_size}"
    )
    console.print(what)
    console.print(_read_table(result))
    if result.disk_mb_per_second is not None:
        console.print(f"the disk, one file from end to end: {result.disk_mb_per_second:,.0f} MB/s")
    if result.videos:
        console.print()
        console.print(_stage_table(result.videos))
    console.print()
    for sentence in conclusions(result):
        console.print(sentence)


def conclusions(result: BenchResult) -> Iterator[str]:
    """What the numbers mean, in sentences."""
    training = {speed.state: speed for speed in result.reads if speed.kind == "training"}
    for state, speed in training.items():
        feeds = f"this machine feeds about {rounded(speed.clips_per_second):,} ResNet-50 training clips/s"
        tflops = resnet50_tflops(speed, size=result.size)
        yield (
            f"{PLACES[state].capitalize()} {feeds} ({speed.segments} frames each); an accelerator would have to "
            f"compute {tflops:,.0f} TFLOP/s before it waits."
        )
    if result.no_disk:
        yield f"Reading from the disk could not be measured: {result.no_disk}."
    if videos := result.videos:
        failed = f" {videos.failed} of those failed." if videos.failed else ""
        workers = f"{videos.workers} worker{'s' if videos.workers != 1 else ''}"
        yield (
            f"A crop cache of all {videos.clips:,} clips takes about {duration(videos.total_seconds)} with {workers}, "
            f"judging by {videos.videos} of them.{failed}"
        )


def resnet50_tflops(speed: ReadSpeed, *, size: int) -> float:
    """1e12 operations a second that training a ResNet-50 on that many clips a second takes."""
    per_frame = RESNET50_GFLOPS_224 * (size / 224) ** 2 * OPERATIONS_OF_TRAINING
    return speed.clips_per_second * speed.segments * per_frame / 1e3


def rounded(value: float) -> int:
    """A number rounded to two significant digits.

    >>> rounded(12345.6), rounded(98.7), rounded(4.2)
    (12000, 99, 4)
    """
    digits = max(0, len(str(int(value))) - 2)
    return int(round(value / 10**digits) * 10**digits)


def duration(seconds: float) -> str:
    """Seconds as text, in a fitting unit.

    >>> duration(42), duration(3600), duration(36000)
    ('42 seconds', '60 minutes', '10.0 hours')
    """
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _read_table(result: BenchResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("batches")
    for title in ("frames", "clips/s", "MB/s", "of memmap", "of memcpy"):
        table.add_column(title, justify="right")
    for speed in result.reads:
        table.add_row(
            f"{speed.kind}, {PLACES[speed.state]}",
            str(speed.segments),
            f"{speed.clips_per_second:,.0f}",
            f"{speed.mb_per_second:,.0f}",
            f"{speed.to_memmap:.2f}",
            "-" if speed.to_memcpy is None else f"{speed.to_memcpy:.2f}",
        )
    return table


def _stage_table(videos: VideoSpeed) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(f"stage, {videos.videos} videos")
    table.add_column("ms/clip", justify="right")
    table.add_column("of CPU", justify="right")
    for stage in videos.stages:
        table.add_row(stage.stage, f"{stage.wall_ms_per_clip:,.0f}", f"{stage.cpu_ms_per_clip:,.0f}")
    return table
