"""Which epoch is the best, and what a run folder refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mocrop.training.loop import run_folder as run_folder_module
from mocrop.training.loop.callbacks import EpochRecord
from mocrop.training.loop.run_folder import RunFolder, best_epoch, record_from_json, record_json
from mocrop.training.model.checkpoint import Checkpoint, load_checkpoint
from mocrop.training.scores import Score


def record(epoch: int, *, correct: int | None = None, loss: float = 1.0) -> EpochRecord:
    score = None if correct is None else Score(correct=correct, total=10)
    return EpochRecord(
        epoch=epoch,
        learning_rate=1e-3,
        train_loss=1.0,
        train_accuracy=0.5,
        validation_loss=None if score is None else loss,
        validation_top1=score,
        validation_top5=score,
        seconds=1.0,
        clips_per_second=10.0,
        waiting_share=0.0,
    )


def test_the_most_right_answers_win() -> None:
    assert best_epoch([record(1, correct=3), record(2, correct=5), record(3, correct=4)]) == 2


def test_among_equals_the_lower_loss_wins_and_then_the_earlier_epoch() -> None:
    assert best_epoch([record(1, correct=5, loss=2), record(2, correct=5, loss=1), record(3, correct=5, loss=1)]) == 2


def test_without_validation_the_last_epoch_wins() -> None:
    assert best_epoch([record(1), record(2), record(3)]) == 3


def test_records_survive_json() -> None:
    for one in (record(1, correct=3), record(2)):
        assert record_from_json(json.loads(json.dumps(record_json(one)))) == one


def test_an_empty_folder_holds_no_run(tmp_path: Path) -> None:
    assert RunFolder(tmp_path / "new").unfinished({}, {"name": "c", "hash": "0"}) is None


def test_log_and_metrics_repeat_the_history(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    history = [record(1, correct=7), replace(record(2, correct=5), train_loss=0.5)]
    folder.write_records(history)
    lines = (folder.path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    metrics = json.loads((folder.path / "metrics.json").read_text())
    assert metrics["best"]["epoch"] == 1
    assert metrics["last"]["train_loss"] == 0.5


def test_a_damaged_folder_is_an_error_and_not_overwritten(tmp_path: Path) -> None:
    from mocrop.pipeline.errors import CheckpointError

    folder = RunFolder(tmp_path)
    folder.last.write_bytes(b"rubbish")
    with pytest.raises(CheckpointError, match=r"last\.pt cannot be read"):
        folder.unfinished({}, {"name": "c", "hash": "0"})


def checkpoint(epoch: int, weight: torch.Tensor) -> Checkpoint:
    return Checkpoint(
        arch="a",
        class_names=[],
        size=8,
        mean=(),
        std=(),
        settings={},
        cache={},
        epoch=epoch,
        metrics={},
        state_dict={"weight": weight},
    )


def test_a_stop_between_two_saves_leaves_the_records_of_all_epochs(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, seconds_between_saves=1000)
    history = [record(1, correct=3), record(2, correct=5)]
    folder.save(checkpoint(2, torch.zeros(1)), history, resume={}, final=False)
    assert not (tmp_path / "log.jsonl").exists()
    folder.save_within_epoch(checkpoint(2, torch.zeros(1)), history, resume={})
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    assert json.loads((tmp_path / "metrics.json").read_text())["best"]["epoch"] == 2


def test_the_best_epoch_is_kept_although_it_ended_between_two_saves(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, seconds_between_saves=1000)
    weight, history = torch.zeros(1), []
    for epoch, correct in ((1, 3), (2, 5), (3, 4)):
        weight.fill_(epoch)  # as an optimiser does it, in place
        history.append(record(epoch, correct=correct))
        folder.save(checkpoint(epoch, weight), history, resume={}, final=epoch == 3)
        assert folder.last.exists() == (epoch == 3)
    assert load_checkpoint(folder.best).state_dict["weight"] == 2
    assert load_checkpoint(folder.last).state_dict["weight"] == 3


def test_the_best_is_written_before_the_last_that_makes_the_epoch_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, a run does the epoch again rather than going on without its best weights."""
    written = list[str]()
    monkeypatch.setattr(run_folder_module, "save_checkpoint", lambda file, _: written.append(file.name))
    folder = RunFolder(tmp_path)
    history = [record(1, correct=3)]
    folder.save(checkpoint(1, torch.zeros(1)), history, resume={})
    folder.save(checkpoint(2, torch.zeros(1)), [*history, record(2, correct=2)], resume={})
    assert written == ["best.pt", "last.pt", "last.pt"]
