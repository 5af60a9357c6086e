"""A server that speaks S3 on this machine, and a line to it that can be slow, torn, busy or cut.

`bucket` is an empty bucket of moto's server, with the environment set so that the clients of this process, and of those
that it starts, find it. `faulty_line` stands between them and the server and does what a test tells it to.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mocrop.pipeline import address as address_module
from mocrop.pipeline.address import Address, RemoteFiles
from mocrop.pipeline.file_systems import Patience

HASTY = Patience(attempts=4, pause_seconds=0.05, connect_seconds=2.0, read_seconds=2.0)
SECRET = "wJalrXUtnFEMI-not-to-be-shown"
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # until whoever started it ends
"""
_numbers = itertools.count()


def can_serve_s3() -> bool:
    """Whether moto's server and a client of it are installed."""
    return find_spec("moto") is not None and find_spec("s3fs") is not None


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of moto's server."""
    if not can_serve_s3():
        pytest.skip("moto or s3fs is not installed")
    with serving_s3() as server:
        yield server


@contextlib.contextmanager
def serving_s3() -> Iterator[str]:
    """Run moto's server in a process of its own; its address, such as http://127.0.0.1:5000."""
    command = [sys.executable, "-c", _SERVER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        assert port.isdigit(), "moto's server has not started"
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process not wait long for what will never answer."""
    monkeypatch.setattr(address_module, "Patience", lambda: HASTY)


@pytest.fixture
def bucket(s3_server: str, hasty: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a new bucket; the environment leads to it, and nobody here is patient with it."""
    return new_bucket(s3_server, monkeypatch)


def new_bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a bucket, and have the environment lead to it. Returns: its name."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    s3(server, "PUT", f"/{name}")
    return name


def s3(server: str, method: str, path: str, body: bytes = b"") -> bytes:
    """Ask moto's server for something without any client; it checks no signatures.

    >>> s3(server, "PUT", "/bucket/key", b"content")  # doctest: +SKIP
    """
    parts = urllib.parse.urlsplit(server)
    connection = http.client.HTTPConnection(str(parts.hostname), int(parts.port or 80), timeout=30)
    with contextlib.closing(connection):
        key = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        connection.request(method, path, body=body, headers={"Authorization": key, "Content-Length": str(len(body))})
        answer = connection.getresponse()
        content = answer.read()
    assert answer.status < 300, (answer.status, content)
    return content


def upload(folder: Path, bucket: str, name: str = "") -> str:
    """Put a folder into a bucket, as any tool would. Returns: its address."""
    address = f"s3://{bucket}/{name or folder.name}"
    put_folder(folder, address)
    return address


def put_folder(folder: Path, address: str) -> None:
    """Put all files of a folder to an address of any kind."""
    files = RemoteFiles(Address.parse(address), patience=HASTY)
    with ThreadPoolExecutor(8) as pool:
        for file in folder.rglob("*"):
            if file.is_file():
                pool.submit(files.write, file.relative_to(folder).as_posix(), file.read_bytes())


def stored(address: str) -> dict[str, bytes]:
    """Content of each object at an address, by its name."""
    remote = RemoteFiles(Address.parse(address))
    return {name: remote.read(name) for name in remote.list()}


def files(folder: Path) -> dict[str, bytes]:
    """Content of each file of a folder, by its path in it: that of :func:`stored` for the same cache."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def delete_bucket(server: str, name: str) -> None:
    """Delete a bucket and all that is in it, as an owner who has forgotten the training run."""
    for key in re.findall(rb"<Key>(.*?)</Key>", s3(server, "GET", f"/{name}?list-type=2&max-keys=10000")):
        s3(server, "DELETE", f"/{name}/{urllib.parse.quote(key.decode())}")
    s3(server, "DELETE", f"/{name}")


@dataclass
class FaultyLine:
    """A proxy in front of a server, on loopback. What it is told holds for all requests that come afterwards.

    Attributes:
        bytes_per_second: how fast bodies of answers go through; None: at once.
        cut_after: a body of an answer is cut off after so many bytes, for as many answers as `cuts`.
        busy: so many of the next requests are answered by 503.
        denied: all requests are answered by 403.
        requests: lines of the requests that came, such as "GET /bucket/key".
        sent_bytes: of bodies of answers, in all.
    """

    server: str
    bytes_per_second: float | None = None
    cut_after: int | None = None
    cuts: int = 1_000_000
    busy: int = 0
    denied: bool = False
    requests: list[str] = field(default_factory=list)
    sent_bytes: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.connections: set[socket.socket] = set()  # that are open
        self._proxy: ThreadingHTTPServer | None = None
        self._port = 0
        self.restore()

    @property
    def url(self) -> str:
        """For AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self._port}"

    def refuse(self) -> None:
        """Close the port and all connections: new ones are refused, until :meth:`restore`."""
        if self._proxy is not None:
            proxy, self._proxy = self._proxy, None
            proxy.shutdown()
            proxy.server_close()
            for connection in list(self.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Listen again, at the same port."""
        if self._proxy is None:
            self._proxy = _Listener(("127.0.0.1", self._port), _handler_of(self))
            self._port = self._proxy.server_address[1]
            threading.Thread(target=self._proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def fetched(self, ending: str = "") -> list[str]:
        """Paths that were read whole or in part, whose names end so, in the order in which they were asked for."""
        asked = [line.split()[1].split("?")[0] for line in self.requests if line.startswith("GET ")]
        return [path for path in asked if path.endswith(ending)]

    def verdict(self, line: str) -> int:
        """Count a request; the status that answers it without asking the server, or 0."""
        with self._lock:
            self.requests.append(line)
            if self.busy > 0:
                self.busy -= 1
                return 503
            return 403 if self.denied else 0

    def limit(self, length: int) -> int | None:
        """After how many bytes an answer is cut off, which is then counted; None: not at all."""
        with self._lock:
            if self.cut_after is None or length <= self.cut_after or self.cuts <= 0:
                return None
            self.cuts -= 1
            return self.cut_after

    def count(self, sent: int) -> None:
        """Add to the bytes that went through."""
        with self._lock:
            self.sent_bytes += sent


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is no failure."""


def _handler_of(line: FaultyLine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            line.connections.add(self.request)
            super().setup()

        def finish(self) -> None:
            line.connections.discard(self.request)
            super().finish()

        def forward(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = (
                self.rfile.read(length) if "chunked" not in self.headers.get("Transfer-Encoding", "") else _chunks(self)
            )
            status = line.verdict(f"{self.command} {self.path}")
            if status:
                code = "SlowDown" if status == 503 else "AccessDenied"
                self.answer(status, {}, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())
                return
            parts = urllib.parse.urlsplit(line.server)
            connection = http.client.HTTPConnection(str(parts.hostname), int(parts.port or 80), timeout=60)
            with contextlib.closing(connection):
                left_out = ("transfer-encoding", "content-length", "expect")
                headers = {k: v for k, v in self.headers.items() if k.lower() not in left_out}
                connection.request(
                    self.command, self.path, body=body, headers={**headers, "Content-Length": str(len(body))}
                )
                answer = connection.getresponse()
                content = answer.read()
            self.answer(answer.status, dict(answer.getheaders()), content)

        def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response_only(status)
            shown = {
                k: v
                for k, v in headers.items()
                if k.lower() not in ("content-length", "transfer-encoding", "connection")
            }
            length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
            for name, value in {**shown, "Content-Length": length}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            limit = line.limit(len(content)) if status < 300 else None
            self.pour(content if limit is None else content[:limit])
            if limit is not None:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)

        def pour(self, content: bytes) -> None:
            step = 1 << 16
            for start in range(0, len(content), step):
                piece = content[start : start + step]
                self.wfile.write(piece)
                line.count(len(piece))
                if line.bytes_per_second is not None:
                    time.sleep(len(piece) / line.bytes_per_second)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    return Handler


def _chunks(handler: BaseHTTPRequestHandler) -> bytes:
    """The body of a request that says its length piece by piece."""
    pieces = []
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        pieces.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(pieces)


@pytest.fixture
def faulty_line(bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyLine]:
    """A line to the server, that the environment leads through."""
    line = FaultyLine(s3_server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", line.url)
    yield line
    line.refuse()
