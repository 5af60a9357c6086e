"""Events for TensorBoard, where it is installed and where it is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mocrop.pipeline.errors import SettingsError
from mocrop.training.loop.callbacks import TrainCallback
from mocrop.training.report import tensorboard
from mocrop.training.report.tensorboard import TensorBoardCallback, tensorboard_callback
from tests.training.report.test_curves import FIRST, SECOND, UNVALIDATED, facts


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Every curve in the event files of a run, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard")).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_every_epoch_is_written_once_also_by_a_run_that_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    broken = TensorBoardCallback()
    broken.started(facts(tmp_path))
    broken.epoch(FIRST)
    resumed = TensorBoardCallback()
    resumed.started(facts(tmp_path))
    resumed.resumed([FIRST])
    resumed.epoch(SECOND)
    resumed.ended()
    read = scalars(tmp_path)
    assert read["loss/training"] == [(1, 3.0), (2, 1.0)]
    assert read["loss/validation"] == [(1, 2.0), (2, 2.5)]
    assert read["accuracy/training"] == [(1, 0.25), (2, 0.5)]
    assert [step for step, _ in read["learning rate"]] == [1, 2]


def test_without_validation_there_are_no_curves_of_it(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    callback = TensorBoardCallback()
    callback.started(facts(tmp_path))
    callback.epoch(replace(UNVALIDATED))
    callback.ended()
    assert not [name for name in scalars(tmp_path) if "validation" in name]


def test_it_is_written_where_it_is_installed_unless_unwanted() -> None:
    pytest.importorskip("tensorboard")
    assert isinstance(tensorboard_callback(None), TensorBoardCallback)
    assert isinstance(tensorboard_callback(True), TensorBoardCallback)
    assert type(tensorboard_callback(False)) is TrainCallback


@pytest.mark.usefixtures("absent")
def test_where_it_is_not_installed_nothing_is_written_or_reported() -> None:
    assert type(tensorboard_callback(None)) is TrainCallback


@pytest.mark.usefixtures("absent")
def test_asking_for_it_where_it_is_not_installed_is_an_error_with_the_way_out() -> None:
    with pytest.raises(SettingsError, match=r"pip install 'mocrop\[tensorboard\]'"):
        tensorboard_callback(True)
