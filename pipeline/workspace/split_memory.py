"""What a manifest remembers of splits that mocrop made: the side of every clip, and the numbers of groups.

The table of clips holds the subsets that are in force. This memory outlives them: it has clips that are gone, and stays
while split lists are in use, so that a clip that comes back is on its old side.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import NamedTuple

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS made_sides (clip TEXT PRIMARY KEY, split_group TEXT NOT NULL, subset TEXT NOT NULL)"
    " WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS group_numbers (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
)


class Side(NamedTuple):
    """Where a clip was put in a split that mocrop made."""

    clip: str  # path under the data set without suffix
    group: str  # what it was kept together with
    subset: tuple[int, ...]  # one per split: 1 train, 2 test


@dataclass(frozen=True, kw_only=True)
class MadeSplit:
    """What a split was made with; another seed or another grouping is another split."""

    seed: int
    group_by: str | None = None


class SplitMemory:
    """The tables of an open manifest that remember made splits; a manifest of an older mocrop has none."""

    def __init__(
        self, database: sqlite3.Connection, transaction: Callable[[], AbstractContextManager[sqlite3.Connection]]
    ) -> None:
        self._database = database
        self._transaction = transaction

    def made(self) -> MadeSplit | None:
        """What the remembered split was made with; None if none is remembered."""
        row = self._database.execute("SELECT value FROM facts WHERE key = 'made_split'").fetchone()
        if row is None:
            return None
        try:
            fact = json.loads(row[0])
            return MadeSplit(seed=int(fact["seed"]), group_by=fact["group_by"])
        except (ValueError, TypeError, KeyError) as error:
            raise sqlite3.DatabaseError(f"{row[0][:40]!r} does not say how a split was made") from error

    def sides(self) -> Iterator[Side]:
        """The sides of all clips of the remembered split, those that are gone included."""
        if not self._has("made_sides"):
            return
        splits = 0
        with closing(self._database.execute("SELECT clip, split_group, subset FROM made_sides")) as rows:
            for clip, group, subset in rows:
                splits = splits or len(subset)
                if len(subset) != splits or subset.strip("012"):
                    raise sqlite3.DatabaseError(f"{subset[:40]!r} are no sides in {splits} splits")
                yield Side(clip, group, tuple(map(int, subset)))

    def remember(self, made: MadeSplit, sides: Iterable[Side]) -> None:
        """Store where clips were put, in place of all that is remembered."""
        with self._transaction() as database:
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute("DELETE FROM made_sides")
            database.executemany(
                "INSERT OR REPLACE INTO made_sides VALUES (?, ?, ?)",
                ((side.clip, side.group, "".join(map(str, side.subset))) for side in sides),
            )
            fact = json.dumps({"seed": made.seed, "group_by": made.group_by})
            database.execute("INSERT OR REPLACE INTO facts VALUES ('made_split', ?)", (fact,))

    def group_numbers(self, group_by: str) -> dict[str, int]:
        """Numbers of the groups that an expression or column has given so far, by their names."""
        row = self._database.execute("SELECT value FROM facts WHERE key = 'grouped_by'").fetchone()
        if row is None or row[0] != json.dumps(group_by) or not self._has("group_numbers"):
            return {}
        return dict(self._database.execute("SELECT name, number FROM group_numbers").fetchall())

    def remember_numbers(self, group_by: str, numbers: Mapping[str, int]) -> None:
        """Store the numbers of groups, in place of all that are there."""
        with self._transaction() as database:
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute("DELETE FROM group_numbers")
            database.executemany("INSERT INTO group_numbers VALUES (?, ?)", numbers.items())
            database.execute("INSERT OR REPLACE INTO facts VALUES ('grouped_by', ?)", (json.dumps(group_by),))

    def _has(self, table: str) -> bool:
        query = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?)"
        return bool(self._database.execute(query, (table,)).fetchone()[0])
