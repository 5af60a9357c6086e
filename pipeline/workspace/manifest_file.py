"""The file manifest.sqlite: its schema, how it is opened and written to, and why it cannot be used."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from mocrop.pipeline.errors import WorkspaceError, raise_if_disk_full

SCHEMA_VERSION = 3  # 1: outcomes had no checksum; 2: clips had neither spans nor several labels
LONGEST_PATH = 500  # bytes that SQLite takes wherever it was built with its own limit, 512, less a suffix

_SCHEMA = """
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE clips (
    position INTEGER PRIMARY KEY,   -- row in every crop cache; never reused for another clip
    name TEXT NOT NULL UNIQUE,      -- path under the data set without suffix
    path TEXT NOT NULL,             -- path under the data set
    label INTEGER NOT NULL,         -- class index
    ucf_group INTEGER NOT NULL,     -- -1: none
    subset TEXT NOT NULL,           -- one digit per split: 0 in no list, 1 train, 2 test, 3 validation
    size INTEGER NOT NULL,          -- bytes
    mtime_ns INTEGER NOT NULL,
    present INTEGER NOT NULL,       -- 0: was there once, is gone, and so in no split whatever subset says
    start_us INTEGER,               -- of a segment, microseconds since the first frame; NULL: the whole file
    end_us INTEGER,
    labels TEXT NOT NULL DEFAULT '' -- class indices, separated by spaces; '': label says it
);
CREATE TABLE outcomes (
    stage TEXT NOT NULL,
    position INTEGER NOT NULL REFERENCES clips,
    settings TEXT NOT NULL,         -- hash of the stage, its version, its settings and all upstream; '': in doubt
    size INTEGER NOT NULL,          -- of the source when it was read
    mtime_ns INTEGER NOT NULL,
    status TEXT NOT NULL,           -- done, failed
    reasons TEXT NOT NULL,          -- codes, separated by spaces
    message TEXT NOT NULL,
    seconds REAL NOT NULL,
    checksum INTEGER,               -- CRC-32C of the file that transcode wrote; NULL: of another stage, or not known
    PRIMARY KEY (stage, position)
) WITHOUT ROWID;
"""
_SECONDS_TO_WAIT = 30.0  # for another process that writes
_WAYS_OUT = {  # by SQLite's primary result code
    sqlite3.SQLITE_BUSY: "another program is using it; wait for that and run the same command again",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "see that it is there and that you may read it and write into its folder",
}
IF_DAMAGED = "restore a copy of it, or move it aside and run `mocrop init DATASET`, after which the stages run again"


def open_for_writing(file: Path) -> sqlite3.Connection:
    """Open a manifest; one that is not there is created, and one of an older schema is brought up to date.

    Raises: WorkspaceError, DiskFullError.
    """
    try:
        database = _connect(file, "rwc")
        version = _version(database, file)
        if version == 0:
            database.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
        elif version < SCHEMA_VERSION:
            _migrate(database)
    except sqlite3.Error as error:
        raise_if_disk_full(error)
        raise unusable(file, error) from error
    return database


def open_for_reading(file: Path) -> sqlite3.Connection:
    """Open a manifest of any schema up to this one's. Nothing is written but what SQLite must finish or take back.

    Raises: WorkspaceError.
    """
    try:
        database = _connect(file, "ro")
        try:
            _version(database, file)
        except sqlite3.OperationalError as error:
            database.close()
            database = _connect_otherwise(file, error)
            _version(database, file)
        if _version(database, file) == 0:
            database.close()
            raise WorkspaceError(f"{file} is empty; `mocrop init` lists the clips in it again")
    except sqlite3.Error as error:
        raise unusable(file, error) from error
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Write what the body executes, all of it or nothing. Raises: DiskFullError."""
    try:
        database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("COMMIT")
    except BaseException as error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise_if_disk_full(error)
        raise


def has_checksums(database: sqlite3.Connection) -> bool:
    """Whether the table of outcomes has the column `checksum`, which it has from schema 2 on."""
    return bool(database.execute("PRAGMA user_version").fetchone()[0] >= 2)


def has_segments(database: sqlite3.Connection) -> bool:
    """Whether the table of clips has the columns of spans and of several labels, which it has from schema 3 on."""
    return bool(database.execute("PRAGMA user_version").fetchone()[0] >= 3)


def unusable(file: Path, error: sqlite3.Error) -> WorkspaceError:
    """The error for people that says why a manifest cannot be used, and what to do."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # its own errors have none
    if code == sqlite3.SQLITE_CANTOPEN and len(os.fsencode(file)) > LONGEST_PATH:
        return WorkspaceError(
            f"{file} cannot be used: its path is too long for SQLite; use a shorter one of the workspace"
        )
    return WorkspaceError(f"{file} cannot be used ({error}); {_WAYS_OUT.get(code, IF_DAMAGED)}")


def _connect(file: Path, mode: str, *, immutable: bool = False) -> sqlite3.Connection:
    path = quote(
        os.fsencode(file.absolute().as_posix().removeprefix("/")), safe="/:"
    )  # not as_uri, whose hosts SQLite refuses
    where = f"file:///{path}?mode={mode}{'&immutable=1' if immutable else ''}"
    return sqlite3.connect(where, uri=True, isolation_level=None, timeout=_SECONDS_TO_WAIT)


def _version(database: sqlite3.Connection, file: Path) -> int:
    """The schema of a manifest. Raises: WorkspaceError if it is newer than this mocrop."""
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION or version < 0:
        database.close()
        raise WorkspaceError(
            f"{file} has schema {version}, and this mocrop knows {SCHEMA_VERSION}: a newer mocrop made it; "
            "use that one, or a newer one"
        )
    return version


def _migrate(database: sqlite3.Connection) -> None:
    """From schema 1 or 2. Another process may be doing so at the same time."""
    with transaction(database):
        if not has_checksums(database):
            database.execute("ALTER TABLE outcomes ADD COLUMN checksum INTEGER")
        if not has_segments(database):
            for column in ("start_us INTEGER", "end_us INTEGER", "labels TEXT NOT NULL DEFAULT ''"):
                database.execute(f"ALTER TABLE clips ADD COLUMN {column}")
            database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _connect_otherwise(file: Path, error: sqlite3.OperationalError) -> sqlite3.Connection:
    """Connect to a manifest that cannot be read as it is.

    A killed writer leaves a journal, which only who may write can take back. On a disk on which nothing can be written
    there may be no locks, and nobody to lock out.

    Raises: the error where neither is the case.
    """
    journal = file.with_name(f"{file.name}-journal")
    if os.access(file.parent, os.W_OK):
        if not journal.exists():
            raise error
        return _connect(file, "rw")
    if journal.exists() or error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY or not file.exists():
        raise error
    return _connect(file, "ro", immutable=True)
