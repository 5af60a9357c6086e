"""`mocrop eval` as a call: a workspace and a choice in, a report in it out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mocrop.evaluation.evaluate import EvalResult, EvalSettings, evaluate
from mocrop.evaluation.report import evaluation_progress
from mocrop.evaluation.report_files import write_report
from mocrop.pipeline.workspace import Workspace
from mocrop.training.commands import choose_run
from mocrop.training.foreign_checkpoint import cache_trained_on


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A result and the files that keep it."""

    result: EvalResult
    files: dict[str, Path]  # by suffix, see report_files


def evaluate_in(
    workspace: Workspace,
    settings: EvalSettings,
    *,
    run: str | None = None,
    checkpoint: Path | None = None,
    arch: str | None = None,
    cache: str | None = None,
    console: Console,
) -> Evaluation:
    """Evaluate a run of a workspace, or a checkpoint from elsewhere, and write its report.

    That is ``reports/<run>-on-<cache>-split<k>`` with the suffixes of :mod:`~mocrop.evaluation.report_files`.

    Args:
        run: name of the run; None: the only one there is.
        checkpoint: a file, instead of a run; also one that another program has saved.
        arch: the backbone, if the checkpoint does not say.
        cache: name of the cache; None: the one trained on if it is there, else the only one.
    Raises: TrainingError or CacheError if the choice is not clear; what
        :func:`~mocrop.evaluation.evaluate.evaluate` raises.
    """
    file = checkpoint or choose_run(workspace, run) / "best.pt"
    path = _cache_for(workspace, cache, file)
    with evaluation_progress(console) as on_batch:
        result = evaluate(path, file, settings, arch=arch, on_batch=on_batch)
    stem = f"{source_name(file)}-on-{path.stem}-split{result.split}"
    return Evaluation(result=result, files=write_report(result, workspace.reports, stem))


def source_name(checkpoint: Path) -> str:
    """What a report calls a checkpoint: the run's name for its best one.

    >>> [source_name(Path(file)) for file in ("runs/resnet50/best.pt", "runs/resnet50/last.pt", "x.pth")]
    ['resnet50', 'resnet50-last', 'x']
    """
    run = checkpoint.absolute().parent.name
    return {"best.pt": run, "last.pt": f"{run}-last"}.get(checkpoint.name, checkpoint.stem)


def _cache_for(workspace: Workspace, name: str | None, checkpoint: Path) -> Path:
    if name is None:
        trained_on = cache_trained_on(checkpoint)
        name = trained_on if trained_on in workspace.cache_names() else None
    return workspace.choose_cache(name)
