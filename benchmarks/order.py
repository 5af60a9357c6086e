"""What networks of frames and of clips make of clips that only the order of frames tells apart: docs/video-networks.md.

    python benchmarks/order.py                # the made clips, and what codecs and crops give away of their order
    python benchmarks/order.py --study real   # the real clips of ../shared/data/ucf-mini, from random weights
    python benchmarks/order.py --page         # the page and its pictures alone, of saved results

``--networks`` takes any names of `mocrop train --arch` in place of the small ones, for the long form:
``--networks timm/resnet18 video/r3d_18``. Rows of other networks that benchmarks/results/order-<study>.json has stay.
The same seeds on the same machine give the same numbers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from harness import REAL_CLIPS
from order_networks import SMALL, Fitting, answers, fit, load_clips, sets_of
from order_page import PAGE, read, results_of, write_page

from mocrop.evaluation.ablation.probe import probe_logits
from mocrop.evaluation.demo.data_set import DataSet
from mocrop.evaluation.demo.order import OrderSettings
from mocrop.evaluation.demo.scenes import make_scene
from mocrop.evaluation.report.format import write_json
from mocrop.evaluation.scores.statistics import accuracy_interval
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.stages.cache_settings import CropOptions
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.data.selection import Subset, select_clips
from mocrop.training.model.device import one_thread
from mocrop.training.recipe import Clip

CLIP = (8, 1)  # all frames of a made clip
SIZE_PX, RATIO = 32, 0.5
UCF_KEY_INTERVAL = 12
SEEDS = 3
REAL_SIZE_PX, REAL_WINDOWS, REAL_CLIP = 64, 1, (8, 2)
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way from the same pictures to a cache."""

    name: str
    key_interval: int
    source: str
    policy: str


WAYS = (
    Way(name="each frame coded by itself, whole frames", key_interval=1, source="original", policy="full"),
    Way(name="coded as UCF-101, whole frames", key_interval=UCF_KEY_INTERVAL, source="original", policy="full"),
    Way(name="transcoded to H.264, whole frames", key_interval=UCF_KEY_INTERVAL, source="h264", policy="full"),
    Way(
        name="transcoded to H.264, crops by motion",
        key_interval=UCF_KEY_INTERVAL,
        source="h264",
        policy="motion",
    ),
)


def make_cache(folder: Path, way: Way, settings: OrderSettings, *, run: RunOptions | None = None) -> Path:
    """Make the clips as a way codes them, unless they are there, and their cache of one window a clip."""
    data, work = folder / f"clips-{way.key_interval}", Workspace(folder / f"work-{way.key_interval}-{way.source}")
    files = DataSet.within(data)
    if not files.boxes.exists():
        make_scene(data, replace(settings, key_interval=way.key_interval))
    options: CropOptions = {"size": SIZE_PX, "source": way.source, "policy": way.policy, "select": "dense"}  # type: ignore[typeddict-item]
    if way.policy != "full":
        options["ratio"] = RATIO
    frames, stride = CLIP
    report = preprocess.run_all(
        work, files.videos, splits=files.splits, run=run, frames=frames, stride=stride, clips=1, **options
    )
    if report.failed:
        raise SystemExit(f"{report.failed} made clips failed in {work}")
    return work.cache(f"{way.policy}-{SIZE_PX}")


def made(folder: Path, settings: OrderSettings, networks: Sequence[str], fitting: Fitting, seeds: int) -> Iterator[Row]:
    """Rows of the made clips."""
    first, *others = WAYS
    cache = make_cache(folder, first, settings)
    for network in networks:
        for shuffled in (False, True) if _is_video(network) else (False,):
            yield from rows_of(first.name, network, cache, replace(fitting, shuffled=shuffled), seeds)
    for way in others:
        cache = make_cache(folder, way, settings)
        for network in networks:
            if not _is_video(network):
                yield from rows_of(way.name, network, cache, fitting, seeds)
        for column in ("box", "density") if way.policy != "full" else ():
            yield probe_row(way.name, column, cache)


def rows_of(
    where: str, network: str, cache: Path, fitting: Fitting, seeds: int, clip: Clip = CLIP, by: str = "sets"
) -> Iterator[Row]:
    """Train a network once a seed; a row for the frames in order, and one for frames shuffled at the test.

    Args:
        by: what intervals take for independent: sets of pictures, or UCF's groups.
    """
    trained, tested = (load_clips(cache, subset, clip) for subset in ("train", "test"))
    fitted = [fit(network, trained, replace(fitting, seed=seed), on_epoch=_say(network)) for seed in range(seeds)]
    for shuffled in (False, True) if _is_video(network) and not fitting.shuffled else (fitting.shuffled,):
        found = np.stack([answers(one, tested, shuffled=shuffled, seed=seed) for seed, one in enumerate(fitted)])
        yield {
            "where": where,
            "network": network,
            "trained": "shuffled" if fitting.shuffled else "in order",
            "tested": "shuffled" if shuffled else "in order",
            **scores(found == tested.labels.numpy(), clusters=tested.sets if by == "sets" else tested.groups),
            "learnt": [round(one.learnt, 4) for one in fitted],
            "clips": len(trained.labels),
            "epochs": fitting.epochs,
            "seconds_per_epoch": round(float(np.median([one.seconds_per_epoch for one in fitted])), 2),
        }


def scores(right: npt.NDArray[np.bool_], *, clusters: npt.NDArray[np.int64]) -> Row:
    """Right answers of each seed, and the mean over seeds with its interval.

    Args:
        right: (seeds, clips).
        clusters: (clips,), what goes together.
    """
    shares = right.mean(axis=0)
    low, high = accuracy_interval(shares, clusters=clusters)
    each = right.sum(axis=1).tolist()
    return {"right": each, "total": right.shape[1], "share": float(shares.mean()), "interval": [low, high]}


def probe_row(where: str, column: str, path: Path) -> Row:
    """What boxes or density maps alone tell: an exact linear probe on a column of the cache."""
    cache = CropCache(path)
    features = np.asarray(getattr(cache, column), np.float64).reshape(len(cache), -1)
    trained, tested = (select_clips(cache, split="1", subset=of).rows for of in (Subset.TRAIN, Subset.TEST))
    draw = np.zeros((1, len(cache)), dtype=bool)
    draw[0, trained] = True
    labels = cache.label.astype(np.int64)
    (logits,) = probe_logits(features, labels, draw, classes=len(cache.class_names))
    right = logits[0][tested].argmax(axis=1) == labels[tested]
    sets = sets_of([cache.clip[row] for row in tested.tolist()])
    what = {"where": where, "network": f"linear probe, {column} alone", "trained": "in order", "tested": "in order"}
    return {**what, **scores(right[np.newaxis], clusters=sets), "clips": len(trained)}


def real(folder: Path, data: Path, networks: Sequence[str], fitting: Fitting, seeds: int) -> Iterator[Row]:
    """Rows of real clips: whole frames, one window a clip, random weights, the same epochs for all networks."""
    work, (frames, stride) = Workspace(folder / "work-real"), REAL_CLIP
    options: CropOptions = {"source": "original", "policy": "full", "size": REAL_SIZE_PX, "select": "dense"}
    options |= {"clips": REAL_WINDOWS, "frames": frames, "stride": stride}
    preprocess.run_all(work, data / "videos", splits=data / "ucfTrainTestlist", run=RunOptions(), **options)
    cache = work.cache(f"full-{REAL_SIZE_PX}")
    where = f"{len(CropCache(cache))} real clips"
    for network in networks:
        yield from rows_of(where, network, cache, fitting, seeds, clip=REAL_CLIP, by="groups")


def _is_video(network: str) -> bool:
    return network == SMALL[1] or network.startswith("video/")


def _say(network: str) -> Any:
    return lambda epoch, learnt: print(f"{network}: epoch {epoch}, {learnt:.0%} of the training clips", flush=True)


def _without_folder(options: Sequence[str]) -> list[str]:
    """Options as they were given, but for the folder, which changes nothing."""
    at = options.index("--folder") if "--folder" in options else len(options)
    return [*options[:at], *options[at + 2 :]]


def run(study: str, rows: Iterator[Row], command: str) -> None:
    """Save the rows of a study as they come; those of other networks that are saved stay."""
    file, new = results_of(study), list[Row]()
    kept = read(file)
    for row in rows:
        print(row, flush=True)
        new.append({**row, "made_by": f"`{command}`, {date.today().isoformat()}"})
        others = [old for old in kept.get("rows", ()) if old["network"] not in {each["network"] for each in new}]
        versions = {name: version(name) for name in ("numpy", "torch", "torchvision")}
        write_json({"versions": versions, "rows": sorted([*others, *new], key=_place)}, file, indent=0)


def _place(row: Row) -> tuple[int, bool]:
    """Where a row stands: by the cache, the small networks first."""
    names = [way.name for way in WAYS]
    return names.index(row["where"]) if row["where"] in names else len(names), row["network"].count("/") > 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", choices=("made", "real"), default="made")
    parser.add_argument("--networks", nargs="+", default=list(SMALL), help="small ones, or names of --arch")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--lr", type=float, default=4e-3, help="highest learning rate")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--data", type=Path, default=REAL_CLIPS.parent, help="real clips, with ucfTrainTestlist")
    parser.add_argument("--folder", type=Path, help="where to keep clips and caches; a temporary folder unless given")
    parser.add_argument("--threads", action="store_true", help="all cores, for large networks")
    parser.add_argument("--page", action="store_true", help="write the page alone")
    chosen = parser.parse_args()
    if not chosen.page:
        fitting = Fitting(epochs=chosen.epochs, learning_rate=chosen.lr)
        said = "".join(f" {option}" for option in _without_folder(sys.argv[1:]))
        with tempfile.TemporaryDirectory() as temporary:
            folder = chosen.folder or Path(temporary)
            rows = (
                made(folder, OrderSettings(), chosen.networks, fitting, chosen.seeds)
                if chosen.study == "made"
                else real(folder, chosen.data, chosen.networks, fitting, chosen.seeds)
            )
            if chosen.threads:
                run(chosen.study, rows, f"python benchmarks/order.py{said}")
            else:
                with one_thread():
                    run(chosen.study, rows, f"python benchmarks/order.py{said}")
    write_page(PAGE)


if __name__ == "__main__":
    main()
