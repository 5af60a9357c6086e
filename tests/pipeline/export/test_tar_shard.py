"""Tar files of known bytes."""

from __future__ import annotations

import tarfile
from pathlib import Path

from mocrop.pipeline.export.tar_shard import join_tar, tar_members

MEMBERS = [("a.00000.jpg", b"x" * 700), ("a.cls", b"3"), ("a.json", b"{}")]


def test_joined_pieces_are_a_tar_file_of_all_members_in_order(tmp_path: Path) -> None:
    pieces = [tmp_path / "one", tmp_path / "two"]
    pieces[0].write_bytes(tar_members(MEMBERS[:2]))
    pieces[1].write_bytes(tar_members(MEMBERS[2:]))
    join_tar(pieces, tmp_path / "shard.tar")
    with tarfile.open(tmp_path / "shard.tar") as tar:
        found = [(each.name, tar.extractfile(each).read()) for each in tar]  # type: ignore[union-attr]
        assert found == MEMBERS
        assert {(each.mtime, each.uid, each.gid, each.uname, each.gname, each.mode) for each in tar.getmembers()} == {
            (0, 0, 0, "", "", 0o644)
        }
    assert (tmp_path / "shard.tar").stat().st_size == 512 * (1 + 2 + 1 + 1 + 1 + 1 + 2)  # headers, contents, the end


def test_bytes_depend_on_nothing_but_names_and_contents() -> None:
    assert tar_members(MEMBERS) == b"".join(tar_members([member]) for member in MEMBERS)
