"""Segments in the place of their videos, and names that two clips would share."""

from __future__ import annotations

import pytest

from mocrop.pipeline.dataset.clips import Clip
from mocrop.pipeline.dataset.formats.base import Listed, ListedSubset
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.labels import Match
from mocrop.pipeline.dataset.matching import cut_into_segments
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.span import Span

Row = tuple[str, Span | None]
ONE_TO_TWO = Span.seconds(1, 2)


def cut(*rows: Row) -> list[str]:
    """Names of the clips that rows of a list give, each of a path and a span."""
    paths = sorted({path for path, _ in rows})
    clips = [
        Clip(name=path.removesuffix(".mp4"), path=path, class_name="A", group=-1, size_bytes=1, mtime_ns=1)
        for path in paths
    ]
    matches = [
        Match(Listed("1", ListedSubset.TRAIN, path, ("X",), "own.csv", n, span=span), paths.index(path), "A")
        for n, (path, span) in enumerate(rows)
    ]
    found, moved = cut_into_segments(clips, matches, IssueLog())
    assert [found[match.position or 0].span for match in moved] == [span for _, span in rows]
    return [clip.name for clip in found]


def test_the_segments_of_a_video_are_clips_by_their_start_each_once_beside_the_whole_file() -> None:
    spans = (Span.seconds(3, 4), ONE_TO_TWO, None, Span.seconds("1.0", "2.00"), Span.seconds(1, 1.5))
    assert cut(*(("A/a.mp4", span) for span in spans)) == ["A/a", "A/a#1-1.5", "A/a#1-2", "A/a#3-4"]


@pytest.mark.parametrize("other", ["A/a#1-2.mp4", "A/A#1-2.mp4", "a/a#1-2.mp4"])
def test_a_file_that_is_called_as_a_segment_is_refused_also_in_another_case(other: str) -> None:
    with pytest.raises(DatasetError, match="both give a clip A/a#1-2; rename one of the files"):
        cut(("A/a.mp4", ONE_TO_TWO), (other, None))


def test_segments_of_such_a_file_and_of_videos_that_differ_in_case_are_clips() -> None:
    """Where the disk takes the names of the videos for one, they are called differently before they are cut."""
    assert cut(("A/a.mp4", ONE_TO_TWO), ("A/a#1-2.mp4", ONE_TO_TWO)) == ["A/a#1-2#1-2", "A/a#1-2"]
    assert cut(("A/a.mp4", ONE_TO_TWO), ("A/A.mp4", ONE_TO_TWO)) == ["A/A#1-2", "A/a#1-2"]
