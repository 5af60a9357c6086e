"""Make docs/how-*.png, docs/follow.png and docs/show.png of clips that the demo makes.

    python benchmarks/how_it_works.py [folder for the clips]

The same version of everything makes the same pictures.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
from how_figures import draw_bars_and_boxes, draw_box, draw_camera, draw_slots, draw_vectors
from PIL import Image

from mocrop.evaluation.demo.crossing import CrossingSettings, make_crossing
from mocrop.evaluation.demo.data_set import Picture, write_clip
from mocrop.evaluation.demo.sprites import SpriteSettings, make_sprites
from mocrop.evaluation.pictures.clip_boxes import ShowSettings
from mocrop.evaluation.pictures.clip_view import ClipView, view_clip
from mocrop.evaluation.pictures.show import show_in_workspace
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.video.open import open_container
from mocrop.pipeline.workspace.paths import Workspace

PAGES = Path(__file__).resolve().parents[1] / "docs"
CROSSING, PANNING, BARRED = "WalkDog/v_WalkDog_g05_c02", "Fish/v_Fish_g04_c01", "Barred/v_WalkDog_g05_c02"
PICTURES = (
    "how-vectors.png",
    "how-camera.png",
    "how-box.png",
    "how-follow.png",
    "how-bars.png",
    "follow.png",
    "show.png",
)
BAR_PX, FIRST_ROW = 30, 45  # height of each bar, and of the part of the picture that makes room for them
COLOURS = 256  # of a picture in docs/


def make_clips(folder: Path) -> Workspace:
    """Make clips of both scenes of the demo, and one of them with black bars; find their vectors."""
    videos, work = folder / "videos", Workspace(folder / "work")
    if not videos.exists():
        make_crossing(videos, CrossingSettings(groups=5))
        make_sprites(videos, SpriteSettings(classes=2, groups=4, clips_per_group=1))
        write_clip(videos / f"{BARRED}.avi", zip(_barred(videos / f"{CROSSING}.avi"), repeat((0, 0, 1, 1))))
    options = RunOptions(workers=0)
    preprocess.init(work, videos)
    preprocess.transcode(work, run=options)
    preprocess.extract_mv(work, run=options)
    return work


def _barred(path: Path) -> Iterator[Picture]:
    """Frames of a clip as a film that is wider than the screen is shown: cut above and below, with black in place."""
    with open_container(path) as container:
        for frame in container.decode(video=0):
            picture = frame.to_ndarray(format="rgb24")
            height = len(picture) - 2 * BAR_PX
            barred = np.zeros_like(picture)
            barred[BAR_PX : BAR_PX + height] = picture[FIRST_ROW : FIRST_ROW + height]
            yield barred


def _view(work: Workspace, clip: str, *, ratio: float, bars: str = "keep") -> ClipView:
    settings = ShowSettings(policies=("adaptive", "follow"), ratio=ratio, bars=bars, every_frame=True)
    return view_clip(work, clip, settings)


def draw_all(work: Workspace, pages: Path) -> list[Path]:
    """Write every picture; returns the files."""
    crossing = _view(work, CROSSING, ratio=0.1)
    draw_vectors(crossing, 24, pages / "how-vectors.png")
    draw_camera(_view(work, PANNING, ratio=0.25), 13, pages / "how-camera.png")
    draw_box(crossing, 24, pages / "how-box.png")
    draw_slots(crossing, (5, 24, 43, 62), pages / "how-follow.png")
    keep, cut = (_view(work, BARRED, ratio=0.25, bars=bars) for bars in ("keep", "cut"))
    draw_bars_and_boxes(keep, cut, 24, pages / "how-bars.png")
    both = {"policies": ("adaptive", "follow"), "ratio": 0.1}
    show_in_workspace(work, CROSSING, **both, frames=5, crops=True, output=pages / "follow.png")
    show_in_workspace(work, CROSSING, ratio=0.25, output=pages / "show.png")
    return [pages / name for name in PICTURES]


def shrink(file: Path) -> None:
    """Write a PNG again with few colours, which takes a quarter of the room."""
    picture = Image.open(file).convert("RGB")
    few = picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    few.save(file, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where to keep the clips; a temporary folder unless given")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for file in draw_all(make_clips(given.folder or Path(temporary)), PAGES):
            shrink(file)
            print(f"{file}: {file.stat().st_size / 1000:.0f} kB")
