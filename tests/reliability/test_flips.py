from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mocrop.pipeline.errors import CacheError
from tests.reliability.flips import Count, deleted, flipped
from tests.reliability.h264_flips import flip_h264, transcoded


def refuse(message: str) -> bool:
    raise CacheError(message)


def test_bit_9_of_a_file_is_the_second_of_its_second_byte(tmp_path: Path) -> None:
    (file := tmp_path / "x").write_bytes(b"\0\0\0")
    with flipped(file, 9):
        assert file.read_bytes() == b"\0\2\0"
    with deleted(file):
        assert not file.exists()
    assert file.read_bytes() == b"\0\0\0"


def test_what_is_read_is_refused_or_as_it_was_or_makes_the_storm_fail() -> None:
    count = Count()
    assert count.judge("one", lambda: refuse("it is damaged"), refusal=CacheError) == "it is damaged"
    assert count.judge("two", lambda: True, refusal=CacheError) == ""
    assert count.ended() == {"refused": 1, "read as it was": 1}
    count.judge("bit 3", lambda: False, refusal=CacheError)
    assert (count.silent, count.tried) == (("bit 3",), 3)
    with pytest.raises(AssertionError, match="something else is read, without a word: bit 3"):
        count.ended()
    with pytest.raises(AssertionError, match="bit 4: not one line"):
        count.judge("bit 4", lambda: refuse("two\nlines"), refusal=CacheError)


def test_every_flipped_bit_of_a_transcoded_file_is_refused(make_video: Callable[..., Path], tmp_path: Path) -> None:
    clips = transcoded([make_video(tmp_path / f"{n}.avi", frames=12 + n) for n in range(3)], tmp_path)
    assert flip_h264(clips, tmp_path, flips=120).refused == 120
