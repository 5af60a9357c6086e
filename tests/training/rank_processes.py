"""Run a function in several processes at once, as torchrun starts them, without its start-up time."""

from __future__ import annotations

import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any

import torch

from mocrop.training.distributed import ENVIRONMENT, join_ranks

SECONDS = 60.0  # after which a hanging process counts as failed


def in_ranks(function: Callable[..., Any], *arguments: Any, ranks: int = 2, join: bool = True) -> list[Any]:
    """Call ``function(ranks, *arguments)`` in several processes; return what each of them returned or raised.

    A process that ends without either is represented by its exit code. Without ``join`` the function is called as
    ``function(*arguments)``, in the environment that torchrun sets, and has to join the ranks itself.
    """
    context = process_maker()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes, ends = [], []
    for rank in range(ranks):
        ours, theirs = context.Pipe()
        values = (str(rank), str(ranks), str(rank), "127.0.0.1", str(port))
        environment = dict(zip(ENVIRONMENT, values, strict=True))
        process = context.Process(target=_call, args=(theirs, environment, function, arguments, join), daemon=True)
        process.start()
        theirs.close()
        processes.append(process)
        ends.append(ours)
    return [_result(process, end) for process, end in zip(processes, ends, strict=True)]


def process_maker() -> ForkServerContext:
    """Makes processes from a server that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mocrop.training.loop.train", "tests.training.rank_processes"])
    return context


def _result(process: Any, end: Connection) -> Any:
    try:
        answer = end.recv() if end.poll(SECONDS) else TimeoutError(f"nothing after {SECONDS} s")
    except EOFError:
        answer = None
    process.join(SECONDS)
    return process.exitcode if answer is None else answer


def _call(
    end: Connection,
    environment: dict[str, str],
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    join: bool,
) -> None:
    os.environ.update(environment, GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    try:
        if join:
            with join_ranks() as ranks:
                answer = function(ranks, *arguments)
        else:
            answer = function(*arguments)
    except Exception as error:
        traceback.print_exc()
        answer = error
    end.send(answer)
