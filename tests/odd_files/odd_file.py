"""One odd file: its name, how it is made, and what is to come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.odd_files.program import has_encoder

Maker = Callable[[Path], object]  # writes the file
Kind = Literal[
    "codec",
    "order",
    "key flags",
    "edit list",
    "container",
    "damage",
    "orientation",
    "geometry",
    "colour",
    "streams",
    "no video",
]


@dataclass(frozen=True, kw_only=True)
class OddFile:
    """A file that a test or a benchmark makes."""

    name: str  # of the file, its suffix too
    kind: Kind
    what: str  # what is odd about it, for the table
    make: Maker
    codec: str = "h264"
    pix_fmt: str = "yuv420p"
    needs: str = "libx264"  # encoder of the ffmpeg program; empty: none
    stream: str = "V:0"  # specifier of the video
    refused: str = ""  # the reason code that it must get; empty: its frames must come
    may_be_refused: str = ""  # a reason code that it may get
    quick: bool = False  # whether the suite looks at it; the benchmark looks at all

    @property
    def container(self) -> str:
        return self.name.rpartition(".")[2]

    def can_be_made(self) -> bool:
        return not self.needs or has_encoder(self.needs)


def make_files(files: Iterable[OddFile], folder: Path) -> dict[str, Path]:
    """Make files in a folder, as far as the ffmpeg program can; path by name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for file in files:
        if file.can_be_made():
            file.make(folder / file.name)
            paths[file.name] = folder / file.name
    return paths
