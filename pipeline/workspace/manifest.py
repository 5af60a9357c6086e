"""manifest.sqlite: a table of clips and a table of outcomes, one row per stage and clip; written by the client only."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from mocrop.pipeline.errors import Reason, raise_if_disk_full
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.strict_json import json_text
from mocrop.pipeline.workspace.file_table import FileTable
from mocrop.pipeline.workspace.manifest_file import has_checksums, open_for_reading, open_for_writing, unusable
from mocrop.pipeline.workspace.split_memory import SplitMemory

PAGE_CLIPS = 4096  # rows held at once while walking over all clips


@dataclass(frozen=True, kw_only=True)
class ClipRow:
    """A clip in the manifest."""

    name: str
    path: str  # under the data set
    label: int
    group: int  # -1: none
    subset: tuple[int, ...]  # one per split: 0 neither list, 1 train, 2 test
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """A clip with its last outcome of one stage and of the stage before."""

    position: int
    name: str
    path: str  # under the data set
    present: bool  # its file was there when the data set was last looked at
    status: str | None  # of this stage; None: never run
    same_settings: bool  # the outcome is of the present settings
    same_source: bool  # the outcome is of the file as it is now
    reasons: tuple[Reason, ...]
    upstream_current: bool  # the stage before has an outcome for these settings and this source
    upstream_status: str | None
    upstream_reasons: tuple[Reason, ...]
    upstream_message: str
    checksum: int | None = None  # CRC-32C of the file that this stage has written, where it keeps one
    h264_checksum: int | None = None  # CRC-32C of the file that transcode has written, if it is known


@dataclass(frozen=True, kw_only=True)
class StageCounts:
    """How many clips of a workspace are done in one stage, and how many are not."""

    done: int
    stale: int  # settings or source have changed since
    failed: dict[Reason, int]  # by first reason
    missing: int  # never run


class Manifest:
    """The open manifest of a workspace. Use as a context manager; one process writes at a time.

    Args:
        read_only: never write to it. One of an older schema is read as it is; it must be there.
    Raises: WorkspaceError if it cannot be read, also when the body of the context ends with such an error of SQLite.
    """

    def __init__(self, file: Path, *, read_only: bool = False) -> None:
        self._file = file
        self._database = open_for_reading(file) if read_only else open_for_writing(file)
        self._checksums = "o.checksum, t.checksum" if has_checksums(self._database) else "NULL, NULL"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._database.close()
        bugs = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.IntegrityError)
        if isinstance(error, sqlite3.Error) and not isinstance(error, bugs):
            raise_if_disk_full(error)
            raise unusable(self._file, error) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database
            self._database.execute("COMMIT")
        except BaseException as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise_if_disk_full(error)
            raise

    def quick_check(self) -> list[str]:
        """What SQLite finds wrong with the file, a line each."""
        try:
            lines = [str(line) for (line,) in self._database.execute("PRAGMA quick_check")]
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return [] if lines == ["ok"] else lines

    # clips

    @property
    def files(self) -> FileTable:
        """What is known of the clips' files, and how that is brought up to date."""
        return FileTable(self._database, self._transaction)

    @property
    def split_memory(self) -> SplitMemory:
        """What is remembered of splits that mocrop made."""
        return SplitMemory(self._database, self._transaction)

    def replace_clips(
        self,
        clips: Iterable[ClipRow],
        *,
        class_names: Sequence[str],
        split_names: Sequence[str],
        split_seed: int | None = None,
    ) -> None:
        """Bring the table of clips up to date.

        Known clips keep their position and new ones follow. Clips that are gone stay, marked absent and in no split;
        of clips that are back, the stages forget that they were gone.

        Args:
            split_seed: seed of the splits, if they were generated.
        """
        with self._transaction() as database:
            gone = database.execute("SELECT position FROM clips WHERE NOT present").fetchall()
            database.execute("UPDATE clips SET present = 0, subset = ?", ("0" * len(split_names),))
            database.executemany(
                "INSERT INTO clips (name, path, label, ucf_group, subset, size, mtime_ns, present, position)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 1, (SELECT coalesce(max(position) + 1, 0) FROM clips))"
                " ON CONFLICT (name) DO UPDATE SET path = excluded.path, label = excluded.label,"
                " ucf_group = excluded.ucf_group, subset = excluded.subset, size = excluded.size,"
                " mtime_ns = excluded.mtime_ns, present = 1",
                (
                    (c.name, c.path, c.label, c.group, "".join(map(str, c.subset)), c.size_bytes, c.mtime_ns)
                    for c in clips
                ),
            )
            database.executemany(
                "DELETE FROM outcomes WHERE position = ? AND reasons LIKE 'vanished%'"
                " AND (SELECT present FROM clips c WHERE c.position = outcomes.position)",
                gone,
            )
            facts = {"class_names": list(class_names), "split_names": list(split_names), "split_seed": split_seed}
            database.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)", [(k, json_text(v)) for k, v in facts.items()]
            )

    def names(self, key: str) -> list[str]:
        """``class_names`` or ``split_names``; empty before init."""
        return [str(name) for name in self._fact(key) or ()]

    def split_seed(self) -> int | None:
        """Seed of the splits; None if they are from lists, or from a mocrop that did not keep it."""
        return cast("int | None", self._fact("split_seed"))

    def _fact(self, key: str) -> Any:
        row = self._database.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return None if row is None else _parsed(row[0])

    def keeps_split_seed(self) -> bool:
        """Whether the manifest says if its splits were made; one of the first versions of mocrop does not."""
        return self._database.execute("SELECT 1 FROM facts WHERE key = 'split_seed'").fetchone() is not None

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

    def clips(self) -> Iterator[ClipRow]:
        """All clips by position; those whose file is gone are in no split."""
        query = "SELECT name, path, label, ucf_group, subset, size, mtime_ns, present FROM clips ORDER BY position"
        with closing(self._database.execute(query)) as rows:
            for name, path, label, group, subset, size, mtime_ns, present in rows:
                digits = tuple(int(digit) if present else 0 for digit in subset)
                yield ClipRow(
                    name=name, path=path, label=label, group=group, subset=digits, size_bytes=size, mtime_ns=mtime_ns
                )

    # outcomes

    def record(self, stage: str, settings: str, outcomes: Iterable[Outcome]) -> None:
        """Store outcomes of a stage in one transaction; an older one of the same clip is replaced."""
        with self._transaction() as database:
            database.executemany(
                "INSERT OR REPLACE INTO outcomes (stage, settings, status, reasons, message, seconds, checksum,"
                " position, size, mtime_ns)"
                " SELECT ?, ?, ?, ?, ?, ?, ?, position, size, mtime_ns FROM clips WHERE position = ?",
                ((stage, settings, *_outcome_values(outcome), outcome.position) for outcome in outcomes),
            )

    def forget(self, stage: str) -> None:
        """Drop every outcome of a stage."""
        with self._transaction() as database:
            database.execute("DELETE FROM outcomes WHERE stage = ?", (stage,))

    def forget_outcomes(self, stage: str, positions: Iterable[int]) -> None:
        """Drop a stage's outcomes of some clips, so that it runs on them again."""
        with self._transaction() as database:
            database.executemany(
                "DELETE FROM outcomes WHERE stage = ? AND position = ?", ((stage, position) for position in positions)
            )

    def doubt(self, stage: str, positions: Iterable[int]) -> None:
        """Let a stage's outcomes of some clips count as of other settings until new ones are recorded.

        To be called before the stage writes: if it is killed between an output and its outcome, the old outcome would
        pass for that of the new output.
        """
        with self._transaction() as database:
            database.executemany(
                "UPDATE outcomes SET settings = '', checksum = NULL WHERE stage = ? AND position = ?",
                ((stage, position) for position in positions),
            )

    def stage_rows(self, stage: str, settings: str, *, upstream: tuple[str, str] | None) -> Iterator[StageRow]:
        """Iterate over all clips by position, with their outcomes of a stage and of the stage before.

        Reads in pages, so that outcomes may be recorded meanwhile.

        Args:
            settings: hash of the stage's present settings.
            upstream: name and settings hash of the stage before, if there is one.
        """
        up_stage, up_settings = upstream or ("", "")
        after = -1
        query = _STAGE_ROWS.format(checksums=self._checksums)
        while rows := self._database.execute(
            query, (settings, up_settings, stage, up_stage, after, PAGE_CLIPS)
        ).fetchall():
            for row in rows:
                yield _stage_row(row)
            after = rows[-1][0]

    def stages_done(self) -> set[str]:
        """Names of the stages that are done with at least one clip, with whatever settings."""
        query = "SELECT DISTINCT stage FROM outcomes WHERE status = 'done' AND settings != ''"
        return {str(stage) for (stage,) in self._database.execute(query)}

    def has_run(self, stage: str, settings: str) -> bool:
        """Whether ``stage`` has an outcome of these settings for at least one clip whose file has not changed since."""
        query = """
            SELECT EXISTS (SELECT 1 FROM outcomes o JOIN clips c USING (position) WHERE o.stage = ? AND o.settings = ?
            AND c.present AND o.size = c.size AND o.mtime_ns = c.mtime_ns)"""
        return bool(self._database.execute(query, (stage, settings)).fetchone()[0])

    def counts(self, stage: str, settings: str) -> StageCounts:
        """Count the clips that are present by their outcome of ``stage``."""
        query = """
            SELECT o.status, o.settings = ? AND o.size = c.size AND o.mtime_ns = c.mtime_ns,
                   CASE o.status WHEN 'failed' THEN substr(o.reasons || ' ', 1, instr(o.reasons || ' ', ' ') - 1) END,
                   count(*)
            FROM clips c LEFT JOIN outcomes o ON o.stage = ? AND o.position = c.position
            WHERE c.present GROUP BY 1, 2, 3 ORDER BY 4 DESC"""
        done = stale = missing = 0
        failed: dict[Reason, int] = {}
        for status, current, reason, count in self._database.execute(query, (settings, stage)):
            if status is None:
                missing += count
            elif not current:
                stale += count
            elif status == "done":
                done += count
            else:
                failed[Reason(reason)] = count
        return StageCounts(done=done, stale=stale, failed=failed, missing=missing)

    def failures(self, stage: str) -> Iterator[tuple[str, tuple[Reason, ...], str]]:
        """Name, reasons and message of every failed clip of a stage, by position."""
        query = (
            "SELECT c.name, o.reasons, o.message FROM outcomes o JOIN clips c USING (position)"
            " WHERE o.stage = ? AND o.status = 'failed' ORDER BY position"
        )
        with closing(self._database.execute(query, (stage,))) as rows:
            for name, reasons, message in rows:
                yield name, _reasons(reasons), message

    def notes(
        self, stage: str, settings: str, *, clip: str | None = None
    ) -> Iterator[tuple[str, tuple[Reason, ...], str]]:
        """Name, notes and message of every clip that ``stage`` has done with these settings and has notes on.

        Args:
            clip: only of the clip of this name; None: of all.
        """
        query = f"SELECT c.name, o.reasons, o.message {_NOTED} AND (? IS NULL OR c.name = ?) ORDER BY position"
        with closing(self._database.execute(query, (stage, settings, clip, clip))) as rows:
            for name, reasons, message in rows:
                yield name, _reasons(reasons), message

    def note_counts(self, stage: str, settings: str) -> Counter[Reason]:
        """Count the clips that :meth:`notes` names by each of their notes."""
        counts: Counter[Reason] = Counter()
        query = f"SELECT o.reasons, count(*) {_NOTED} GROUP BY o.reasons"
        for reasons, clips in self._database.execute(query, (stage, settings)):
            counts.update(dict.fromkeys(_reasons(reasons), clips))
        return counts

    def forget_failures(self, stage: str) -> int:
        """Drop the failed outcomes of a stage, so that its next run tries those clips again; returns how many."""
        with self._transaction() as database:
            return database.execute("DELETE FROM outcomes WHERE stage = ? AND status = 'failed'", (stage,)).rowcount

    # crop caches

    def remember_cache(self, name: str, attributes_json: str) -> None:
        """Remember that there is a crop cache, and its attributes, a JSON object."""
        with self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (f"{_CACHE_KEY}{name}", attributes_json))

    def known_caches(self) -> dict[str, dict[str, Any]]:
        """The attributes of every crop cache that is remembered, by its name."""
        query = "SELECT substr(key, ?), value FROM facts WHERE substr(key, 1, ?) = ? ORDER BY key"
        rows = self._database.execute(query, (len(_CACHE_KEY) + 1, len(_CACHE_KEY), _CACHE_KEY))
        return {name: _parsed(value) for name, value in rows.fetchall()}

    def forget_cache(self, name: str) -> None:
        """No longer remember a crop cache."""
        with self._transaction() as database:
            database.execute("DELETE FROM facts WHERE key = ?", (f"{_CACHE_KEY}{name}",))


_CACHE_KEY = "cache:"  # of facts, before the name


_NOTED = """
FROM outcomes o JOIN clips c USING (position)
WHERE o.stage = ? AND o.settings = ? AND o.status = 'done' AND o.reasons != ''
AND c.present AND o.size = c.size AND o.mtime_ns = c.mtime_ns"""

_STAGE_ROWS = """
SELECT c.position, c.name, c.path, c.present,
       o.status, o.settings = ?, o.size = c.size AND o.mtime_ns = c.mtime_ns, o.reasons,
       u.settings = ? AND u.size = c.size AND u.mtime_ns = c.mtime_ns, u.status, u.reasons, u.message,
       {checksums}
FROM clips c
LEFT JOIN outcomes o ON o.stage = ? AND o.position = c.position
LEFT JOIN outcomes u ON u.stage = ? AND u.position = c.position
LEFT JOIN outcomes t ON t.stage = 'transcode' AND t.position = c.position
WHERE c.position > ? ORDER BY c.position LIMIT ?"""


def _stage_row(row: Sequence[object]) -> StageRow:
    return StageRow(
        position=int(str(row[0])),
        name=str(row[1]),
        path=str(row[2]),
        present=bool(row[3]),
        status=None if row[4] is None else str(row[4]),
        same_settings=bool(row[5]),
        same_source=bool(row[6]),
        reasons=_reasons(row[7]),
        upstream_current=bool(row[8]),
        upstream_status=None if row[9] is None else str(row[9]),
        upstream_reasons=_reasons(row[10]),
        upstream_message=str(row[11] or ""),
        checksum=None if row[12] is None else int(str(row[12])),
        h264_checksum=None if row[13] is None else int(str(row[13])),
    )


def _outcome_values(outcome: Outcome) -> tuple[str, str, str, float, int | None]:
    return outcome.status, " ".join(outcome.reasons), _storable(outcome.message), outcome.seconds, outcome.checksum


def _storable(message: str) -> str:
    """A message as SQLite takes it: bytes that are not UTF-8, which a name in it may have, are escaped."""
    return message.encode("utf-8", "backslashreplace").decode()


def _reasons(text: object) -> tuple[Reason, ...]:
    try:
        return tuple(Reason(code) for code in str(text or "").split())
    except ValueError as error:
        raise sqlite3.DatabaseError(f"it names a reason that this mocrop does not know: {text}") from error


def _parsed(text: str) -> Any:
    """The value of a fact."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise sqlite3.DatabaseError(f"{text[:40]!r} is no JSON") from error
