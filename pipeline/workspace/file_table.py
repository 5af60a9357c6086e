"""What the manifest knows of the files of a data set, and how it learns that they have changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from mocrop.pipeline.workspace.manifest_file import has_segments, transaction


class KnownFile(NamedTuple):  # cheaper to make than a dataclass, as is done for every clip
    """The file of a clip as it was last seen; each segment of a video has its own."""

    position: int
    name: str  # of the clip
    path: str  # under the data set
    size_bytes: int
    mtime_ns: int
    present: bool
    subset: str  # one digit per split; if it is gone, what it was, as long as its label is of the present classes

    @property
    def in_a_split(self) -> bool:
        """Whether the clip is in a split, or was before a look has found it gone."""
        return self.subset.strip("0") != ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenFile:
    """The file of a known clip as it is now."""

    position: int
    path: str
    size_bytes: int
    mtime_ns: int
    present: bool
    back: bool = False  # was gone before


class FileTable:
    """The columns of an open manifest that describe files. Clips keep their label and their subsets.

    Clips that are segments of one video share its file.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def of_folder(self, folder: str) -> dict[str, list[KnownFile]]:
        """Every known file in one folder of the data set's first level, by path; "": those beside the folders."""
        query = "SELECT position, name, path, size, mtime_ns, present, subset FROM clips WHERE "
        values: tuple[str, ...] = ()
        if folder:  # finds them by the index of names; "0" comes next after "/"
            query, values = f"{query} name >= ? AND name < ?", (f"{folder}/", f"{folder}0")
        else:
            query = f"{query} instr(path, '/') = 0"
        files: dict[str, list[KnownFile]] = {}
        with closing(self._database.execute(query, values)) as rows:
            for row in rows:
                files.setdefault(row[2], []).append(KnownFile._make(row))
        return files

    def folders(self) -> set[str]:
        """The folders of the first level in which there is a known file; "" if there is one beside them."""
        query = "SELECT DISTINCT substr(path, 1, instr(path, '/') - 1) FROM clips"
        return {name for (name,) in self._database.execute(query)}

    def of_segments(self) -> bool:
        """Whether there are clips that are segments of a video."""
        if not has_segments(self._database):
            return False
        query = "SELECT EXISTS (SELECT 1 FROM clips WHERE start_us IS NOT NULL)"
        return bool(self._database.execute(query).fetchone()[0])

    def update(self, files: Iterable[SeenFile]) -> None:
        """Write how files are now. A clip whose file is back is as new to the stages: that it was gone is forgotten."""
        files = list(files)
        if not files:
            return
        with transaction(self._database) as database:
            database.executemany(
                "UPDATE clips SET path = ?, size = ?, mtime_ns = ?, present = ? WHERE position = ?",
                ((f.path, f.size_bytes, f.mtime_ns, f.present, f.position) for f in files),
            )
            database.executemany(
                "DELETE FROM outcomes WHERE position = ? AND reasons LIKE 'vanished%'",
                ((f.position,) for f in files if f.back),
            )

    def pretend(self, files: Iterable[SeenFile]) -> None:
        """Let this open manifest read as if :meth:`update` had been called; nothing is written to the disk.

        At most once. Views of this connection then stand before the tables of the same names.
        """
        files = list(files)
        if not files:
            return
        segments = "c.start_us, c.end_us, c.labels," if has_segments(self._database) else ""
        self._database.executescript(_PRETENCE.format(segments=segments))
        self._database.executemany(
            "INSERT INTO seen VALUES (?, ?, ?, ?, ?, ?)",
            ((f.position, f.path, f.size_bytes, f.mtime_ns, f.present, f.back) for f in files),
        )


_PRETENCE = """
PRAGMA temp_store = MEMORY;
CREATE TEMP TABLE seen (
    position INTEGER PRIMARY KEY, path TEXT, size INTEGER, mtime_ns INTEGER, present INTEGER, back INTEGER
);
CREATE TEMP VIEW clips AS
SELECT {segments} c.position, c.name, coalesce(s.path, c.path) AS path, c.label, c.ucf_group, c.subset,
       coalesce(s.size, c.size) AS size, coalesce(s.mtime_ns, c.mtime_ns) AS mtime_ns,
       coalesce(s.present, c.present) AS present
FROM main.clips c LEFT JOIN seen s USING (position);
CREATE TEMP VIEW outcomes AS
SELECT * FROM main.outcomes
WHERE NOT (reasons LIKE 'vanished%' AND position IN (SELECT position FROM seen WHERE back));
"""
