"""The demo's picture: frames with density map and crop box above, the crops that training sees below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.video.open import open_container
from mocrop.training.report.figure_file import write_figure
from mocrop.training.report.figure_names import drawable

BOX_COLOUR, TRUTH_COLOUR = "#ff9500", "white"


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """One column of the picture: a clip."""

    title: str
    frame: npt.NDArray[np.uint8]  # (height, width, 3) RGB, the whole frame
    crop: npt.NDArray[np.uint8]  # (size, size, 3) RGB, as the cache holds it
    density: npt.NDArray[np.float32]  # (rows, cols), of the clip
    picture: npt.NDArray[np.float32]  # what it spans: left, top, right, bottom, fractions
    box: npt.NDArray[np.float32]  # of this frame: left, top, right, bottom, fractions
    truth: tuple[float, float, float, float] | None = None  # x, y, w, h in pixels; None: unknown


def panel(cache: CropCache, row: int, *, video: Path, title: str, slot: int) -> tuple[Panel, int]:
    """Collect what the picture shows of one clip.

    Args:
        row: the clip's row in the cache.
        video: the file that the cache's frames come from.
        slot: which of the clip's used slots to show.
    Returns: the panel, without a truth, and the number of the source frame.
    """
    number = int(cache.frame_index[row, slot])
    crop = np.asarray(cache.open_frames()[row, slot].read().result())
    return Panel(
        title=title,
        frame=_frame(video, number),
        crop=crop.transpose(1, 2, 0),
        density=cache.density[row],
        picture=cache.picture[row],
        box=cache.slot_box[row, slot],
    ), number


def _frame(video: Path, number: int) -> npt.NDArray[np.uint8]:
    with open_container(video) as container:
        for n, frame in enumerate(container.decode(video=0)):
            if n == number:
                return frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    raise ValueError(f"{video} has no frame {number}")


def draw_panels(panels: Sequence[Panel], file: Path) -> None:
    """Write the panels side by side as a PNG."""
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    figure, axes = pyplot.subplots(
        2, len(panels), figsize=(2.6 * len(panels), 4.9), squeeze=False, height_ratios=(3, 4), layout="constrained"
    )
    for column, one in enumerate(panels):
        _draw_frame(axes[0, column], one)
        axes[1, column].imshow(one.crop, interpolation="nearest")
        for axis in axes[:, column]:
            axis.set_axis_off()
    handles = [
        Line2D([], [], color=BOX_COLOUR, linewidth=2.5, label="crop box found from motion vectors"),
        Line2D([], [], color="0.6", linewidth=1.5, linestyle=":", label="where the action really is"),
        Rectangle((0, 0), 1, 1, color="#d62728", alpha=0.6, label="density of motion"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    write_figure(figure, file, dpi=120)
    pyplot.close(figure)


def _draw_frame(axis: matplotlib.axes.Axes, one: Panel) -> None:
    height, width = one.frame.shape[:2]
    extent = (0, width, height, 0)
    axis.imshow(one.frame, extent=extent)
    if one.density.any():
        strength = one.density / one.density.max()
        left, top, right, bottom = one.picture * (width, height, width, height)
        spanned = (left, right, bottom, top)
        axis.imshow(
            strength, cmap="Reds", alpha=0.55 * strength, extent=spanned, vmin=0, vmax=1, interpolation="nearest"
        )
    left, top, right, bottom = one.box * (width, height, width, height)
    rectangle = matplotlib.patches.Rectangle
    axis.add_patch(rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=BOX_COLOUR, linewidth=2.5))
    if one.truth is not None:
        x, y, w, h = one.truth
        axis.add_patch(rectangle((x, y), w, h, fill=False, edgecolor=TRUTH_COLOUR, linewidth=1.5, linestyle=":"))
    axis.set_xlim(0, width)
    axis.set_ylim(height, 0)
    axis.set_title(drawable(one.title), fontsize=9)
