"""Which videos are meant: files, folders, patterns and lists of paths to files, each with the name of its clip."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.names import clip_names
from mocrop.pipeline.dataset.walk import Walk, without_video_suffix
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.names import is_utf8, printable
from mocrop.pipeline.terminal import count
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import read_settings

LIST = "-"  # in place of a path: a list of paths on standard input
NamedBy = Literal["workspace", "folder", "class", "file"]


@dataclass(frozen=True, kw_only=True)
class Video:
    """A file to answer for, and the name that its clip has, or would have, in a data set.

    Attributes:
        path: as it was given, or found in a folder that was given.
        name: of the clip; seeds the sampling of some policies.
        named_by: where the name is from: the workspace, which has the file as a clip; the folder that was given, below
            which it is the path; the class of the network that its folder is called by; or the file alone.
    """

    path: str
    name: str
    named_by: NamedBy


@dataclass(frozen=True, kw_only=True)
class Videos:
    """The files to answer for, each once, and what is to be said of the others."""

    videos: tuple[Video, ...]
    remarks: tuple[str, ...] = ()


def find_videos(
    given: Sequence[str | Path],
    *,
    listed: Iterable[str] = (),
    class_names: Sequence[str] = (),
    workspace: Workspace | None = None,
) -> Videos:
    """Find the files that are meant, in the order in which they were given; those of a folder by their paths.

    Args:
        given: files, folders, patterns such as ``clips/*.mp4`` where there is no file of that name, or LIST.
        listed: the lines in place of LIST, a path each.
        class_names: of the network.
        workspace: gives the names of its own clips, by their files or their H.264 files; None: there is none.
    Raises: SettingsError if nothing is left, or a pattern fits nothing; DatasetError for a folder that cannot be read;
        WorkspaceError.
    """
    remarks: list[str] = []
    found = [each for argument in given for each in _found(os.fspath(argument), listed, remarks)]
    known = {} if workspace is None else clips_by_file(workspace)
    videos: dict[str, Video] = {}
    for path, name in found:
        videos.setdefault(_place(path), _named(path, name, known, class_names))
    if not videos:
        raise SettingsError("; ".join(["there is no video to answer for", *remarks]))
    if twice := len(found) - len(videos):
        remarks.append(f"{count(twice, 'path')} led to a file that was there already; each file is answered for once")
    return Videos(videos=tuple(videos.values()), remarks=tuple(remarks))


def clips_by_file(workspace: Workspace) -> Mapping[str, str]:
    """The names of a workspace's clips by the places of their own files, if they are whole, and of their H.264 files.

    Raises: WorkspaceError.
    """
    dataset, _ = read_settings(workspace)
    names: dict[str, str] = {}
    with Manifest(workspace.manifest_file, read_only=True) as manifest:
        for clip in manifest.clips():
            names[_place(workspace.h264_file(clip.name))] = clip.name
            if clip.span is None:
                names[_place(dataset.dataset / clip.path)] = clip.name
    _real_folder.cache_clear()
    return names


def _place(path: str | Path) -> str:
    """A path that is the same whichever way leads to the folder; of a link to a file, that of the link."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(_real_folder(folder), name)


@lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def _found(given: str, listed: Iterable[str], remarks: list[str]) -> Iterator[tuple[str, str]]:
    """Paths of files, with the names that their folder gives them; empty ones where no folder was given."""
    if given == LIST:
        for line in listed:
            if path := line.rstrip("\r\n"):
                yield from _at(path, remarks)
    elif os.path.lexists(given) or not glob.has_magic(given):
        yield from _at(given, remarks)
    else:
        paths = sorted(glob.glob(given, recursive=True))
        if not paths:
            raise SettingsError(f"{given}: no file fits this pattern; pass another, or the path of a file or folder")
        for path in paths:
            yield from _at(path, remarks)


def _at(path: str, remarks: list[str]) -> Iterator[tuple[str, str]]:
    if os.path.isdir(path):
        yield from _in_folder(path, remarks)
    else:
        yield path, ""  # also one that is not there: it fails, and the others go on


def _in_folder(folder: str, remarks: list[str]) -> Iterator[tuple[str, str]]:
    walk = Walk(Path(folder), loose=True, log=IssueLog())
    paths = sorted(video.path for video in walk.videos())
    names = clip_names(paths, walk.log, folds_names=lambda: False)
    remarks += [f"{folder}: {issue.sentence}" for issue in walk.log.issues]
    if not paths:
        remarks.append(f"{folder} holds no video")
    for path in paths:
        yield os.path.join(folder, path), names[path]


def _named(path: str, in_folder: str, known: Mapping[str, str], class_names: Sequence[str]) -> Video:
    if (name := known.get(_place(path))) is not None:
        return Video(path=path, name=name, named_by="workspace")
    if in_folder:
        return Video(path=path, name=in_folder, named_by="folder")
    parent, stem = os.path.split(os.path.abspath(path))
    stem, label = without_video_suffix(stem), os.path.basename(parent)
    by: NamedBy = "class" if label in class_names else "file"
    name = f"{label}/{stem}" if by == "class" else stem
    return Video(path=path, name=name if is_utf8(name) else printable(name), named_by=by)
