"""ActivityNet's form: one JSON of videos by id, with labelled segments of each (Heilbron et al., CVPR 2015)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mocrop.pipeline.dataset.formats.base import (
    Annotations,
    Listed,
    ListedSubset,
    Source,
    named,
    nothing_listed,
    subset_of,
)
from mocrop.pipeline.dataset.formats.json_files import head_of, read_json, text_in
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.names import is_utf8
from mocrop.pipeline.span import MAX_SECONDS, Span

_HEAD_BYTES = 4 << 20  # a taxonomy may stand before the database
_DATABASE = re.compile(r'"database"\s*:\s*\{')


class ActivityNet:
    """Segments of long videos, in files called `v_<id>` or `<id>`."""

    name = "activitynet"
    looks_like = 'a .json file whose "database" has subset, duration and annotations (label, segment) a video'

    def recognise(self, source: Source) -> str | None:
        """By the key `database`."""
        files = _databases(source)
        return named(files, "a database of labelled segments") if files else None

    def read(self, source: Source, log: IssueLog) -> Annotations:
        """Read the segments of all videos; each is a row, also where several overlap or are the same.

        A segment that ends behind its video's duration is read as it is, since durations are rounded. Videos without
        segments, such as those for testing, give no row.

        Raises: DatasetError also for several files, which may contradict each other.
        """
        files = _databases(source)
        if len(files) != 1:
            raise DatasetError(
                f"{source.annotations} holds {len(files)} files with a database of segments"
                f"{', such as ' + files[0].name if files else ''}; pass the one that is meant with --splits"
            )
        (file,) = files
        value = read_json(file)
        database = value.get("database") if isinstance(value, Mapping) else None
        if not isinstance(database, Mapping):
            raise DatasetError(f"{file} has no database of videos; expected {self.looks_like}")
        listed = tuple(_entries(file, database, log))
        if not listed:
            raise nothing_listed(file, log, self.looks_like)
        return Annotations(split_names=("1",), class_names=None, listed=listed, labels_are_names=True)


def _databases(source: Source) -> list[Path]:
    files = [file for file in source.files if file.suffix.lower() == ".json"]
    return [file for file in files if _DATABASE.search(head_of(file, _HEAD_BYTES))]


def _entries(file: Path, database: Mapping[str, Any], log: IssueLog) -> Iterator[Listed]:
    for number, (video, entry) in enumerate(database.items(), start=1):
        where = f"{file.name}:{number}"
        try:
            subset, duration, annotations = _video(video, entry)
        except ValueError as error:
            log.note(IssueCode.MALFORMED_LINE, where, kind=str(error))
            continue
        other = () if f"v_{video}" in database else (f"v_{video}",)
        for annotation in annotations:
            try:
                label, span = _segment(annotation, duration)
            except ValueError as error:
                log.note(IssueCode.MALFORMED_LINE, where, kind=str(error))
                continue
            yield Listed("1", subset, video, (label,), file.name, number, span=span, other_paths=other)


def _video(video: str, entry: Any) -> tuple[ListedSubset, float, list[Any]]:
    """Subset, duration and annotations; MAX_SECONDS if the entry does not say how long the video is.

    Raises: ValueError naming what is wrong with the entry.
    """
    if not video.strip() or not is_utf8(video):
        raise ValueError("with an id that cannot be that of a file")
    if not isinstance(entry, Mapping):
        raise ValueError("that is no object")
    subset = subset_of(text_in(entry, "subset"))
    if subset is None:
        raise ValueError("with a subset that is none of training, validation, testing")
    duration = entry.get("duration", MAX_SECONDS)
    if not _is_time(duration):
        raise ValueError("with a duration that is no number of seconds")
    annotations = entry.get("annotations", [])
    if not isinstance(annotations, list):
        raise ValueError("with annotations that are no list")
    return subset, duration, annotations


def _segment(annotation: Any, duration: float) -> tuple[str, Span]:
    """Label and span of an annotation. Raises: ValueError naming what is wrong with it."""
    if not isinstance(annotation, Mapping):
        raise ValueError("with an annotation that is no object")
    label = text_in(annotation, "label")
    segment = annotation.get("segment")
    if not isinstance(segment, list) or len(segment) != 2 or not all(map(_is_time, segment)):
        raise ValueError("with a segment that is no pair of seconds from 0 on")
    start, end = segment
    if end <= start:
        raise ValueError("with a segment that does not end after its start")
    if start >= duration:
        raise ValueError("with a segment that starts after the end of the video")
    try:
        return label, Span.seconds(start, end)
    except ValueError as error:
        raise ValueError("with a segment shorter than a microsecond") from error


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= MAX_SECONDS  # no truth value
