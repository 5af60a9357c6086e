"""The project's aims for its benchmarks, and whether saved results meet them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness import STAGES

from mocrop.evaluation.bench.interleaved_timing import Spread, ratios, spread

Result = dict[str, Any]
Measure = Callable[[Result], Spread | None]  # None: the peer did not take part
OURS = "mocrop FrameReader"
OTHERS = ("TensorStore", "zarrs", "WebDataset", "torchcodec")


@dataclass(frozen=True, kw_only=True)
class Aim:
    """A limit for one measured ratio or figure."""

    run: str  # benchmark that it is about
    title: str  # beginning of the title of its result
    contains: str = ""  # a part of that title, between commas
    work: str
    compared: str
    measure: Measure
    least: float | None = None  # the ratio should be at least this
    most: float | None = None  # or at most this


@dataclass(frozen=True, kw_only=True)
class Row:
    """An aim and the measured value."""

    aim: Aim
    found: Spread

    @property
    def met(self) -> bool:
        limits = self.aim.least, self.aim.most
        return (limits[0] is None or self.found.median >= limits[0]) and (
            limits[1] is None or self.found.median <= limits[1]
        )

    @property
    def wanted(self) -> str:
        return f"at least {self.aim.least:g}" if self.aim.least is not None else f"at most {self.aim.most:g}"


def slowness(*beginnings: str, clock: str, than: str = OURS) -> Measure:
    """Time of the quickest of some cases, as a ratio to one of ours."""

    def measure(result: Result) -> Spread | None:
        seconds = result["seconds"].get(clock, {})
        found = [ratios(values, to=seconds[than]) for name, values in seconds.items() if name.startswith(beginnings)]
        return min(found, key=lambda each: each.median) if found else None

    return measure


def ratio(case: str, *, to: str, clock: str = "cpu") -> Measure:
    """Time of one case as a ratio to that of another."""

    def measure(result: Result) -> Spread | None:
        seconds = result["seconds"].get(clock, {})
        return ratios(seconds[case], to=seconds[to]) if {case, to} <= seconds.keys() else None

    return measure


def cell(row: str, column: int) -> Measure:
    """A number of a saved table, such as "221x"."""

    def measure(result: Result) -> Spread | None:
        found = [float(line[column].rstrip("x")) for line in result["rows"] if line[0] == row]
        return spread(found) if found else None

    return measure


def _loader_aims() -> list[Aim]:
    aims = []
    for kind in ("training", "evaluation"):
        for clock, state in (("cpu", "in memory"), ("cpu", "in memory again"), ("wall", "evicted from memory")):
            compared: list[tuple[str, Measure, float]] = [
                ("the reference's pattern (OpenCV)", slowness("OpenCV", clock=clock), 300),
                ("zarr-python, its quicker way", slowness("zarr-python", clock=clock), 20),
                ("the quickest of the others", slowness(*OTHERS, clock=clock), 3),
                ("throughput of a memory map, share", slowness("numpy memmap", clock=clock), 0.6),
                ("throughput of memcpy, share", slowness("memcpy", clock=clock), 0.25),
            ]
            for name, measure, least in compared:
                aims.append(
                    Aim(
                        run="loader",
                        title=f"{kind} batch",
                        contains=f", {state}{'' if state != 'in memory again' else ','}",
                        work=f"{kind} batch, {state} ({clock.upper() if clock == 'cpu' else clock})",
                        compared=name,
                        measure=measure,
                        least=least,
                    )
                )
    return aims


def _box_aims() -> list[Aim]:
    return [
        Aim(
            run="box search",
            title="box search",
            work=f"box search, {grid} (CPU)",
            compared="plain loops",
            measure=cell(grid, column=-1),
            least=200,
        )
        for grid in ("9x16, ratio 0.75", "9x16, ratio 0.5", "9x16, ratio 0.25")
    ]


def _pipeline_aims() -> list[Aim]:
    ours, ffmpeg, decode = "mocrop, vectors alone", "ffmpeg, transcoding alone", "plain decode, no loop filter"
    vectors = partial(Aim, run="vectors", title="vectors of H.264", work="vectors of a clip, from H.264 (CPU)")
    whole = partial(Aim, run="preprocessing", title="preprocessing to")
    through, direct = "vectors: transcode, extract-mv", "vectors: --source original"
    return [
        vectors(
            compared="motion-vector-extractor without frames",
            measure=ratio("the same without frames", to=ours),
            least=1.3,
        ),
        vectors(
            compared="motion-vector-extractor with frames",
            measure=ratio("motion-vector-extractor", to=ours),
            least=1.45,
        ),
        vectors(compared="our share of plain decode without loop filter", measure=ratio(ours, to=decode), most=1.15),
        whole(
            work="vectors of a data set, from its originals (CPU)",
            compared="transcode and extract-mv",
            measure=ratio(through, to=direct),
            least=7,
        ),
        whole(
            work="whole preprocessing (CPU)",
            compared="our share of ffmpeg transcoding alone",
            measure=ratio("all stages", to=ffmpeg),
            most=1.35,
        ),
        whole(
            work="whole preprocessing, --source original (CPU)",
            compared="our share of ffmpeg transcoding alone",
            measure=ratio("all stages, --source original", to=ffmpeg),
            most=0.35,
        ),
        Aim(
            run="export",
            title="export as MP4, scaled",
            work="export as MP4, scaled to 192 px (CPU)",
            compared="the ffmpeg program with the same crop, scale and x264 settings",
            measure=ratio("mocrop export", to="ffmpeg"),
            most=1.2,
        ),
        Aim(
            run="export",
            title="export as MP4, in the pixels",
            work="export as MP4, in the pixels of the source (CPU)",
            compared="the ffmpeg program with the same crop and x264 settings",
            measure=ratio("mocrop export", to="ffmpeg"),
            most=1.2,
        ),
        Aim(
            run="segments",
            title="segments of one long video",
            work="500 segments of an hour of video (CPU)",
            compared="one pass over as many frames",
            measure=ratio("mocrop transcode", to="one pass"),
            most=1.3,
        ),
        Aim(
            run="segments",
            title="segments of one long video, 2 workers",
            work="500 segments of an hour of video, 2 workers (wall)",
            compared="one pass over as many frames, in two processes",
            measure=ratio("mocrop transcode, 2 workers", to="one pass, in halves", clock="wall"),
            most=1.3,
        ),
    ]


def _dense_aims() -> list[Aim]:
    """What is decoded for windows, of each kind of files, and what our loader saves of decoding anew."""
    peer, kinds = "PyAV, first to last frame", ("the data set's own files", "transcoded", "B-frames, far key frames")
    decoding = [
        Aim(
            run="dense clips",
            title="decoding 4 windows",
            contains=kind,
            work=f"decoding 4 windows of 16 frames, {kind} (CPU)",
            compared="what lies between the first and the last frame",
            measure=ratio("mocrop", to=peer),
            most=1.15,
        )
        for kind in kinds
    ]
    reading = Aim(
        run="dense clips",
        title="training batch",
        work="training batch of windows, in memory (CPU)",
        compared="the quickest of the others",
        measure=slowness(*OTHERS, clock="cpu"),
        least=3,
    )
    return [*decoding, reading]


def at_most_clips(phase: str, *, what: str, each: bool = False) -> Measure:
    """Seconds that scale.py has measured at its largest number of clips, or milliseconds for each of them."""

    def measure(result: Result) -> Spread | None:
        most = result["facts"][-1]
        seconds = float(most[phase][what])
        return spread([1e3 * seconds / most["clips"] if each else seconds])

    return measure


def speed_up(stage: str, *, workers: int) -> Measure:
    """Parallel efficiency of a stage: its speed-up over one worker, divided by the number of workers."""

    def measure(result: Result) -> Spread | None:
        found = [
            fact["speed-up"] / workers
            for fact in result["facts"]
            if (fact["stage"], fact["workers"]) == (stage, workers)
        ]
        return spread(found) if found else None

    return measure


def _scale_aims() -> list[Aim]:
    aims = [
        Aim(
            run="workers",
            title="workers",
            work=f"parallel efficiency of 2 workers, {stage} (wall)",
            compared="one worker",
            measure=speed_up(stage, workers=2),
            least=0.9,
        )
        for stage in STAGES
    ]
    many = partial(Aim, run="scale", title="scale", compared="the most clips measured")
    aims += [
        many(
            work=f"scheduling {stage}, ms a clip (CPU)",
            measure=at_most_clips(stage, what="run, cpu", each=True),
            most=2,
        )
        for stage in STAGES
    ]
    for clock in ("CPU", "wall"):
        what = f"run, {clock.lower()}"
        aims += [
            many(work=f"`mocrop status`, s ({clock})", measure=at_most_clips("status", what=what), most=2),
            many(work=f"start of training, s ({clock})", measure=at_most_clips("training", what=what), most=5),
        ]
    return aims


def worst(what: str) -> Measure:
    """The largest figure of forms.py over all forms."""
    return lambda result: spread([max(float(fact[what]) for fact in result["facts"])])


def _form_aims() -> list[Aim]:
    forms = partial(Aim, run="forms", title="init of 240,000 rows", compared="the slowest form")
    return [
        forms(work="`mocrop init`, 240,000 rows, s (CPU)", measure=worst("CPU"), most=15),
        forms(work="`mocrop init`, 240,000 rows, s (wall)", measure=worst("wall"), most=15),
        forms(work="`mocrop init`, 240,000 rows, peak MB", measure=worst("MB"), most=1000, compared="the largest form"),
    ]


def _policy_aims() -> list[Aim]:
    """A box for each slot may not cost much more than one for all."""
    moving = partial(Aim, compared="adaptive, one box")
    time = partial(moving, run="policies", title="policies", most=1.2)
    return [
        time(work="follow, 16 boxes a clip, alone (CPU)", measure=ratio("follow", to="adaptive")),
        time(
            work="follow, 16 boxes a clip, with reading its motion (CPU)",
            measure=ratio("follow, with reading", to="adaptive, with reading"),
        ),
        moving(
            run="precrop",
            title="precrop from h264",
            work="precrop by follow (CPU)",
            measure=ratio("mocrop precrop, follow", to="mocrop precrop, adaptive"),
            most=1.25,
        ),
    ]


def _predict_aims() -> list[Aim]:
    return [
        Aim(
            run="predict",
            title=f"predict, source {source}",
            work=f"predict, source {source} (CPU)",
            compared="the sum of its parts, bare",
            measure=ratio("mocrop predict", to="its parts, bare"),
            most=1.15,
        )
        for source in ("original", "h264")
    ]


AIMS: tuple[Aim, ...] = (
    *_pipeline_aims(),
    *_policy_aims(),
    *_dense_aims(),
    *_box_aims(),
    *_loader_aims(),
    *_scale_aims(),
    *_form_aims(),
    *_predict_aims(),
)


def rows(results: Mapping[str, Sequence[Result]], aims: Sequence[Aim] = AIMS) -> list[Row]:
    """A row for each aim and each result that measures it, in the order of the aims."""
    found = []
    for aim in aims:
        for result in results.get(aim.run, ()):
            if not result["title"].startswith(aim.title) or not _contains(result, aim.contains):
                continue
            measured = aim.measure(result)
            if measured is not None:
                found.append(Row(aim=aim, found=measured))
    return found


def _contains(result: Result, words: str) -> bool:
    """Whether a title contains these words, up to a comma or its end."""
    part = words if words.endswith(",") else f"{words},"
    return not words or part in f"{result['title']},"
