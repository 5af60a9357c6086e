"""Keys of samples: one for each clip, whatever it is called, and nothing in them that a reader of tar shards splits."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.export.sample_keys import sample_key

NAMES = st.text(st.sampled_from("ab0 ./\\-_~%日é\u202e\x1b\n\x00") | st.characters(), max_size=90)


@given(st.lists(NAMES, min_size=2, max_size=12))
def test_no_two_clips_have_the_same_key_and_none_holds_a_dot_or_a_slash(names: list[str]) -> None:
    """Also where case does not count, as on some disks, and where names differ only in what a key cannot hold."""
    keys = [sample_key(position, name) for position, name in enumerate(names)]
    assert len({key.lower() for key in keys}) == len(names)
    for key in keys:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", key)


@given(NAMES, st.integers(0, 10**9), st.integers(0, 10**9))
def test_positions_alone_make_keys_differ(name: str, one: int, other: int) -> None:
    assert (sample_key(one, name) == sample_key(other, name)) == (one == other)


@given(NAMES, NAMES, st.integers(0, 10**9), st.integers(0, 10**9))
def test_no_name_makes_the_key_of_another_position(name: str, other: str, one: int, two: int) -> None:
    """As a name might that begins with digits and a hyphen."""
    if one != two:
        assert sample_key(one, name) != sample_key(two, other)


def test_keys_sort_by_position_and_fit_a_plain_tar_header() -> None:
    keys = [sample_key(position, "C" * 300) for position in (2, 30, 400_000)]
    assert keys == sorted(keys)
    assert max(len(f"{key}.00000.jpg") for key in keys) <= 100
