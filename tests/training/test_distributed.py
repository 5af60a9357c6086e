"""What several processes exchange, how they end together, and what they cannot share."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
import torch
from torch import nn

from mocrop.pipeline.errors import SettingsError, StoppedError, TrainingError
from mocrop.training.distributed import Agreement, Ranks, join_ranks, require_parallel, synchronised
from mocrop.training.recipe import SAME_PIXELS, TrainSettings
from tests.training.rank_processes import in_ranks


def exchange(ranks: Ranks) -> dict[str, Any]:
    agreement = Agreement(ranks)
    rows = torch.arange(7)[ranks.rank :: ranks.ranks]
    return {
        "sums": ranks.sums([ranks.rank + 1, 2**52]),
        "rows": ranks.in_order(torch.stack((rows, 10 * rows), dim=1), total=7).tolist(),
        "heard": [agreement.heard([15 * (ranks.rank == 1 and step == 1), int(ranks.first)]) for step in range(4)],
    }


def test_sums_rows_and_requests_reach_all_ranks() -> None:
    first, second = in_ranks(exchange)
    assert first == second
    assert first["sums"] == [3, 2**53]
    assert first["rows"] == [[row, 10 * row] for row in range(7)]
    assert first["heard"] == [[0, 0], [0, 1], [15, 1], [0, 1]]  # a step later


def test_a_single_process_gets_its_own_requests_at_once() -> None:
    assert exchange(Ranks()) == {
        "sums": [1, 2**52],
        "rows": [[row, 10 * row] for row in range(7)],
        "heard": [[0, 1]] * 4,
    }


def test_without_torchrun_there_is_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_ranks() as ranks:
        assert ranks == Ranks()


def test_an_incomplete_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise each process would train alone, all of them into one folder."""
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(SettingsError, match="tells of 2 processes, but LOCAL_RANK is not set"), join_ranks():
        pass


def seen_files(ranks: Ranks) -> None:
    ranks.require_same(f"{ranks.rank} epochs", what="the run folder")


def test_ranks_that_see_different_files_end_with_one_message() -> None:
    ends = in_ranks(seen_files)
    (error,) = [end for end in ends if isinstance(end, Exception)]
    assert isinstance(error, SettingsError)
    assert "the run folder is not the same for all processes (0 epochs; 1 epochs)" in str(error)
    assert [end for end in ends if not isinstance(end, Exception)] == [1]


def failing(ranks: Ranks) -> None:
    if not ranks.first:
        raise TrainingError("the loss is nan")
    ranks.wait()


def test_an_error_on_one_rank_is_reported_once_and_ends_all() -> None:
    first, second = in_ranks(failing)
    assert first == 1  # its exit code; it reports nothing
    assert isinstance(second, TrainingError)
    assert str(second) == "the loss is nan"


def stopped(ranks: Ranks) -> None:
    ranks.wait()
    raise StoppedError("stopped", exit_code=143)


def test_a_stop_is_reported_once_and_is_the_exit_code_of_every_rank() -> None:
    ends = in_ranks(stopped)
    assert [end for end in ends if not isinstance(end, Exception)] == [143]
    assert [str(end) for end in ends if isinstance(end, Exception)] == ["stopped"]


def killed(ranks: Ranks) -> None:
    if not ranks.first:
        os.kill(os.getpid(), signal.SIGKILL)
    ranks.wait()


def test_a_rank_that_is_killed_ends_the_others_with_a_message() -> None:
    first, second = in_ranks(killed)
    assert second == -signal.SIGKILL
    assert isinstance(first, TrainingError)
    assert "another of the 2 processes has ended without a word" in str(first)


@pytest.mark.parametrize(
    ("change", "clips", "message"),
    [
        ({"batch_size": 7}, 9, "--batch-size 7, .* cannot be shared evenly by 2; pass a multiple of 2"),
        ({"freeze_backbone": True, **SAME_PIXELS}, 9, "run it without torchrun"),
        ({"sync_batchnorm": True}, 9, "GPUs only"),
        ({}, 1, "1 clips to train on are too few for 2 processes"),
    ],
)
def test_what_several_processes_cannot_share_is_refused(change: dict[str, Any], clips: int, message: str) -> None:
    settings = TrainSettings(**{"batch_size": 6, **change})
    require_parallel(settings, Ranks(), clips=clips, device=torch.device("cpu"))
    with pytest.raises(SettingsError, match=message):
        require_parallel(settings, Ranks(rank=1, ranks=2), clips=clips, device=torch.device("cpu"))


def test_shared_batch_statistics_keep_weights_names_and_activations() -> None:
    from timm.layers import BatchNormAct2d

    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), BatchNormAct2d(4)).eval()
    frames, before = torch.randn(2, 3, 5, 5), dict(model.named_parameters())
    expected = model(frames).detach()
    converted = synchronised(model)
    assert sum(isinstance(layer, nn.SyncBatchNorm) for layer in converted.modules()) == 2
    assert all(parameter is before[name] for name, parameter in converted.named_parameters())
    assert torch.equal(converted(frames), expected)
    assert float(expected.min()) == 0.0  # of the activation
