"""The contract of a form of export: what it gets, what it writes, and when.

A form is an entry of ``FORMS`` in :mod:`.registry`: a :class:`.form.Form`, a frozen dataclass of settings and three
functions. The stage (:mod:`.stage`) and the command do all else: options, boxes, units, resuming, failures, checksums,
the description of the folder, verification and repair.

1. On a worker, ``write(clip, file, work, log)`` is called for each clip: it writes *one file or one folder* at the path
   ``file``, which does not exist yet and is no final name, and returns plain facts about the clip that ``finish`` needs
   (JSON: numbers, texts, lists). It raises ``ClipError`` for what is wrong with the clip; what it notes goes into
   ``log``. ``work`` has the frames of a clip's slots (``work.crops``) and the box of any of its frames
   (``work.boxes``); ``clip`` says where its own file is, and its labels, subsets and group.
2. Then what was written gets its name, ``<folder>/<clip.place><suffix>``, and a record of its files with their
   checksums, and of the facts, is kept in the workspace (:mod:`.records`).
3. Once all clips are through, in the process of the command, ``finish(export)`` writes what belongs to the whole, such
   as lists, from the records of the clips that are done, and returns the paths of what it has written. It is called at
   the end of every run, and must write the same bytes for the same records.

What depends on labels or subsets is for ``finish``, as these may change while the clip stays; a clip whose *place*
changes with its label is written again. A form may have ``places(clips, form_settings,
split_names)``, which says for all clips of the workspace where each goes, instead of ``<Class>/<clip>``. A form that
puts many clips into one file has ``join`` too: their place is that of the shard, clips of one shard are one unit of
work, and ``join(pieces, file, form_settings)`` makes the shard of what ``write`` has written of each clip that did not
fail. Then everything in ``clip`` may be used in ``write``: a change to any label, subset or place makes all shards
anew.

Bytes may depend on the clip, the settings and the versions alone, so that a killed export ends with the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.pipeline.checksums import file_checksum
from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.settings import Plain
from mocrop.pipeline.stages.precrop_settings import PrecropSettings

SUBSETS = ("", "train", "test", "val")  # words for the numbers of the manifest; "": in no list


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """What identifies an export: where to, in which form, and whose boxes."""

    folder: str  # absolute path
    form: str  # a key of FORMS
    form_settings: Any  # of the class that the form names
    crop: PrecropSettings  # how boxes, and frames of slots, are made; those of the cache, if there is one
    cache: str = ""  # name of the crop cache whose boxes and frames are taken; "": the policy of ``crop`` decides


@dataclass(frozen=True, kw_only=True)
class ClipInfo:
    """What the manifest says of a clip."""

    place: str  # where in the folder its file goes, or the shard that it is in: "/" between parts, without suffix
    labels: tuple[str, ...]  # names of its classes, in their order; empty: none
    label_numbers: tuple[int, ...]  # indices of the same
    subsets: tuple[str, ...]  # a word of SUBSETS for each split
    group: int  # -1: none
    several: bool = False  # whether a clip of the data set may have several classes


@dataclass(frozen=True, kw_only=True)
class ExportClip:
    """A clip that is to be written, on a worker."""

    task: ClipTask  # its name, its own file, its span
    info: ClipInfo


@dataclass(frozen=True, kw_only=True)
class Written:
    """A file of an export."""

    path: str  # under the folder, "/" between parts
    size_bytes: int
    checksum: int  # CRC-32C
    clips: tuple[int, ...] = ()  # positions of the clips that are in it; empty: it belongs to the whole

    @classmethod
    def of(cls, file: Path, folder: Path, clips: Sequence[int] = ()) -> Written:
        """A file that is there."""
        path, size = file.relative_to(folder).as_posix(), file.stat().st_size
        return cls(path=path, size_bytes=size, checksum=file_checksum(file), clips=tuple(clips))


@dataclass(frozen=True, kw_only=True)
class ExportedClip:
    """A clip that is done."""

    position: int
    name: str
    info: ClipInfo
    facts: Plain  # what ``write`` has returned
    path: str  # of its file, folder or shard under the folder of the export


@dataclass(frozen=True, kw_only=True)
class Export:
    """An export whose clips are all through, for ``finish``."""

    folder: Path
    settings: ExportSettings
    class_names: tuple[str, ...]
    split_names: tuple[str, ...]
    several_labels: bool  # a clip may have several
    like_ucf101: bool  # the data set has the lists of UCF-101
    clips: Callable[[], Iterator[ExportedClip]]  # those that are done, by position
    dataset: Path
    counts: dict[str, int]  # clips: "done", "left_out"
