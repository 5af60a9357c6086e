"""From the facts of a data set and the measured tables to options of `mocrop precrop`, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mocrop.evaluation.advice.choose import (
    Count,
    choose_crop,
    choose_frames,
    choose_size,
    coverage_words,
    nearest_table,
    passed_over,
    tables_like,
)
from mocrop.evaluation.advice.measured import AccuracyTable, Tables
from mocrop.evaluation.advice.motion_facts import DataSetFacts, MotionFacts, summed_up
from mocrop.evaluation.report.format import points
from mocrop.pipeline.choices import Spread

SLOTS = 16  # of a cache for which nothing else is recommended, as `mocrop precrop` has it
EMPTY_SLOT_BYTES = 16  # its place in the index of a shard file; the frame that is not there is not stored
KIB = 1024
ENOUGH_SHORT = 0.05  # share of clips with empty slots from which on all are better decoded between key frames


@dataclass(frozen=True, kw_only=True)
class Line:
    """One recommended option."""

    option: str  # as on the command line
    value: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What the tables recommend for a data set."""

    facts: DataSetFacts
    judged_by: tuple[str, ...]  # the tables of clips like these
    lines: tuple[Line, ...]
    remarks: tuple[str, ...]

    @property
    def command(self) -> str:
        """The recommended options as a command."""
        return " ".join(["mocrop precrop", *(f"{line.option} {line.value}" for line in self.lines)])


def advise(clips: Sequence[MotionFacts], tables: Tables) -> Advice:
    """Recommend options for a data set.

    Args:
        clips: facts of its clips; at least one.
    """
    facts = summed_up(clips)
    judged_by = tables_like(facts, tables.accuracy)
    crop = choose_crop(judged_by, bars=facts.with_bars > 0)
    frames = choose_frames(crop, judged_by)
    size = choose_size(crop, judged_by, frames=frames.value) if frames else None
    slots = frames.value if frames else SLOTS
    lines = [
        Line(option=name, value=value, reason=crop.reason if name == "--policy" else f"the {name[2:]} of that crop")
        for name, value in crop.options.items()
    ]
    lines += [_line("--size", size), _line("--frames", frames)] if frames and size else []
    remarks = [] if judged_by else [*_unlike(facts, tables)]
    return Advice(
        facts=facts,
        judged_by=tuple(table.conditions for table in judged_by),
        lines=(*lines, _select(clips, slots)),
        remarks=(
            *remarks,
            *passed_over(crop, judged_by),
            *_empty_slots(clips, slots),
            *_bars(facts, judged_by),
            *coverage_words(crop, tables, still=facts.still),
        ),
    )


def _line(option: str, count: Count) -> Line:
    return Line(option=option, value=str(count.value), reason=count.reason)


def _select(clips: Sequence[MotionFacts], slots: int) -> Line:
    few = len(_few(clips, slots)) / len(clips)
    select: Spread = "uniform" if few >= ENOUGH_SHORT else "keyframes"
    reason = f"every clip has {_counted(slots, 'key frame')}, or no other frames"
    if few:
        only = "" if select == "uniform" else "only "
        reason = f"{only}{share_words(few)} of the clips have fewer than {_counted(slots, 'key frame')}"
    return Line(option="--select", value=select, reason=reason)


def _few(clips: Sequence[MotionFacts], slots: int) -> list[MotionFacts]:
    """Clips whose key frames leave slots empty that other frames would fill."""
    return [clip for clip in clips if clip.key_frames < min(slots, clip.frames)]


def _unlike(facts: DataSetFacts, tables: Tables) -> Iterator[str]:
    """What the nearest table recommends, where none was measured on clips like those of the data set."""
    if table := nearest_table(facts, tables.accuracy):
        yield (
            f"Nearest to these clips are {table.data}: the camera stands still in {share_words(table.still)} of them, "
            f"and 90 % of what moves lies in {share_words(table.spread)} of the picture. For those it would be "
            f"{choose_crop([table], bars=facts.with_bars > 0).variant}; for these it is not shown."
        )


def _empty_slots(clips: Sequence[MotionFacts], slots: int) -> Iterator[str]:
    """What key frames alone would leave empty, what that costs, and what would fill it."""
    if few := _few(clips, slots):
        empty = sum(slots - min(clip.key_frames, slots) for clip in clips)
        long = [clip.frames for clip in few if clip.frames >= slots]
        shorter = f", and so does `mocrop transcode --key-interval {min(long, default=0) // slots}`, then extract-mv"
        yield (
            f"With --select keyframes {empty:,} of {slots * len(clips):,} slots would stay empty. They take "
            f"{EMPTY_SLOT_BYTES} bytes each, {empty * EMPTY_SLOT_BYTES / KIB:,.0f} KiB in all; what they cost is "
            f"frames to learn from. --select uniform fills them{shorter if long else ''}."
        )
    if short := [clip for clip in clips if clip.frames < slots]:
        yield f"Slots stay empty in any case in {_counted(len(short), 'clip')} of fewer than {slots} frames."


def _bars(facts: DataSetFacts, tables: Sequence[AccuracyTable]) -> Iterator[str]:
    if facts.bars is None:
        return
    tests = [(table.data, found) for table in tables if (found := table.test("picture", "full"))]
    shown = "; ".join(f"{points(test.difference)} points, {test.verdict.value}, on {data}" for data, test in tests)
    yield (
        f"Black bars are in {share_words(facts.with_bars)} of the clips and take {share_words(facts.bars)} of those: "
        "compare crops with --policy picture, which leaves out the bars and nothing else, beside full"
        + (f" (picture over full: {shown})." if shown else ".")
    )


def share_words(share: float) -> str:
    """A share in percent; not 0 % where there is some, nor 100 % where some is missing.

    >>> share_words(0.254), share_words(0.001), share_words(0.999), share_words(1.0)
    ('25 %', 'under 1 %', 'over 99 %', '100 %')
    """
    if 0 < share < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def _counted(count: int, of: str) -> str:
    return f"{count:,} {of}{'' if count == 1 else 's'}"
