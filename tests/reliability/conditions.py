"""The conditions under which every command is tried: rights, disks, links, locks, databases, settings, checkpoints."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from tests.reliability.broken_places import COMMANDS, Place

Apply = Callable[[Place], AbstractContextManager[object]]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One way to break a place, and the commands that cannot do their work then; of others the table does not say."""

    name: str
    apply: Apply
    fails: str  # commands that end with 1 and one line, separated by spaces
    says: str = ""  # part of each of those lines
    fine: str = "status verify"  # commands that are tried too, unless they are among those that fail
    early: bool = False  # those that fail have written nothing
    needs: str = ""  # "rights": what is forbidden is forbidden to this process; "mounts": it may mount disks

    @property
    def tried(self) -> list[str]:
        """Those that only read come first."""
        return [name for name in COMMANDS if name in {*self.fails.split(), *self.fine.split()}]


def broken(change: Callable[[Place], object]) -> Apply:
    """A change that need not be undone, as the place is thrown away."""

    @contextlib.contextmanager
    def apply(place: Place) -> Iterator[None]:
        change(place)
        yield

    return apply


def parts(place: Place) -> dict[str, Path]:
    """Folders and files that can be broken, by name."""
    return {
        "workspace": place.work,
        "caches": place.work / "caches",
        "cache": place.cache,
        "runs": place.work / "runs",
        "run": place.run,
        "h264": place.work / "h264",
        "motion": place.work / "motion.zarr",
        "motion-shard": place.work / "motion.zarr/shard-00000",
        "reports": place.work / "reports",
        "dataset": place.dataset,
        "class": place.clip.parent,
        "maps": place.root / "maps",
        "clip": place.clip,
        "settings": place.work / "mocrop.toml",
        "manifest": place.work / "manifest.sqlite",
        "lock": place.work / ".lock",
        "cache-json": place.cache / "zarr.json",
        "state-json": place.cache / "state/zarr.json",
        "column": place.cache / "state/c/0",
        "frames": place.cache / "frames/c/0/0/0/0/0",
        "motion-json": place.work / "motion.zarr/shard-00000/zarr.json",
        "best": place.run / "best.pt",
        "last": place.run / "last.pt",
        "boxes": place.root / "boxes.json",
    }


@contextlib.contextmanager
def forbidden(path: Path) -> Iterator[None]:
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(mode)


@contextlib.contextmanager
def no_writing(folder: Path) -> Iterator[None]:
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for each in folders:
        each.chmod(0o555)
    try:
        yield
    finally:
        for each in folders:
            each.chmod(0o755)


@contextlib.contextmanager
def read_only_disk(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextlib.contextmanager
def full_disk(folder: Path, *, left: int = 0) -> Iterator[None]:
    """A disk of its own under a folder, with all that is in it and ``left`` bytes more."""
    kept = folder.with_name(f"{folder.name}-kept")
    shutil.move(folder, kept)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=True)
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        with contextlib.suppress(OSError), (folder / ".filler").open("wb") as file:
            while True:
                file.write(bytes(1 << 16))
        os.truncate(folder / ".filler", max(0, (folder / ".filler").stat().st_size - left))
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def of_another_kind(path: Path) -> None:
    """A file where a folder is expected, or the reverse."""
    if path.is_dir():
        shutil.rmtree(path)
        path.write_bytes(b"not a folder")
    else:
        path.unlink(missing_ok=True)
        path.mkdir(parents=True)


def dangling(path: Path, *, loop: bool = False) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(path if loop else path.with_name("nowhere") / "at all")


@contextlib.contextmanager
def no_locks() -> Iterator[None]:
    from mocrop.pipeline import platform_calls

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with mock.patch.object(platform_calls.fcntl, "flock", refuse):
        yield


@contextlib.contextmanager
def refused(number: int, what: str) -> Iterator[None]:
    """What can be patched of a disk that refuses: ``os.fsync`` or ``os.replace`` raise an error of the system."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with mock.patch.object(os, what, refuse):
        yield


def spoilt(path: Path, how: str) -> None:
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "half": content[: len(content) // 2], "garbage": b"garbage " * 512}[how])


def table_dropped(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.executescript("DROP TABLE outcomes; DROP TABLE clips;")


def other_schema(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version = 99")


def settings_with(old: str, new: str) -> Apply:
    """A mocrop.toml in which a pattern, once, is replaced."""

    def change(place: Place) -> None:
        file = place.work / "mocrop.toml"
        text, count = re.subn(old, new, file.read_text(), count=1, flags=re.MULTILINE | re.DOTALL)
        assert count, old
        file.write_text(text)

    return broken(change)


def shape_of(store: str, rows: int) -> Apply:
    """A store whose metadata declare this many rows, in each array and where the group repeats them."""

    def change(place: Place) -> None:
        for file in parts(place)[store].rglob("zarr.json"):
            content = json.loads(file.read_text())
            repeated = (content.get("consolidated_metadata") or {}).get("metadata", {})
            for array in (content, *repeated.values()):
                if "shape" in array:
                    array["shape"][0] = rows
            file.write_text(json.dumps(content))

    return broken(change)


def checkpoint_with(**values: Any) -> Apply:
    def change(place: Place) -> None:
        import torch

        content = torch.load(place.run / "best.pt", weights_only=True)
        torch.save({**content, **values}, place.run / "best.pt")

    return broken(change)
