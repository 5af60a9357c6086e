"""A form of export: its settings and functions, as the contract in :mod:`.base` has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.pipeline.export.base import ClipInfo, Export, ExportClip
from mocrop.pipeline.export.work import ExportWork
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.settings import Plain

WriteClip = Callable[[ExportClip, Path, ExportWork, ClipLog], Plain]


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form of export.

    Attributes:
        settings: class of its settings, a frozen dataclass; its fields are options of the command.
        version: raised whenever the bytes of a file change.
        suffix: of the file of a clip or shard; "" where ``write`` makes a folder.
        write: see above.
        finish: see above.
        own_files: whether with these settings ``write`` reads the clip's own file, and boxes are for all frames.
        places: see above; None: a file or folder for each clip.
        join: see above; None if ``places`` is.
    """

    settings: type[Any]
    version: int
    suffix: Callable[[Any], str]
    write: WriteClip
    finish: Callable[[Export], list[Path]]
    own_files: Callable[[Any], bool]
    places: Callable[[Sequence[ClipInfo], Any, Sequence[str]], list[str]] | None = None
    join: Callable[[Sequence[tuple[ExportClip, Path]], Path, Any], None] | None = None
