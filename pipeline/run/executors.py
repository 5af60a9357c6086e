"""Where work units run: a plain loop in this process, a local Dask cluster, or an existing one."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from mocrop.pipeline.errors import ClusterError
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.run import clusters
from mocrop.pipeline.run.clusters import existing_cluster, local_cluster
from mocrop.pipeline.run.hosts import Hosts, Needs, on_a_worker, watched_hosts
from mocrop.pipeline.run.tls import NO_FILES, TlsFiles
from mocrop.pipeline.stages.contract import Stage, WorkUnit

if TYPE_CHECKING:
    from distributed import Client, Future

SECONDS_BETWEEN_LOOKS = 15  # how often to check that there are workers while no unit comes back
RERUNS = 5  # of a unit whose result is lost between its worker and this process
SECONDS_BETWEEN_COUNTS = 5  # of the workers
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

    def wait_for_a_worker(self) -> None:
        """Wait until there is a process that can begin a unit. Raises: ClusterError if none comes."""
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

    def wait_for_a_worker(self) -> None:
        pass  # this process is there

    def cancel(self) -> None:
        self._units = queue.SimpleQueue()


@dataclass(frozen=True, kw_only=True)
class _Submitted:
    """A unit on its way, and what it takes to send it again."""

    stage: Stage
    unit: WorkUnit
    workspace: str
    needs: Needs | None = None  # of the hosts of a cluster that somebody else has started
    reruns: int = 0


class DaskCluster:
    """Runs units on the workers of a ``distributed.Client``.

    Args:
        client: connected to a cluster with workers.
        if_lost: what the user can do if all workers are lost, for the error message.
        hosts: of a cluster that somebody else has started, to be looked at before they get work.
    """

    def __init__(self, client: Client, *, if_lost: str, hosts: Hosts | None = None) -> None:
        self._client = client
        self._if_lost = if_lost
        self._hosts = hosts
        self._workers = 1
        self._counted = -math.inf  # monotonic time
        self._in_flight: dict[Future[list[Outcome]], _Submitted] = {}
        self._finished: queue.SimpleQueue[Future[list[Outcome]]] = queue.SimpleQueue()

    @property
    def window(self) -> int:
        """For the workers that there are now: a queue gives them one after the other, an adaptive cluster by demand."""
        if time.monotonic() > self._counted + SECONDS_BETWEEN_COUNTS:
            self._workers = self._count_workers() or self._workers
            self._counted = time.monotonic()
        return UNITS_PER_WORKER * self._workers

    def _count_workers(self) -> int:
        """0 too while the client looks for its scheduler, which is an error only where something is sent there."""
        with contextlib.suppress(Exception):
            return len(self._client.scheduler_info(n_workers=-1)["workers"])
        return 0

    @property
    def dashboard(self) -> str:
        link = self._client.dashboard_link if find_spec("bokeh") else None  # Dask's pages are blank without bokeh
        return str(link or "")

    def submit(self, stage: Stage, unit: WorkUnit, workspace: str) -> None:
        needs = self._hosts.needs_of(stage, unit, workspace) if self._hosts else None
        self._send(_Submitted(stage=stage, unit=unit, workspace=workspace, needs=needs))

    def _send(self, sent: _Submitted) -> None:
        stage, finished = sent.stage, self._finished
        work: tuple[Any, ...] = (stage.function, sent.unit, stage.settings, sent.workspace)
        try:
            if sent.needs is not None:
                work = (on_a_worker, *work, sent.needs)
            future = self._client.submit(*work, pure=False, retries=0)
        except Exception:
            self._require_scheduler()
            raise
        self._in_flight[future] = sent
        future.add_done_callback(finished.put)

    def next_finished(self) -> Finished:
        while True:
            future = self._wait()
            sent = self._in_flight.pop(future)
            try:
                return Finished(unit=sent.unit, outcomes=self._outcomes(future))
            except _ResultLostError as lost:
                self._require_scheduler()
                if sent.reruns == RERUNS:
                    raise ClusterError(
                        f"the Dask cluster loses results ({lost}); look at its logs, then run the same command again: "
                        "finished clips are kept"
                    ) from lost
                self._send(dataclasses.replace(sent, reruns=sent.reruns + 1))

    def _outcomes(self, future: Future[list[Outcome]]) -> list[Outcome] | None:
        """Fetch a result; None: the worker died over it. Raises: _ResultLostError, and what the stage has raised."""
        from distributed.scheduler import KilledWorker

        while True:
            try:
                # Waits again if the worker died with the result: Dask runs the unit anew, which may kill the next one.
                return future.result(timeout=SECONDS_BETWEEN_LOOKS)
            except KilledWorker:
                return None
            except Exception as error:
                if future.status == "error":
                    raise
                if future.status == "pending" and isinstance(error, TimeoutError):
                    self.wait_for_a_worker()
                else:  # Dask raises many classes, for what is between the worker and here
                    raise _ResultLostError(f"{type(error).__name__}: {error}") from error

    def _wait(self) -> Future[list[Outcome]]:
        """Wait for a future, and check now and then that there are still workers."""
        while True:
            try:
                return self._finished.get(timeout=SECONDS_BETWEEN_LOOKS)
            except queue.Empty:
                self.wait_for_a_worker()

    def wait_for_a_worker(self) -> None:
        try:
            if not self._client.scheduler_info(n_workers=-1)["workers"]:
                self._client.wait_for_workers(1, timeout=clusters.SECONDS_TO_RESTART)
        except TimeoutError as error:
            self._require_scheduler()
            raise ClusterError(f"all worker processes are gone and none came back; {self._if_lost}") from error
        except Exception:
            self._require_scheduler()

    def _require_scheduler(self) -> None:
        """Wait while the client looks for its scheduler. Raises: ClusterError if it does not find it."""
        give_up = time.monotonic() + 2 * clusters.CONNECT_SECONDS
        while self._client.status == "connecting" and time.monotonic() < give_up:
            time.sleep(0.1)
        if self._client.status != "running":
            raise ClusterError(
                "the Dask scheduler is gone; once it and its workers are back, run the same command again: finished "
                "clips are kept"
            )

    def cancel(self) -> None:
        self._finished = queue.SimpleQueue()
        if self._client.status == "running":
            with contextlib.suppress(Exception):  # there is an error on its way that says more
                self._client.cancel(list(self._in_flight), force=True)
        self._in_flight.clear()


class _ResultLostError(Exception):
    """A result that did not come, though no worker died over it as far as Dask knows."""


@contextmanager
def open_executor(
    workers: int,
    scheduler: str | None,
    *,
    tls: TlsFiles = NO_FILES,
    clip_seconds: float = 0.0,
    say: Callable[[str], None] = print,
) -> Iterator[Executor]:
    """Open the executor for ``--workers`` and ``--scheduler``; a local cluster is stopped at the end.

    Args:
        workers: worker processes of a local cluster; 0: a plain loop in this process.
        scheduler: address of an existing Dask scheduler, instead of a local cluster.
        tls: certificates for a scheduler that speaks TLS.
        clip_seconds: time limit per clip; 0: none.
        say: prints a line for people, of what is waited for.
    Raises: ClusterError if the scheduler cannot be reached or has no workers, or if local ones do not start;
        SettingsError if certificates do not fit.
    """
    if scheduler is not None:
        with existing_cluster(scheduler, tls, say=say) as client, watched_hosts(client) as hosts:
            yield DaskCluster(client, if_lost="look at their logs; finished clips are kept", hosts=hosts)
    elif workers == 0:
        yield PlainLoop()
    else:
        with local_cluster(workers, clip_seconds=clip_seconds) as client:
            yield DaskCluster(
                client,
                if_lost="something on this machine ends them, perhaps a lack of memory; finished clips are kept: "
                "continue with the same command and --workers 1, or 0 for a plain loop",
            )
