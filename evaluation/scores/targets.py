"""What `mocrop eval` is asked to test: checkpoints, and the caches to test them on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mocrop.evaluation.scores.runs import PLACE, cache_of_family, checkpoints_by_split, runs_by_split
from mocrop.pipeline.address import is_address
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.named import MirrorChoice, named_cache
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.limits import require_number
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.run_progress import run_config
from mocrop.training.commands import choose_run
from mocrop.training.loop.run_folder import weights_of
from mocrop.training.model.external_checkpoint import cache_trained_on

ALL_SPLITS = "all"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What to evaluate, as the command line has it; ``{split}`` in a name or path stands for the split."""

    run: str | None = None  # name of a run; None: the only one there is
    checkpoint: Path | None = None  # a file, instead of a run; also one that another program has saved
    arch: str | None = None  # the backbone, if the checkpoint does not say
    cache: str | None = None  # name or address; None: the one trained on if it exists, else the only one
    mirror: MirrorChoice | None = None  # where what is read of an address is kept
    fuse: str | None = None  # name of another run, to be fused with the first; on the cache that it was trained on
    fuse_weight: float = 0.5  # of the other run

    def __post_init__(self) -> None:
        require_number("--fuse-weight", self.fuse_weight, least=0, most=1)
        if self.run and self.checkpoint:
            raise SettingsError("--run and --checkpoint both say what to evaluate; pass one of them")

    @property
    def family(self) -> str | None:
        """Name for the report of all splits, if the run or checkpoint is given by a pattern."""
        pattern = str(self.run or (self.checkpoint and self.checkpoint.stem) or "")
        return pattern.replace(PLACE, ALL_SPLITS) if PLACE in pattern else None


@dataclass(frozen=True, kw_only=True)
class Target:
    """A checkpoint and the crop cache to test it on."""

    checkpoint: Path
    cache: Path
    arch: str | None = None

    @property
    def name(self) -> str:
        return target_name(self.checkpoint)

    def stem(self, split: str) -> str:
        """File name of its report, without suffix."""
        return f"{self.name}-on-{self.cache.stem}-split{split}"


def target_name(checkpoint: Path) -> str:
    """Name of a checkpoint in reports: the run's name for its best.pt, and another for what has no best epoch yet.

    >>> [target_name(Path(file)) for file in ("runs/resnet50/best.pt", "runs/resnet50/last.pt", "x.pth")]
    ['resnet50', 'resnet50-last', 'x']
    """
    run = checkpoint.absolute().parent.name
    return {"best.pt": run, "last.pt": f"{run}-last"}.get(checkpoint.name, checkpoint.stem)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One split to test."""

    split: str
    target: Target
    other: Target | None = None  # to fuse it with
    note: str | None = None  # remark for the report


def choose_tasks(workspace: Workspace, choice: Choice, split: str) -> list[Task]:
    """Tasks of an evaluation: one, or for split "all" one for each split.

    If the cache has a split named "all", that one is meant.

    Raises: TrainingError, CacheError or SettingsError if the choice names nothing or several things.
    """
    if split == ALL_SPLITS and ALL_SPLITS not in CropCache(_family_cache(workspace, choice)).split_names:
        return _for_all_splits(workspace, choice)
    file = choice.checkpoint or weights_of(choose_run(workspace, choice.run and choice.run.replace(PLACE, split)))
    file = Path(str(file).replace(PLACE, split))
    cache = _cache_for(workspace, choice.cache, file, choice.mirror)
    target = Target(checkpoint=file, cache=cache, arch=choice.arch)
    if choice.fuse is None:
        return [Task(split=split, target=target)]
    fused = weights_of(choose_run(workspace, choice.fuse.replace(PLACE, split)))
    other = Target(checkpoint=fused, cache=_cache_for(workspace, None, fused, choice.mirror))
    return [Task(split=split, target=target, other=other)]


def _for_all_splits(workspace: Workspace, choice: Choice) -> list[Task]:
    path = _family_cache(workspace, choice)
    cache = CropCache(path)
    if choice.checkpoint:
        files = checkpoints_by_split(choice.checkpoint, cache)
        tasks = [
            Task(split=split, target=Target(checkpoint=file, cache=path, arch=choice.arch))
            for split, file in files.items()
        ]
    else:
        tasks = [
            Task(split=split, target=target, note=note)
            for split, target, note in _runs(workspace, path, choice.run, arch=choice.arch)
        ]
    return _with_others(workspace, tasks, choice.fuse, choice.mirror) if choice.fuse else tasks


def _with_others(workspace: Workspace, tasks: list[Task], name: str, mirror: MirrorChoice | None) -> list[Task]:
    """Add to each task the run to fuse it with, of the same split."""
    path = named_cache(workspace, cache_of_family(workspace, name), mirror or MirrorChoice())
    others = {split: (target, note) for split, target, note in _runs(workspace, path, name)}
    if missing := [task.split for task in tasks if task.split not in others]:
        raise SettingsError(
            f"{path} has no split {', '.join(missing)}, only {', '.join(others)}; fuse runs of one data set"
        )
    return [
        replace(task, other=target, note="; ".join(filter(None, (task.note, note))) or None)
        for task in tasks
        for target, note in [others[task.split]]
    ]


def _runs(
    workspace: Workspace, cache: Path, name: str | None, *, arch: str | None = None
) -> Iterator[tuple[str, Target, str | None]]:
    """A run for each split of a cache: split, target and a remark."""
    runs = runs_by_split(workspace, CropCache(cache), name)
    first = next(iter(runs.values()))
    for split, run in runs.items():
        note = None if run.twin_of(first) else f"run {run.name} differs from {first.name} in more than the split"
        yield split, Target(checkpoint=weights_of(workspace.runs / run.name), cache=cache, arch=arch), note


def _family_cache(workspace: Workspace, choice: Choice) -> Path:
    """The cache that all splits are tested on."""
    if choice.cache:
        return named_cache(workspace, choice.cache, choice.mirror or MirrorChoice())
    if choice.checkpoint:
        first = Path(str(choice.checkpoint).replace(PLACE, "1"))
        return _cache_for(workspace, None, first) if first.exists() else workspace.choose_cache(None)
    return _trained_on(workspace, cache_of_family(workspace, choice.run), choice.mirror)


def _cache_for(workspace: Workspace, name: str | None, checkpoint: Path, mirror: MirrorChoice | None = None) -> Path:
    if name is not None:
        return named_cache(workspace, name, mirror or MirrorChoice())
    config = run_config(checkpoint.parent) if checkpoint.parent.parent == workspace.runs else None
    address = None if config is None else config.get("address")
    return _trained_on(workspace, cache_trained_on(checkpoint) if address is None else str(address), mirror)


def _trained_on(workspace: Workspace, name: str | None, mirror: MirrorChoice | None) -> Path:
    """The cache that a network was trained on, at its address or of that name; if there is none, the only one."""
    known = name is not None and (is_address(name) or name in workspace.cache_names())
    return named_cache(workspace, name if known else None, mirror or MirrorChoice())
