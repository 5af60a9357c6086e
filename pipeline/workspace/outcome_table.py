"""The table of outcomes of an open manifest, one row per stage and clip, and what is read of it."""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.span import Span
from mocrop.pipeline.workspace.manifest_file import has_checksums, has_segments, transaction

_LEADS_OUT = re.compile(r"(^|/)\.{0,2}(/|$)|\0" + (r"|[\\:]" if os.altsep else ""))  # also a drive, where there are any
PAGE_CLIPS = 4096  # rows held at once while walking over all clips


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
    span: Span | None = None  # of a segment; None: the whole file
    size_bytes: int = 0  # of the file; segments of a video have that of the video


@dataclass(frozen=True, kw_only=True)
class StageCounts:
    """How many clips of a workspace are done in one stage, and how many are not."""

    done: int
    stale: int  # settings or source have changed since
    failed: dict[Reason, int]  # by first reason
    missing: int  # never run


class OutcomeTable:
    """The outcomes in an open manifest."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database  # not asked here, where nobody says of an error whose file it is

    def record(self, stage: str, settings: str, outcomes: Iterable[Outcome]) -> None:
        """Store outcomes of a stage in one transaction; an older one of the same clip is replaced."""
        with transaction(self._database) as database:
            database.executemany(
                "INSERT OR REPLACE INTO outcomes (stage, settings, status, reasons, message, seconds, checksum,"
                " position, size, mtime_ns)"
                " SELECT ?, ?, ?, ?, ?, ?, ?, position, size, mtime_ns FROM clips WHERE position = ?",
                ((stage, settings, *_outcome_values(outcome), outcome.position) for outcome in outcomes),
            )

    def forget(self, stage: str) -> None:
        """Drop every outcome of a stage."""
        with transaction(self._database) as database:
            database.execute("DELETE FROM outcomes WHERE stage = ?", (stage,))

    def forget_outcomes(self, stage: str, positions: Iterable[int]) -> None:
        """Drop a stage's outcomes of some clips, so that it runs on them again."""
        with transaction(self._database) as database:
            database.executemany(
                "DELETE FROM outcomes WHERE stage = ? AND position = ?", ((stage, position) for position in positions)
            )

    def doubt(self, stage: str, positions: Iterable[int]) -> None:
        """Let a stage's outcomes of some clips count as of other settings until new ones are recorded.

        To be called before the stage writes: if it is killed between an output and its outcome, the old outcome would
        pass for that of the new output.
        """
        with transaction(self._database) as database:
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
        checksums = "o.checksum, t.checksum" if has_checksums(self._database) else "NULL, NULL"
        span = "c.start_us, c.end_us" if has_segments(self._database) else "NULL, NULL"
        query = _STAGE_ROWS.format(checksums=checksums, span=span)
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
        with transaction(self._database) as database:
            return database.execute("DELETE FROM outcomes WHERE stage = ? AND status = 'failed'", (stage,)).rowcount


_NOTED = """
FROM outcomes o JOIN clips c USING (position)
WHERE o.stage = ? AND o.settings = ? AND o.status = 'done' AND o.reasons != ''
AND c.present AND o.size = c.size AND o.mtime_ns = c.mtime_ns"""

_STAGE_ROWS = """
SELECT c.position, c.name, c.path, c.present,
       o.status, o.settings = ?, o.size = c.size AND o.mtime_ns = c.mtime_ns, o.reasons,
       u.settings = ? AND u.size = c.size AND u.mtime_ns = c.mtime_ns, u.status, u.reasons, u.message,
       {checksums}, {span}, c.size
FROM clips c
LEFT JOIN outcomes o ON o.stage = ? AND o.position = c.position
LEFT JOIN outcomes u ON u.stage = ? AND u.position = c.position
LEFT JOIN outcomes t ON t.stage = 'transcode' AND t.position = c.position
WHERE c.position > ? ORDER BY c.position LIMIT ?"""


def _stage_row(row: Sequence[object]) -> StageRow:
    return StageRow(
        position=int(str(row[0])),
        name=inside_workspace(str(row[1])),
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
        span=span_of(row[14], row[15]),
        size_bytes=int(str(row[16])),
    )


def span_of(start_us: object, end_us: object) -> Span | None:
    """The span of a row; None if the clip is a whole file."""
    return None if start_us is None or end_us is None else Span(int(str(start_us)), int(str(end_us)))


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


def inside_workspace(name: str) -> str:
    """The name of a clip as it is stored; files of a workspace are called by it.

    Raises: sqlite3.DatabaseError for one that leads out of the folders of the workspace, as no clip has.
    """
    if _LEADS_OUT.search(name):
        raise sqlite3.DatabaseError(f"no clip can have the name {name!r}")
    return name
