"""Records of what an export has written: a JSON file for each clip or shard, in the workspace.

They are kept there and not in the folder of the export, which then holds nothing but what it is for. A record is
written once its files have their names; the outcome in the manifest comes after it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.export.base import Written
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.settings import Plain
from mocrop.pipeline.strict_json import json_text, parsed_json
from mocrop.pipeline.workspace.paths import Workspace

_PER_FOLDER = 1000  # records


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was written for a clip, or for the clips of a shard."""

    number: int  # position of the clip, or number of the shard
    files: tuple[Written, ...]
    facts: dict[int, Plain]  # by position of the clip


@dataclass(frozen=True)
class Records:
    """The records of one export."""

    folder: Path

    @classmethod
    def of(cls, workspace: Workspace, target: str) -> Records:
        """Those of the export into a folder, whose path is ``target``."""
        return cls(workspace.exports / hashlib.sha256(os.fsencode(target)).hexdigest()[:16])

    def file(self, number: int) -> Path:
        """Where the record of a clip or shard is."""
        return self.folder / f"{number // _PER_FOLDER:06d}" / f"{number}.json"

    def write(self, record: Record) -> None:
        """Raises: DiskFullError, FileError."""
        files = [[each.path, each.size_bytes, each.checksum, list(each.clips)] for each in record.files]
        facts = {str(position): facts for position, facts in record.facts.items()}
        write_whole(self.file(record.number), json_text({"files": files, "clips": facts}).encode())

    def read(self, number: int) -> Record | None:
        """The record of a clip or shard; None if there is none, or it is damaged."""
        try:
            plain = parsed_json(self.file(number).read_bytes())
            files = tuple(
                Written(path=path, size_bytes=size, checksum=checksum, clips=tuple(clips))
                for path, size, checksum, clips in plain["files"]
            )
            return Record(number=number, files=files, facts={int(key): each for key, each in plain["clips"].items()})
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def numbers(self) -> Iterator[int]:
        """Numbers of all records that are there, in no order."""
        for file in self.folder.glob("*/*.json"):
            if file.stem.isdecimal():
                yield int(file.stem)

    def files(self) -> Iterator[Written]:
        """The files of all records."""
        for number in self.numbers():
            if (record := self.read(number)) is not None:
                yield from record.files

    def remove(self, number: int) -> None:
        self.file(number).unlink(missing_ok=True)

    def remove_all(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
