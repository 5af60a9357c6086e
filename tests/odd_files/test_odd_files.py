"""Odd files: what mocrop caches of them is what the ffmpeg program decodes, frame number by frame number."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.odd_files.catalogue import all_files
from tests.odd_files.compare import SELECTIONS, SOURCES, Verdict, compare
from tests.odd_files.odd_file import OddFile
from tests.odd_files.program import missing_programs

QUICK = [file for file in all_files() if file.quick]
NOT_YET: frozenset[str] = frozenset()

pytestmark = pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}")


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Verdict]]:
    """What comes of every file, by name."""
    found: dict[str, list[Verdict]] = {}
    files = [file for file in QUICK if file.name not in NOT_YET]
    for verdict in compare(files, tmp_path_factory.mktemp("odd")):
        found.setdefault(verdict.file, []).append(verdict)
    return found


@pytest.mark.parametrize("file", [f for f in QUICK if f.name not in NOT_YET], ids=lambda file: str(file.name))
def test_frames_and_numbers_are_those_of_the_ffmpeg_program(file: OddFile, verdicts: dict[str, list[Verdict]]) -> None:
    if not file.can_be_made():
        pytest.skip(f"the ffmpeg program has no encoder {file.needs}")
    assert len(verdicts[file.name]) == len(SOURCES) * len(SELECTIONS)
    wrong = [f"{v.source}, {v.select}: {v.what}" for v in verdicts[file.name] if v.found == "wrong"]
    assert not wrong


def test_names_of_files_differ() -> None:
    names = [file.name for file in all_files()]
    assert len(set(names)) == len(names)


def test_files_are_the_same_each_time(tmp_path: Path) -> None:
    """The writer of H.264 draws no lots; the bytes of encoders depend on their versions."""
    own = next(file for file in QUICK if file.name == "own-paff-apart.mp4")
    for name in ("a.mp4", "b.mp4"):
        own.make(tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
