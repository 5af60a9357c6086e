"""Whether Dask can start a worker process on this machine, over the loopback interface."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mocrop.pipeline.commands.doctor.finding import Finding, State
from mocrop.pipeline.errors import ClusterError
from mocrop.pipeline.run.clusters import local_cluster

SECONDS_TO_ANSWER = 60


def workers() -> Iterator[Finding]:
    """Start one as the stages do, have it say its number, and stop it."""
    way_out = "pass --workers 0 to the stages, which then work in one process"
    try:
        with local_cluster(1, clip_seconds=0) as client:
            number = client.submit(os.getpid).result(timeout=SECONDS_TO_ANSWER)
    except (ClusterError, OSError, RuntimeError) as error:  # a TimeoutError is an OSError
        fact = f"no local worker answers ({error or type(error).__name__})"
        yield Finding(name="workers", state=State.MISSING, fact=fact, way_out=way_out)
        return
    if number == os.getpid():
        yield Finding(name="workers", state=State.MISSING, fact="a worker is no process of its own", way_out=way_out)
        return
    yield Finding(name="workers", state=State.OK, fact="Dask has started one, and it has answered over 127.0.0.1")
