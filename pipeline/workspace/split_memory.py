"""What a manifest remembers of splits that mocrop made: the side of every clip, and the numbers of groups.

The table of clips holds the subsets that are in force. This memory outlives them: it has clips that are gone, and stays
while split lists are in use, so that a clip that comes back is on its old side.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from mocrop.pipeline.strict_json import json_text
from mocrop.pipeline.workspace.facts import read_fact, write_facts
from mocrop.pipeline.workspace.manifest_file import transaction

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

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def made(self) -> MadeSplit | None:
        """What the remembered split was made with; None if none is remembered."""
        fact = read_fact(self._database, "made_split")
        if fact is None:
            return None
        try:
            return MadeSplit(seed=int(fact["seed"]), group_by=fact["group_by"])
        except (ValueError, TypeError, KeyError) as error:
            raise sqlite3.DatabaseError(f"{str(fact)[:40]!r} does not say how a split was made") from error

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
        with transaction(self._database) as database:
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute("DELETE FROM made_sides")
            database.executemany(
                "INSERT OR REPLACE INTO made_sides VALUES (?, ?, ?)",
                ((side.clip, side.group, "".join(map(str, side.subset))) for side in sides),
            )
            write_facts(database, {"made_split": json_text({"seed": made.seed, "group_by": made.group_by})})

    def group_numbers(self, group_by: str) -> dict[str, int]:
        """Numbers of the groups that an expression or column has given so far, by their names."""
        if read_fact(self._database, "grouped_by") != group_by or not self._has("group_numbers"):
            return {}
        return dict(self._database.execute("SELECT name, number FROM group_numbers").fetchall())

    def remember_numbers(self, group_by: str, numbers: Mapping[str, int]) -> None:
        """Store the numbers of groups, in place of all that are there."""
        with transaction(self._database) as database:
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute("DELETE FROM group_numbers")
            database.executemany("INSERT INTO group_numbers VALUES (?, ?)", numbers.items())
            write_facts(database, {"grouped_by": json_text(group_by)})

    def _has(self, table: str) -> bool:
        query = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?)"
        return bool(self._database.execute(query, (table,)).fetchone()[0])
