"""Where work units run: a plain loop in this process, a local Dask cluster, or an existing one."""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from mocrop.pipeline.errors import ClusterError
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.stages.contract import Stage, WorkUnit

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS = 10
SECONDS_BETWEEN_LOOKS = 15  # how often to check that there are workers while no unit comes back
SECONDS_TO_RESTART = 300  # for a worker that has died: starting one takes a second, or minutes on a busy machine
ALLOCATOR = {  # bytes; Dask has its workers return memory so eagerly that page faults double the time of extract-mv
    "MALLOC_TRIM_THRESHOLD_": 128 << 20,
    "MALLOC_MMAP_THRESHOLD_": 32 << 20,
}
UNITS_PER_WORKER = 3  # in flight: one running, one waiting at the worker, one on its way


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A unit that came back: its outcomes, or None if the process that ran it died."""

    unit: WorkUnit
    outcomes: list[Outcome] | None


class Executor(Protocol):
    """Runs units in any order. Errors that no clip is to blame for are raised by :meth:`next_finished` as they are."""

    @property
    def window(self) -> int:
        """How many units to keep in flight."""
        ...

    @property
    def dashboard(self) -> str:
        """Address of a web page that shows the work, or an empty string."""
        ...

    def submit(self, stage: Stage, unit: WorkUnit, workspace: str) -> None:
        """Start a unit, or queue it."""
        ...

    def next_finished(self) -> Finished:
        """Wait for one of the submitted units."""
        ...

    def cancel(self) -> None:
        """Forget every unit that has not come back."""
        ...


class PlainLoop:
    """Runs units in this process, one per call of :meth:`next_finished`; what ``--workers 0`` means."""

    window = 1
    dashboard = ""

    def __init__(self) -> None:
        self._units: queue.SimpleQueue[tuple[Stage, WorkUnit, str]] = queue.SimpleQueue()

    def submit(self, stage: Stage, unit: WorkUnit, workspace: str) -> None:
        self._units.put((stage, unit, workspace))

    def next_finished(self) -> Finished:
        stage, unit, workspace = self._units.get_nowait()
        return Finished(unit=unit, outcomes=stage.function(unit, stage.settings, workspace))

    def cancel(self) -> None:
        self._units = queue.SimpleQueue()


class DaskCluster:
    """Runs units on the workers of a ``distributed.Client``.

    Args:
        client: connected to a cluster with workers.
        if_lost: what the user can do if all workers are lost, for the error message.
    """

    def __init__(self, client: Client, *, if_lost: str) -> None:
        self._client = client
        self._if_lost = if_lost
        self._workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        self._in_flight: set[Future[list[Outcome]]] = set()
        self._finished: queue.SimpleQueue[tuple[WorkUnit, Future[list[Outcome]]]] = queue.SimpleQueue()

    @property
    def window(self) -> int:
        return UNITS_PER_WORKER * self._workers

    @property
    def dashboard(self) -> str:
        link = self._client.dashboard_link if find_spec("bokeh") else None  # Dask's pages are blank without bokeh
        return str(link or "")

    def submit(self, stage: Stage, unit: WorkUnit, workspace: str) -> None:
        future = self._client.submit(stage.function, unit, stage.settings, workspace, pure=False, retries=0)
        finished = self._finished
        self._in_flight.add(future)
        future.add_done_callback(lambda done: finished.put((unit, done)))

    def next_finished(self) -> Finished:
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker

        unit, future = self._wait()
        self._in_flight.discard(future)
        try:
            # Waits again if the worker died with the result: the unit is then rerun, and may kill the next worker.
            return Finished(unit=unit, outcomes=future.result())
        except KilledWorker:
            return Finished(unit=unit, outcomes=None)
        except CancelledError as cancelled:
            raise ClusterError(
                "the Dask scheduler has dropped the work; run the same command again: finished clips are kept"
            ) from cancelled

    def _wait(self) -> tuple[WorkUnit, Future[list[Outcome]]]:
        """Wait for a future, and check now and then that there are still workers."""
        while True:
            try:
                return self._finished.get(timeout=SECONDS_BETWEEN_LOOKS)
            except queue.Empty:
                self._require_workers()

    def _require_workers(self) -> None:
        if self._client.scheduler_info(n_workers=-1)["workers"]:
            return
        try:
            self._client.wait_for_workers(1, timeout=SECONDS_TO_RESTART)
        except TimeoutError as error:
            raise ClusterError(f"all worker processes are gone and none came back; {self._if_lost}") from error

    def cancel(self) -> None:
        self._finished = queue.SimpleQueue()
        self._client.cancel(list(self._in_flight), force=True)
        self._in_flight.clear()


@contextmanager
def open_executor(workers: int, scheduler: str | None) -> Iterator[Executor]:
    """Open the executor for ``--workers`` and ``--scheduler``; a local cluster is stopped at the end.

    Args:
        workers: worker processes of a local cluster; 0: a plain loop in this process.
        scheduler: address of an existing Dask scheduler, instead of a local cluster.
    Raises: ClusterError if the scheduler cannot be reached or has no workers.
    """
    if scheduler is not None:
        with _existing_cluster(scheduler) as client:
            yield DaskCluster(client, if_lost="look at their logs; mocrop must be installed on each machine")
    elif workers == 0:
        yield PlainLoop()
    else:
        with _local_cluster(workers) as client:
            yield DaskCluster(
                client,
                if_lost="something on this machine ends them, perhaps a lack of memory; finished clips are kept: "
                "continue with the same command and --workers 1, or 0 for a plain loop",
            )


@contextmanager
def _local_cluster(workers: int) -> Iterator[Client]:
    """A cluster of single-threaded worker processes, with TLS, on the loopback interface only."""
    import dask
    from distributed import Client, LocalCluster

    config = {
        "distributed.scheduler.allowed-failures": 0,  # the runner itself finds the clip that kills its worker
        "distributed.worker.daemon": True,
        # By default Dask closes a worker for good that is not back 15 s after a clip has killed it.
        "distributed.deploy.lost-worker-timeout": f"{SECONDS_TO_RESTART}s",
        "distributed.comm.timeouts.connect": "60s",
        "distributed.admin.tick.limit": "1h",  # no warnings: a long FFmpeg call holds the interpreter, as expected
        **{f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in ALLOCATOR.items()},
    }
    with (
        dask.config.set(config),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            security=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _existing_cluster(scheduler: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers at {scheduler} ({error}); check --scheduler") from error
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise ClusterError(f"the Dask scheduler at {scheduler} has no workers; start some with `dask worker`")
        yield client
