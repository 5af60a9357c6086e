"""`mocrop train` as a call, and the names of runs in a workspace."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.cache.named import MirrorChoice, named_cache
from mocrop.pipeline.errors import TrainingError
from mocrop.pipeline.settings import settings_from
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.run_progress import run_config
from mocrop.training.distributed import Ranks
from mocrop.training.loop.callbacks import Callbacks, TrainCallback
from mocrop.training.loop.saver import SECONDS_BETWEEN_SAVES, RunControl
from mocrop.training.loop.signals import stop_on_signals
from mocrop.training.loop.train import TrainResult, train
from mocrop.training.options import TrainOptions
from mocrop.training.recipe import TrainSettings
from mocrop.training.report.console import ConsoleCallback
from mocrop.training.report.curves import CurvesCallback
from mocrop.training.report.tensorboard import tensorboard_callback

NOT_OF_THE_RUN = frozenset(  # options that may be given to go on with a run as it was begun
    {"name", "cache", "mirror", "mirror_size", "epochs", "device", "save_every", "tensorboard", "workspace", "as_json"}
)


def train_in_workspace(
    workspace: Workspace,
    settings: TrainSettings,
    *,
    cache: str | None,
    mirror: MirrorChoice | None = None,
    name: str | None,
    save_every_minutes: float = SECONDS_BETWEEN_SAVES / 60,
    tensorboard: bool | None = None,
    extend: bool = False,
    ranks: Ranks | None = None,
    console: LineConsole,
) -> TrainResult:
    """Train on one cache of a workspace, into ``runs/<name>``.

    Args:
        cache: name of the cache, or its address; None: the only one there is.
        mirror: where what is read of an address is kept; None: where the user's caches are.
        name: of the run; None: see :func:`run_name`.
        save_every_minutes: within an epoch; the most that a crash can lose.
        tensorboard: write TensorBoard events; None: if TensorBoard is installed.
        extend: a run of that name may be made longer, see :func:`~mocrop.training.loop.train.train`.
        ranks: this process among those that train together; only the first reports progress.
    Raises: CacheError if the choice of the cache is not clear; SettingsError for a name that no folder can have; what
        :func:`~mocrop.training.loop.train.train` raises.
    """
    path = named_cache(workspace, cache, mirror or MirrorChoice())
    run = name or run_name(settings, cache=path.stem)
    ranks, callback = ranks or Ranks(), TrainCallback()
    if ranks.first:
        callback = Callbacks(ConsoleCallback(console), CurvesCallback(), tensorboard_callback(tensorboard))
    with stop_on_signals() as stop:
        control = RunControl(save_every_seconds=60 * save_every_minutes, stop=stop, ranks=ranks)
        return train(path, workspace.run(run), settings, callback=callback, control=control, extend=extend)


@dataclass(frozen=True, kw_only=True)
class TrainCall:
    """What a command line asks for."""

    settings: TrainSettings
    cache: str | None  # its name; None: the only one there is
    extend: bool  # a run that is there may be made longer: the number of epochs is not a default


def call_of(workspace: Workspace, options: TrainOptions, given: Collection[str]) -> TrainCall:
    """The settings that a command line asks for, and the cache.

    Where it names a run that is there, and gives nothing that the run depends on but epochs and device, the settings
    and the cache are those that the run was begun with.

    Args:
        given: names of the options on the command line.
    Raises: SettingsError for a value that a setting cannot have, or one that this mocrop does not know.
    """
    config = None
    if options.name is not None and set(given) <= NOT_OF_THE_RUN:
        config = run_config(workspace.run(options.name))
    if config is None:
        return TrainCall(settings=options.settings(), cache=options.cache, extend=options.epochs is not None)
    stored = {name: tuple(value) if isinstance(value, list) else value for name, value in config["settings"].items()}
    changed = {"epochs": options.epochs, "device": options.device if "device" in given else None}
    settings = settings_from(TrainSettings, stored, changed, where=f"the run in {workspace.run(options.name or '')}")
    return TrainCall(
        settings=settings, cache=options.cache or str(config.get("address") or config["cache"]["name"]), extend=True
    )


def run_name(settings: TrainSettings, *, cache: str) -> str:
    """Default name of a run: backbone and cache, then input and split where they are not the default.

    >>> run_name(TrainSettings(), cache="motion-192")
    'resnet50-motion-192'
    >>> run_name(TrainSettings(arch="timm/resnet18", input="motion", split="2"), cache="motion-192")
    'timm-resnet18-motion-192-fields-split2'
    """
    fields = "-fields" if settings.input == "motion" else ""
    split = "" if settings.split == "1" else f"-split{settings.split}"
    return f"{settings.arch.replace('/', '-')}-{cache}{fields}{split}"


def choose_run(workspace: Workspace, name: str | None) -> Path:
    """Folder of the run of that name; without a name, of the only run there is, finished or not.

    Raises: TrainingError that lists the runs if the choice is not clear.
    """
    names = workspace.trained_runs()
    if not names:
        raise TrainingError(f"{workspace.root} has no trained run yet; make one with `mocrop train --arch resnet50`")
    if name is None and len(names) > 1:
        raise TrainingError(f"there are {len(names)} runs; pass --run with one of: {', '.join(names)}")
    if name is not None and name not in names:
        raise TrainingError(f"there is no trained run {name!r}; the trained runs are: {', '.join(names)}")
    return workspace.runs / (name or names[0])
