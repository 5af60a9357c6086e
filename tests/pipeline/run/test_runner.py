"""The runner with stages that behave badly, in a plain loop and on a real local cluster."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import pytest
from distributed import CancelledError
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker

from mocrop.pipeline.errors import ClipError, ClusterError, DiskFullError, Reason
from mocrop.pipeline.outcome import ClipTask, Outcome, clip_log
from mocrop.pipeline.run import clusters, executors, runner, trials
from mocrop.pipeline.run.executors import Executor, Finished, PlainLoop, open_executor
from mocrop.pipeline.run.runner import StageSummary, run_units
from mocrop.pipeline.stages.contract import Stage, WorkUnit
from mocrop.pipeline.workspace.manifest import ClipRow, Manifest

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import this file

CLIPS = 12


@dataclass(frozen=True)
class Behaviour:
    kills: tuple[int, ...] = ()
    hangs: tuple[int, ...] = ()
    fails: tuple[int, ...] = ()
    slow: float = 0.0  # seconds that each clip takes
    raises: str = ""


def behave(unit: WorkUnit, settings: Behaviour, workspace: str) -> list[Outcome]:
    outcomes = []
    if settings.raises == "disk":
        raise DiskFullError("no space is left")
    if settings.raises == "bug":
        raise ZeroDivisionError("a bug")
    for task in unit.clips:
        with clip_log(task) as log:
            task.require_accepted()
            time.sleep(settings.slow)
            if task.position in settings.kills:
                os._exit(1)
            if task.position in settings.hangs:
                time.sleep(60)
            if task.position in settings.fails:
                raise ClipError(Reason.TRUNCATED, f"{task.name}: cut off")
        assert log.outcome is not None
        outcomes.append(log.outcome)
    if not unit.probe:
        Path(workspace, f"unit-{unit.index}").write_text(" ".join(str(o.position) for o in outcomes))
    return outcomes


def stage(behaviour: Behaviour, *, whole: bool = True) -> Stage:
    return Stage(
        name="extract-mv",
        function=behave,
        settings=behaviour,
        version=1,
        clips_per_unit=4,
        writes_shards=whole,
        output=lambda position, name: Path("/"),
    )


class Counter:
    def __init__(self) -> None:
        self.clips = self.failed = self.size_bytes = 0

    def advance(self, *, clips: int, failed: int, size_bytes: int) -> None:
        self.clips += clips
        self.size_bytes += size_bytes
        self.failed += failed


def work_units(limit_seconds: float = 0.0) -> list[WorkUnit]:
    tasks = [
        ClipTask(position=n, name=f"A/{n}", path=f"/nowhere/{n}.avi", limit_seconds=limit_seconds) for n in range(CLIPS)
    ]
    return [WorkUnit(index=n // 4, clips=tuple(tasks[n : n + 4])) for n in range(0, CLIPS, 4)]


Run = Callable[..., tuple[StageSummary, dict[str, tuple[Reason, ...]]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(
        behaviour: Behaviour, executor: Executor, limit_seconds: float = 0.0, *, whole: bool = True
    ) -> tuple[StageSummary, dict[str, tuple[Reason, ...]]]:
        rows = [
            ClipRow(name=f"A/{n}", path=f"{n}.avi", label=0, group=-1, subset=(1,), size_bytes=1, mtime_ns=1)
            for n in range(CLIPS)
        ]
        with Manifest(tmp_path / "manifest.sqlite") as manifest:
            manifest.replace_clips(rows, class_names=["A"], split_names=["1"])
            summary = run_units(
                stage(behaviour, whole=whole),
                work_units(limit_seconds),
                executor=executor,
                manifest=manifest,
                workspace=tmp_path,
                progress=Counter(),
            )
            return summary, {name: reasons for name, reasons, _ in manifest.failures("extract-mv")}

    return run


@pytest.fixture(scope="module")
def cluster() -> Iterator[Executor]:
    with open_executor(2, None) as executor:
        yield executor


def test_a_plain_loop_records_every_clip(run: Run, tmp_path: Path) -> None:
    summary, failures = run(Behaviour(fails=(5,)), PlainLoop())
    assert (summary.done, summary.failed) == (11, {Reason.TRUNCATED: 1})
    assert failures == {"A/5": (Reason.TRUNCATED,)}
    assert (tmp_path / "unit-1").read_text() == "4 5 6 7"


def test_a_plain_loop_stops_a_clip_that_hangs(run: Run) -> None:
    summary, failures = run(Behaviour(hangs=(2,)), PlainLoop(), limit_seconds=0.2)
    assert summary.done == 11
    assert failures == {"A/2": (Reason.TIMED_OUT,)}


def test_a_cluster_gives_the_same_outcomes(run: Run, cluster: Executor) -> None:
    summary, failures = run(Behaviour(fails=(5,)), cluster)
    assert (summary.done, summary.failed) == (11, {Reason.TRUNCATED: 1})
    assert failures == {"A/5": (Reason.TRUNCATED,)}


def test_clips_that_kill_their_worker_are_found_and_the_others_go_on(
    run: Run, cluster: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "DEATHS_ALONE", 1)
    summary, failures = run(Behaviour(kills=(1, 9)), cluster)
    assert summary.done == 10
    assert failures == {"A/1": (Reason.KILLED_WORKER,), "A/9": (Reason.KILLED_WORKER,)}
    assert (tmp_path / "unit-0").read_text() == "0 1 2 3"  # the shard has a row for the clip that failed


def test_a_cluster_stops_a_clip_that_hangs(run: Run, cluster: Executor) -> None:
    summary, failures = run(Behaviour(hangs=(6,)), cluster, limit_seconds=2.0)
    assert summary.done == 11
    assert failures == {"A/6": (Reason.TIMED_OUT,)}


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units are tried just as often, without time for what kills workers to pass."""
    monkeypatch.setattr(trials, "PAUSES", (0.0,) * len(trials.PAUSES))


def test_a_shard_that_always_loses_its_worker_though_none_of_its_clips_does_ends_the_run_after_all_others(
    run: Run, tmp_path: Path, no_pauses: None
) -> None:
    """Four clips of a shard that take too much memory together, say."""
    with pytest.raises(ClusterError, match=r"extract-mv: workers died .* from A/4 to A/7, and over none of them alone"):
        run(Behaviour(), Killing((), together=(4, 5)))
    with Manifest(tmp_path / "manifest.sqlite") as manifest:
        counts = manifest.counts("extract-mv", stage(Behaviour()).settings_hash)
        assert (counts.done, counts.missing, counts.failed) == (8, 4, {})


def test_clips_that_need_not_be_run_together_are_run_one_by_one_in_the_end(run: Run, no_pauses: None) -> None:
    summary, failures = run(Behaviour(), Killing((), together=(4, 5)), whole=False)
    assert (summary.done, failures) == (CLIPS, {})


@pytest.mark.parametrize(("raises", "error"), [("disk", DiskFullError), ("bug", ZeroDivisionError)])
def test_what_is_not_a_clips_fault_ends_the_run(
    run: Run, cluster: Executor, raises: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        run(Behaviour(raises=raises), PlainLoop())
    with pytest.raises(error):
        run(Behaviour(raises=raises), cluster)


def test_no_more_units_are_taken_than_the_window_holds(tmp_path: Path) -> None:
    taken: list[int] = []
    in_flight: list[WorkUnit] = []
    most = 0

    class Window:
        window = 2
        dashboard = ""

        def submit(self, stage: Stage, unit: WorkUnit, workspace: str) -> None:
            in_flight.append(unit)

        def next_finished(self) -> Finished:
            nonlocal most
            most = max(most, len(in_flight))
            unit = in_flight.pop(0)
            assert len(taken) <= unit.index + 3  # the window and one more
            return Finished(unit=unit, outcomes=[])

        def wait_for_a_worker(self) -> None:
            raise AssertionError("nothing went wrong")

        def cancel(self) -> None:
            raise AssertionError("nothing went wrong")

    def units() -> Iterator[WorkUnit]:
        for n in range(20):
            taken.append(n)
            yield replace(work_units()[0], index=n)

    with Manifest(tmp_path / "manifest.sqlite") as manifest:
        run_units(
            stage(Behaviour()), units(), executor=Window(), manifest=manifest, workspace=tmp_path, progress=Counter()
        )
    assert most == 2


@pytest.mark.parametrize("seconds_between", [0.0, 3600.0])
def test_outcomes_are_kept_when_a_run_ends_early(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds_between: float
) -> None:
    """Whether they were committed one unit at a time, or are all still to be."""
    monkeypatch.setattr(runner, "SECONDS_BETWEEN_COMMITS", seconds_between)

    class Stopped(PlainLoop):
        left = 2

        def next_finished(self) -> Finished:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return super().next_finished()

    with pytest.raises(KeyboardInterrupt):
        run(Behaviour(), Stopped())
    with Manifest(tmp_path / "manifest.sqlite") as manifest:
        assert manifest.counts("extract-mv", stage(Behaviour()).settings_hash).done == 8


def test_workers_that_always_die_end_the_run(run: Run, no_pauses: None) -> None:
    class Dying:
        window = 4
        dashboard = ""

        def __init__(self) -> None:
            self.units: list[WorkUnit] = []

        def submit(self, stage: Stage, unit: WorkUnit, workspace: str) -> None:
            self.units.append(unit)

        def next_finished(self) -> Finished:
            return Finished(unit=self.units.pop(0), outcomes=None)

        def wait_for_a_worker(self) -> None:
            pass

        def cancel(self) -> None:
            self.units.clear()

    with pytest.raises(ClusterError, match="die even when there is no clip"):
        run(Behaviour(), Dying())


def test_a_missing_scheduler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 1)
    with pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:9.*--scheduler"), open_executor(1, "tcp://127.0.0.1:9"):
        pass


class Killing(PlainLoop):
    """Loses the worker of every unit that may touch one of some clips, and takes its time over that.

    Args:
        together: clips that lose a worker only if a unit has all of them.
        outside: deaths that no clip is to blame for: whether the unit that is run next loses its worker, in turn.
    """

    def __init__(
        self,
        kills: tuple[int, ...],
        *,
        seconds: float = 0.0,
        together: tuple[int, ...] = (),
        outside: Iterable[bool] = (),
    ) -> None:
        super().__init__()
        self.kills, self.seconds, self.together = set(kills), seconds, set(together)
        self.outside = iter(outside)
        self.ran: list[tuple[int, ...]] = []  # clips of each unit

    def next_finished(self) -> Finished:
        stage, unit, workspace = self._units.get_nowait()
        touched = {clip.position for clip in unit.clips if clip.refusal is None}
        self.ran.append(tuple(sorted(touched)))
        if touched & self.kills or (self.together and touched >= self.together):
            time.sleep(self.seconds)
            return Finished(unit=unit, outcomes=None)
        if next(self.outside, False):
            return Finished(unit=unit, outcomes=None)
        return Finished(unit=unit, outcomes=behave(unit, stage.settings, workspace))


@pytest.mark.parametrize(
    ("seconds", "limit_seconds", "reason"),
    [
        (0.0, 0.0, Reason.KILLED_WORKER),  # no limit
        (0.0, 3600.0, Reason.KILLED_WORKER),  # dead long before its limit
        (0.02, 0.0, Reason.KILLED_WORKER),
        (0.02, 0.01, Reason.TIMED_OUT),
    ],
)
def test_a_worker_that_dies_before_the_limit_has_been_killed_and_one_that_dies_after_it_has_hung(
    run: Run, seconds: float, limit_seconds: float, reason: Reason
) -> None:
    summary, failures = run(Behaviour(), Killing((6,), seconds=seconds), limit_seconds=limit_seconds)
    assert summary.done == 11
    assert failures == {"A/6": (reason,)}


def test_suspects_are_tried_before_another_unit_is_taken(run: Run) -> None:
    """Unit 0 loses its worker over clip 1: its clips by themselves come next, then it without clip 1, then the rest."""
    killing = Killing((1,))
    run(Behaviour(), killing)
    alone = [(n,) for n in (0, 1, 2, 3, 1, 1)]  # clip 1 until it has died three times
    assert killing.ran == [(0, 1, 2, 3), *alone, (0, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11)]


def until(holds: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait until a condition holds."""
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_a_cluster_whose_workers_never_come_back_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "SECONDS_BETWEEN_LOOKS", 0.5)
    with open_executor(1, None) as executor:
        monkeypatch.setattr(clusters, "SECONDS_TO_RESTART", 1)
        client = executor._client  # type: ignore[attr-defined]
        client.cluster.scale(0)
        until(lambda: not client.scheduler_info(n_workers=-1)["workers"])
        executor.submit(stage(Behaviour()), work_units()[0], "/nowhere")
        with pytest.raises(ClusterError, match=r"none came back; something on this machine .* --workers 1"):
            executor.next_finished()


def test_work_that_is_cancelled_is_not_begun(tmp_path: Path) -> None:
    """One worker, busy with the first of four units while they are cancelled; what comes later is done."""
    slow = Behaviour(slow=0.25)
    with open_executor(1, None) as executor:
        units = [replace(unit, index=n) for n, unit in enumerate([*work_units(), work_units()[0]])]
        for unit in units:
            executor.submit(stage(slow), unit, str(tmp_path))
        executor.cancel()
        executor.submit(stage(Behaviour()), replace(units[0], index=9), str(tmp_path))
        assert executor.next_finished().unit.index == 9
    written = {path.name for path in tmp_path.glob("unit-*")}
    assert written - {"unit-0"} == {"unit-9"}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("finished", CommClosedError("in <TCP>: Stream is closed")),
        ("finished", AttributeError("'NoneType' object has no attribute 'with_traceback'")),
        ("cancelled", CancelledError("behave")),
        ("lost", OSError("timed out")),
    ],
)
def test_a_result_that_is_lost_on_its_way_is_made_again(
    cluster: Executor, tmp_path: Path, status: str, error: Exception
) -> None:
    """Whatever class Dask raises: no worker died over the unit, so none of its clips is tried alone."""
    unit = lost_result(cluster, tmp_path, status, error)
    finished = cluster.next_finished()
    assert finished.unit == unit
    assert [outcome.position for outcome in finished.outcomes or ()] == [0, 1, 2, 3]


def test_a_result_that_is_lost_with_its_worker_and_kills_the_next_one_is_no_error(
    cluster: Executor, tmp_path: Path
) -> None:
    """Dask says first that the unit is done, runs it anew as its result is gone, and then that it killed a worker."""
    unit = lost_result(cluster, tmp_path, "error", KilledWorker("behave", None, 0))
    assert cluster.next_finished() == Finished(unit=unit, outcomes=None)


def test_a_cluster_that_loses_every_result_ends_the_run(cluster: Executor, tmp_path: Path) -> None:
    lost_result(cluster, tmp_path, "finished", OSError("timed out"), reruns=executors.RERUNS)
    with pytest.raises(ClusterError, match=r"loses results \(OSError: timed out\)"):
        cluster.next_finished()


def lost_result(cluster: Executor, workspace: Path, status: str, error: Exception, *, reruns: int = 0) -> WorkUnit:
    """Submit a unit whose future has a status and raises an error."""
    unit = work_units()[0]

    class Lost:
        def __init__(self) -> None:
            self.status = status

        def result(self, timeout: float) -> list[Outcome]:
            raise error

    future: Any = Lost()
    dask_cluster: Any = cluster
    dask_cluster._in_flight[future] = executors._Submitted(
        stage=stage(Behaviour()), unit=unit, workspace=str(workspace), reruns=reruns
    )
    dask_cluster._finished.put(future)
    return unit


def test_a_worker_that_is_slow_to_come_back_is_waited_for(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A worker takes longer to start than Dask waits for one, were it not told to wait; scaled down from 15 s."""
    seconds = 1
    monkeypatch.setattr(clusters, "SECONDS_TO_RESTART", 60)
    monkeypatch.setattr(trials, "DEATHS_ALONE", 1)
    with (
        dask.config.set({"distributed.worker.preload": [f"import time; time.sleep({seconds})"]}),
        dask.config.set({"distributed.deploy.lost-worker-timeout": f"{seconds / 10}s"}),
        open_executor(1, None) as executor,
    ):
        summary, failures = run(Behaviour(kills=(1,)), executor)
    assert summary.done == CLIPS - 1
    assert failures == {"A/1": (Reason.KILLED_WORKER,)}


def test_a_local_cluster_is_encrypted_and_on_loopback_only(cluster: Executor) -> None:
    client = cluster._client  # type: ignore[attr-defined]
    assert client.scheduler.address.startswith("tls://127.0.0.1:")
    client.wait_for_workers(2, timeout=60)  # another test may just have had one killed
    workers = client.scheduler_info(n_workers=-1)["workers"]
    assert [w["nthreads"] for w in workers.values()] == [1, 1]
    assert all(address.startswith("tls://127.0.0.1:") for address in workers)


def test_local_workers_keep_the_memory_that_they_will_need_again(cluster: Executor) -> None:
    """Dask would have them give back whatever is over 64 KiB, and a clip's vectors take megabytes."""
    client = cluster._client  # type: ignore[attr-defined]
    client.wait_for_workers(2, timeout=60)
    told = client.run(lambda: (os.environ["MALLOC_TRIM_THRESHOLD_"], os.environ["MALLOC_MMAP_THRESHOLD_"]))
    assert list(told.values()) == [(str(128 << 20), str(32 << 20))] * 2
