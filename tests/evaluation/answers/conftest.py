"""A workspace of made clips with caches and trained runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from mocrop.evaluation.demo.sprites import SpriteSettings, make_sprites
from mocrop.pipeline import RunOptions, Workspace, init, run_all
from mocrop.training import TrainSettings, train
from mocrop.training.recipe import SAME_PIXELS

SPRITES = SpriteSettings(classes=2, groups=3, clips_per_group=1, frames=26, width=64, height=48)
HERE = RunOptions(workers=0)
Train = Callable[..., Path]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose data set has two classes of three clips each."""
    folder = tmp_path_factory.mktemp("made")
    make_sprites(folder / "data", SPRITES)
    workspace = Workspace(folder / "work")
    init(workspace, folder / "data")
    return workspace


@pytest.fixture(scope="session")
def trained(made: Workspace) -> Train:
    """Train on a cache of the made clips, which is made first: ``trained("name", policy=..., input=...) -> run``.

    ``training`` has further settings of the run.
    """

    def make(
        name: str,
        *,
        input: str = "frames",
        pool: str = "mean",
        arch: str = "timm/test_resnet",
        training: Mapping[str, object] = MappingProxyType({}),
        **crop: object,
    ) -> Path:
        run = made.runs / name
        if not run.exists():
            size = {"size": 32, "frames": 4, "name": name, "source": "h264", **crop}
            (*_, last) = run_all(made, run=HERE, **size).stages  # type: ignore[arg-type]
            assert last.summary is None or not last.summary.failed
            frozen = {"pool": pool, "freeze_backbone": True, **SAME_PIXELS} if pool != "mean" else {}
            clips = {"validation_segments": 4} if arch.startswith("video/") else {}
            tiny = {"arch": arch, "weights": "none", "epochs": 1, "segments": 2, "device": "cpu", **clips}
            settings = TrainSettings(**{**tiny, "input": input, **frozen, **training})  # type: ignore[arg-type]
            train(made.cache(name), run, settings)
        return run

    return make
