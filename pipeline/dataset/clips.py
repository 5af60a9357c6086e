"""Find the clips of a data set, a folder that holds one folder of videos per class."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mocrop.pipeline.dataset.issues import Issue, IssueCode, IssueLog, printable
from mocrop.pipeline.errors import DatasetError

WORKSPACE_MARK = "mocrop.toml"  # in a folder of a workspace, whose videos are copies
VIDEO_SUFFIXES = (".avi", ".mkv", ".mov", ".mp4", ".webm")
_GROUP = re.compile(r".*_g([0-9]{1,9})_")  # greedy: the last one in a name counts, as in v_my_g3_trick_g01_c02


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """One video file of a data set."""

    name: str  # path under the data set without suffix, "/" between parts: "Surfing/v_Surfing_g01_c01"
    path: str  # path under the data set with suffix, "/" between parts
    class_name: str  # first folder of the path
    group: int  # UCF group, from "_gNN_" in the file name; -1 if it has none
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, kw_only=True)
class FoundClips:
    """The clips of a data set, sorted by name, and the issues found in its folders."""

    clips: tuple[Clip, ...]
    issues: tuple[Issue, ...]


def find_clips(dataset: Path) -> FoundClips:
    """Find every video under the class folders of ``dataset``, in nested folders as well.

    Links are followed; hidden files and folders and mocrop's own workspaces are skipped. Anything else that is left out
    is an issue.

    Args:
        dataset: the folder that holds one folder per class.
    Raises: DatasetError if ``dataset`` is not a readable folder, holds no clips, or is the parent of the data set.
    """
    if not dataset.is_dir():
        fact = "is a file" if dataset.exists() else "does not exist"
        raise DatasetError(f"{dataset} {fact}; pass the folder that holds one folder of videos per class")
    scan = _Scan(dataset)
    for folder, entry in _walk(dataset, scan):
        _collect(folder, entry, scan)
    clips = _named(scan)
    if not clips:
        raise DatasetError(_nothing_found(scan))
    _check_depth(clips, scan)
    with_clips = {clip.class_name for clip in clips}
    for name in scan.class_folders:
        if name not in with_clips:
            scan.log.note(IssueCode.EMPTY_CLASS, name)
    return FoundClips(clips=clips, issues=scan.log.issues)


def without_video_suffix(path: str) -> str:
    """Cut a video suffix off a path, if it has one.

    >>> without_video_suffix("Archery/a.b.AVI"), without_video_suffix("Archery/a.b")
    ('Archery/a.b', 'Archery/a.b')
    """
    stem, suffix = os.path.splitext(path)
    return stem if suffix.lower() in VIDEO_SUFFIXES else path


def group_of(name: str) -> int:
    """Read the UCF group from a clip's name; -1 if it has none.

    >>> group_of("Surfing/v_Surfing_g07_c02"), group_of("Surfing/big_wave")
    (7, -1)
    """
    match = _GROUP.match(name.rpartition("/")[2])
    return int(match[1]) if match else -1


@dataclass
class _Scan:
    """What a scan of the folders of a data set collects."""

    dataset: Path
    log: IssueLog = field(default_factory=IssueLog)
    videos: list[tuple[str, int, int]] = field(default_factory=list)  # path, size in bytes, mtime in ns
    class_folders: list[str] = field(default_factory=list)
    other_suffixes: Counter[str] = field(default_factory=Counter)
    without_class: int = 0


def _walk(dataset: Path, scan: _Scan) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield ("Class/sub/", entry) for everything but folders, in an order that does not depend on the disk."""
    start = os.stat(dataset)
    stack: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ((start.st_dev, start.st_ino),))]
    while stack:
        folder, ancestors = stack.pop()
        entries = _entries(dataset, folder, scan.log)
        if folder and any(entry.name == WORKSPACE_MARK for entry in entries):
            continue
        if folder.count("/") == 1:
            scan.class_folders.append(folder[:-1])
        for entry in entries:
            if not _is_folder(entry):
                yield folder, entry
                continue
            status = _status_of_folder(entry)
            identity = (status.st_dev, status.st_ino) if status else None
            if identity is None:
                scan.log.note(IssueCode.UNREADABLE_FOLDER, folder + entry.name)
            elif identity in ancestors:
                scan.log.note(IssueCode.FOLDER_LOOP, folder + entry.name)
            else:
                stack.append((f"{folder}{entry.name}/", (*ancestors, identity)))


def _entries(dataset: Path, folder: str, log: IssueLog) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(dataset / folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        if not folder:
            raise DatasetError(f"{dataset} cannot be read ({error.strerror}); check its permissions") from error
        log.note(IssueCode.UNREADABLE_FOLDER, folder)
        return []


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


def _collect(folder: str, entry: os.DirEntry[str], scan: _Scan) -> None:
    path = folder + entry.name
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix not in VIDEO_SUFFIXES:
        scan.other_suffixes[suffix or "no suffix"] += 1
        scan.log.note(IssueCode.OTHER_SUFFIX, path)
    elif not folder:
        scan.without_class += 1
        scan.log.note(IssueCode.WITHOUT_CLASS, path)
    elif not _is_utf8(path):
        scan.log.note(IssueCode.NAME_NOT_UTF8, path)
    else:
        status = _status(entry)
        if status is None or not stat.S_ISREG(status.st_mode):
            scan.log.note(IssueCode.NOT_A_FILE, path)
        else:
            scan.videos.append((path, status.st_size, status.st_mtime_ns))


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:  # os.scandir turns bytes that are not UTF-8 into lone surrogates
        return False
    return True


def _named(scan: _Scan) -> tuple[Clip, ...]:
    """Name every video by its path without suffix; of two that differ in suffix only, the second keeps the suffix."""
    taken: set[str] = set()
    clips = []
    for path, size_bytes, mtime_ns in sorted(scan.videos):
        name = without_video_suffix(path)
        if name in taken:
            scan.log.note(IssueCode.SAME_NAME, path)
            name = path  # not taken: a clip of that name, such as a.mp4.avi, has a longer path, which is sorted later
        taken.add(name)
        class_name = path.partition("/")[0]
        group = group_of(name)
        clips.append(
            Clip(name=name, path=path, class_name=class_name, group=group, size_bytes=size_bytes, mtime_ns=mtime_ns)
        )
    return tuple(sorted(clips, key=lambda clip: clip.name))


def _check_depth(clips: tuple[Clip, ...], scan: _Scan) -> None:
    """Note folders that hold class folders rather than clips.

    Raises: DatasetError if there is only one, so that the parent of the data set must have been given.
    """
    deeper = {clip.class_name for clip in clips} - {clip.class_name for clip in clips if clip.path.count("/") == 1}
    if not deeper:
        return
    if deeper == {clip.class_name for clip in clips} and len(deeper) == 1:
        folder = scan.dataset / deeper.pop()
        inner = sorted({clip.path.split("/")[1] for clip in clips})
        raise DatasetError(
            f"{scan.dataset} holds a single class folder, {folder.name}/, and that holds only folders "
            f"({printable(', '.join(inner[:3]))}{', ...' if len(inner) > 3 else ''}); "
            f"if those are the classes, pass {folder}"
        )
    for name in sorted(deeper):
        scan.log.note(IssueCode.DEEPER_CLASSES, name)


def _nothing_found(scan: _Scan) -> str:
    """Message for a data set without clips: what is there, and what was expected."""
    looked_for = ", ".join(suffix[1:] for suffix in VIDEO_SUFFIXES)
    if scan.without_class:
        return (
            f"{scan.dataset} holds {scan.without_class} videos but no class folder with videos; "
            "put each video into a folder named for its class"
        )
    found = [f"{count} {suffix}" for suffix, count in scan.other_suffixes.most_common(3)]
    folders = f"{len(scan.class_folders)} folders" if scan.class_folders else "no folders"
    return (
        f"{scan.dataset} holds no clips: {folders}, {', '.join(found) or 'no files'}; "
        f"looked for {looked_for} in class folders"
    )
