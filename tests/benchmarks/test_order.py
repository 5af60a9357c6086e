"""Clips that only the order of frames tells apart: no network of frames can tell them, a small one of clips does.

Both look at the same cache of windows. A set's six clips are the same pictures, so a network that averages over frames
gives them one answer and is right for exactly one of six: that holds for any weights, and is asserted as it stands. The
video network is right for 82 of 96 test clips here; the bound of 48 is 8 standard deviations above chance, and what it
is right for with its frames shuffled, 16 expected, must stay below 34, 5 standard deviations above it.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import ModuleType

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from mocrop.evaluation.demo.order import OrderSettings
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.run.session import RunOptions
from mocrop.training.model.device import one_thread
from tests.benchmarks.modules import BENCHMARKS, ROOT, benchmark_module

order_networks = benchmark_module("order_networks")
order = benchmark_module("order")
order_page = benchmark_module("order_page")

SETTINGS = OrderSettings(groups=16)
SURE, NEAR_CHANCE = 48, 34  # of 96 test clips


@pytest.fixture
def cache(order: ModuleType, tmp_path: Path) -> Path:
    made: Path = order.make_cache(tmp_path, order.WAYS[0], SETTINGS, run=RunOptions(workers=0))
    return made


def test_only_a_network_of_clips_tells_them_apart_and_only_in_their_order(
    order_networks: ModuleType, cache: Path
) -> None:
    trained, tested = (order_networks.load_clips(cache, subset, (8, 1)) for subset in ("train", "test"))
    assert tested.frames.shape == (96, 8, 3, 32, 32)
    labels = tested.labels.numpy()

    def right(fitted: object, *, shuffled: bool) -> int:
        return int((order_networks.answers(fitted, tested, shuffled=shuffled) == labels).sum())

    frame, video = order_networks.SMALL
    with one_thread():
        of_frames = order_networks.fit(frame, trained, order_networks.Fitting(epochs=4))
        of_clips = order_networks.fit(video, trained, order_networks.Fitting(epochs=25))
        of_shuffled = order_networks.fit(video, trained, order_networks.Fitting(epochs=8, shuffled=True))
        found = order_networks.answers(of_frames, tested)
        assert right(of_clips, shuffled=False) > SURE
        assert right(of_clips, shuffled=True) < NEAR_CHANCE
        assert right(of_shuffled, shuffled=True) < NEAR_CHANCE
    assert (found == labels).sum() == 16  # one of the six clips of each set
    assert all(len(set(found[tested.sets == number])) == 1 for number in range(16))


def test_the_cache_has_the_same_pictures_for_the_six_clips_of_a_set(
    order: ModuleType, order_networks: ModuleType, tmp_path: Path
) -> None:
    few = OrderSettings(groups=2, clips_per_group=1)
    alike, coded = (
        CropCache(order.make_cache(tmp_path, way, few, run=RunOptions(workers=0))) for way in order.WAYS[:2]
    )
    for opened, same in ((alike, True), (coded, False)):
        sets = order_networks.sets_of(opened.clip)
        stored = opened.open_frames().read().result()  # (clips, frames, 3, size, size)
        pictures = [sorted(picture.tobytes() for picture in clip) for clip in stored]
        first = [pictures[row] for row in np.nonzero(sets == 0)[0]]
        assert len(first) == 6
        assert all(each == first[0] for each in first) == same


def test_the_page_is_what_the_program_makes_of_its_saved_results(order_page: ModuleType, tmp_path: Path) -> None:
    order_page.write_page(tmp_path / "video-networks.md")
    assert (tmp_path / "video-networks.md").read_text() == (ROOT / "docs/video-networks.md").read_text()
    for name in (order_page.STRIP, order_page.CHART):
        assert matplotlib.image.imread(tmp_path / name).shape[1] == 950
        assert (ROOT / "docs" / name).stat().st_size < 400_000


def test_saved_results_say_what_the_page_says() -> None:
    rows = json.loads((BENCHMARKS / "results/order-made.json").read_text())["rows"]
    exact = [row for row in rows if row["where"].startswith("each frame coded by itself")]
    for row in exact:
        low, high = row["interval"]
        if "video" not in row["network"]:
            assert set(row["right"]) == {row["total"] // 6}
        elif row["trained"] == row["tested"] == "in order":
            assert low > 0.5
        else:
            assert low <= 1 / 6 <= high


def test_a_study_that_was_not_run_is_said_to_be_missing(order_page: ModuleType) -> None:
    page = order_page.markdown({"made": {}, "real": {}}, "# Title\n\n{real}\n{other}\n")
    assert "(not run yet: `python benchmarks/order.py --study real`)" in page
    assert "{other}" in page


def test_nothing_is_written_over_anything_in_the_chart(
    order_page: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(order_page, "write_figure", lambda figure, *_, **__: drawn.append(figure))
    order_page.draw_accuracies(order_page.read(order_page.results_of("made"))["rows"], tmp_path / "chart.png")
    (figure,) = drawn
    figure.draw_without_rendering()
    (axis,) = figure.axes
    boxes = [text.get_window_extent() for text in axis.texts]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    lines = [line.get_window_extent() for line in axis.lines]
    assert not any(box.overlaps(line) for box in boxes for line in lines)
