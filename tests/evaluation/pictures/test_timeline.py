"""The timeline: what each window stands for, which classes are drawn, and that what is drawn can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.image import imread

from mocrop.evaluation.pictures import timeline
from mocrop.evaluation.pictures.timeline import classes_drawn, draw_timeline, shown_edges


def answers(*tops: int, classes: int) -> npt.NDArray[np.float32]:
    """0.6 for the class on top of each window, the rest shared; -1: no answer."""
    rows = np.full((len(tops), classes), 0.4 / max(1, classes - 1), np.float32)
    for row, top in zip(rows, tops, strict=True):
        row[top] = 0.6
        if top < 0:
            row[:] = np.nan
    return rows


@given(count=st.integers(1, 30), window=st.integers(1, 8), stride=st.integers(1, 8))
def test_windows_share_the_time_that_they_cover(count: int, window: int, stride: int) -> None:
    spans = [(float(n * stride), float(n * stride + window)) for n in range(count)]
    edges = shown_edges(spans)
    covered = {half for start, end in spans for half in range(int(2 * start), int(2 * end))}
    assert sum(end - start for start, end in edges) == len(covered) / 2
    assert all(start <= shown[0] < shown[1] <= end for (start, end), shown in zip(spans, edges, strict=True))


def test_classes_longest_on_top_have_a_line() -> None:
    spans = [(float(n), n + 1.0) for n in range(10)]
    tops = answers(7, 7, 7, 3, 3, -1, 5, 5, 5, 5, classes=9)
    assert classes_drawn(spans, tops)[:3] == [5, 7, 3]
    assert len(classes_drawn(spans, tops)) == timeline.MOST_CLASSES


def test_without_any_answer_no_class_has_a_line() -> None:
    assert classes_drawn([(0, 1)], answers(-1, classes=3)) == []


@pytest.mark.parametrize("tops", [(0,), (-1,), (0, 1, -1, 1), tuple(n % 90 for n in range(2000))])
@pytest.mark.parametrize("classes", [2, 101])
def test_names_and_times_are_drawn_and_the_legend_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tops: tuple[int, ...], classes: int
) -> None:
    figures: list[Figure] = []
    write = timeline.write_figure
    monkeypatch.setattr(
        timeline, "write_figure", lambda figure, *a, **k: figures.append(figure) or write(figure, *a, **k)
    )
    names = [f"$x_{n}$ <b>\n\x1b[31m{'long ' * 20}" for n in range(classes)]
    spans = [(float(n), n + 2.0) for n in range(len(tops))]
    file = tmp_path / "t.png"
    draw_timeline(
        spans,
        answers(*(top % classes if top >= 0 else -1 for top in tops), classes=classes),
        names,
        file,
        title="a/$v$\n.mp4",
    )
    (figure,) = figures
    legend = figure.legends[0].get_window_extent()
    assert not any(axis.get_window_extent().overlaps(legend) for axis in figure.axes)
    assert 0 <= legend.x0 < legend.x1 <= figure.bbox.width
    assert imread(file).shape[1] == 990
    assert all("\n" not in text.get_text() and "\x1b" not in text.get_text() for text in figure.legends[0].get_texts())
