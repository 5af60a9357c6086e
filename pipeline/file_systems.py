"""fsspec's file systems, one for each scheme of addresses, with time limits; they keep and repeat nothing."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.pipeline.errors import AddressError
from mocrop.pipeline.platform_calls import after_fork

PACKAGES = {"s3": "mocrop[cloud]", "s3a": "mocrop[cloud]", "http": "mocrop[cloud]", "https": "mocrop[cloud]"}
CONNECTIONS = 64  # most of one process to one server


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a request may take, and how often it is made."""

    attempts: int = 5
    pause_seconds: float = 0.5  # before the second attempt; it doubles each time
    connect_seconds: float = 10.0
    read_seconds: float = 30.0  # without a single byte


_WHO = ("AWS_", "FSSPEC_", "GOOGLE_", "AZURE_", "BOTO", "HOME", "XDG_CONFIG_HOME")  # beginnings of variables' names

# Kept to the end of the process, one for each environment that credentials may come from: when s3fs is collected while
# the loop of a Dask cluster runs, it closes its connections in that loop, which is the wrong one, and Python prints so.
_OPENED: dict[tuple[object, ...], Any] = {}


class OpenFileSystem:
    """A file system that each process opens by itself, when it first uses it.

    Args:
        make: opens it.
        scheme: of its addresses.
    """

    def __init__(self, make: Callable[[], Any], scheme: str) -> None:
        self._make = make
        self._scheme = scheme
        self._lock = threading.Lock()
        self._process, self._opened = 0, None

    def get(self) -> Any:
        """The open file system; after a fork another one, as connections cannot be shared."""
        if self._process != os.getpid():
            self._lock = threading.Lock() if self._process else self._lock  # the one of the parent may be held
            with self._lock:
                if self._process != os.getpid():
                    self._opened = self._make()
                    self._process = os.getpid()
        return self._opened

    def path(self, address: str) -> str:
        """What the file system calls an address."""
        return str(self.get()._strip_protocol(address))

    def put(self, source: Path, path: str) -> None:
        """Copy a file to a path, whole or not at all."""
        if self._scheme not in ("file", "local"):
            self.get().put_file(os.fspath(source), path)
            return
        partial = self._partial(path)
        self.get().put_file(os.fspath(source), partial)
        os.replace(partial, path)

    def write(self, path: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        if self._scheme not in ("file", "local"):
            self.get().pipe_file(path, content)
            return
        partial = self._partial(path)
        Path(partial).write_bytes(content)
        os.replace(partial, path)

    def _partial(self, path: str) -> str:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return f"{path}.{os.getpid()}-{threading.get_ident()}.partial"


def open_file_system(address: str, patience: Patience) -> OpenFileSystem:
    """The file system of an address; nothing is asked of its server yet.

    Raises: AddressError if there is none for its scheme, or a package for it is not installed.
    """
    import fsspec  # type: ignore[import-untyped]

    scheme = address.split("://")[0]
    try:
        kind = fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        package = PACKAGES.get(scheme)
        way_out = f"pip install '{package}'" if package else f"pip install what it names ({error})"
        raise AddressError(f"{address}: {scheme} needs a package that is not installed; {way_out}") from error
    except ValueError as error:
        raise AddressError(
            f"{address}: {scheme} is no kind of address that fsspec knows; use s3, gs, https or file"
        ) from error

    _forget_connections_after_fork()

    def make() -> Any:
        key = (os.getpid(), scheme, patience, _credentials())
        if key not in _OPENED:
            opened = kind(skip_instance_cache=True, use_listings_cache=False, **_options(scheme, patience))
            if scheme in ("s3", "s3a"):
                opened.retries = 1  # RemoteFiles tries again, whatever the scheme
            _OPENED.setdefault(key, opened)
        return _OPENED[key]

    return OpenFileSystem(make, scheme)


@functools.cache
def _forget_connections_after_fork() -> None:
    """Have forked processes start a loop of their own; the older releases of fsspec wait for that of the parent."""
    from fsspec.asyn import reset_lock  # type: ignore[import-untyped]

    after_fork(reset_lock)


def _credentials() -> frozenset[tuple[str, object]]:
    """What says who asks, and by which way: a part of the environment, and when the files of AWS were written."""
    names = (name for name in os.environ if name.startswith(_WHO) or name.upper().endswith("_PROXY"))
    found: set[tuple[str, object]] = {(name, os.environ[name]) for name in names}
    for name, usual in (("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), ("AWS_CONFIG_FILE", "~/.aws/config")):
        with contextlib.suppress(OSError):
            file = os.path.expanduser(os.environ.get(name, usual))
            found.add((file, os.stat(file).st_mtime_ns))
    return frozenset(found)


def _options(scheme: str, patience: Patience) -> dict[str, Any]:
    if scheme in ("s3", "s3a"):
        limits = {"connect_timeout": patience.connect_seconds, "read_timeout": patience.read_seconds}
        once = {"retries": {"total_max_attempts": 1}, "max_pool_connections": CONNECTIONS}
        return {"config_kwargs": {**limits, **once}}
    if scheme in ("http", "https"):
        from aiohttp import ClientTimeout

        limit = ClientTimeout(total=None, sock_connect=patience.connect_seconds, sock_read=patience.read_seconds)
        return {"client_kwargs": {"timeout": limit}}
    return {}
