"""Every form of data sets that mocrop reads, and which of them a source is of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mocrop.pipeline.dataset.clips import ANNOTATION_SUFFIXES
from mocrop.pipeline.dataset.formats.activitynet import ActivityNet
from mocrop.pipeline.dataset.formats.base import Format, Source
from mocrop.pipeline.dataset.formats.csv_file import CsvFile, require_header
from mocrop.pipeline.dataset.formats.diving48 import Diving48
from mocrop.pipeline.dataset.formats.folders import Folders
from mocrop.pipeline.dataset.formats.hmdb51 import Hmdb51
from mocrop.pipeline.dataset.formats.kinetics import Kinetics
from mocrop.pipeline.dataset.formats.something import SomethingSomething
from mocrop.pipeline.dataset.formats.text_lists import LISTS, UCF101
from mocrop.pipeline.dataset.walk import VideoFile, suffix_kind
from mocrop.pipeline.errors import DatasetError, SettingsError

AUTO = "auto"
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".rar", ".7z", ".tar", ".tgz")
FORMATS: tuple[Format, ...] = (  # the first that recognises a source
    *(Folders(), UCF101, Hmdb51(), Kinetics(), SomethingSomething(), Diving48(), ActivityNet()),
    *(CsvFile(), LISTS),  # anybody's
)


class Recognised(NamedTuple):
    """The form of a source, and why."""

    format: Format
    why: str


def source_of(
    dataset: Path,
    videos: Sequence[VideoFile],
    annotations: Path | None,
    *,
    group_by: str | None = None,
    label_separator: str = "",
) -> Source:
    """What there is to recognise.

    Args:
        annotations: a file, or a folder whose visible files are looked at; None: there are none.
    Raises: DatasetError if there is nothing at that place, or it cannot be read.
    """
    files: tuple[Path, ...] = ()
    if annotations is not None:
        if not annotations.exists():
            raise DatasetError(f"split lists {annotations} do not exist; pass a folder of lists, a list or a CSV")
        try:
            inside = sorted(annotations.iterdir()) if annotations.is_dir() else [annotations]
        except OSError as error:
            raise DatasetError(f"{annotations} cannot be read ({error.strerror}); check its permissions") from error
        files = tuple(file for file in inside if file.is_file() and not file.name.startswith("."))
        _require_unpacked(annotations, files)
    return Source(
        dataset=dataset,
        videos=videos,
        annotations=annotations,
        files=files,
        group_by=group_by,
        label_separator=label_separator,
    )


def _require_unpacked(annotations: Path, files: Sequence[Path]) -> None:
    """Raises: DatasetError if a list is there only packed: it would be passed over."""
    names = {file.name for file in files}
    for file in files:
        if file.suffix.lower() in _PACKED and (
            file == annotations or (Path(file.stem).suffix.lower() in ANNOTATION_SUFFIXES and file.stem not in names)
        ):
            raise DatasetError(f"{file} is packed, and lists are read unpacked; unpack it")


def recognised(source: Source, name: str = AUTO) -> Recognised:
    """Find the form of a source.

    Args:
        name: of the only form to accept, or "auto".
    Raises: DatasetError that says what is there and what would be accepted; SettingsError if there is no such form.
    """
    formats = FORMATS if name == AUTO else tuple(each for each in FORMATS if each.name == name)
    if not formats:
        names = ", ".join((AUTO, *(each.name for each in FORMATS)))
        raise SettingsError(f"--format {name!r} is not known; pass one of {names}")
    asked = replace(source, by_name=name != AUTO)
    for each in formats:
        if (why := each.recognise(asked)) is not None:
            return Recognised(each, why)
    if name == AUTO:
        require_header(source)
    raise DatasetError(_not_recognised(source, formats))


def lists_inside(dataset: Path) -> str:
    """The form of lists that lie in a data set, and why they are of it; "" if there are none. No video is opened."""
    try:
        found = recognised(source_of(dataset, (), dataset))
    except DatasetError:
        return ""
    return f"{found.format.name}: {found.why}"


def _not_recognised(source: Source, formats: tuple[Format, ...]) -> str:
    """What was seen, and what would be accepted, each with the name of its form."""
    with_lists = source.annotations is not None
    fitting = [each for each in formats if (each.name == Folders.name) is not with_lists] or list(formats)
    accepted = "; ".join(f"{each.looks_like} ({each.name})" for each in fitting)
    if not with_lists:
        accepted += "; or any folder of videos with --splits and a list or CSV, or with --unlabelled"
    return f"{_seen(source)}; accepted: {accepted}"


def _seen(source: Source) -> str:
    if source.annotations is None:
        loose = sum(not video.folder for video in source.videos)
        return f"{source.dataset} holds {loose} videos beside each other and no class folder with videos"
    if not source.files:
        return f"{source.annotations} holds no file"
    if source.annotations.is_file():
        return f"{source.annotations} is of no form that mocrop knows"
    kinds = Counter(suffix_kind(file.name) for file in source.files)
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(3))
    return f"{source.annotations} holds {counted}, such as {source.files[0].name}, in no form that mocrop knows"
