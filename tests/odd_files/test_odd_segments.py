"""Segments of odd files: their frames are those of a plain decode, and their bytes the same alone and among others."""

from __future__ import annotations

from pathlib import Path

import pytest

from mocrop.pipeline.stages import segments
from mocrop.pipeline.video.spans import KnownTimes
from tests.odd_files.catalogue import all_files
from tests.odd_files.odd_file import OddFile
from tests.odd_files.program import missing_programs
from tests.pipeline.stages.cut_segments import cut, digest, frames_given, frames_in, name_of, result, some_spans

QUICK = [file for file in all_files() if file.quick]

pytestmark = pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}")


@pytest.mark.parametrize("file", QUICK, ids=lambda file: str(file.name))
def test_segments_are_exact(file: OddFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not file.can_be_made():
        pytest.skip(f"the ffmpeg program has no encoder {file.needs}")
    file.make(tmp_path / file.name)
    monkeypatch.setattr(segments, "_KNOWN", KnownTimes())
    spans = [(0, 0.1), *some_spans(1.2, 3, seed=len(file.name))]
    with frames_given() as given:
        together = cut(tmp_path / file.name, spans, tmp_path / "unit")
    failures = {outcome.reasons[0].value for outcome in together if outcome.status == "failed"}
    if file.refused:
        assert failures == {file.refused}
    for span, outcome in zip(spans, together, strict=True):
        (alone,) = cut(tmp_path / file.name, [span], tmp_path / "alone")
        assert (alone.status, alone.reasons, alone.message) == (outcome.status, outcome.reasons, outcome.message)
        if outcome.status == "done":
            assert given[name_of(span)] == frames_in(tmp_path / file.name, span)
            assert digest(result(tmp_path / "unit", span)) == digest(result(tmp_path / "alone", span))
    if not (file.refused or file.may_be_refused):
        assert failures <= {"outside-video", "no-frames"}
        assert together[0].status == "done"
