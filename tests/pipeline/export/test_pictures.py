"""Frames as JPEG and PNG files."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from mocrop.pipeline.export.pictures import PictureSettings, encode_picture, picture_name

Frame = npt.NDArray[np.uint8]
RED = np.stack([np.full((8, 12), value, np.uint8) for value in (254, 0, 0)])  # 8 rows, 12 columns


def decoded(content: bytes) -> Frame:
    """RGB, shape (3, height, width)."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)


def test_png_gives_every_pixel_back_and_jpeg_does_so_within_tolerance() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 24, 16), dtype=np.uint8)
    assert np.array_equal(decoded(encode_picture(noise, PictureSettings(image="png"))), noise)
    smooth = np.broadcast_to(np.arange(0, 96, 4, dtype=np.uint8)[:, np.newaxis], (3, 24, 16)).copy()
    jpeg = decoded(encode_picture(smooth, PictureSettings())).astype(int)
    assert jpeg.shape == (3, 24, 16)
    assert np.abs(jpeg - smooth).max() <= 3


def test_jpeg_keeps_colours_at_full_resolution() -> None:
    """Columns of red and blue by turns: with colours halved, as most JPEG files have them, both become purple."""
    columns = RED.copy()
    columns[:, :, ::2] = np.array([0, 0, 254])[:, np.newaxis, np.newaxis]
    found = decoded(encode_picture(columns, PictureSettings(quality=100))).astype(int)
    assert np.abs(found - columns).max() < 20


def test_quality_makes_files_larger() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    sizes = [len(encode_picture(noise, PictureSettings(quality=quality))) for quality in (10, 50, 95)]
    assert sizes == sorted(set(sizes))


def test_names_sorted_are_in_order_of_time() -> None:
    names = [picture_name(slot, PictureSettings(image="png")) for slot in range(120)]
    assert names == sorted(names)
    assert names[:2] == ["00000.png", "00001.png"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"image": "gif"}, "jpg or png"),
        ({"quality": 0}, "at least 1"),
        ({"image": "png", "quality": 80}, "does not go with --image png"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PictureSettings(**settings)  # type: ignore[arg-type]
