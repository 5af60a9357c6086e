"""`mocrop eval`: evaluate runs or checkpoints of a workspace, fuse them if asked, and write reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mocrop.evaluation.report.console import evaluation_progress, print_result
from mocrop.evaluation.report.files import report_files, write_report
from mocrop.evaluation.report.fusion import print_fusion, write_fusion
from mocrop.evaluation.report.remarks import remarks, seen_words
from mocrop.evaluation.report.splits import Row, SplitTable, print_splits, split_table, write_splits
from mocrop.evaluation.scores.chosen_look import look_of, stored_in
from mocrop.evaluation.scores.evaluate import EvalResult, EvalSettings, evaluate
from mocrop.evaluation.scores.fusion import Fusion, late_fusion
from mocrop.evaluation.scores.predictions import Predictions, file_hash, read_predictions
from mocrop.evaluation.scores.seen import seen_by
from mocrop.evaluation.scores.targets import ALL_SPLITS, Choice, Target, Task, choose_tasks
from mocrop.evaluation.views import Look
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import PredictionsError
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.data.selection import require_one_label, split_index
from mocrop.training.model.checkpoint import describe_cache
from mocrop.training.model.external_checkpoint import load_any_checkpoint


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitEvaluation:
    """The result on one split and its files by suffix; see :func:`~mocrop.evaluation.report.files.report_files`."""

    result: EvalResult
    files: dict[str, Path]
    fusion: Fusion | None = None
    fusion_files: dict[str, Path] = field(default_factory=dict)
    fusion_notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**self.result.to_json(), **({"fusion": self.fusion.to_json()} if self.fusion else {})}


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Results of `mocrop eval`: one split, or all of them and their mean."""

    splits: tuple[SplitEvaluation, ...]
    table: SplitTable | None = None  # of all splits
    files: dict[str, Path] = field(default_factory=dict)  # of the table

    def to_json(self) -> dict[str, Any]:
        if self.table is None:
            return self.splits[0].to_json()
        return {**self.table.to_json(), "splits": [each.to_json() for each in self.splits]}


def evaluate_in_workspace(
    workspace: Workspace, settings: EvalSettings, choice: Choice, *, console: LineConsole
) -> Evaluation:
    """Evaluate a run of a workspace, or any checkpoint, alone or fused with another run, and write reports.

    A report is ``reports/<run>-on-<cache>-split<k>`` with the suffixes of :mod:`~mocrop.evaluation.report.files`. Split
    "all" takes each split's own run and adds the mean over splits.

    Raises: TrainingError, CacheError or SettingsError if the choice names nothing or several things; PredictionsError
        if the runs to fuse were not tested on the same clips and classes; what
        :func:`~mocrop.evaluation.scores.evaluate.evaluate` raises.
    """
    tasks = choose_tasks(workspace, choice, settings.split)
    averaged = settings.split == ALL_SPLITS and tasks[0].split != ALL_SPLITS  # a split may be named "all"
    _require_one_label(tasks, choice, averaged=averaged)
    splits = tuple(
        _evaluated(workspace, replace(settings, split=task.split), task, weight=choice.fuse_weight, console=console)
        for task in tasks
    )
    if not averaged:
        return Evaluation(splits=splits)
    table = _table(splits, tasks)
    stem = f"{choice.family or tasks[0].target.name}-on-{tasks[0].target.cache.stem}-splitall"
    files = write_splits(table, workspace.reports, stem) if settings.ranks.first else {}
    return Evaluation(splits=splits, table=table, files=files)


def _require_one_label(tasks: Sequence[Task], choice: Choice, *, averaged: bool) -> None:
    """Refuse, before anything is tested, what counts right answers where a clip may have several labels.

    Raises: SettingsError.
    """
    what = "--fuse compares right answers, which need" if choice.fuse else "--split all averages right answers of"
    if choice.fuse or averaged:
        for task in tasks:
            require_one_label(CropCache(task.target.cache), what)


def print_evaluation(console: LineConsole, evaluation: Evaluation) -> None:
    """Print the results, and the paths of their files."""
    if evaluation.table:
        print_splits(console, evaluation.table)
        _print_files(console, evaluation.files)
    for each in evaluation.splits:
        if not evaluation.table:
            print_result(console, each.result)
        _print_files(console, each.files)
        if each.fusion:
            if not evaluation.table:
                print_fusion(console, each.fusion, each.fusion_notes)
            _print_files(console, each.fusion_files)


def _print_files(console: LineConsole, files: dict[str, Path]) -> None:
    beside = ", ".join(suffix for suffix in files if suffix != ".md")
    console.print(f"report: {files['.md']}")
    console.print(f"  beside it: {beside}")


def _evaluated(
    workspace: Workspace, settings: EvalSettings, task: Task, *, weight: float, console: LineConsole
) -> SplitEvaluation:
    """Evaluate one split, and fuse it if the task says so."""
    target, other = task.target, task.other
    done = _evaluate(workspace, settings, target, console=console)
    if other is None:
        return done
    second, notes = _second(workspace, settings, other, console=console)
    one, another = (f"{each.name} on {each.cache.stem}" for each in (target, other))
    fusion = late_fusion(done.result.predictions, second, weight=weight, names=(one, another))
    stem = f"{target.name}-fused-{other.name}-on-{target.cache.stem}-split{done.result.split}"
    seen = [f"{target.name}: {line}" for line in seen_words(done.result.seen)]  # printed with its own result already
    files = write_fusion(fusion, [*seen, *notes], workspace.reports, stem) if settings.ranks.first else {}
    return replace(done, fusion=fusion, fusion_files=files, fusion_notes=tuple(notes))


def _evaluate(workspace: Workspace, settings: EvalSettings, target: Target, *, console: LineConsole) -> SplitEvaluation:
    with evaluation_progress(console) as on_batch:
        result = evaluate(target.cache, target.checkpoint, settings, arch=target.arch, on_batch=on_batch)
    files = write_report(result, workspace.reports, target.stem(result.split)) if settings.ranks.first else {}
    return SplitEvaluation(result=result, files=files)


def _second(
    workspace: Workspace, settings: EvalSettings, other: Target, *, console: LineConsole
) -> tuple[Predictions, list[str]]:
    """Predictions of the network to fuse, saved ones if they fit, with notes about them."""
    found = saved_predictions(workspace, settings, other)
    if settings.ranks.most([float(found is None)])[0]:
        found = None  # if one rank must evaluate, all must: it waits for them, and not all may see a new file yet
    how = "evaluated now" if found is None else "its saved predictions"
    if found is None:
        found = _evaluate(workspace, settings, other, console=console).result.predictions
    seen = seen_words(seen_by(other.cache, other.checkpoint, split=settings.split))
    return found, [f"{other.name}: {line}" for line in (how, *seen)]


def saved_predictions(workspace: Workspace, settings: EvalSettings, target: Target) -> Predictions | None:
    """Predictions of an earlier evaluation, if they are of the same weights, cache, split, frames and views."""
    cache = CropCache(target.cache)
    split = cache.split_names[split_index(cache, settings.split)]
    try:
        found = read_predictions(report_files(workspace.reports, target.stem(split))[".npz"])
    except PredictionsError:
        return None
    there = (found.origin.checkpoint_hash, found.origin.cache["hash"], found.split)
    if there != (file_hash(target.checkpoint), describe_cache(cache)["hash"], split):
        return None
    checkpoint = load_any_checkpoint(target.checkpoint, cache=cache, arch=target.arch)
    asked = look_of(
        checkpoint,
        stored_in(cache, checkpoint),
        segments=settings.segments,
        views=settings.views,
        source=target.checkpoint,
    )
    return found if asked == (found.origin.look or Look(frames=found.origin.segments)) else None


def _table(splits: Sequence[SplitEvaluation], tasks: Sequence[Task]) -> SplitTable:
    rows = [
        Row(
            name=task.target.name,
            metrics=each.result.accuracies,
            predictions=each.result.predictions,
            fusion=each.fusion,
        )
        for each, task in zip(splits, tasks, strict=True)
    ]
    first = splits[0].result
    notes = [f"{first.look.words(of_each='frames per clip')}; every split counts the same"]
    for each, task in zip(splits, tasks, strict=True):
        facts = [f"run {task.target.name}, left out: {each.result.left_out}", *([task.note] if task.note else [])]
        lines = (*facts, *remarks(each.result), *each.fusion_notes)
        notes += [f"split {each.result.split}: {line}" for line in lines]
    return split_table(f"{first.arch} on {first.cache['name']}, each split by its own run", rows, notes)
