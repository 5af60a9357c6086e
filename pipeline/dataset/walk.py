"""Walk over the folders of a data set: every video file in them, and what is left out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mocrop.pipeline.address import RemoteFiles
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset_place import AddressPath
from mocrop.pipeline.errors import DatasetError

WORKSPACE_MARK = "mocrop.toml"  # in a folder of a workspace, whose videos are copies
FIRST_SUFFIXES = (".avi", ".mkv", ".mov", ".mp4", ".webm")  # of files of one stem, one of these gets the short name
LATER_SUFFIXES = (".3gp", ".flv", ".gif", ".m2ts", ".m4v", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".wmv")
VIDEO_SUFFIXES = (*FIRST_SUFFIXES, *LATER_SUFFIXES)
_IS_VIDEO = frozenset(VIDEO_SUFFIXES)
NO_SUFFIX = "without a suffix"
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})  # that Windows leaves in folders
MAX_SUFFIX = 10  # characters; what stands behind the last dot of a longer one is no suffix


class VideoFile(NamedTuple):
    """A video file of a data set."""

    path: str  # under the data set, "/" between parts
    size_bytes: int
    mtime_ns: int

    @property
    def folder(self) -> str:
        """The first folder of the path, "" if it has none."""
        return first_folder(self.path)


@dataclass
class Walk:
    """A walk over the folders of a data set, and what it notes on the way.

    Attributes:
        loose: whether to yield the videos beside the folders too.
        log: receives an issue for everything that is left out.
        class_folders: the folders in the first level.
        out_of_reach: paths of folders that cannot be read, with "/" at the end, and of links that lead nowhere.
        first_of: the first path of each file, by its disk and number there, for SAME_VIDEO; None: not asked for.
    """

    dataset: Path
    lists: Path | None = None  # split lists, which are no files that are left out
    loose: bool = False
    log: IssueLog = field(default_factory=IssueLog)
    class_folders: list[str] = field(default_factory=list)
    out_of_reach: set[str] = field(default_factory=set)
    first_of: dict[tuple[int, int], str] | None = None

    def videos(self) -> Iterator[VideoFile]:
        """Yield every video, one folder of the first level after the other.

        Raises: DatasetError if the data set is not a readable folder.
        """
        if isinstance(self.dataset, AddressPath):
            yield from self._videos_at(self.dataset)
            return
        if not self.dataset.is_dir():
            fact = "is a file" if self.dataset.exists() else "does not exist"
            raise DatasetError(f"{self.dataset} {fact}; pass the folder of its videos")
        for folder, entry in self._files():
            if (video := self._video(folder, entry)) is not None:
                yield video

    def _videos_at(self, place: AddressPath) -> Iterator[VideoFile]:
        """As :meth:`videos`, of the objects under an address; what tells an object from another is its time here."""
        entries = RemoteFiles(place.address).entries()
        # without objects that mark folders
        names = sorted((name for name in entries if not f"/{name}".endswith("/")), key=_by_folder)
        workspaces = [name.removesuffix(WORKSPACE_MARK) for name in names if name.endswith(f"/{WORKSPACE_MARK}")]
        shown = [name for name in names if not _is_hidden(name, workspaces)]
        self.class_folders += dict.fromkeys(folder for name in shown if (folder := first_folder(name)))
        for name in shown:
            base = name.rpartition("/")[2]
            if _suffix(base) not in _IS_VIDEO:
                if base.lower() not in SYSTEM_FILES:
                    self.log.note(IssueCode.OTHER_SUFFIX, name, kind=suffix_kind(base))
            elif not _is_plain(name):
                self.log.note(IssueCode.NOT_A_FILE, name)
            elif "/" in name or self.loose:
                yield VideoFile(name, entries[name].size, int(entries[name].version or "0", 16))

    def _files(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Yield ("Class/sub/", entry) for everything but folders, in an order that does not depend on the disk."""
        start = os.stat(self.dataset)
        stack: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ((start.st_dev, start.st_ino),))]
        while stack:
            folder, ancestors = stack.pop()
            entries = self._entries(folder)
            if folder and any(entry.name == WORKSPACE_MARK for entry in entries):
                continue
            if folder.count("/") == 1:
                self.class_folders.append(folder[:-1])
            for entry in entries:
                if not _is_folder(entry):
                    yield folder, entry
                    continue
                status = _status_of_folder(entry)
                identity = (status.st_dev, status.st_ino) if status else None
                if identity is None:
                    self._note_unreadable(folder + entry.name)
                elif identity in ancestors:
                    self.log.note(IssueCode.FOLDER_LOOP, folder + entry.name)
                else:
                    stack.append((f"{folder}{entry.name}/", (*ancestors, identity)))

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.dataset / folder) as entries:
                shown = (entry for entry in entries if not entry.name.startswith("."))
                return sorted(shown, key=lambda entry: entry.name)
        except OSError as error:
            if not folder:
                fact = f"cannot be read ({error.strerror})"
                raise DatasetError(f"{self.dataset} {fact}; check its permissions") from error
            self._note_unreadable(folder[:-1])
            return []

    def _note_unreadable(self, folder: str) -> None:
        self.log.note(IssueCode.UNREADABLE_FOLDER, f"{folder}/")
        self.out_of_reach.add(f"{folder}/")

    def _video(self, folder: str, entry: os.DirEntry[str]) -> VideoFile | None:
        """The video that an entry is; None for what is left out."""
        path = folder + entry.name
        if _suffix(entry.name) not in _IS_VIDEO:
            self._leave_out(path, entry)
        elif not folder and not self.loose:
            return None
        elif not _is_utf8(path):
            self.log.note(IssueCode.NAME_NOT_UTF8, path)
        else:
            status = _status(entry)
            if status is not None and stat.S_ISREG(status.st_mode):
                self._note_same(path, status)
                return VideoFile(path, status.st_size, status.st_mtime_ns)
            self.log.note(IssueCode.NOT_A_FILE, path)
            if status is None:
                self.out_of_reach.add(path)
        return None

    def _note_same(self, path: str, status: os.stat_result) -> None:
        """Note a file that was met under another path, by a link; Windows does not number files here."""
        if self.first_of is not None and status.st_ino:
            first = self.first_of.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                self.log.note(IssueCode.SAME_VIDEO, f"{path} is {first}")

    def _leave_out(self, path: str, entry: os.DirEntry[str]) -> None:
        if entry.is_symlink() and _status(entry) is None:  # it may lead to a folder of clips
            self.out_of_reach.add(f"{path}/")
        if entry.name.lower() in SYSTEM_FILES or self._is_list(path):
            return
        self.log.note(IssueCode.OTHER_SUFFIX, path, kind=suffix_kind(entry.name))

    def _is_list(self, path: str) -> bool:
        file = self.dataset / path
        return self.lists is not None and self.lists in (file, file.parent)


def _by_folder(name: str) -> tuple[str, str]:
    return first_folder(name), name


def _is_hidden(name: str, workspaces: Sequence[str]) -> bool:
    """Whether an object is in a workspace, or it or a folder of it has a name that begins with a dot."""
    if any(name.startswith(prefix) for prefix in workspaces):
        return True
    return any(part.startswith(".") and part.strip(".") for part in name.split("/"))


def _is_plain(name: str) -> bool:
    """Whether the name of an object is that of a file below a folder, which it need not be."""
    return not any(part in ("", ".", "..") for part in name.split("/")) and "\\" not in name and "\0" not in name


def first_folder(path: str) -> str:
    """The first folder of a path, "" if it has none.

    >>> first_folder("Surfing/day1/a.avi"), first_folder("a.avi")
    ('Surfing', '')
    """
    folder, slash, _ = path.partition("/")
    return folder if slash else ""


def suffix_kind(name: str) -> str:
    """Name the kind of a file by its suffix.

    >>> suffix_kind("a.TXT"), suffix_kind("README"), suffix_kind("frame.0001")
    ('.txt', 'without a suffix', 'without a suffix')
    """
    suffix = _suffix(name)
    return suffix if len(suffix) <= MAX_SUFFIX and any(map(str.isalpha, suffix)) else NO_SUFFIX


def without_video_suffix(path: str) -> str:
    """Cut a video suffix off a path, if it has one.

    >>> without_video_suffix("Archery/a.b.AVI"), without_video_suffix("Archery/a.b")
    ('Archery/a.b', 'Archery/a.b')
    """
    dot = path.rfind(".")
    if dot < 1 or path[dot:].lower() not in _IS_VIDEO:
        return path
    return os.path.splitext(path)[0] if path[dot - 1] in "./\\" else path[:dot]  # a name may begin with dots


def _suffix(name: str) -> str:
    """Suffix in lower case of a name that does not begin with a dot."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that may not be entered
        return False


def _status_of_folder(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return os.stat(entry)  # on Windows the entry itself knows neither disk nor number of the folder
    except OSError:
        return None


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:  # a broken link, a file that is gone, or one in a folder that may not be entered
        return None


def _is_utf8(path: str) -> bool:
    if path.isascii():
        return True
    try:
        path.encode()
    except UnicodeEncodeError:  # os.scandir turns bytes that are not UTF-8 into lone surrogates
        return False
    return True
