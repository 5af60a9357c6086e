"""Make a small workspace, packed into one file, for later versions of mocrop to open in their tests.

``python -m tests.compat.make_workspace tests/compat/0.1-schema3.tar.xz`` packs what the code of this moment writes. A
file is made once, when something stored has got another layout, and is never made again: it stands for what people
have. Everything in it comes from the demo's own sprites. Its ``facts.json`` says which values are stored, as
zarr-python and numpy read them, without mocrop. From cache schema 4 on there is a second workspace, ``several-work``,
of the same videos, whose lists have clips for validation and whose clips may have several labels.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from mocrop.cli import main
from mocrop.evaluation.demo.sprites import SpriteSettings, make_sprites
from mocrop.pipeline.workspace.manifest import Manifest

SPRITES = SpriteSettings(classes=2, groups=4, clips_per_group=1, frames=13, width=48, height=36)
MADE = 1_700_000_000  # seconds; the videos' time, which the manifest knows: an archive keeps whole seconds
ARCH = "timm/test_efficientnet.r160_in1k"  # a tenth of a million parameters
WEIGHTS = "body.pt"  # of the network; numbers that repeat take little room
BOXES = ("box", "slot_box", "picture", "content")
STREAMS = ("frames", "motion", *BOXES, "density", "frame_index", "state", "label", "group", "subset", "labels")
VECTORS = ("vectors", "vectors_per_frame", "frame_type", "camera", "camera_support", "seconds", "position", "frames")
LEFT_OUT = (".png", ".lock")  # pictures are large, and nothing reads them
PREPROCESS = (
    "run videos --size 24 --frames 3 --policy motion --motion-fields --field-side 8 --name motion --workers 0",
    "precrop --size 16 --frames 2 --policy follow --bars cut --grid 12x16 --compression zstd --name compressed"
    " --workers 0",
    "precrop --size 16 --frames 2 --policy center --ratio 0.5 --fit pad --name center --workers 0",
    "precrop --size 16 --frames 2 --policy full --source original --select uniform --name original --workers 0",
)
TRAIN = (
    f"train --cache motion --arch {ARCH} --weights {WEIGHTS} --freeze-backbone --epochs 3 --batch-size 2 --segments 2"
    " --validation-segments 3 --validation-share 0.4 --lr 0.01 --device cpu --no-tensorboard"
)
EVAL = "eval --run frozen --segments 3 --device cpu"
SEVERAL = "several-work"
LISTS = {"train": (1, 2), "val": (3,), "test": (4,)}  # groups; of both classes
TWO_LABELS = ("v_Fish_g01_c01", "v_Fish_g04_c01")  # clips that are of the other class, too
PREPROCESS_SEVERAL = (
    "transcode",
    "extract-mv",
    "precrop --size 16 --frames 2 --policy center --compression zstd --name center",
)
TRAIN_SEVERAL = (
    f"train -w {SEVERAL} --cache center --arch {ARCH} --weights {WEIGHTS} --freeze-backbone --epochs 2 --batch-size 2"
    " --segments 2 --validation-segments 2 --lr 0.01 --device cpu --no-tensorboard --name several"
)
EVAL_SEVERAL = f"eval -w {SEVERAL} --run several --segments 2 --device cpu"


def make_workspace(folder: Path) -> None:
    """Write ``videos``, two workspaces and ``facts.json`` into a folder, which must be the current one.

    The run `frozen` is finished; `stopped` is stopped after the first batch of its second epoch.
    """
    make_sprites(folder / "videos", SPRITES)
    for video in (folder / "videos").rglob("*.avi"):
        os.utime(video, (MADE, MADE))
    _write_weights(Path(WEIGHTS))
    for command in (*PREPROCESS, f"{TRAIN} --name frozen", EVAL):
        _mocrop(command)
    _train_and_stop(folder / "mocrop-work", like="frozen")
    _make_several(folder)
    for workspace in ("mocrop-work", SEVERAL):
        _make_relative(folder / workspace / "mocrop.toml", folder)
    facts = {**_facts(folder / "mocrop-work"), "several": _several_facts(folder / SEVERAL)}
    (folder / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


def pack(folder: Path, file: Path) -> None:
    """Pack a folder into a tar.xz; the times of its files stay, and nothing tells who has made it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    with (
        lzma.open(file, "wb", preset=9) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(path for path in files if not path.name.endswith(LEFT_OUT)):
            archive.add(path, path.relative_to(folder).as_posix(), filter=_nameless)


def checksum(values: Any) -> str:
    """16 hex digits over shape, dtype and bytes of an array."""
    array = np.ascontiguousarray(values)
    digest = hashlib.sha256(repr((array.shape, array.dtype.str)).encode())
    digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def _mocrop(command: str) -> None:
    try:
        main(command.split())
    except SystemExit as end:
        if end.code:
            raise


def _train_and_stop(workspace: Path, *, like: str) -> None:
    """Train with the settings of another run, and stop as if by a signal when an epoch has ended."""
    from mocrop.pipeline.errors import StoppedError
    from mocrop.training.loop.callbacks import EpochRecord, TrainCallback
    from mocrop.training.loop.saver import RunControl
    from mocrop.training.loop.train import train
    from mocrop.training.recipe import TrainSettings

    control = RunControl()

    class StopAfterEpoch(TrainCallback):
        def epoch(self, record: EpochRecord) -> None:
            control.stop.signal = 15

    plain = json.loads((workspace / "runs" / like / "config.json").read_text())["settings"]
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    run, cache = workspace / "runs/stopped", workspace / "caches/motion.zarr"
    try:
        train(cache, run, TrainSettings(**settings), callback=StopAfterEpoch(), control=control)
    except StoppedError:
        return
    raise ValueError("the run was not stopped")


def _make_several(folder: Path) -> None:
    """Write ``lists`` and the workspace of several labels, with a finished run and a report."""
    (folder / "lists").mkdir()
    for subset, groups in LISTS.items():
        videos = sorted(file for group in groups for file in (folder / "videos").rglob(f"*_g{group:02d}_*.avi"))
        names = "".join(f"{video.parent.name}/{video.name}\n" for video in videos)
        (folder / f"lists/{subset}list01.txt").write_text(names)
    _mocrop(f"init videos -w {SEVERAL} --splits lists")
    with Manifest(folder / SEVERAL / "manifest.sqlite") as manifest:
        names = {key: manifest.names(key) for key in ("class_names", "split_names")}
        rows = [
            replace(row, labels=(0, 1) if Path(row.name).name in TWO_LABELS else (row.label,))
            for row in manifest.clips()
        ]
        manifest.replace_clips(rows, **names, label_kind="several")
    for command in PREPROCESS_SEVERAL:
        _mocrop(f"{command} -w {SEVERAL} --workers 0")
    for command in (TRAIN_SEVERAL, EVAL_SEVERAL):
        _mocrop(command)


def _make_relative(settings: Path, folder: Path) -> None:
    """Have a mocrop.toml name videos and lists as they lie beside its workspace, which will lie elsewhere."""
    text, absolute = settings.read_text(), json.dumps(os.fspath(folder.absolute()))[:-1]
    if f'{absolute}/videos"' not in text:
        raise ValueError(f"{settings} does not name {absolute}/videos")
    settings.write_text(text.replace(f"{absolute}/", '"../'))


def _write_weights(file: Path) -> None:
    """Write weights of the right shapes and sizes, of 61 numbers over and over; norms stay as they are."""
    import torch

    from mocrop.training.model.backbones import build_backbone

    numbers = np.random.default_rng(0).normal(size=61).astype(np.float32)
    state = dict(build_backbone(ARCH, classes=2, size=24).model.state_dict())
    for name, tensor in state.items():
        if tensor.ndim > 1:
            scale = np.float32((2 / tensor[0].numel()) ** 0.5)
            state[name] = torch.from_numpy(np.resize(numbers, tuple(tensor.shape)) * scale)
    torch.save(state, file)


def _facts(workspace: Path) -> dict[str, Any]:
    """What is stored, and the commands that have made runs and report."""
    (report,) = (workspace / "reports").glob("*.npz")
    with np.load(report, allow_pickle=False) as arrays:
        logits, clips = arrays["logits"].tolist(), arrays["clip"].tolist()
    return {
        "caches": {path.stem: _arrays(path, STREAMS) for path in sorted((workspace / "caches").glob("*.zarr"))},
        "motion": {path.name: _arrays(path, VECTORS) for path in sorted((workspace / "motion.zarr").glob("shard-*"))},
        "train": TRAIN,
        "eval": EVAL,
        "report": report.stem,
        "clips": clips,
        "logits": logits,
        "top1": json.loads(report.with_suffix(".json").read_text())["top1"],
    }


def _several_facts(workspace: Path) -> dict[str, Any]:
    """What is stored of several labels, and the commands."""
    (report,) = (workspace / "reports").glob("*.npz")
    with np.load(report, allow_pickle=False) as arrays:
        values = {name: arrays[name].tolist() for name in ("logits", "labels", "clip")}
    precision = json.loads(report.with_suffix(".json").read_text())["mean_average_precision"]["share"]
    commands = {"train": TRAIN_SEVERAL, "eval": EVAL_SEVERAL}
    cache = _arrays(workspace / "caches/center.zarr", STREAMS)
    return {**commands, "report": report.stem, **values, "mean_average_precision": precision, "cache": cache}


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, str]:
    group = zarr.open_group(path, mode="r", zarr_format=3)
    return {name: checksum(group[name][...]) for name in names if name in group}  # type: ignore[index]


def _nameless(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """The entry without its owner, readable by all, its time in whole seconds."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode, entry.mtime = 0o644, int(entry.mtime)
    return entry


if __name__ == "__main__":
    target = Path(sys.argv[1]).absolute()
    if target.exists():
        sys.exit(f"{target} exists; a file is made once")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.pop("MOCROP_WORKSPACE", None)
        os.chdir(scratch)
        make_workspace(Path(scratch).resolve())
        pack(Path(scratch).resolve(), target)
        os.chdir(target.parent)
    print(f"{target}: {target.stat().st_size} bytes")
