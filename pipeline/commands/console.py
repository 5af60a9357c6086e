"""Print the reports of the pipeline's commands for people to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from mocrop.pipeline.checks.damage import Damage
from mocrop.pipeline.commands.dataset_console import print_dataset, print_issues
from mocrop.pipeline.commands.export import ExportReport
from mocrop.pipeline.commands.maps import ExportReport as MapsReport
from mocrop.pipeline.commands.maps import ImportReport
from mocrop.pipeline.commands.preprocess import Report
from mocrop.pipeline.commands.status import FailedClip, StageStatus, WorkspaceStatus
from mocrop.pipeline.commands.verify import CheckedPart, VerifyReport
from mocrop.pipeline.dataset.issue_codes import SERIOUS
from mocrop.pipeline.dataset.look import Change, DatasetChanges
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.run.session import StageReport
from mocrop.pipeline.terminal import LineConsole, Part, count

MAX_EXAMPLES = 5  # lines shown of a longer list
_CHOICE = (Reason.OWN_FILE_SERVES, Reason.OWN_FILE_FALLS_SHORT)  # of nearly every clip, and counted in a line already
_WAYS_OUT = {
    Reason.NO_MOTION_VECTORS: "left out; `mocrop extract-mv --source auto` transcodes such clips, and a cache that is"
    " there already is made with them by `mocrop precrop --source auto --overwrite`"
}


def print_report(console: LineConsole, report: Report) -> None:
    """Print what one command did."""
    if report.dataset is not None and not report.stages:
        print_dataset(console, report.dataset)
    elif report.dataset is not None:
        # The data set was printed before the stages ran (`RunOptions.on_dataset`), and stands above minutes or hours
        # of progress by now: repeat its serious issues.
        print_issues(console, [each for each in report.dataset.issues if each.code in SERIOUS])
    for stage in report.stages:
        print_stage(console, stage)
    if report.failed:
        console.print("`mocrop status --failed` names the failed clips, `mocrop retry` tries them again")


_CHANGES = {
    Change.REPLACED: ("{n} file was replaced", "{n} files were replaced"),
    Change.GONE: ("{n} file is gone", "{n} files are gone"),
    Change.BACK: ("{n} file is back", "{n} files are back"),
    Change.NEW: (
        "{n} file is new; `mocrop init DATASET` takes it in",
        "{n} files are new; `mocrop init DATASET` takes them in",
    ),
    Change.OUT_OF_REACH: (
        "{n} file is out of reach, in a folder or behind a link that cannot be followed; its clip stays as it is",
        "{n} files are out of reach, in folders or behind links that cannot be followed; their clips stay as they are",
    ),
}


def print_changes(console: LineConsole, changes: DatasetChanges) -> None:
    """Print what has changed in a data set since it was last looked at: a line a kind, or nothing."""
    if changes.unavailable:
        console.say("  ", ("note", "yellow"), f" the data set: {changes.unavailable}")
    for change, files in changes.files.items():
        text = _CHANGES[change][files != 1].format(n=f"{files:,}")
        examples = changes.examples[change]
        more = ["..."] if files > len(examples) else []
        console.say("  ", ("note", "yellow"), f" the data set: {text}: {', '.join([*examples, *more])}")


def print_retry(console: LineConsole, report: Report) -> None:
    """Print what `mocrop retry` did."""
    _print_faults(console, report.faults)
    if not report.stages and not report.faults:
        console.print("no clip has failed, so there is nothing to try again")
    print_report(console, report)


def print_stage(console: LineConsole, report: StageReport) -> None:
    """Print what one command did in one stage: a line of counts, then the reasons of failures and notes."""
    summary, plan = report.summary, report.plan
    parts: list[Part] = [(report.stage, "bold"), f": {count(summary.done, 'clip')} done"]
    if plan.done:
        parts.append(f", {plan.done:,} done before")
    if failed := sum(report.failed.values()):
        parts += [", ", (f"{failed:,} failed", "red")]
    if plan.waiting:
        parts.append(f", {plan.waiting:,} waiting for the stage before")
    if summary.clips:
        parts.append(f", {summary.seconds:.1f} s, {summary.clips / max(summary.seconds, 1e-9):.1f} clips/s")
    console.say(*parts)
    if report.files is not None:
        kept, transcoded = report.files.as_they_are, report.files.transcoded
        console.print(f"  {count(kept, 'clip')} as {'it is' if kept == 1 else 'they are'}, {transcoded:,} transcoded")
    _print_reasons(console, "red", "failed", report.failed)
    _print_reasons(console, "dim", "noted", {code: n for code, n in summary.notes.items() if code not in _CHOICE})


def _print_reasons(console: LineConsole, style: str, kind: str, reasons: Mapping[Reason, int]) -> None:
    for reason, clips in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        way_out = f": {_WAYS_OUT[reason]}" if reason in _WAYS_OUT else ""
        console.say("  ", (kind, style), f" {clips:>6,}  {reason.value}{way_out}")


def print_status(console: LineConsole, status: WorkspaceStatus, *, failures: bool, notes: bool = False) -> None:
    """Print a table of stages, the reasons of failures, and the next command.

    Args:
        failures: also print the message of every failed clip.
        notes: also print the notes of clips that are done, by reason and by clip.
    """
    console.print(f"{count(status.clips, 'clip')} of {status.dataset}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("stage")
    for title in ("done", "to do", "stale", "failed"):
        table.add_column(title, justify="right")
    for stage in status.stages:
        table.add_row(stage.stage, *(f"{n:,}" if n else "-" for n in _numbers(stage)))
    console.print(table)
    print_changes(console, status.changes)
    _print_faults(console, status.faults)
    for stage in status.stages:
        if stage.failed or (notes and stage.notes):
            console.print(f"{stage.stage}:")
        _print_reasons(console, "red", "failed", stage.failed)
        if notes:
            _print_notes(console, stage)
    if failures:
        _print_failed_clips(console, status.failed_clips)
    for run in status.unfinished:
        console.print(f"run {run.name}: {run.epochs_done:,} of {count(run.epochs, 'epoch')} done")
    console.say("next: ", (status.next_command, "bold"))


def _print_failed_clips(console: LineConsole, clips: Sequence[FailedClip]) -> None:
    """A line for each clip and fault, with the stage that found it."""
    if clips:
        console.print("failed clips:")
    for failed in clips:
        first, *after = failed.stages
        so = f", and so {count(len(after), 'stage')} after it" if after else ""
        console.print(f"    {failed.message} ({first}{so})")


def _print_notes(console: LineConsole, stage: StageStatus) -> None:
    _print_reasons(console, "dim", "noted", stage.notes)
    for noted in stage.noted:
        more = f" ({noted.message})" if noted.message else ""
        console.print(f"    {noted.clip}: {', '.join(noted.reasons)}{more}")


def _print_faults(console: LineConsole, faults: Sequence[str]) -> None:
    for fault in faults:
        console.say(("export", "yellow"), f" {fault}")


def _numbers(stage: StageStatus) -> tuple[int, int, int, int]:
    return stage.done, stage.to_do, stage.stale, sum(stage.failed.values())


def print_export(console: LineConsole, report: MapsReport) -> None:
    """Print how many maps were written, and how many clips have none and why."""
    rows, cols = report.grid
    console.print(f"{count(report.written, f'{rows}x{cols} map')} written to {report.folder}")
    for clips, why in (
        (report.nothing_moves, "no map: nothing moves in them"),
        (report.without_motion, "no map: they have no motion vectors"),
        (report.stale, "no map: `mocrop extract-mv` has not run on them as they are now"),
    ):
        if clips:
            console.say("  ", (f"{clips:>6,}", "yellow"), f"  {why}")


def print_exported(console: LineConsole, report: ExportReport) -> None:
    """Print what was done, and how many clips the folder holds and lacks."""
    for stage in report.stages:
        print_stage(console, stage)
    left = f"; {count(report.left_out, 'clip')} left out" if report.left_out else ""
    console.say((str(report.folder), "bold"), f" holds {count(report.clips, 'clip')} as {report.form}{left}")
    if report.failed:
        console.print("`mocrop status --failed` names the failed clips, `mocrop retry` tries them again")


def print_import(console: LineConsole, report: ImportReport) -> None:
    """Print how many maps fit, which are missing or bad, and the command that crops by them."""
    rows, cols = report.grid
    console.print(f"{count(report.fitting, f'{rows}x{cols} map')} of {report.folder} can be used")
    _print_group(console, "missing, the whole frame is kept:", report.missing)
    _print_group(console, "bad, the clip would fail:", [bad.message for bad in report.bad])
    if report.unmatched:
        console.say("  ", (f"{report.unmatched:>6,}", "dim"), "  belong to no clip of this workspace")
    console.say("next: ", ("mocrop precrop --policy maps --size 192", "bold"))


def print_verify(console: LineConsole, report: VerifyReport) -> None:
    """Print for each part how many clips are damaged and which, what was marked, and the commands that repair it."""
    if report.forgotten is not None:
        clips = count(report.forgotten.clips, "clip")
        console.print(f"{report.forgotten.stage}: {clips} forgotten; it is no longer expected")
        return
    for checked in report.parts:
        _print_part(console, checked, [damage for damage in report.damage if damage.part == checked.part])
    if not report.parts:
        console.print("there is nothing to check yet")
    if report.changes is not None:
        print_changes(console, report.changes)
    for marked in report.marked or ():
        console.say((marked.stage, "bold"), f": {count(marked.clips, 'clip')} marked as not done")
    if report.repair:
        console.print("to repair it:" if report.marked is None else "to make it again:")
    for command in report.repair:
        console.say("  ", (command, "bold"))
    if any(not one.repair for one in report.damage):
        console.print("what no command repairs: copy it again from where it is sound, or do as is said of it")


def _print_part(console: LineConsole, checked: CheckedPart, damage: Sequence[Damage]) -> None:
    sound: Part = (f"{checked.damaged:,} damaged", "red") if damage else "all sound"
    console.say((checked.part, "bold"), f": {count(checked.clips, checked.counted)} checked, ", sound)
    _print_examples(console, [f"{one.clip}: {one.fact}" if one.clip else one.fact for one in damage], indent=2)
    if checked.without_checksum:
        files = count(checked.without_checksum, "file")
        deep = "only --deep finds" if checked.counted == "clip" else "nothing finds"
        console.print(f"  {files} made before checksums were kept: {deep} bytes that have changed in them")


def _print_group(console: LineConsole, what: str, lines: Sequence[str]) -> None:
    if lines:
        console.say("  ", (f"{len(lines):>6,}", "yellow"), f"  {what}")
        _print_examples(console, lines, indent=10)


def _print_examples(console: LineConsole, lines: Sequence[str], *, indent: int) -> None:
    for line in lines[:MAX_EXAMPLES]:
        console.print(f"{' ' * indent}{line}")
    if len(lines) > MAX_EXAMPLES:
        console.print(f"{' ' * indent}and {len(lines) - MAX_EXAMPLES:,} more; --json lists all")


def print_plan(console: LineConsole, lines: Iterable[tuple[str, str, str]]) -> None:
    """Print why each clip would run, and how many would in each stage.

    Args:
        lines: stage, clip and reason; a stage without a clip is counted, also if no clip would run in it.
    """
    totals = Counter[str]()
    for of, clip, why in lines:
        totals[of] += bool(clip)
        if clip:
            console.print(f"{of}  {clip}  {why}")
    for of, clips in totals.items():
        console.print(f"{of}: {count(clips, 'clip')} would run")
