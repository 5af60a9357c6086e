"""manifest.sqlite, opened: its clips, their outcomes, and facts; written by the client only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

from mocrop.pipeline.errors import raise_if_disk_full
from mocrop.pipeline.span import Span
from mocrop.pipeline.strict_json import json_text
from mocrop.pipeline.workspace.facts import drop_fact, has_fact, read_fact, read_facts, write_facts
from mocrop.pipeline.workspace.file_table import FileTable
from mocrop.pipeline.workspace.manifest_file import (
    has_segments,
    open_for_reading,
    open_for_writing,
    transaction,
    unusable,
)
from mocrop.pipeline.workspace.outcome_table import OutcomeTable, StageCounts, StageRow, inside_workspace, span_of
from mocrop.pipeline.workspace.split_memory import SplitMemory

__all__ = ["ClipRow", "LabelKind", "Manifest", "StageCounts", "StageRow"]

LabelKind = Literal["one", "several", "none"]  # labels a clip
_CACHE = "cache:"  # before its name, the key of the fact that remembers a crop cache
_EXPORT = "export:"  # before the path of its folder, that of an export
_ADDRESS = "address:"  # before the address, that of a crop cache which is written there


@dataclass(frozen=True, kw_only=True)
class ClipRow:
    """A clip in the manifest."""

    name: str
    path: str  # under the data set
    label: int  # class index, the first if it has several; -1: none
    group: int  # -1: none
    subset: tuple[int, ...]  # one per split: 0 in no list, 1 train, 2 test, 3 validation
    size_bytes: int
    mtime_ns: int
    span: Span | None = None  # of a segment; None: the whole file
    labels: tuple[int, ...] = ()  # class indices, ascending, in a data set with several labels a clip; else empty


class Manifest(OutcomeTable):
    """The open manifest of a workspace. Use as a context manager; one process writes at a time.

    Args:
        read_only: never write to it. One of an older schema is read as it is; it must be there.
    Raises: WorkspaceError if it cannot be read, also when the body of the context ends with such an error of SQLite.
    """

    def __init__(self, file: Path, *, read_only: bool = False) -> None:
        self._file = file
        super().__init__(open_for_reading(file) if read_only else open_for_writing(file))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._database.close()
        bugs = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.IntegrityError)
        if isinstance(error, sqlite3.Error) and not isinstance(error, bugs):
            raise_if_disk_full(error)
            raise unusable(self._file, error) from error

    def quick_check(self) -> list[str]:
        """What SQLite finds wrong with the file, a line each."""
        try:
            lines = [str(line) for (line,) in self._database.execute("PRAGMA quick_check")]
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return [] if lines == ["ok"] else lines

    @property
    def files(self) -> FileTable:
        """What is known of the clips' files, and how that is brought up to date."""
        return FileTable(self._database)

    @property
    def split_memory(self) -> SplitMemory:
        """What is remembered of splits that mocrop made."""
        return SplitMemory(self._database)

    def replace_clips(
        self,
        clips: Iterable[ClipRow],
        *,
        class_names: Sequence[str],
        split_names: Sequence[str],
        split_seed: int | None = None,
        label_kind: LabelKind = "one",
    ) -> None:
        """Bring the table of clips up to date.

        Known clips keep their position and new ones follow. Clips that are gone stay, marked absent, in no split and of
        the class of the same name, or none if there is none now; of clips that are back, the stages forget that they
        were gone.

        Args:
            split_seed: seed of the splits, if they were generated.
            label_kind: how many labels a clip has.
        """
        with transaction(self._database) as database:
            gone = database.execute("SELECT position FROM clips WHERE NOT present").fetchall()
            database.execute("UPDATE clips SET present = 0, subset = ?", ("0" * len(split_names),))
            database.executemany(
                "INSERT INTO clips (name, path, label, ucf_group, subset, size, mtime_ns, start_us, end_us, labels,"
                " present, position)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, (SELECT coalesce(max(position) + 1, 0) FROM clips))"
                " ON CONFLICT (name) DO UPDATE SET path = excluded.path, label = excluded.label,"
                " ucf_group = excluded.ucf_group, subset = excluded.subset, size = excluded.size,"
                " mtime_ns = excluded.mtime_ns, start_us = excluded.start_us, end_us = excluded.end_us,"
                " labels = excluded.labels, present = 1",
                map(_stored, clips),
            )
            database.executemany(
                "DELETE FROM outcomes WHERE position = ? AND reasons LIKE 'vanished%'"
                " AND (SELECT present FROM clips c WHERE c.position = outcomes.position)",
                gone,
            )
            _number_anew(database, self.names("class_names"), class_names)
            names = {"class_names": list(class_names), "split_names": list(split_names)}
            facts = {**names, "split_seed": split_seed, "labels": label_kind}
            write_facts(database, {key: json_text(value) for key, value in facts.items()})

    def names(self, key: str) -> list[str]:
        """``class_names`` or ``split_names``; empty before init."""
        return [str(name) for name in read_fact(self._database, key) or ()]

    def label_kind(self) -> LabelKind:
        """How many labels a clip has; one, in a manifest of an older mocrop."""
        kind = read_fact(self._database, "labels") or "one"
        if kind not in get_args(LabelKind):
            raise sqlite3.DatabaseError(f"it has {str(kind)[:40]!r} labels a clip")
        return cast(LabelKind, kind)

    def split_seed(self) -> int | None:
        """Seed of the splits; None if they are from lists, or from a mocrop that did not keep it."""
        return cast("int | None", read_fact(self._database, "split_seed"))

    def keeps_split_seed(self) -> bool:
        """Whether the manifest says if its splits were made; one of the first versions of mocrop does not."""
        return has_fact(self._database, "split_seed")

    def subsets(self) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """Path, group and subsets of every clip in a split; also of clips that are gone since the splits were made."""
        query = "SELECT path, ucf_group, subset FROM clips WHERE ltrim(subset, '0') != ''"
        with closing(self._database.execute(query)) as rows:
            for path, group, subset in rows:
                yield path, group, tuple(map(int, subset))

    def clip_count(self) -> int:
        """Number of clips, absent ones included, which is the number of rows of a crop cache."""
        return int(self._database.execute("SELECT coalesce(max(position) + 1, 0) FROM clips").fetchone()[0])

    def present_count(self) -> int:
        """Number of clips whose file was there when the data set was last looked at."""
        return int(self._database.execute("SELECT count(*) FROM clips WHERE present").fetchone()[0])

    def absent(self) -> frozenset[int]:
        """Positions of the clips whose file was gone when the data set was last looked at."""
        rows = self._database.execute("SELECT position FROM clips WHERE NOT present").fetchall()
        return frozenset(int(position) for (position,) in rows)

    def clips(self) -> Iterator[ClipRow]:
        """All clips by position; those whose file is gone are in no split."""
        columns = "start_us, end_us, labels" if has_segments(self._database) else "NULL, NULL, ''"
        query = (
            f"SELECT name, path, label, ucf_group, subset, size, mtime_ns, present, {columns}"
            " FROM clips ORDER BY position"
        )
        with closing(self._database.execute(query)) as rows:
            for name, path, label, group, subset, size, mtime_ns, present, start_us, end_us, labels in rows:
                yield ClipRow(
                    name=inside_workspace(name),
                    path=path,
                    label=label,
                    group=group,
                    subset=tuple(int(digit) if present else 0 for digit in subset),
                    size_bytes=size,
                    mtime_ns=mtime_ns,
                    span=span_of(start_us, end_us),
                    labels=tuple(map(int, labels.split())),
                )

    def remember_cache(self, name: str, attributes_json: str) -> None:
        """Remember that there is a crop cache, and its attributes, a JSON object."""
        with transaction(self._database) as database:
            write_facts(database, {f"{_CACHE}{name}": attributes_json})

    def known_caches(self) -> dict[str, dict[str, Any]]:
        """The attributes of every crop cache that is remembered, by its name."""
        return read_facts(self._database, _CACHE)

    def forget_cache(self, name: str) -> None:
        """No longer remember a crop cache."""
        with transaction(self._database) as database:
            drop_fact(database, f"{_CACHE}{name}")

    def remember_export(self, folder: str, settings_json: str) -> None:
        """Remember that there is an export in a folder, and its settings, a JSON object."""
        with transaction(self._database) as database:
            write_facts(database, {f"{_EXPORT}{folder}": settings_json})

    def known_exports(self) -> dict[str, dict[str, Any]]:
        """The settings of every export that is remembered, by its folder."""
        return read_facts(self._database, _EXPORT)

    def forget_export(self, folder: str) -> None:
        """No longer remember an export."""
        with transaction(self._database) as database:
            drop_fact(database, f"{_EXPORT}{folder}")

    def remember_address(self, address: str, facts_json: str) -> None:
        """Remember that a crop cache is written at an address, and what of it, a JSON object."""
        with transaction(self._database) as database:
            write_facts(database, {f"{_ADDRESS}{address}": facts_json})

    def forget_address(self, address: str) -> None:
        """No longer remember that a crop cache is written at an address."""
        with transaction(self._database) as database:
            drop_fact(database, f"{_ADDRESS}{address}")

    def known_addresses(self) -> dict[str, dict[str, Any]]:
        """What is remembered of every crop cache that is written at an address, by its address."""
        return read_facts(self._database, _ADDRESS)


def _stored(clip: ClipRow) -> tuple[str | int | None, ...]:
    subset, labels = "".join(map(str, clip.subset)), " ".join(map(str, clip.labels))
    file = (clip.size_bytes, clip.mtime_ns)
    return (clip.name, clip.path, clip.label, clip.group, subset, *file, *(clip.span or (None, None)), labels)


def _number_anew(database: sqlite3.Connection, before: Sequence[str], now: Sequence[str]) -> None:
    """Give clips that are gone the numbers that their classes have now."""
    if list(before) == list(now):
        return
    number = {name: n for n, name in enumerate(now)}
    new = {old: number[name] for old, name in enumerate(before) if name in number}
    gone = database.execute("SELECT label, labels, position FROM clips WHERE NOT present").fetchall()
    for label, labels, position in gone:
        several = sorted(new[old] for old in map(int, labels.split()) if old in new)
        database.execute(
            "UPDATE clips SET label = ?, labels = ? WHERE position = ?",
            (new.get(label, -1), " ".join(map(str, several)), position),
        )
