"""Dask clusters that lose what they should not: workers while they start, a scheduler, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import distributed  # noqa: F401  # its configuration must be there before a test adds to it
import pytest

from mocrop.pipeline.errors import ClusterError
from mocrop.pipeline.outcome import ClipTask, Outcome, clip_log
from mocrop.pipeline.run import clusters
from mocrop.pipeline.run.clusters import local_cluster
from mocrop.pipeline.run.executors import Executor, open_executor
from mocrop.pipeline.stages.contract import Stage, WorkUnit
from tests.reliability.outside_kills import storm_of_kills

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import this file

UNIT = WorkUnit(index=0, clips=(ClipTask(position=0, name="A/0", path="/0.avi"),))
A_CLUSTER = """
import sys
from distributed import LocalCluster
with LocalCluster(n_workers=1, processes=False, host="127.0.0.1", protocol="tcp", dashboard_address=None) as cluster:
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


def accept(unit: WorkUnit, settings: None, workspace: str) -> list[Outcome]:
    outcomes = []
    for task in unit.clips:
        with clip_log(task) as log:
            pass
        assert log.outcome is not None
        outcomes.append(log.outcome)
    return outcomes


STAGE = Stage(
    name="extract-mv",
    function=accept,
    settings=None,
    version=1,
    clips_per_unit=1,
    writes_shards=True,
    output=lambda position, name: Path("/"),
)


def dies_at_first(marker: Path) -> str:
    """A program for workers: the first to start ends itself."""
    return f"import os; os.path.exists({str(marker)!r}) or (open({str(marker)!r}, 'x'), os._exit(1))"


def test_a_worker_that_dies_while_the_cluster_starts_is_started_again(tmp_path: Path) -> None:
    with (
        dask.config.set({"distributed.worker.preload": [dies_at_first(tmp_path / "died")]}),
        open_executor(1, None) as executor,
    ):
        assert (tmp_path / "died").exists()
        executor.submit(STAGE, UNIT, str(tmp_path))
        assert [outcome.status for outcome in executor.next_finished().outcomes or ()] == ["done"]


def test_workers_that_never_start_are_an_error_of_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(clusters, "START_ATTEMPTS", 2)
    monkeypatch.setattr(clusters, "SECONDS_TO_RESTART", 5)  # some versions of Dask start them again without end
    monkeypatch.setattr(clusters, "SECONDS_TO_CLOSE", 2)
    with (
        dask.config.set({"distributed.worker.preload": ["import os; os._exit(1)"]}),
        pytest.raises(ClusterError, match=r"the worker processes do not start: .* --workers, or 0") as error,
        open_executor(1, None),
    ):
        pass
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""


@pytest.fixture
def foreign_cluster() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Address of a scheduler with a worker, and the process of both."""
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    # from the root of the tests, which a scheduler must be able to import
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen([sys.executable, "-c", A_CLUSTER], text=True, cwd=root, **pipes) as process:
        try:
            yield process.stdout.readline().strip(), process  # type: ignore[union-attr]
        finally:
            process.kill()


def test_a_scheduler_that_goes_away_is_an_error_of_one_line(
    foreign_cluster: tuple[str, subprocess.Popen[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 2)
    address, process = foreign_cluster
    with open_executor(1, address) as executor:
        executor.submit(STAGE, UNIT, str(tmp_path))
        assert executor.next_finished().outcomes
        process.kill()
        process.wait()
        with pytest.raises(ClusterError, match="the Dask scheduler is gone; once it and its workers are back") as error:
            work(executor, 100, str(tmp_path))  # until the client has noticed
        executor.cancel()
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""


def work(executor: Executor, times: int, workspace: str) -> None:
    for _ in range(times):
        executor.submit(STAGE, UNIT, workspace)
        executor.next_finished()


def blocked() -> tuple[bool, bool]:
    """Whether Ctrl-C is kept from this process and its children, and whether it would be ignored."""
    told = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    return signal.SIGINT in told, signal.getsignal(signal.SIGINT) == signal.SIG_IGN


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system blocks no signals")
def test_workers_do_not_hear_ctrl_c_and_this_process_does() -> None:
    with local_cluster(2, clip_seconds=600.0) as client:
        assert client.cluster.scheduler.worker_ttl == 660
        pids = client.run(os.getpid)
        for pid in pids.values():
            os.kill(pid, signal.SIGINT)
        assert list(client.run(blocked).values()) == [(True, True)] * 2
        assert client.run(os.getpid) == pids
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("clip_seconds", "patience"), [(0.0, None), (10.0, "300s"), (600.0, "660.0s")])
def test_dask_takes_no_worker_for_hung_before_the_time_of_its_clip_is_up(
    clip_seconds: float, patience: str | None
) -> None:
    """It would end the worker, and the clip would not be known for one that hangs."""
    assert clusters._config(clip_seconds)["distributed.scheduler.worker-ttl"] == patience


def test_no_clip_is_blamed_for_workers_that_are_killed_from_outside_and_one_that_kills_is_found(
    tmp_path: Path,
) -> None:
    """Scaled down: sixty kills over 200 clips take a minute, see tests/reliability."""
    storm = storm_of_kills(
        tmp_path, kills=4, clips=12, clips_per_unit=6, killer=7, seconds_per_clip=0.03, seconds_between=(0.05, 0.5)
    )
    assert storm.kills > 0
    assert (storm.done, list(storm.failed)) == (11, [7])
