"""Addresses under kills and damage: the small form of what `python -m tests.reliability` does at length."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from mocrop.pipeline.interrupts import STOPPED
from tests.cloud import FaultyLine, files
from tests.reliability.address_kills import kill_precrop, kill_push_and_pull, make_place
from tests.reliability.commands import ended, run, start
from tests.reliability.mirror_flips import delete_mirrored, flip_address, flip_mirror


@pytest.fixture
def place(tmp_path: Path, bucket: str) -> tuple[Path, dict[str, bytes]]:
    """A workspace with a cache, and the files of the cache."""
    return make_place(tmp_path)


@pytest.mark.parametrize("seed", [0, 2])
def test_precrop_to_an_address(tmp_path: Path, bucket: str, place: tuple[Path, dict[str, bytes]], seed: int) -> None:
    """With seed 0 on two workers, with seed 2 in the process itself."""
    assert kill_precrop(tmp_path, f"s3://{bucket}", place[1], seed=seed).total() == 1


def test_push_and_pull(tmp_path: Path, bucket: str, place: tuple[Path, dict[str, bytes]]) -> None:
    assert kill_push_and_pull(tmp_path, f"s3://{bucket}", *place, seed=0).total() == 2


def test_a_mirror_that_is_damaged_is_fetched_anew(tmp_path: Path) -> None:
    assert flip_mirror(tmp_path, flips=60, seed=0).ended()["read as it was"] == 60
    assert delete_mirrored(tmp_path).ended()["read as it was"] > 30


def test_what_is_damaged_at_an_address_is_refused(tmp_path: Path) -> None:
    assert flip_address(tmp_path, flips=60, seed=0).refused > 50


def test_ctrl_c_ends_a_pull_in_one_line_and_it_goes_on(
    tmp_path: Path, bucket: str, place: tuple[Path, dict[str, bytes]], faulty_line: FaultyLine
) -> None:
    work, expected = place
    to, other = f"s3://{bucket}/c.zarr", tmp_path / "other"
    run("push", "c", to, "-w", work).require(0)
    faulty_line.bytes_per_second = 20_000
    process = start("pull", to, "-w", other)
    while not list((other / "caches").rglob("*.partial")):  # something is being fetched
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stopped = ended(process)
    assert (stopped.code, stopped.said) == (130, f"{STOPPED}\n")
    assert not (other / "caches/c.zarr").exists()
    faulty_line.bytes_per_second = None
    run("pull", to, "-w", other).require(0)
    assert files(other / "caches/c.zarr") == expected
