"""The table of facts of an open manifest: one JSON value per key."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from mocrop.pipeline.strict_json import parsed_json


def read_fact(database: sqlite3.Connection, key: str) -> Any:
    """The value of a fact; None if there is no such fact. Raises: sqlite3.DatabaseError if it is no JSON."""
    row = database.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
    return None if row is None else _parsed(row[0])


def read_facts(database: sqlite3.Connection, prefix: str) -> dict[str, Any]:
    """The values of all facts whose key begins with ``prefix``, by the rest of the key, in its order.

    Raises: sqlite3.DatabaseError if one is no JSON.
    """
    query = "SELECT substr(key, ?), value FROM facts WHERE substr(key, 1, ?) = ? ORDER BY key"
    rows = database.execute(query, (len(prefix) + 1, len(prefix), prefix))
    return {key: _parsed(value) for key, value in rows.fetchall()}


def has_fact(database: sqlite3.Connection, key: str) -> bool:
    """Whether there is such a fact, also one that is null."""
    return database.execute("SELECT 1 FROM facts WHERE key = ?", (key,)).fetchone() is not None


def write_facts(database: sqlite3.Connection, facts: Mapping[str, str]) -> None:
    """Store facts, as JSON texts, in a transaction that is begun; older ones of the same keys are replaced."""
    database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())


def drop_fact(database: sqlite3.Connection, key: str) -> None:
    """Delete a fact, if it is there, in a transaction that is begun."""
    database.execute("DELETE FROM facts WHERE key = ?", (key,))


def _parsed(text: str) -> Any:
    try:
        return parsed_json(text)
    except ValueError as error:
        raise sqlite3.DatabaseError(f"{text[:40]!r} is no JSON") from error
