"""A system that refuses: what Python itself asks it for, files, folders, databases, ends in an error of this number."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from tests.reliability.broken_places import Place

WRITING_MODES, WRITING_FLAGS = frozenset("wax+"), os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(kw_only=True)
class _Refusal:
    """Refuses calls on paths in a folder, after it has let some through."""

    number: int
    folder: Path
    after: int
    seen: int = field(default=0)

    def __call__(self, path: object) -> None:
        """Raises: OSError."""
        if isinstance(path, int) or not os.fsdecode(path).startswith(str(self.folder)):  # type: ignore[arg-type]
            return
        self.seen += 1
        if self.seen > self.after:
            raise OSError(self.number, os.strerror(self.number), os.fsdecode(path))  # type: ignore[arg-type]


def refused_opening(number: int, *, writing: bool, after: int = 0) -> Callable[[Place], AbstractContextManager[object]]:
    """Opening a file of a place fails, or only opening it for writing."""
    open_file, open_number = io.open, os.open

    @contextlib.contextmanager
    def apply(place: Place) -> Iterator[None]:
        refuse = _Refusal(number=number, folder=place.root, after=after)

        def refusing_file(file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
            if not writing or WRITING_MODES & {*mode}:
                refuse(file)
            return open_file(file, mode, *more, **options)

        def refusing_number(path: Any, flags: int, *more: Any, **options: Any) -> int:
            if not writing or flags & WRITING_FLAGS:
                refuse(path)
            return open_number(path, flags, *more, **options)

        with contextlib.ExitStack() as stack:
            for module, name, call in ((builtins, "open", refusing_file), (io, "open", refusing_file)):
                stack.enter_context(mock.patch.object(module, name, call))
            stack.enter_context(mock.patch.object(os, "open", refusing_number))
            yield

    return apply


def refused_call(number: int, name: str, *, after: int = 0) -> Callable[[Place], AbstractContextManager[object]]:
    """A call of `os` whose first argument is a path, such as ``mkdir``, fails in a place."""
    call = getattr(os, name)

    @contextlib.contextmanager
    def apply(place: Place) -> Iterator[None]:
        refuse = _Refusal(number=number, folder=place.root, after=after)

        def refusing(path: Any = ".", *more: Any, **options: Any) -> Any:
            refuse(path)
            return call(path, *more, **options)

        with mock.patch.object(os, name, refusing):
            yield

    return apply


def refused_database(code: int, *, after: int) -> Callable[[Place], AbstractContextManager[object]]:
    """SQLite fails, with an error of its own, in a statement on any database."""

    @contextlib.contextmanager
    def apply(_: Place) -> Iterator[None]:
        seen = 0

        class Refusing(sqlite3.Connection):
            def _refuse(self) -> None:
                nonlocal seen
                seen += 1
                if seen > after:
                    error = sqlite3.OperationalError("disk I/O error")
                    error.sqlite_errorcode = code
                    raise error

            def execute(self, *arguments: Any) -> sqlite3.Cursor:
                self._refuse()
                return super().execute(*arguments)

            def executemany(self, *arguments: Any) -> sqlite3.Cursor:
                self._refuse()
                return super().executemany(*arguments)

        connect = sqlite3.connect

        def connecting(*arguments: Any, **options: Any) -> sqlite3.Connection:
            return connect(*arguments, **{"factory": Refusing, **options})

        with mock.patch.object(sqlite3, "connect", connecting):
            yield

    return apply
