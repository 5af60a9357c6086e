"""Which epoch is the best, and what a run folder refuses."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mocrop.pipeline.errors import CheckpointError, TrainingError
from mocrop.training.loop.callbacks import EpochRecord
from mocrop.training.loop.run_folder import RunFolder, best_epoch, record_from_json, record_json, weights_of
from mocrop.training.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
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
    folder.save(checkpoint(1, torch.zeros(1)), history[:1], resume={})
    folder.save(checkpoint(2, torch.zeros(1)), history, resume={})
    lines = (folder.path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    metrics = json.loads((folder.path / "metrics.json").read_text())
    assert metrics["best"]["epoch"] == 1
    assert metrics["last"]["train_loss"] == 0.5


def test_a_damaged_folder_is_an_error_and_not_overwritten(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.last.write_bytes(b"rubbish")
    with pytest.raises(CheckpointError, match=r"last\.pt is text, and holds no weights"):
        folder.unfinished({}, {"name": "c", "hash": "0"})


def checkpoint(epoch: int, weight: torch.Tensor) -> Checkpoint:
    return Checkpoint(
        arch="a",
        class_names=[],
        size=8,
        mean=(),
        std=(),
        settings={},
        cache={"name": "c", "hash": "0"},
        epoch=epoch,
        metrics={},
        state_dict={"weight": weight},
    )


def test_a_stop_between_two_saves_leaves_the_records_of_all_epochs(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, seconds_between_saves=1000)
    history = [record(1, correct=3), record(2, correct=5)]
    for epoch in (1, 2):
        folder.save(checkpoint(epoch, torch.zeros(1)), history[:epoch], resume={}, final=False)
    assert not (tmp_path / "log.jsonl").exists()
    folder.save_within_epoch(checkpoint(2, torch.zeros(1)), history, resume={})
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    assert json.loads((tmp_path / "metrics.json").read_text())["best"]["epoch"] == 2


def test_the_best_epoch_is_kept_although_it_ended_between_two_saves(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, seconds_between_saves=1000)
    history: list[EpochRecord] = []
    for epoch, correct in ((1, 3), (2, 5), (3, 4)):
        history.append(record(epoch, correct=correct))
        folder.save(checkpoint(epoch, torch.full((1,), epoch)), history, resume={}, final=epoch == 3)
        assert folder.last.exists() == (epoch == 3)
    assert load_checkpoint(folder.best).state_dict["weight"] == 2
    assert load_checkpoint(folder.last).state_dict["weight"] == 3


def test_without_validation_a_stop_between_two_saves_keeps_the_last_whole_epoch(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, seconds_between_saves=1000)
    history = [record(1), record(2)]
    for epoch in (1, 2):
        folder.save(checkpoint(epoch, torch.full((1,), epoch)), history[:epoch], resume={}, final=False)
    folder.save_within_epoch(checkpoint(2, torch.full((1,), 2.5)), history, resume={"meter": {}})
    assert load_checkpoint(folder.best).state_dict["weight"] == 2
    assert best_of(folder) == 2


def best_of(folder: RunFolder) -> int | None:
    """Epoch that metrics.json calls the best, which best.pt must hold; None without metrics.json."""
    file = folder.path / "metrics.json"
    if not file.exists():
        return None
    best = int(json.loads(file.read_text())["best"]["epoch"])
    assert load_checkpoint(folder.best).epoch == best
    return best


class Killed(BaseException):
    """Stands for SIGKILL; nothing but its way through `whole_file` tells the two apart."""


class KillBefore:
    """Ends the process before one of the steps that change names in a folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.left = number
        replace_file, unlink = os.replace, Path.unlink
        monkeypatch.setattr("os.replace", lambda *names: self.step() or replace_file(*names))
        monkeypatch.setattr(Path, "unlink", lambda file, **options: self.step() or unlink(file, **options))

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


CORRECT = (3, 5, 4, 6, 2)  # right answers on the validation clips, by epoch


def train_epochs(path: Path, correct: Sequence[int | None]) -> None:
    """Save epochs whose only weight is their number, each of them in its middle too; go on where an earlier run was."""
    folder = RunFolder(path)
    earlier = folder.unfinished({}, {"name": "c", "hash": "0"})
    history = [record_from_json(values) for values in earlier.resume["history"]] if earlier else []
    if earlier:
        folder.settle(earlier, epochs=len(correct))
        assert not history or load_checkpoint(folder.best).epoch == best_epoch(history)
    for epoch in range(len(history) + 1, len(correct) + 1):
        folder.save_within_epoch(
            checkpoint(epoch - 1, torch.full((1,), epoch - 0.5)), history, resume={"meter": {"batches_done": 1}}
        )
        history.append(record(epoch, correct=correct[epoch - 1]))
        folder.save(checkpoint(epoch, torch.full((1,), epoch)), history, resume={})
    folder.write_records(history)
    folder.require_best(history)


@pytest.mark.parametrize("correct", [CORRECT, (None,) * 3])
def test_wherever_a_run_is_killed_best_pt_is_what_metrics_json_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, correct: Sequence[int | None]
) -> None:
    best, number, killed = best_epoch([record(n, correct=each) for n, each in enumerate(correct, 1)]), 0, True
    while killed:
        number += 1
        path = tmp_path / str(number)
        with monkeypatch.context() as patched:
            steps = KillBefore(patched, number)
            with contextlib.suppress(Killed):
                train_epochs(path, correct)
            killed = steps.left <= 0
        best_of(RunFolder(path))
        train_epochs(path, correct)
        assert best_of(RunFolder(path)) == best
        assert load_checkpoint(path / "best.pt").state_dict["weight"] == best
        assert not (path / "best.pt").with_name(".best.pt.next").exists()
    assert number > 4 * len(correct)


def finished(path: Path, correct: Sequence[int | None]) -> tuple[RunFolder, Checkpoint]:
    train_epochs(path, correct)
    folder = RunFolder(path)
    return folder, load_checkpoint(folder.last)


def test_a_lost_best_epoch_is_made_of_last_pt_if_that_holds_it(tmp_path: Path) -> None:
    folder, last = finished(tmp_path, (3, 5))
    for content in (None, b"rubbish"):
        folder.best.unlink() if content is None else folder.best.write_bytes(content)
        RunFolder(tmp_path).settle(last, epochs=2)
        assert load_checkpoint(folder.best).state_dict["weight"] == 2
        assert load_checkpoint(folder.best).resume == {}


def test_a_lost_best_epoch_that_no_other_will_replace_is_an_error(tmp_path: Path) -> None:
    folder, last = finished(tmp_path, (5, 3))
    folder.best.unlink()
    with pytest.raises(TrainingError, match=r"best\.pt is missing or damaged, and the best so far is epoch 1.*--name"):
        RunFolder(tmp_path).settle(last, epochs=3)
    assert not (tmp_path / "metrics.json").exists()
    save_checkpoint(folder.best, checkpoint(2, torch.zeros(1)))
    with pytest.raises(TrainingError, match=r"best\.pt holds epoch 2"):
        RunFolder(tmp_path).settle(last, epochs=3)


def test_a_run_without_validation_goes_on_without_the_best_epoch_that_an_older_mocrop_left_out(tmp_path: Path) -> None:
    folder, last = finished(tmp_path, (None, None))
    folder.best.unlink()
    stopped = replace(last, resume={**last.resume, "meter": {"batches_done": 1}})
    again = RunFolder(tmp_path)
    again.settle(stopped, epochs=3)
    assert best_of(again) is None
    history = [record(1), record(2), record(3)]
    again.save(checkpoint(3, torch.full((1,), 3)), history, resume={})
    assert best_of(again) == 3


def test_weights_of_a_run_are_its_best_or_those_of_its_first_epoch_so_far(tmp_path: Path) -> None:
    assert not weights_of(tmp_path).exists()
    for name in ("last.pt", "best.pt"):
        (tmp_path / name).touch()
        assert weights_of(tmp_path) == tmp_path / name
