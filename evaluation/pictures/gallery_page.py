"""`mocrop gallery`: many clips on one page, a PNG."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mocrop.evaluation.pictures.box_path import draw_path
from mocrop.evaluation.pictures.colours import style_of
from mocrop.evaluation.pictures.contact_sheet import PLATE
from mocrop.evaluation.pictures.drawing import (
    WARNING_COLOUR,
    draw_bars,
    draw_boxes,
    policy_handle,
    shade_outside,
    show_picture,
)
from mocrop.evaluation.pictures.gallery import Drawn, Gallery, Tile, cache_gallery, gallery_settings, workspace_gallery
from mocrop.pipeline.choices import Bars
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.files import real_path
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.report.figure_file import PICTURES, require_kind, write_figure
from mocrop.training.report.figure_names import drawable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110
TILE_INCHES = 1.75  # width
TITLE_INCHES = 0.2  # above each tile
WIDER = 1.7  # the page is about so many times as wide as high
MAX_COLUMNS = 12
CLASS_LETTERS, NAME_LETTERS = 17, 11  # that fit above a tile, beside each other
SHADE = 0.5  # opacity of the shade over what a single policy leaves out
MAP_SHARE = 0.2  # width of the map of where a crop lies, as a share of the crop's
MAP_HEIGHT = 0.75  # of the map, as a share of its width; the cache does not hold the shape of the frames
MAP_COLOUR, PATH_COLOUR, BARS_COLOUR = "#ffd400", "#ff3b30", "#5a5a5a"


def gallery_in_workspace(
    workspace: Workspace,
    *,
    cache: str | None = None,
    policies: Sequence[str] = (),
    ratio: float | None = None,
    bars: Bars | None = None,
    clips: int = 48,
    output: Path | None = None,
) -> Drawn:
    """Draw many clips of a workspace with the boxes of policies, or the crops of a cache.

    Args:
        cache: its name in the workspace, or its folder anywhere; None: whole frames with boxes.
        policies: whose boxes; empty: motion.
        ratio: area of the boxes; None: 0.75.
        bars: cut: as a fraction of the picture inside black bars; None: keep.
        output: the file or folder to write; None: a file named after its content in ``reports/gallery/``, or beside a
            cache outside the workspace.
    Raises: SettingsError for options that exclude each other or a wrong value; what the two kinds of gallery raise.
    """
    settings = gallery_settings(policies, ratio, clips, bars=bars or "keep")
    if cache is None:
        gallery = workspace_gallery(workspace, settings)
        cut = "-cut" if settings.bars == "cut" else ""
        name = workspace.reports / "gallery" / f"{'+'.join(settings.policies)}-{settings.ratio:g}{cut}.png"
    else:
        if policies or ratio is not None or bars is not None:
            raise SettingsError(
                "the boxes of a cache are what they are; leave out either --cache or --policy, --ratio, --bars"
            )
        path = Path(cache) if Path(cache).is_dir() else workspace.require().choose_cache(cache)
        gallery = cache_gallery(path, clips=clips)
        inside = real_path(path).parent == real_path(workspace.caches)
        folder = workspace.reports / "gallery" if inside else path.parent
        name = folder / f"cache-{path.stem}.png"
    require_kind(output, kinds=PICTURES)
    file = output / name.name if output and output.is_dir() else output or name
    draw_gallery(gallery, file)
    return Drawn(file=file, unread=tuple(tile.clip for tile in gallery.tiles if tile.picture is None))


def draw_gallery(gallery: Gallery, file: Path) -> None:
    """Write the page."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = column_count(len(gallery.tiles))
    rows = ceil(len(gallery.tiles) / columns)
    height = max(tile.size[1] / tile.size[0] for tile in gallery.tiles) * TILE_INCHES + TITLE_INCHES
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03)
    figure = Figure(figsize=(columns * TILE_INCHES + 0.3, rows * height + 0.8), layout=layout)
    figure.suptitle(gallery.title, fontsize=11, fontweight="bold", parse_math=False)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    before = ""
    for axis, tile in zip(axes, gallery.tiles, strict=False):
        _draw_tile(axis, tile, new_class=tile.label != before)
        before = tile.label
    _add_legend(figure, gallery)
    write_figure(figure, file, dpi=DPI)


def column_count(tiles: int) -> int:
    """Number of columns of a page with so many tiles.

    >>> [column_count(tiles) for tiles in (1, 2, 6, 48, 500)]
    [3, 3, 4, 10, 12]
    """
    return min(MAX_COLUMNS, max(3, ceil(sqrt(tiles * WIDER))))


def short_name(clip: str, label: str) -> str:
    """The part of a clip's name that tells it from others of its class.

    >>> short_name("Archery/v_Archery_g01_c02", "Archery"), short_name("run/a_long_name_of_a_clip", "run")
    ('g01_c02', '…e_of_a_clip')
    """
    name = clip.rpartition("/")[2].removeprefix("v_").removeprefix(f"{label}_")
    return name if len(name) <= NAME_LETTERS else f"…{name[-NAME_LETTERS:]}"


def _shortened(label: str) -> str:
    return textwrap.shorten(label, CLASS_LETTERS, placeholder="…") or label[:CLASS_LETTERS]


def _draw_tile(axis: Axes, tile: Tile, *, new_class: bool) -> None:
    show_picture(axis, PLATE if tile.picture is None else tile.picture, tile.size)
    label = _shortened(drawable(tile.label))
    weight, colour = ("bold", "black") if new_class else ("normal", "0.4")
    axis.set_title(label, loc="left", fontsize=7.5, pad=3, fontweight=weight, color=colour, parse_math=False)
    name = short_name(drawable(tile.clip), drawable(tile.label))
    axis.set_title(name, loc="right", fontsize=6.5, pad=3, color="0.4", parse_math=False)
    if tile.place is None:
        _draw_boxes(axis, tile)
    elif tile.picture is not None:
        _draw_place(axis, tile, tile.place)
    if tile.words:
        _write(axis, tile)


def _draw_boxes(axis: Axes, tile: Tile) -> None:
    """Draw boxes and the ways of those that move on a whole frame; what a single one leaves out is darker."""
    draw_bars(axis, tile.inside_bars, tile.size)
    if len(tile.boxes) == 1:
        shade_outside(axis, next(iter(tile.boxes.values())), tile.size, opacity=SHADE)
    draw_boxes(axis, tile.boxes, tile.size)
    for name, path in tile.paths.items():
        draw_path(axis, path, tile.size, colour=style_of(name).colour, shown=(), now=tile.number)


def _draw_place(axis: Axes, tile: Tile, place: CropBox) -> None:
    """Draw a small map of the frame in the corner, with the part that the crop shows and the way that it takes."""
    from matplotlib.patches import Rectangle

    size = np.array((MAP_SHARE * tile.size[0], MAP_SHARE * tile.size[1] * MAP_HEIGHT))
    corner = tile.size - size

    def rectangle(box: CropBox, **how: Any) -> Rectangle:
        start, end = (np.array(point) * size for point in (box.edges[:2], box.edges[2:]))
        return Rectangle(tuple(corner + start), *(end - start), **how)

    axis.add_patch(rectangle(WHOLE_FRAME, facecolor=BARS_COLOUR, edgecolor="white", linewidth=0.5))
    axis.add_patch(rectangle(tile.inside_bars, facecolor="black", linewidth=0))
    axis.add_patch(rectangle(place, facecolor=MAP_COLOUR, linewidth=0))
    if tile.path is not None:
        axis.plot(*(corner + tile.path.centres * size).T, color=PATH_COLOUR, linewidth=0.8)


def _write(axis: Axes, tile: Tile) -> None:
    """Write the tile's words in the middle of an empty plate, or at the foot of the picture."""
    text = textwrap.fill(drawable(tile.words), 30)
    where = (tile.size[0] / 2, tile.size[1] / 2 if tile.picture is None else tile.size[1] * 0.97)
    plate = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5}
    align = "center" if tile.picture is None else "bottom"
    axis.text(*where, text, ha="center", va=align, fontsize=6.5, color=WARNING_COLOUR, parse_math=False, bbox=plate)


def _add_legend(figure: Figure, gallery: Gallery) -> None:
    """Add a legend of the colours."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    names = dict.fromkeys(name for tile in gallery.tiles for name in tile.boxes)
    handles: list[Artist] = [policy_handle(name, name) for name in names]
    if any(tile.place for tile in gallery.tiles):
        handles.append(Patch(color=MAP_COLOUR, label="where the crop lies in the whole frame"))
    if any(tile.path for tile in gallery.tiles):
        handles.append(Line2D([], [], color=PATH_COLOUR, label="its way through the clip"))
    figure.legend(handles=handles, loc="outside lower center", ncols=max(1, len(handles)), frameon=False, fontsize=9)
