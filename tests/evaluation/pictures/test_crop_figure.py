"""The demo's picture: the box is that of the frame shown, and the density lies where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from matplotlib.figure import Figure

from mocrop.evaluation.pictures import crop_figure
from mocrop.evaluation.pictures.crop_figure import panel
from mocrop.pipeline.cache.crop_cache import CropCache

MakeVideo = Callable[..., Path]
MakeCache = Callable[..., Path]


def test_a_panel_has_the_stored_box_of_its_slot_and_what_the_density_spans(
    make_cache: MakeCache, make_video: MakeVideo, tmp_path: Path
) -> None:
    path = make_cache(tmp_path / "follow-8.zarr", label=[0], used=[2])
    group = zarr.open_group(path, mode="r+")
    group["slot_box"][0, :2] = np.array([[0.1, 0, 0.3, 1], [0.5, 0, 0.7, 1]])
    group["picture"][0] = np.array([0, 0.25, 1, 0.75])
    group["density"][0] = np.ones((2, 3))
    video = make_video(tmp_path / "a.avi", frames=4, size=(64, 48))
    shown, number = panel(CropCache(path), 0, video=video, title="", slot=1)
    assert number == 1
    assert shown.box == pytest.approx([0.5, 0, 0.7, 1])
    axis = Figure().subplots()
    crop_figure._draw_frame(axis, shown)
    assert axis.images[0].get_extent() == [0, 64, 48, 0]
    assert axis.images[1].get_extent() == pytest.approx([0, 64, 36, 12])
    (outline,) = axis.patches
    assert outline.get_bbox().extents == pytest.approx((32, 0, 44.8, 48))
