"""`mocrop demo`: a data set of its own, through every stage; a small network with and without the crop; a picture."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from mocrop.evaluation.coverage.overlap import METRICS, overlaps
from mocrop.evaluation.demo.crossing import CrossingSettings
from mocrop.evaluation.demo.order import OrderSettings
from mocrop.evaluation.demo.scenes import MadeScene, SceneSettings, make_scene, scene_settings
from mocrop.evaluation.demo.sprites import SpriteSettings
from mocrop.evaluation.pictures.crop_figure import Panel, draw_panels, panel
from mocrop.evaluation.report.format import interval_head, score_cells
from mocrop.evaluation.scores.evaluate import EvalResult, EvalSettings, evaluate
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.errors import SettingsError, WorkspaceError
from mocrop.pipeline.names import shell_word
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.stages.cache_settings import CropOptions
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.loop.callbacks import EpochRecord, TrainCallback
from mocrop.training.loop.train import train
from mocrop.training.model.device import one_thread
from mocrop.training.recipe import TrainSettings

SPRITE_POLICIES = ("full", "center", "motion")
CROSSING_POLICIES = ("full", "center", "adaptive", "follow")
SIZE_PX, FRAMES = 64, 4
SPRITE_RATIO, CROSSING_RATIO = 0.25, 0.1  # at 0.75 every crop holds these small figures, and no policy does better
LEARNT = 0.9  # share of the training clips right from which a row is a fair foil
SAID: dict[type[SceneSettings], str] = {
    SpriteSettings: "textured sprites moving over clutter, the camera still or panning",
    CrossingSettings: "people who cross the picture before a still camera",
    OrderSettings: "three sprites, of which one moves steadily; the same pictures in six orders are six classes",
}
MARK = "this-is-a-mocrop-demo"  # only a folder with this file in it is ever deleted
TRAINING = TrainSettings(
    arch="timm/test_resnet.r160_in1k",  # half a million parameters: learns these shapes in seconds on a CPU
    weights="none",
    epochs=40,  # until whole frames are learnt too: a row that has not learnt is no foil
    batch_size=16,
    learning_rate=3e-3,
    schedule="cosine",
    color_jitter=0.0,  # shapes tell the classes apart, in any colour
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
    learnt: dict[str, float]  # by policy: share of the training clips that were right in the last epoch
    inside: dict[str, dict[str, float]]  # by policy: mean share of the figure in the crop, by camera: still, panning
    picture: Path


def run_demo(folder: Path, *, run: RunOptions, console: LineConsole, scene: SceneSettings | None = None) -> DemoResult:
    """Make a small data set in ``folder``, run every stage, train and test; an earlier demo there is replaced.

    Args:
        scene: which clips, and how many; None: 144 sprites of 40 frames.
    Raises: WorkspaceError if ``folder`` holds anything but an earlier demo; SettingsError for the order scene, on which
        policies and networks of frames have nothing to show.
    """
    if isinstance(scene, OrderSettings):
        raise SettingsError("clips of --scene order are made with --only-data, which says what can be run on them")
    made = make_data_set(folder, scene or scene_settings("sprites"), console=console)
    sprites = any(made.panning.values())
    policies, ratio = (SPRITE_POLICIES, SPRITE_RATIO) if sprites else (CROSSING_POLICIES, CROSSING_RATIO)
    workspace = Workspace(folder / "work")
    console.rule("2. every stage: transcode, extract-mv, precrop")
    _make_caches(workspace, made, policies, ratio, run, console)
    console.rule("3. the same small network, trained on whole frames and on crops")
    with one_thread():  # the network is small: two threads gain little, and on busy cores they wait for each other
        rows = {policy: _train_and_evaluate(workspace, policy, console) for policy in policies}
    caches = {policy: CropCache(workspace.cache(f"{policy}-{SIZE_PX}")) for policy in policies}
    inside = {policy: _share_inside(cache, made) for policy, cache in caches.items()}
    picture = folder / "demo.png"
    draw_panels(_panels(caches[policies[-1]], workspace, made), picture)
    scores = {policy: scored for policy, (scored, _) in rows.items()}
    return DemoResult(
        scores=scores, learnt={policy: share for policy, (_, share) in rows.items()}, inside=inside, picture=picture
    )


def make_data_set(folder: Path, scene: SceneSettings, *, console: LineConsole) -> MadeScene:
    """Make the clips of a scene in ``folder``, in place of an earlier demo there, and say where they are.

    Raises: WorkspaceError if ``folder`` holds anything but an earlier demo.
    """
    _clear(folder)
    console.rule("1. a data set")  # a rule is one line, which a narrow terminal cuts off
    console.print(SAID[type(scene)])
    made = make_scene(folder, scene)
    console.say(f"{len(made.boxes)} clips of MPEG-4 Part 2, like UCF-101's, in {made.files.videos}")
    return made


def print_next(console: LineConsole, made: MadeScene) -> None:
    """Print what can be done with a data set, as commands."""
    videos, splits, boxes = (shell_word(str(path)) for path in (made.files.videos, made.files.splits, made.files.boxes))
    console.say(f"mocrop run {videos} --splits {splits}", whole=True)
    console.say(f"mocrop coverage --boxes {boxes}", whole=True)


def print_demo(console: LineConsole, result: DemoResult) -> None:
    """Print the table and the path of the picture."""
    console.rule("4. what came out")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("policy")
    by = interval_head(next(iter(result.scores.values())).metrics.units)  # of the same clips for all policies
    cameras = list(dict.fromkeys(camera for shares in result.inside.values() for camera in shares))
    in_crop = [f"in crop: {cameras[0]}", *cameras[1:]] if len(cameras) > 1 else ["figure in crop"]
    for title in ("top-1", "correct / total", by, *in_crop):
        table.add_column(title, justify="right")
    for policy, scored in result.scores.items():
        table.add_row(policy, *score_cells(scored.top1), *(f"{result.inside[policy][one]:.0%}" for one in cameras))
    console.print(table)
    console.print("A small data set and one seed: read the intervals before the numbers.")
    if short := [policy for policy, share in result.learnt.items() if share < LEARNT]:
        fewer = f"knew fewer than {LEARNT:.0%} of their own training clips"
        console.print(f"Trained too short to compare: {', '.join(short)} {fewer}.")
    console.print(f"picture: {result.picture}")


class _LastEpoch(TrainCallback):
    """Prints one line about a run, at its last epoch."""

    def __init__(self, console: LineConsole, policy: str) -> None:
        self._console = console
        self._policy = policy
        self._seconds = 0.0
        self.learnt = 0.0  # share of the training clips that were right in the last epoch

    def epoch(self, record: EpochRecord) -> None:
        self._seconds += record.seconds
        self.learnt = record.train_accuracy
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


def _make_caches(
    workspace: Workspace, made: MadeScene, policies: Sequence[str], ratio: float, run: RunOptions, console: LineConsole
) -> None:
    from mocrop.pipeline.commands.console import print_report

    options: CropOptions = {"size": SIZE_PX, "frames": FRAMES, "ratio": ratio}
    moving: CropOptions = {**options, "policy": policies[-1]}
    splits = None if any(made.panning.values()) else made.files.splits  # sprites: every split has panning clips
    print_report(console, preprocess.run_all(workspace, made.files.videos, splits=splits, run=run, **moving))
    for policy in policies[:-1]:
        own: CropOptions = {**options, "policy": policy, "ratio": None if policy == "full" else ratio}
        print_report(console, preprocess.precrop(workspace, run=run, **own))


def _train_and_evaluate(workspace: Workspace, policy: str, console: LineConsole) -> tuple[EvalResult, float]:
    """Scores on test clips, and the share of the training clips that the network has learnt."""
    cache, last = workspace.cache(f"{policy}-{SIZE_PX}"), _LastEpoch(console, policy)
    trained = train(cache, workspace.runs / policy, TRAINING, callback=last)
    return evaluate(cache, trained.checkpoint, EvalSettings(device="cpu", segments=FRAMES)), last.learnt


def _share_inside(cache: CropCache, made: MadeScene) -> dict[str, float]:
    """Mean share of the figure's true box inside the crop, over the stored frames, by what the camera does."""
    shares: dict[str, list[float]] = {}
    for name, frames, boxes in zip(cache.clip, cache.frame_index, cache.slot_box, strict=True):
        used = frames >= 0
        x, y, w, h = np.array([made.boxes[name][number] for number in frames[used].tolist()], np.float64).T
        truth = np.stack((x, y, x + w, y + h), axis=1) / (*made.size, *made.size)
        share = overlaps(truth, boxes[used].astype(np.float64))[METRICS.index("inside")]
        shares.setdefault(_camera(made, name), []).append(float(share))
    return {camera: float(np.mean(shares[camera])) for camera in sorted(shares, reverse=True)}


def _camera(made: MadeScene, name: str) -> str:
    return "panning" if made.panning[name] else "still"


def _panels(cache: CropCache, workspace: Workspace, made: MadeScene) -> list[Panel]:
    """One clip of each of the first classes with a still camera: three and one that pans, or four."""
    still = [row for row, name in enumerate(cache.clip) if not made.panning[name]]
    panning = [row for row, name in enumerate(cache.clip) if made.panning[name]]
    labels = sorted({int(cache.label[row]) for row in still})[: 3 if panning else 4]
    chosen = [next(row for row in still if cache.label[row] == label) for label in labels] + panning[-1:]
    panels = []
    for row in chosen:
        name = cache.clip[row]
        title = f"{name.partition('/')[0]}, camera {'pans' if made.panning[name] else 'still'}"
        drawn, number = panel(cache, row, video=workspace.h264_file(name), title=title, slot=FRAMES // 2)
        panels.append(dataclasses.replace(drawn, truth=made.boxes[name][number]))
    return panels
