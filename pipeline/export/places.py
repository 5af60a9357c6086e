"""Where each clip goes in the folder of an export: ``<Class>/<clip>``, safe on every disk and never twice the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from mocrop.pipeline.dataset.names import HASH_DIGITS, folded
from mocrop.pipeline.export.base import SUBSETS, ClipInfo
from mocrop.pipeline.files import file_stem
from mocrop.pipeline.workspace.manifest import ClipRow

LONGEST_SUFFIX = ".mp4"
NO_CLASS = "unlabelled"  # folder of clips without a label
# hidden (by a dot, or from readers of folders by two lines), a formula, or lost on Windows
_DOUBTFUL = re.compile(r"^[. ~='+@\uff1d\uff0b\uff0d\uff20-]|^__|[. ]$|\.(csv|json|txt|md)$")


def clip_infos(clips: Iterable[ClipRow], class_names: Sequence[str], *, several: bool = False) -> list[ClipInfo]:
    """What is known of every clip, by position, with its place.

    The place is the clip's name if its first folder is its class already, else its name in a folder of its class (of
    several the first).

    >>> row = ClipRow(name="a b/c", path="", label=0, group=-1, subset=(1,), size_bytes=0, mtime_ns=0)
    >>> [info.place for info in clip_infos([row], ["x/y"])]
    ['x_y~bd3c9047d6816c31/a b/c']
    """
    used: set[str] = set()
    infos: list[ClipInfo] = []
    for position, clip in enumerate(clips):
        numbers = clip.labels or ((clip.label,) if clip.label >= 0 else ())
        labels = tuple(class_names[number] for number in numbers)
        place = _place(clip.name, class_names[clip.label] if clip.label >= 0 else NO_CLASS)
        while folded(place) in used:
            place = f"{place}~{position}"
        used.add(folded(place))
        subsets = tuple(SUBSETS[number] for number in clip.subset)
        infos.append(
            ClipInfo(
                place=place,
                labels=labels,
                label_numbers=numbers,
                subsets=subsets,
                group=clip.group,
                several=several,
            )
        )
    return infos


def _place(name: str, class_name: str) -> str:
    first, slash, rest = name.partition("/")
    parts = [class_name, *(rest if slash and first == class_name else name).split("/")]
    return "/".join(map(_safe, parts))


def _safe(part: str) -> str:
    """A part of a path that is on every disk, in every list and for every reader what it looks like.

    >>> _safe("Archery"), _safe("..")
    ('Archery', '_..~b438dc2e13eaa8f2')
    """
    shown = "".join(letter if letter.isprintable() else "_" for letter in part)
    if shown != part:
        shown = f"{shown}~{hashlib.sha256(part.encode()).hexdigest()[:HASH_DIGITS]}"
    stem = file_stem(f":{shown}" if _DOUBTFUL.search(shown) else shown, suffix=f"x{LONGEST_SUFFIX}")
    return f"x{stem}" if stem.startswith("__") else stem  # as letters have become lines
