"""`mocrop demo`: a data set of its own through every stage, a small network with and without the crop, a picture."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from mocrop.evaluation.coverage.overlap import overlap
from mocrop.evaluation.demo.sprites import SpriteSettings, SpriteTruth, make_sprites
from mocrop.evaluation.pictures.crop_figure import Panel, draw_panels, panel
from mocrop.evaluation.report.console import interval_head
from mocrop.evaluation.report.format import score_cells
from mocrop.evaluation.scores.evaluate import EvalResult, EvalSettings, evaluate
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.errors import WorkspaceError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.stages.cache_settings import CropOptions
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.loop.callbacks import EpochRecord, TrainCallback
from mocrop.training.loop.train import train
from mocrop.training.model.device import one_thread
from mocrop.training.recipe import TrainSettings

POLICIES = ("full", "center", "motion")
SIZE_PX, FRAMES, RATIO = 64, 4, 0.25  # at 0.75 every crop holds these small sprites, and no policy does better
MARK = "this-is-a-mocrop-demo"  # only a folder with this file in it is ever deleted
TRAINING = TrainSettings(
    arch="timm/test_resnet.r160_in1k",  # half a million parameters: learns these shapes in seconds on a CPU
    weights="none",
    epochs=30,
    batch_size=16,
    learning_rate=2e-3,
    segments=2,
    validation_share=0.0,  # the last epoch is taken: of a hundred clips none can be spared
    mixup=0.0,
    crop_scales=(1.0, 0.875),
    device="cpu",
)


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """Results of the demo."""

    scores: dict[str, EvalResult]  # by policy
    inside: dict[str, tuple[float, float]]  # by policy: mean share of the sprite in the crop, camera still and panning
    picture: Path


def run_demo(
    folder: Path, *, run: RunOptions, console: LineConsole, sprites: SpriteSettings | None = None
) -> DemoResult:
    """Make a small data set in ``folder``, run every stage, train and test; an earlier demo there is replaced.

    Args:
        sprites: how many clips; None: 144 of 40 frames.
    Raises: WorkspaceError if ``folder`` holds anything but an earlier demo.
    """
    _clear(folder)
    console.rule("1. a data set: textured sprites moving over clutter, the camera still or panning")
    settings = sprites or SpriteSettings()
    dataset = folder / "videos"
    truth = make_sprites(dataset, settings)
    console.print(f"{len(truth.boxes)} clips of MPEG-4 Part 2, like UCF-101's, in {dataset}")
    workspace = Workspace(folder / "work")
    console.rule("2. every stage: transcode, extract-mv, precrop")
    _make_caches(workspace, dataset, run, console)
    console.rule("3. the same small network, trained on whole frames and on crops")
    with one_thread():  # the network is small: two threads gain little, and on busy cores they wait for each other
        scores = {policy: _train_and_evaluate(workspace, policy, console) for policy in POLICIES}
    caches = {policy: CropCache(workspace.cache(f"{policy}-{SIZE_PX}")) for policy in POLICIES}
    size = settings.width, settings.height
    inside = {policy: _share_inside(cache, truth, size) for policy, cache in caches.items()}
    picture = folder / "demo.png"
    draw_panels(_panels(caches["motion"], workspace, truth), picture)
    return DemoResult(scores=scores, inside=inside, picture=picture)


def print_demo(console: LineConsole, result: DemoResult) -> None:
    """Print the table and the path of the picture."""
    console.rule("4. what came out")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("policy")
    by = interval_head(next(iter(result.scores.values())).metrics.units)  # of the same clips for all policies
    for title in ("top-1", "correct / total", by, "sprite in crop: still", "panning"):
        table.add_column(title, justify="right")
    for policy, scored in result.scores.items():
        still, panning = (f"{share:.0%}" for share in result.inside[policy])
        table.add_row(policy, *score_cells(scored.top1), still, panning)
    console.print(table)
    console.print("A small data set and one seed: read the intervals before the numbers.")
    console.print(f"picture: {result.picture}")


class _LastEpoch(TrainCallback):
    """Prints one line about a run, at its last epoch."""

    def __init__(self, console: LineConsole, policy: str) -> None:
        self._console = console
        self._policy = policy
        self._seconds = 0.0

    def epoch(self, record: EpochRecord) -> None:
        self._seconds += record.seconds
        if record.epoch == TRAINING.epochs:
            self._console.print(
                f"{self._policy}: {record.epoch} epochs in {self._seconds:.0f} s, "
                f"{record.train_accuracy:.0%} of the training clips right",
                highlight=False,
            )


def _clear(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise WorkspaceError(f"{folder} holds something else than an earlier demo; name another folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def _make_caches(workspace: Workspace, dataset: Path, run: RunOptions, console: LineConsole) -> None:
    from mocrop.pipeline.commands.console import print_report

    motion: CropOptions = {"policy": "motion", "size": SIZE_PX, "frames": FRAMES, "ratio": RATIO}
    print_report(console, preprocess.run_all(workspace, dataset, run=run, **motion))
    controls: tuple[CropOptions, ...] = ({**motion, "policy": "center"}, {**motion, "policy": "full", "ratio": None})
    for control in controls:
        print_report(console, preprocess.precrop(workspace, run=run, **control))


def _train_and_evaluate(workspace: Workspace, policy: str, console: LineConsole) -> EvalResult:
    cache = workspace.cache(f"{policy}-{SIZE_PX}")
    trained = train(cache, workspace.runs / policy, TRAINING, callback=_LastEpoch(console, policy))
    return evaluate(cache, trained.checkpoint, EvalSettings(device="cpu", segments=FRAMES))


def _share_inside(cache: CropCache, truth: SpriteTruth, size: tuple[int, int]) -> tuple[float, float]:
    """Mean share of the sprite's true box inside the crop, in clips with a still and with a panning camera."""
    shares: dict[bool, list[float]] = {False: [], True: []}
    for name, box in zip(cache.clip, cache.box, strict=True):
        left, top, right, bottom = box.tolist()
        x, y, w, h = np.array(truth.boxes[name], np.float64).T
        edges = np.stack((x, y, x + w, y + h), axis=1) / (*size, *size)
        share = overlap(edges, CropBox(left=left, top=top, right=right, bottom=bottom))[0]
        shares[truth.panning[name]].append(float(share))
    return float(np.mean(shares[False])), float(np.mean(shares[True]))


def _panels(cache: CropCache, workspace: Workspace, truth: SpriteTruth) -> list[Panel]:
    """One clip of each of the first classes: three with a still camera, and one that pans."""
    still = [row for row, name in enumerate(cache.clip) if not truth.panning[name]]
    panning = [row for row, name in enumerate(cache.clip) if truth.panning[name]]
    chosen = [next(row for row in still if cache.label[row] == label) for label in range(3)] + panning[-1:]
    panels = []
    for row in chosen:
        name = cache.clip[row]
        camera = "camera pans" if truth.panning[name] else "camera still"
        title = f"{name.partition('/')[0]}, {camera}"
        drawn, number = panel(cache, row, video=workspace.h264_file(name), title=title, slot=FRAMES // 2)
        panels.append(dataclasses.replace(drawn, truth=truth.boxes[name][number]))
    return panels
