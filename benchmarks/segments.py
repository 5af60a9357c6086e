"""Cost of cutting many segments out of one long video, against one pass that decodes and encodes as many frames.

CPU time is that of one process; wall time that of `mocrop transcode` with two workers, which start in it, against two
processes, started before, that do half of the pass each.

The video is a minute of clips, encoded as x264 does by itself (a key frame at scene cuts, else every 250 frames; three
B-frames) and repeated. The pass is a bare loop over its first frames, one after another, with the encoder of
`mocrop transcode`, and a new file for as many frames as a segment has.
"""

from __future__ import annotations

import itertools
import multiprocessing
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from fractions import Fraction
from io import StringIO
from multiprocessing.pool import Pool
from pathlib import Path

import av
from harness import arguments, choose_clips, interleave, peak_bytes, report, report_timings, save_table

from mocrop.evaluation.bench.interleaved_timing import Case, take_turns
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.run.segment_units import segment_units
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.span import Span
from mocrop.pipeline.stages import segments as segments_module
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.video.spans import KnownTimes, may_be_entered
from mocrop.pipeline.workspace.paths import Workspace

SETTINGS = TranscodeSettings()
RATE, SIZE = 25, (320, 240)
TITLE, OURS, PEER = "segments of one long video", "mocrop transcode", "one pass"
WORKERS = 2
SHARED, OUR_WORKERS, SHARED_PEER = f"{TITLE}, {WORKERS} workers", f"{OURS}, {WORKERS} workers", f"{PEER}, in halves"


def long_video(path: Path, clips: list[Path], *, minutes: int) -> Path:
    """A minute of clips, in turn, repeated ``minutes`` times without encoding it again."""
    minute = path.with_name("minute.mp4")
    with av.open(minute, "w") as output:
        stream = output.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        for number, frame in enumerate(itertools.islice(_frames(clips), 60 * RATE)):
            scaled = frame.reformat(*SIZE, format="yuv420p")
            scaled.pts, scaled.time_base, scaled.pict_type = number, Fraction(1, RATE), av.video.frame.PictureType.NONE
            output.mux(stream.encode(scaled))
        output.mux(stream.encode(None))
    with av.open(path, "w") as output:
        for repeat in range(minutes):
            with av.open(minute) as source:
                if repeat == 0:
                    stream = output.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.size:
                        shift = round(60 * repeat / packet.time_base)
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        output.mux(packet)
    return path


def _frames(clips: list[Path]) -> Iterator[av.VideoFrame]:
    for clip in itertools.cycle(clips):
        with av.open(clip) as container:
            yield from container.decode(video=0)


def spans(*, segments: int, seconds: float, minutes: int) -> list[Span]:
    """Spans of so many seconds, evenly spread."""
    step = (60 * minutes - seconds) / max(1, segments - 1)
    return [Span.seconds(n * step, n * step + seconds) for n in range(segments)]


def units(video: Path, *, segments: int, seconds: float, minutes: int) -> list[WorkUnit]:
    """Work units of segments of so many seconds, evenly spread over the video."""
    tasks = [
        ClipTask(position=n, name=f"A/{n:04d}", path=str(video), span=span)
        for n, span in enumerate(spans(segments=segments, seconds=seconds, minutes=minutes))
    ]
    parts = segment_units(tasks, may_be_entered=may_be_entered)
    return [WorkUnit(index=n, clips=part) for n, part in enumerate(parts)]


def ours(work: list[WorkUnit], folder: Path) -> int:
    """Transcode all units in this process; returns its peak of memory, bytes."""
    segments_module._KNOWN = KnownTimes()  # reading the video through is part of it
    for unit in work:
        outcomes = transcode_unit(unit, SETTINGS, str(folder))
        assert all(outcome.status == "done" for outcome in outcomes), outcomes
    return peak_bytes()


def one_pass(video: Path, folder: Path, *, frames: int, per_file: int) -> None:
    """Decode the first frames of the video and encode them, ``per_file`` to a file."""
    with av.open(video) as container:
        container.streams.video[0].thread_count = 1
        decoded = itertools.islice(container.decode(video=0), frames)
        for part, group in itertools.groupby(enumerate(decoded), key=lambda pair: pair[0] // per_file):
            with av.open(folder / f"{part}.mp4", "w") as output:
                stream = output.add_stream("libx264", rate=RATE, options=SETTINGS.x264_options)
                (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
                stream.codec_context.thread_count, stream.codec_context.max_b_frames = 1, 0
                stream.codec_context.gop_size = SETTINGS.key_interval
                for number, frame in group:
                    frame.pts, frame.time_base = number % per_file, Fraction(1, RATE)
                    frame.pict_type = av.video.frame.PictureType.NONE
                    output.mux(stream.encode(frame))
                output.mux(stream.encode(None))


def take_in(video: Path, work: Path, found: list[Span]) -> None:
    """Make the workspace anew, of these segments of the only video of its data set."""
    shutil.rmtree(work, ignore_errors=True)
    rows = [f"{video.name},{'xy'[n % 2]},{span.text.replace('-', ',')}" for n, span in enumerate(found)]
    lists = work.with_name("segments.csv")
    lists.write_text("\n".join(["path,label,start,end", *rows]))
    preprocess.init(Workspace(work), video.parent, splits=lists)


def with_workers(work: Path, *, segments: int) -> None:
    """`mocrop transcode` as users run it."""
    console = LineConsole(file=StringIO())
    preprocess.transcode(Workspace(work), run=RunOptions(workers=WORKERS, console=console))
    assert len(list(Workspace(work).h264.rglob("*.mp4"))) == segments


def in_halves(pool: Pool, video: Path, folder: Path, *, frames: int, per_file: int) -> None:
    """The pass, of which each process does its share."""
    shares = [folder / f"{n}" for n in range(WORKERS)]
    for share in shares:
        share.mkdir(parents=True, exist_ok=True)
    arguments = {"frames": frames // WORKERS, "per_file": per_file}
    for running in [pool.apply_async(one_pass, (video, share), arguments) for share in shares]:
        running.get()


def peak_of(work: list[WorkUnit], folder: Path) -> int:
    """Peak of memory of a new process that does this work, bytes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(ours, (work, folder))


def main() -> None:
    parser = arguments((__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=int, default=60, help="length of the video")
    parser.add_argument("--segments", type=int, default=500, help="how many")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        video = long_video(
            folder / "long.mp4", choose_clips(options.data, options.clips, folder), minutes=options.minutes
        )
        work = units(video, segments=options.segments, seconds=options.seconds, minutes=options.minutes)
        per_file = round(options.seconds * RATE)
        frames = per_file * options.segments
        (folder / "pass").mkdir()
        cases = {
            OURS: lambda: ours(work, folder / "work"),
            PEER: lambda: one_pass(video, folder / "pass", frames=frames, per_file=per_file),
        }
        report(TITLE, interleave(cases, rounds=options.rounds), unit="frames", count=frames, peer=PEER)
        shutil.rmtree(folder / "work")
        own = folder / "data" / "long.mp4"
        own.parent.mkdir(parents=True)
        video.rename(own)
        _report_shared(own, folder, options, frames=frames, per_file=per_file)
        own.rename(video)
        few = work[: max(1, len(work) // 10)]
        peaks = [(sum(len(unit.clips) for unit in part), peak_of(part, folder / "work")) for part in (few, work)]
        rows = [[f"{count:,}", f"{peak / 1e6:.0f} MB"] for count, peak in peaks]
        for row in rows:
            print(f"{row[0]} segments: peak {row[1]}")
        save_table("memory of one process", ("segments", "peak"), rows)


def _report_shared(video: Path, folder: Path, options: Namespace, *, frames: int, per_file: int) -> None:
    work = folder / "workspace"
    found = spans(segments=options.segments, seconds=options.seconds, minutes=options.minutes)
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        cases = {
            OUR_WORKERS: Case(
                run=lambda _: with_workers(work, segments=options.segments),
                prepare=lambda: take_in(video, work, found),
            ),
            SHARED_PEER: Case(run=lambda _: in_halves(pool, video, folder / "pass", frames=frames, per_file=per_file)),
        }
        timings = take_turns(cases, rounds=options.rounds)
    report_timings(SHARED, timings, unit="frames", count=frames, peer=SHARED_PEER, clocks=("wall",))


if __name__ == "__main__":
    main()
