"""Name the clips of a data set so that neither two names are the same, nor two of the files written for them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.walk import LATER_SUFFIXES, without_video_suffix

WRITTEN_SUFFIX = ".mp4"  # of h264/<name>.mp4
HASH_DIGITS = 8
_BETWEEN_WORDS = re.compile(r"[\s_-]+")


def clip_names(paths: Sequence[str], log: IssueLog, *, folds_names: Callable[[], bool]) -> dict[str, str]:
    """Name every clip by its path without suffix, or where that is taken by its whole path.

    Taken is what is the name of another clip, and what would make ``<name>.mp4`` the path of a folder of clips. Of
    files that differ in their suffix only, the first in sorted order gets the short name; a suffix of LATER_SUFFIXES
    comes after all others.

    Args:
        log: receives SAME_NAME and SAME_FILE.
        folds_names: whether the disk of the workspace takes names for one that differ in case, or in how an accent is
            written. Such names then count as the same; asked only where there are any.
    Returns: path -> name.
    """
    short = {path: without_video_suffix(path) for path in paths}
    folders = _folders_like_files(paths)
    written = [*map(_written, short.values()), *folders]
    in_any_case = len(set(map(str.lower if all(map(str.isascii, written)) else folded, written)))
    if in_any_case == len(written):
        return short
    exactly = len(set(written))
    folds = in_any_case < exactly and folds_names()
    if exactly == len(written) and not folds:
        return short
    names = _Names(folders, folded if folds else str, log)
    ordered = sorted(paths, key=lambda path: (path.lower().endswith(LATER_SUFFIXES), path))
    return {path: names.take(path, short[path]) for path in ordered}


def folded(name: str) -> str:
    """What names have in common that macOS or Windows take for one.

    >>> folded("Run/A.mp4") == folded("run/a.mp4"), folded("e\u0301") == folded("\u00c9"), folded("a") == folded("b")
    (True, True, False)
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def note_alike(class_names: Iterable[str], log: IssueLog) -> None:
    """Note classes that are called as an earlier one but for case, blanks, lines between words or forms of letters.

    Args:
        log: receives CLASSES_ALIKE.
    """
    first: dict[str, str] = {}
    for name in class_names:
        plain = folded(" ".join(_BETWEEN_WORDS.split(unicodedata.normalize("NFKC", name))).strip())
        other = first.setdefault(plain, name)
        if other != name:
            log.note(IssueCode.CLASSES_ALIKE, f"{other} and {name}")


def _written(name: str) -> str:
    return f"{name}{WRITTEN_SUFFIX}"


def _folders_like_files(paths: Iterable[str]) -> set[str]:
    """Every folder in which one of the paths lies and which is called as a written file is, in any case."""
    folders: set[str] = set()
    for folder in {path.rpartition("/")[0] for path in paths}:
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return {folder for folder in folders if folder.lower().endswith(WRITTEN_SUFFIX)}


class _Names:
    """Hands out names that are free."""

    def __init__(self, folders: Iterable[str], key: Callable[[str], str], log: IssueLog) -> None:
        self._key = key
        self._log = log
        self._names: set[str] = set()
        self._taken = set(map(key, folders))

    def take(self, path: str, short: str) -> str:
        """Choose the name of a clip, and note if it is not the short one."""
        digest = hashlib.sha256(path.encode()).hexdigest()[:HASH_DIGITS]
        name = next(name for name in (short, path, f"{path}~{digest}") if self._key(_written(name)) not in self._taken)
        if name != short:
            self._log.note(IssueCode.SAME_NAME if short in self._names else IssueCode.SAME_FILE, path)
        self._taken.add(self._key(_written(name)))
        self._names.add(name)
        return name
