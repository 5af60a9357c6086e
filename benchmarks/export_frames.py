"""CPU time of `mocrop export --to frames` and `--to webdataset` against encoding and writing the same frames alone."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tarfile
import tempfile
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from harness import arguments, choose_clips, interleave, report

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.export.base import ClipInfo, ExportSettings
from mocrop.pipeline.export.frames import FramesSettings
from mocrop.pipeline.export.pictures import PictureSettings, encode_picture, picture_name
from mocrop.pipeline.export.stage import export_unit
from mocrop.pipeline.export.webdataset import WebdatasetSettings
from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.stored_settings import read_precrop_settings
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace

CACHE = "c"
PICTURES = PictureSettings()


def make_cache(clips: list[Path], folder: Path) -> Workspace:
    """A workspace with a cache of 16 evenly spaced frames of each clip at 192 pixels."""
    for number, clip in enumerate(clips):
        place = folder / f"data/A/{number:03d}{clip.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clip, place)
    workspace, quiet = Workspace(folder / "work"), RunOptions(workers=0, console=LineConsole(file=StringIO()))
    preprocess.init(workspace, folder / "data")
    crop: dict[str, Any] = {"policy": "center", "size": 192, "frames": 16, "select": "uniform", "name": CACHE}
    preprocess.precrop(workspace, source="original", run=quiet, **crop)
    return workspace


def export(workspace: Workspace, form: str, settings: Any) -> None:
    """Export all clips as one unit, as a worker does."""
    cache, folder = CropCache(workspace.cache(CACHE)), workspace.root.parent
    made = ExportSettings(
        folder=str(folder / form),
        form=form,
        form_settings=settings,
        crop=read_precrop_settings(workspace, CACHE),
        cache=CACHE,
    )
    tasks = []
    for position, name in enumerate(cache.clip):
        place = name if form == "frames" else "train-000000"
        info = ClipInfo(place=place, labels=("A",), label_numbers=(0,), subsets=("train",), group=-1)
        told = json.dumps(dataclasses.asdict(info))
        tasks.append(ClipTask(position=position, name=name, path=str(folder / f"data/{name}.avi"), told=told))
    outcomes = export_unit(WorkUnit(index=0, clips=tuple(tasks)), made, str(workspace.root))
    assert all(outcome.status == "done" for outcome in outcomes), outcomes


def as_files(workspace: Workspace) -> None:
    """Encode the frames of each clip and write them, with nothing known about them, and wait for no disk."""
    cache = CropCache(workspace.cache(CACHE))
    frames = cache.open_frames()
    for row in range(len(cache)):
        folder = workspace.root.parent / f"bare/{row}"
        folder.mkdir(parents=True, exist_ok=True)
        for slot, frame in enumerate(np.asarray(frames[row].read().result())):
            (folder / picture_name(slot, PICTURES)).write_bytes(encode_picture(frame, PICTURES))


def as_tar(workspace: Workspace) -> None:
    """The same into one tar file, by hand."""
    cache = CropCache(workspace.cache(CACHE))
    frames = cache.open_frames()
    with (workspace.root.parent / "bare.tar").open("wb") as tar:
        for row in range(len(cache)):
            for slot, frame in enumerate(np.asarray(frames[row].read().result())):
                content, header = encode_picture(frame, PICTURES), tarfile.TarInfo(f"{row}.{slot}.jpg")
                header.size = len(content)
                tar.write(header.tobuf() + content + bytes(-len(content) % tarfile.BLOCKSIZE))


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = choose_clips(options.data, options.clips, folder)
        workspace = make_cache(clips, folder)
        count = int(CropCache(workspace.cache(CACHE)).frame_counts.sum())
        frames, shards = FramesSettings(size=192), WebdatasetSettings(size=192, clip_bytes=1)
        for form, settings, bare in (("frames", frames, as_files), ("webdataset", shards, as_tar)):
            cases = {
                "mocrop export": lambda form=form, settings=settings: export(workspace, form, settings),
                "encode and write": lambda bare=bare: bare(workspace),
            }
            seconds = interleave(cases, rounds=options.rounds)
            report(f"export as {form}", seconds, unit="frames", count=count, peer="encode and write")


if __name__ == "__main__":
    main()
