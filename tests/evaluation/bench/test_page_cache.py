"""Evicted files are read from the disk again, with the same content."""

from __future__ import annotations

from pathlib import Path

import pytest

from mocrop.evaluation.bench import page_cache
from mocrop.evaluation.bench.page_cache import evict, in_memory
from mocrop.pipeline import platform_calls


def test_an_evicted_file_leaves_memory_and_comes_back_when_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"frames" * 10_000)
    if in_memory(file) is None:
        pytest.skip("this system does not say what it has in memory")
    evict([file])
    if in_memory(file):
        pytest.skip("this file system keeps its files in memory")
    assert file.read_bytes() == b"frames" * 10_000
    assert in_memory(file)


def test_where_files_cannot_be_evicted_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_cache, "CAN_EVICT", False)
    evict([tmp_path / "is not there"])


def test_in_memory_is_none_where_it_cannot_be_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    monkeypatch.setattr(platform_calls, "IF_IN_MEMORY", 8)
    monkeypatch.setattr(platform_calls, "read_at", lambda *_: (_ for _ in ()).throw(OSError("not supported")))
    assert in_memory(file) is None
