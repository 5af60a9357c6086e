"""How far the training runs of a workspace are, as their folders tell without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.pipeline.files import names_in
from mocrop.pipeline.strict_json import parsed_json
from mocrop.pipeline.workspace.paths import Workspace

CONFIG, LOG = "config.json", "log.jsonl"


@dataclass(frozen=True, kw_only=True)
class UnfinishedRun:
    """A training run with epochs to do: it has been stopped, or is under way."""

    name: str
    epochs_done: int
    epochs: int


def run_config(run: Path) -> dict[str, Any] | None:
    """What config.json says of a run; None if it is not there, or not what `mocrop train` writes."""
    try:
        config = parsed_json((run / CONFIG).read_bytes())
    except (OSError, ValueError):
        return None
    whole = isinstance(config, dict) and isinstance(config.get("settings"), dict)
    return config if whole and isinstance(config.get("cache"), dict) else None


def unfinished_runs(workspace: Workspace) -> Iterator[UnfinishedRun]:
    """The runs with epochs to do, by name. One that cannot be told is left out: `mocrop verify` looks into it.

    Raises: OSError if the folder of runs cannot be read.
    """
    for name in names_in(workspace.runs):
        config = run_config(workspace.runs / name)
        epochs = config["settings"].get("epochs") if config else None
        if isinstance(epochs, int) and (done := _epochs_done(workspace.runs / name)) < epochs:
            yield UnfinishedRun(name=name, epochs_done=done, epochs=epochs)


def _epochs_done(run: Path) -> int:
    """Whole epochs that a run has saved: a line of its log each."""
    try:
        return (run / LOG).read_bytes().count(b"\n")
    except FileNotFoundError:  # stopped in its first epoch
        return 0
