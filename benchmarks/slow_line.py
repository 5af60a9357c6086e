"""A line to a server on this machine that lets through so many bytes a second, in a process of its own.

python benchmarks/slow_line.py HOST PORT BYTES_PER_SECOND
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

PIECE_BYTES = 1 << 16


@contextlib.contextmanager
def slow_line(host: str, port: int, *, bytes_per_second: float) -> Iterator[int]:
    """The port of a line to ``host:port``; what answers carry, on all connections together, is limited."""
    command = [sys.executable, __file__, host, str(port), str(bytes_per_second)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


class _Limit:
    """Lets bytes through at a rate."""

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second
        self._free_at = 0.0  # when all that was let through has gone

    async def wait(self, count: int) -> None:
        now = time.monotonic()
        self._free_at = max(self._free_at, now) + count / self._rate
        await asyncio.sleep(self._free_at - now)


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter, limit: _Limit | None) -> None:
    """Until one side hangs up."""
    with contextlib.suppress(OSError), contextlib.closing(target):
        while piece := await source.read(PIECE_BYTES):
            if limit is not None:
                await limit.wait(len(piece))
            target.write(piece)
            await target.drain()


async def _main(host: str, port: int, bytes_per_second: float) -> None:
    limit = _Limit(bytes_per_second)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(host, port)
        await asyncio.gather(_pour(reader, to_server, None), _pour(from_server, writer, limit))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
