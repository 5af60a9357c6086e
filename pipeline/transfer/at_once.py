"""Several transfers at a time, which end together: with the first error, or with Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

TRANSFERS_AT_ONCE = 8

Item = TypeVar("Item")


def at_once(work: Callable[[Item], object], items: Iterable[Item]) -> None:
    """Call ``work`` for each item, several at a time.

    After an error or Ctrl-C nothing new is begun; what is under way is waited for, as each object is put as a whole.

    Raises: the first error of any call.
    """
    with ThreadPoolExecutor(TRANSFERS_AT_ONCE, thread_name_prefix="transfer") as pool:
        try:
            futures = [pool.submit(work, item) for item in items]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
