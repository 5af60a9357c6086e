"""Look at a data set again: which files of known clips were replaced, are gone or back, and which files are new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from mocrop.pipeline.dataset.issues import MAX_EXAMPLES
from mocrop.pipeline.dataset.walk import VideoFile, Walk, without_video_suffix
from mocrop.pipeline.dataset_place import AddressPath
from mocrop.pipeline.errors import AddressError, DatasetError
from mocrop.pipeline.workspace.file_table import FileTable, KnownFile, SeenFile


class Change(StrEnum):
    """What can have happened to the files of a data set."""

    REPLACED = "replaced"  # another size or time of modification, or the same name with another suffix
    GONE = "gone"
    BACK = "back"  # was gone when the data set was last looked at
    NEW = "new"
    OUT_OF_REACH = "out of reach"  # in a folder that cannot be read, or behind a link that leads nowhere


@dataclass(frozen=True, kw_only=True)
class DatasetChanges:
    """How the files of a data set differ from what the manifest has of them."""

    dataset: Path
    files: dict[Change, int] = field(default_factory=dict)  # how many, of those that there are
    examples: dict[Change, tuple[str, ...]] = field(default_factory=dict)  # the first few paths, as they are
    unavailable: str = ""  # why the folder could not be looked at; empty if it could


@dataclass
class Look:
    """A look at a data set, and what it finds."""

    dataset: Path
    files: FileTable
    seen: list[SeenFile] = field(default_factory=list)  # those of known clips that are to be written to the manifest
    found: int = 0  # files of clips that were there before, changed or not
    missed: int = 0  # that were there before and are not now
    of_segments: bool = False  # whether clips are cut out of the videos that lists name
    _examples: dict[Change, list[str]] = field(default_factory=dict)
    _counts: dict[Change, int] = field(default_factory=dict)

    def take(self) -> DatasetChanges:
        """Compare every file with the manifest, one class after the other; nothing is written."""
        if not (isinstance(self.dataset, AddressPath) or self.dataset.is_dir()):
            return self._unavailable("is not there")
        try:
            self._compare()
        except (DatasetError, AddressError) as error:
            return DatasetChanges(dataset=self.dataset, unavailable=str(error))
        if self.missed and not self.found:
            self.seen.clear()
            return self._unavailable(f"has none of the {self.missed:,} clips of this workspace")
        return DatasetChanges(
            dataset=self.dataset,
            files={change: self._counts[change] for change in Change if change in self._counts},
            examples={change: tuple(self._examples[change]) for change in Change if change in self._examples},
        )

    def _compare(self) -> None:
        folders = self.files.folders()
        walk = Walk(self.dataset, loose="" in folders)
        for name, videos in groupby(walk.videos(), key=lambda video: video.folder):
            folders.discard(name)
            self._compare_folder(self.files.of_folder(name), videos, walk)
        for name in sorted(folders):
            self._compare_folder(self.files.of_folder(name), (), walk)

    def _compare_folder(self, known: dict[str, list[KnownFile]], videos: Iterable[VideoFile], walk: Walk) -> None:
        unknown = [video for video in videos if not self._recognised(video, known.pop(video.path, []))]
        left = {_short_name(clips): clips for clips in known.values() if any(clip.present for clip in clips)}
        for video in unknown:
            if (before := left.pop(without_video_suffix(video.path), None)) is not None:  # a.avi has become a.mp4
                self._change(Change.REPLACED, [clip for clip in before if clip.present], video)
            elif not self.of_segments:  # those that no list names are none of its clips
                self._note(Change.NEW, video.path)
        for clips in left.values():
            self._miss([clip for clip in clips if clip.present], walk)

    def _recognised(self, video: VideoFile, clips: Sequence[KnownFile]) -> bool:
        """Whether a file is that of known clips; if it has changed, or is back, that is noted."""
        present = [clip for clip in clips if clip.present]
        back = [clip for clip in clips if not clip.present and clip.in_a_split]
        if not (present or back):
            return False
        changed = [clip for clip in present if (clip.size_bytes, clip.mtime_ns) != (video.size_bytes, video.mtime_ns)]
        self.found += not (changed or back)
        if changed:
            self._change(Change.REPLACED, changed, video)
        if back:
            self._change(Change.BACK, back, video)
        return True

    def _change(self, change: Change, clips: Iterable[KnownFile], video: VideoFile) -> None:
        self.found += 1
        self._note(change, video.path)
        self.seen += [
            SeenFile(
                position=clip.position,
                path=video.path,
                size_bytes=video.size_bytes,
                mtime_ns=video.mtime_ns,
                present=True,
                back=change is Change.BACK,
            )
            for clip in clips
        ]

    def _miss(self, clips: Sequence[KnownFile], walk: Walk) -> None:
        self.missed += 1
        path = clips[0].path
        if any(place in walk.out_of_reach for place in _places(path)):
            self._note(Change.OUT_OF_REACH, path)
            return
        self._note(Change.GONE, path)
        self.seen += [
            SeenFile(
                position=clip.position, path=path, size_bytes=clip.size_bytes, mtime_ns=clip.mtime_ns, present=False
            )
            for clip in clips
        ]

    def _note(self, change: Change, path: str) -> None:
        self._counts[change] = self._counts.get(change, 0) + 1
        examples = self._examples.setdefault(change, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(path)

    def _unavailable(self, fact: str) -> DatasetChanges:
        way_out = "mount its disk, or name the folder where the data set is now with `mocrop init DATASET`"
        return DatasetChanges(dataset=self.dataset, unavailable=f"{self.dataset} {fact}; {way_out}")


def _short_name(clips: Sequence[KnownFile]) -> str:
    """The path without suffix of the file of clips, or, of one that shares it with another file, the whole path.

    Names of the latter, also of segments, begin with the whole path.
    """
    path = clips[0].path
    return path if clips[0].name.startswith(path) else without_video_suffix(path)


def _places(path: str) -> Iterator[str]:
    """A path, and each folder in which it lies, with "/" at the end.

    >>> list(_places("A/sub/b.avi"))
    ['A/sub/b.avi', 'A/', 'A/sub/']
    """
    yield path
    for end, letter in enumerate(path, start=1):
        if letter == "/":
            yield path[:end]


def look_at(dataset: Path, files: FileTable) -> tuple[DatasetChanges, list[SeenFile]]:
    """Look at every file of a data set again; nothing is written.

    New files are counted only: `mocrop init` takes them in, since they can change classes and splits.

    Returns: what has changed, and the changed files of known clips, for :class:`FileTable`.
    """
    look = Look(dataset, files, of_segments=files.of_segments())
    return look.take(), look.seen
