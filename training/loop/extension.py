"""A run that is made longer than it was to be: which settings may differ then, and what is remembered of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from mocrop.training.model.checkpoint import Checkpoint
from mocrop.training.recipe import TrainSettings

EXTENSIONS = "extensions"  # key in config.json, and in what last.pt has to resume from


@dataclass(frozen=True, kw_only=True)
class Extension:
    """A run was made longer, once.

    The learning rate of the epochs before followed the schedule of the shorter run, so the result is not that of a run
    which was as long from the start.
    """

    after: int  # whole epochs that were done
    epochs: int  # that the run was to have until then


def free_to_extend(there: Mapping[str, Any], here: Mapping[str, Any]) -> frozenset[str]:
    """Names of the settings that may differ because the run is made longer; none if it is not.

    Args:
        there: settings of the run, plain.
        here: those that it is to go on with. A warm-up in the same proportion comes with the recipe.
    """
    if not here["epochs"] > there["epochs"]:
        return frozenset()
    before, now = (each["warmup_epochs"] / each["epochs"] for each in (there, here))
    return frozenset({"epochs", "warmup_epochs"} if math.isclose(before, now) else {"epochs"})


def extended(settings: TrainSettings, earlier: Checkpoint | None) -> tuple[TrainSettings, tuple[Extension, ...]]:
    """The settings to go on with, and every time that the run was made longer, this one included.

    The warm-up stays that of the run: it is over, or goes on as it has begun.
    """
    if earlier is None:
        return settings, ()
    known = tuple(Extension(**each) for each in earlier.resume.get(EXTENSIONS, ()))
    epochs = earlier.settings["epochs"]
    if settings.epochs == epochs:
        return settings, known
    now = Extension(after=len(earlier.resume["history"]), epochs=epochs)
    return replace(settings, warmup_epochs=earlier.settings["warmup_epochs"]), (*known, now)


def plain(extensions: tuple[Extension, ...]) -> dict[str, Any]:
    """What is stored of them; nothing if there are none, as an older mocrop does."""
    return {EXTENSIONS: [asdict(each) for each in extensions]} if extensions else {}
