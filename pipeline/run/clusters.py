"""Start a Dask cluster on this machine, or connect to one: without its logs, and out of the way of Ctrl-C."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from mocrop.pipeline.errors import ClusterError
from mocrop.pipeline.platform_calls import without_interrupts
from mocrop.pipeline.run.tls import TlsFiles, security
from mocrop.pipeline.run.unreachable import why_unreachable

if TYPE_CHECKING:
    from distributed import Client, LocalCluster
    from distributed.security import Security
    from tornado.ioloop import IOLoop

CONNECT_SECONDS = 10
SECONDS_TO_GET_A_WORKER = 600  # from a batch system or an adaptive cluster
SECONDS_TO_RESTART = 300  # for a worker that has died: starting one takes a second, or minutes on a busy machine
SECONDS_OF_SILENCE = 300  # after which Dask takes a worker for hung, at least
SECONDS_AFTER_THE_LIMIT = 60  # that a worker has to end itself over a clip that hangs
SECONDS_TO_CLOSE = 20  # a cluster; what is left then ends with this process
SECONDS_BETWEEN_LOOKS = 0.05  # while workers start
START_ATTEMPTS = 3  # a worker may be killed while it starts, as by lack of memory
ALLOCATOR = {  # bytes; Dask has its workers return memory so eagerly that page faults double the time of extract-mv
    "MALLOC_TRIM_THRESHOLD_": 128 << 20,
    "MALLOC_MMAP_THRESHOLD_": 32 << 20,
}
# For systems where Ctrl-C cannot be kept from workers as they start.
IGNORE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
CHATTY = ("asyncio", "tornado.application", "tornado.general")  # loggers of what Dask runs on


@contextmanager
def local_cluster(workers: int, *, clip_seconds: float) -> Iterator[Client]:
    """A cluster of single-threaded worker processes, with TLS, on the loopback interface only.

    Args:
        clip_seconds: time limit per clip; 0: none.
    Raises: ClusterError if its workers do not start.
    """
    import dask
    from distributed import Client

    with ExitStack() as stack:
        stack.enter_context(dask.config.set(_config(clip_seconds)))
        stack.enter_context(_quiet_logs())
        cluster = _start(stack.enter_context(_loop_without_interrupts()))
        stack.callback(_close, cluster)
        client = Client(cluster)
        stack.callback(_close, client)
        _add_workers(cluster, client, workers)
        yield client


@contextmanager
def existing_cluster(scheduler: str, tls: TlsFiles, *, say: Callable[[str], None] = print) -> Iterator[Client]:
    """A cluster that somebody else has started, once it has a worker.

    Args:
        say: prints a line for people, of what is waited for.
    Raises: ClusterError if the scheduler cannot be reached or no worker comes; SettingsError if certificates do not
        fit.
    """
    secured = security(scheduler, tls)
    with ExitStack() as stack:
        stack.enter_context(_quiet_logs())
        try:
            client = _connected(scheduler, secured)
            stack.callback(_close, client)
            has_workers = bool(client.scheduler_info(n_workers=-1)["workers"])
        except Exception as error:
            raise ClusterError(str(why_unreachable(scheduler, secured, error))) from error
        if not has_workers:
            _wait_for_a_worker(client, scheduler, say)
        yield client


def _connected(scheduler: str, secured: Security | None) -> Client:
    """A client, without Dask's table of versions: those that matter are compared in :mod:`~mocrop.pipeline.run.hosts`.

    Raises: what Dask does if there is no scheduler.
    """
    from distributed import Client
    from distributed.versions import VersionMismatchWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)
        return Client(scheduler, timeout=CONNECT_SECONDS, security=secured)


def _wait_for_a_worker(client: Client, scheduler: str, say: Callable[[str], None]) -> None:
    """Ask for a worker and wait for it: a batch system has a queue, and an adaptive cluster starts some by demand.

    Raises: ClusterError if none comes.
    """
    minutes = SECONDS_TO_GET_A_WORKER / 60
    say(f"the Dask scheduler at {scheduler} has no workers yet; waiting up to {minutes:g} minutes for one")
    demand = client.submit(os.getpid, pure=False)
    try:
        client.wait_for_workers(1, timeout=SECONDS_TO_GET_A_WORKER)
    except Exception as error:
        raise ClusterError(
            f"the Dask scheduler at {scheduler} has no workers; start some with `dask worker`, or wait until a queue "
            "has let them start, then run the same command again"
        ) from error
    finally:
        demand.release()


def _config(clip_seconds: float) -> dict[str, object]:
    import dask

    # A clip that hangs in a call which keeps Python from running cannot be ended by its worker. Dask may end it, but
    # not before its time is up.
    patience = max(SECONDS_OF_SILENCE, clip_seconds + SECONDS_AFTER_THE_LIMIT)
    return {
        "distributed.scheduler.allowed-failures": 0,  # the runner itself finds the clip that kills its worker
        "distributed.scheduler.worker-ttl": f"{patience}s" if clip_seconds else None,
        "distributed.worker.daemon": True,
        "distributed.worker.preload": [*dask.config.get("distributed.worker.preload", []), IGNORE_INTERRUPTS],
        # By default Dask closes a worker for good that is not back 15 s after a clip has killed it.
        "distributed.deploy.lost-worker-timeout": f"{SECONDS_TO_RESTART}s",
        "distributed.comm.timeouts.connect": "60s",
        "distributed.admin.tick.limit": "1h",  # no warnings: a long FFmpeg call holds the interpreter, as expected
        **{f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in ALLOCATOR.items()},
    }


def _start(loop: IOLoop) -> LocalCluster:
    """A cluster without workers: one that waits for them waits for ever, with some versions of Dask, if they die."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=0,
        threads_per_worker=1,
        processes=True,
        security=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
        loop=loop,
    )


def _add_workers(cluster: LocalCluster, client: Client, workers: int) -> None:
    """Start workers and wait for them. Raises: ClusterError if they die or fail each time, or take too long."""
    cluster.scale(workers)
    give_up = time.monotonic() + SECONDS_TO_RESTART
    failures = 0
    while len(client.scheduler_info(n_workers=-1)["workers"]) < workers:
        failed = [name for name, nanny in list(cluster.workers.items()) if nanny.status.name in ("failed", "closed")]
        failures += len(failed)
        if failures >= START_ATTEMPTS * workers or time.monotonic() > give_up:
            raise ClusterError(
                "the worker processes do not start: they die or take too long; pass fewer --workers, or 0 to work in "
                "this process"
            )
        for name in failed:
            del cluster.workers[name]
        if failed:
            cluster.scale(workers)
        time.sleep(SECONDS_BETWEEN_LOOKS)


@contextmanager
def _loop_without_interrupts() -> Iterator[IOLoop]:
    """The event loop of a cluster, in a thread whose child processes never see Ctrl-C, from their first moment.

    A terminal sends Ctrl-C to all processes. Only this one acts on it, and stops the others.
    """
    from distributed.utils import LoopRunner

    runner = LoopRunner()
    with without_interrupts():
        runner.start()
    try:
        yield runner.loop
    finally:
        with contextlib.suppress(Exception):
            runner.stop()


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep what Dask and the libraries below it log off the screen: what matters comes as an error of one line."""
    import distributed  # noqa: F401  # puts its handlers in place

    targets: list[logging.Handler | logging.Logger] = [*logging.getLogger("distributed").handlers]
    targets += map(logging.getLogger, CHATTY)
    before = [target.level for target in targets]
    for target in targets:
        target.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for target, level in zip(targets, before, strict=True):
            target.setLevel(level)


def _close(client_or_cluster: Client | LocalCluster) -> None:
    """Close without complaint: the work is done, or its error is on its way."""
    with contextlib.suppress(Exception):
        client_or_cluster.close(timeout=SECONDS_TO_CLOSE)
