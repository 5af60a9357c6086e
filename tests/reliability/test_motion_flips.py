from __future__ import annotations

from pathlib import Path

from tests.reliability.motion_flips import delete_motion, flip_each_file, flip_motion, make_store


def test_no_flipped_bit_of_a_motion_store_is_read_silently(tmp_path: Path) -> None:
    make_store(tmp_path)
    anywhere = flip_motion(tmp_path, flips=60)
    assert (anywhere.silent, anywhere.tried) == ((), 60)
    in_each = flip_each_file(tmp_path, flips=1)  # 25 files of each of two groups, and the store's own
    assert (in_each.silent, in_each.tried) == ((), 51)


def test_every_file_of_a_motion_store_but_its_own_metadata_is_missed(tmp_path: Path) -> None:
    """Those say only that there is a group; the client puts them right."""
    make_store(tmp_path)
    count = delete_motion(tmp_path)
    assert (count.silent, count.refused, count.harmless) == ((), 50, 1)
