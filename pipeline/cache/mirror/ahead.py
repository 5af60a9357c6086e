"""Fetch the shards of the batches to come, in the order in which they will be needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from mocrop.pipeline.cache.mirror.mirror import FETCHES_AT_ONCE
from mocrop.pipeline.errors import MocropError


class Ahead:
    """Threads that fetch shards before they are read, until they are closed or something fails.

    What fails is not told: the reader will ask for the same shard, and meet the same.

    Args:
        fetch: has one shard in the mirror.
        batches: for each batch, the shards that it needs.
        most_shards: that may lie ready without having been read; None: all.
    """

    def __init__(
        self, fetch: Callable[[int], object], batches: Sequence[Sequence[int]], *, most_shards: int | None
    ) -> None:
        self._fetch = fetch
        self._plan = planned(batches, once=most_shards is None)
        self._most = most_shards
        self._next = 0
        self._read = 0  # entries of the plan of batches that have been begun
        self._closed = False
        self._turn = threading.Condition()
        self._pool = ThreadPoolExecutor(FETCHES_AT_ONCE, thread_name_prefix="mirror-ahead")
        with self._turn:  # none takes a shard, fails and closes the pool before all are there
            for _ in range(FETCHES_AT_ONCE if self._plan else 0):
                self._pool.submit(self._run)

    def begin(self, batch: int) -> None:
        """Say that a batch is being read now."""
        with self._turn:
            while self._read < len(self._plan) and self._plan[self._read][0] <= batch:
                self._read += 1
            self._turn.notify_all()

    def close(self) -> None:
        """Fetch nothing more; what is under way is completed in the background."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while (shard := self._take()) is not None:
            try:
                self._fetch(shard)
            except (MocropError, OSError):
                self.close()

    def _take(self) -> int | None:
        with self._turn:
            while not self._closed and self._most is not None and self._next >= self._read + self._most:
                self._turn.wait()
            if self._closed or self._next >= len(self._plan):
                return None
            self._next += 1
            return self._plan[self._next - 1][1]


def planned(batches: Sequence[Sequence[int]], *, once: bool) -> list[tuple[int, int]]:
    """Which shards to fetch, in order, each with the batch that it is for.

    Args:
        once: what has been fetched stays, so that each shard is fetched for the first batch that needs it.

    >>> planned([[3, 1], [1, 2]], once=True), planned([[3, 1], [1, 2]], once=False)
    ([(0, 3), (0, 1), (1, 2)], [(0, 3), (0, 1), (1, 1), (1, 2)])
    """
    seen: set[int] = set()
    plan = []
    for batch, shards in enumerate(batches):
        for shard in dict.fromkeys(shards):
            if not (once and shard in seen):
                plan.append((batch, shard))
            seen.add(shard)
    return plan
