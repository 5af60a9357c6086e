"""A workspace of made clips, and calls that export it and read back what was written."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.commands.export import ExportReport, export_crops
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace

Planes = list[npt.NDArray[np.uint8]]  # luma and both chroma planes
MakeWorkspace = Callable[..., Workspace]
ExportTo = Callable[..., ExportReport]


def quietly(workers: int = 0) -> RunOptions:
    """Options of a run that says nothing."""
    return RunOptions(workers=workers, console=LineConsole(file=StringIO()))


@pytest.fixture
def make_workspace(tmp_path: Path) -> MakeWorkspace:
    """Take the clips of ``tmp_path/data`` into a workspace, with the vectors of their own files."""

    def make(*, splits: Path | None = None, source: Any = "original", **options: Any) -> Workspace:
        workspace = Workspace(tmp_path / "work")
        preprocess.init(workspace, tmp_path / "data", splits=splits, **options)
        if source != "original":
            preprocess.transcode(workspace, run=quietly())
        preprocess.extract_mv(workspace, source=source, run=quietly())
        return workspace

    return make


@pytest.fixture
def export_to(tmp_path: Path) -> ExportTo:
    """Export ``tmp_path/work`` as MP4 into ``tmp_path/out``: ``export_to(crf=0, size=0, policy="center")``."""

    def call(folder: Path | None = None, *, overwrite: bool = False, workers: int = 0, **options: Any) -> ExportReport:
        given = {"to": "mp4", **options} if options else {}
        target = tmp_path / "out" if folder is None else folder
        return export_crops(tmp_path / "work", target, overwrite=overwrite, run=quietly(workers), **given)  # type: ignore[arg-type]

    return call


def decoded(file: Path) -> list[Planes]:
    """All frames of a file in 4:2:0."""
    with av.open(str(file)) as container:
        return [planes(frame.reformat(format="yuv420p").to_ndarray()) for frame in container.decode(video=0)]


def planes(picture: npt.NDArray[np.uint8]) -> Planes:
    """The planes of a picture in 4:2:0 as PyAV gives it: both chroma planes below the luma."""
    rows = picture.shape[0] * 2 // 3
    chroma = picture[rows:].reshape(2, rows // 2, -1)
    return [picture[:rows], chroma[0], chroma[1]]


def cropped(picture: Planes, edges: tuple[int, ...]) -> Planes:
    """A part of a picture at even edges, cut with slices."""
    left, top, right, bottom = edges
    halved = (left // 2, top // 2, right // 2, bottom // 2)
    return [
        plane[y : y + height, x : x + width]
        for plane, (x, y, width, height) in zip(
            picture,
            [(a, b, c - a, d - b) for a, b, c, d in (edges[:4], halved, halved)],  # type: ignore[misc]
            strict=True,
        )
    ]


def psnr(one: Planes, other: Planes) -> float:
    """Of all samples of two pictures, dB."""
    error = np.concatenate([(a.astype(float) - b).ravel() ** 2 for a, b in zip(one, other, strict=True)]).mean()
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def times(file: Path) -> list[float]:
    """When each frame is shown, seconds since the first."""
    with av.open(str(file)) as container:
        seconds = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    return [each - seconds[0] for each in seconds]


def boxes_of(folder: Path, clip: str, frames: int) -> list[tuple[int, ...]]:
    """Left, top, right, bottom of each frame of a clip, as boxes.csv says."""
    rows = [row for row in csv.DictReader((folder / "boxes.csv").open()) if row["clip"] == clip]
    starts = [int(row["frame"]) for row in rows] + [frames]
    edges = [tuple(int(row[name]) for name in ("left", "top", "right", "bottom")) for row in rows]
    return [box for box, start, stop in zip(edges, starts, starts[1:], strict=False) for _ in range(start, stop)]
