"""Find the clip that somebody names: by its name, the path of its file, or an ending of the two."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.files import real_path
from mocrop.pipeline.workspace.manifest import ClipRow

NAMES_LISTED = 5  # clips in a message about an ambiguous name


def find_clip(rows: Sequence[ClipRow], wanted: str, *, dataset: Path) -> tuple[int, ClipRow]:
    """Position and row of the clip of that name, else of that path, else of the only one whose name or path ends in it.

    Args:
        wanted: a path may be that of the file, as a shell completes it, or be relative to the data set.
    Raises: SettingsError if there is no such clip, or several; it lists up to five that may be meant.
    """
    paths = {wanted, *_under(dataset, wanted)}
    found = [each for each in enumerate(rows) if wanted == each[1].name]
    found = found or [each for each in enumerate(rows) if each[1].path in paths]
    found = found or [each for each in enumerate(rows) if wanted and _ends_in(each[1], wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = [row.name for _, row in islice(found, NAMES_LISTED)]
        more = ", ..." if len(found) > NAMES_LISTED else ""
        which = f"are segments of {wanted!r}" if found[0][1].path in paths else f"end in {wanted!r}"
        raise SettingsError(f"{len(found)} clips {which}; name one of {', '.join(listed)}{more}")
    names = [row.name for row in rows]
    alike = [name for name in names if wanted and wanted.lower() in name.lower()]
    alike = alike or difflib.get_close_matches(wanted, names, n=NAMES_LISTED, cutoff=0)
    near = f"the nearest are {', '.join(alike[:NAMES_LISTED])}" if alike else "the workspace has no clips"
    raise SettingsError(f"no clip is called {wanted!r} or ends in it; {near}")


def _ends_in(row: ClipRow, wanted: str) -> bool:
    return row.name.endswith(wanted) or row.path.endswith(wanted)


def _under(dataset: Path, wanted: str) -> set[str]:
    """The path relative to the data set of a file that is named from here; as it is written, and with links followed.

    Empty if it lies elsewhere.
    """
    if not wanted or "\0" in wanted:
        return set()
    written = Path(os.path.abspath(wanted))
    followed = real_path(written.parent) / written.name
    ways = ((written, Path(os.path.abspath(dataset))), (followed, real_path(dataset)))
    return {file.relative_to(folder).as_posix() for file, folder in ways if file.is_relative_to(folder)}
