"""Find the run or checkpoint for each split, by a name or pattern.

A network may be tested on a split only if it was trained on the training list of that split: the test clips of one
split are training clips of another. So there is a run for each split, and the runs differ in nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import SettingsError, TrainingError
from mocrop.pipeline.files import is_there
from mocrop.pipeline.strict_json import parsed_json
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.data.selection import split_index
from mocrop.training.loop.run_folder import FREE_SETTINGS
from mocrop.training.model.checkpoint import is_ours, read_content

PLACE = "{split}"  # stands for the split's name in the name of a run or checkpoint


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A trained run, read from its config.json."""

    name: str
    cache: str  # name of the cache trained on, or its address
    split: str  # name or number
    rest: str  # JSON of the settings and the cache that runs of one kind share

    def twin_of(self, other: TrainedRun) -> bool:
        """Whether both differ in the split alone."""
        return self.rest == other.rest


def trained_runs(workspace: Workspace) -> list[TrainedRun]:
    """Runs with a checkpoint and a config.json, sorted by name."""
    files = [workspace.runs / name / "config.json" for name in workspace.trained_runs()]
    return [_run(file) for file in files if is_there(file)]


def _run(file: Path) -> TrainedRun:
    """Raises: TrainingError if the file is damaged."""
    try:
        config = parsed_json(file.read_bytes())
        settings, cache = dict(config["settings"]), config["cache"]
        split = str(settings.pop("split"))
        kept = {name: value for name, value in settings.items() if name not in FREE_SETTINGS}
        rest = json.dumps([kept, cache["name"], cache["hash"]], sort_keys=True)
        trained_on = str(config.get("address") or cache["name"])
        return TrainedRun(name=file.parent.name, cache=trained_on, split=split, rest=rest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{file} cannot be read ({error}); delete the run's folder, or train it again") from error


def cache_of_family(workspace: Workspace, name: str | None) -> str | None:
    """The cache on which the runs of ``--split all`` were trained; None if they were trained on several.

    Raises: TrainingError if there is no such run.
    """
    caches = {run.cache for run in _candidates(workspace, name)}
    return caches.pop() if len(caches) == 1 else None


def runs_by_split(workspace: Workspace, cache: CropCache, name: str | None) -> dict[str, TrainedRun]:
    """A run for each split of a cache, by the split's name.

    Args:
        name: with ``{split}`` in it: the runs of these names. A plain name: that run, and those that differ from it in
            the split alone. None: the only such set of runs.
    Raises: TrainingError naming the split that has no run, or several, and the way out.
    """
    candidates = _candidates(workspace, name)
    families = _families(candidates) if name is None else [candidates]
    whole = [family for family in families if set(_covered(family, cache)) >= set(cache.split_names)]
    if len(whole) > 1:
        firsts = ", ".join(family[0].name for family in whole)
        raise TrainingError(f"several sets of runs have one for each split; name a run of one with --run: {firsts}")
    return _one_each(whole[0] if whole else max(families, key=len), cache)


def _candidates(workspace: Workspace, name: str | None) -> list[TrainedRun]:
    """Runs that the name can mean. Raises: TrainingError if there is none."""
    runs = trained_runs(workspace)
    if name is None:
        meant = runs
    elif PLACE in name:
        meant = [run for run in runs if run.name == name.replace(PLACE, run.split)]
    else:
        meant = [run for run in runs if any(run.twin_of(other) for other in runs if other.name == name)]
    if not meant:
        what = f"no run is called {name}" if name else "there is no trained run"
        known = f" (there is {', '.join(run.name for run in runs)})" if runs else ""
        raise TrainingError(f"--split all needs a run for each split, and {what}{known}; see `mocrop train --split`")
    return meant


def _families(runs: Sequence[TrainedRun]) -> list[list[TrainedRun]]:
    kinds = dict.fromkeys(run.rest for run in runs)
    return [[run for run in runs if run.rest == kind] for kind in kinds]


def _covered(family: Sequence[TrainedRun], cache: CropCache) -> dict[str, list[TrainedRun]]:
    """Runs by the name of the split that they were trained on, for the splits of the cache."""
    covered: dict[str, list[TrainedRun]] = {}
    for run in family:
        try:
            covered.setdefault(cache.split_names[split_index(cache, run.split)], []).append(run)
        except SettingsError:
            continue  # a split of another data set
    return covered


def _one_each(family: Sequence[TrainedRun], cache: CropCache) -> dict[str, TrainedRun]:
    covered = _covered(family, cache)
    if missing := [split for split in cache.split_names if split not in covered]:
        like = family[0].name
        raise TrainingError(
            f"--split all needs a run for each split, and none like {like} was trained on split {', '.join(missing)}; "
            f"train one with the options of {like}, --split {missing[0]} and a --name of its own (a run of another "
            "split has seen these test clips in training)"
        )
    for split, runs in covered.items():
        if len(runs) > 1:
            names = ", ".join(run.name for run in runs)
            raise TrainingError(f"split {split} has {len(runs)} runs: {names}; name one a split: --run 'NAME-{PLACE}'")
    return {split: covered[split][0] for split in cache.split_names}


def checkpoints_by_split(pattern: Path, cache: CropCache) -> dict[str, Path]:
    """Checkpoint files for each split of a cache, named by a path with ``{split}`` in it.

    Raises: SettingsError for a path without ``{split}``; CheckpointError if a file is missing; TrainingError if a
        checkpoint of mocrop was trained on another split than its name says.
    """
    if PLACE not in str(pattern):
        raise SettingsError(
            f"--split all tests each split with a network of its own; {pattern} is one, and has seen test clips of "
            f"other splits in training; pass a path with {PLACE} in it, or --split {cache.split_names[0]}"
        )
    files = {split: Path(str(pattern).replace(PLACE, split)) for split in cache.split_names}
    for split, file in files.items():
        content = read_content(file)
        if is_ours(content):
            _require_split(content["settings"], split, cache, file)
    return files


def _require_split(settings: Mapping[str, Any], split: str, cache: CropCache, file: Path) -> None:
    trained_on = str(settings["split"])
    if trained_on != split and trained_on != str(1 + split_index(cache, split)):
        raise TrainingError(f"{file} was trained on split {trained_on}, not on {split}; name the files by their splits")
