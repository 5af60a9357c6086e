"""Commands that write to an address, or from one, are killed: the place is no cache or all of it, and they go on.

`MOCROP_KILLS=20 pytest tests/reliability/test_addresses.py` kills each of them twenty times.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from mocrop.pipeline.address import Address, RemoteFiles
from mocrop.pipeline.cache.description import GROUP_FILE
from mocrop.pipeline.interrupts import STOPPED
from tests.cloud import FaultyLine
from tests.reliability.commands import CROP, ended, kill_after, make_dataset, run, start

KILLS = int(os.environ.get("MOCROP_KILLS", "1"))


def stored(address: str) -> dict[str, bytes]:
    remote = RemoteFiles(Address.parse(address))
    return {name: remote.read(name) for name in remote.list()}


def files(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def place(tmp_path: Path, bucket: str) -> tuple[Path, dict[str, bytes]]:
    """A workspace with a cache, and the files of the cache."""
    run("run", make_dataset(tmp_path / "data"), *CROP, "--name", "c", "--workers", "0", "-w", tmp_path / "w").require(0)
    return tmp_path / "w", files(tmp_path / "w/caches/c.zarr")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_precrop_to_an_address(tmp_path: Path, bucket: str, place: tuple[Path, dict[str, bytes]], workers: str) -> None:
    _, expected = place
    rng = random.Random(int(workers))
    seconds = 0.0
    for number in range(KILLS + 1):
        work, to = tmp_path / f"v{number}", f"s3://{bucket}/{number}/c.zarr"
        run("init", tmp_path / "data", "-w", work).require(0)
        command = ("precrop", "--to", to, *CROP, "--workers", workers, "--scratch", tmp_path / "scratch", "-w", work)
        begun = time.monotonic()
        if number:
            kill_after(start(*command), rng.uniform(0, seconds), group=rng.random() < 0.5)
            there = stored(to)
            assert GROUP_FILE not in there or {**expected, **there} == there
        run(*command).require(0)
        seconds = seconds or time.monotonic() - begun
        assert stored(to) == expected
        assert not list((tmp_path / "scratch").iterdir())


def test_push_and_pull(tmp_path: Path, bucket: str, place: tuple[Path, dict[str, bytes]]) -> None:
    work, expected = place
    rng = random.Random(0)
    seconds = {"push": 0.0, "pull": 0.0}
    for number in range(KILLS + 1):
        to, other = f"s3://{bucket}/{number}/c.zarr", tmp_path / f"p{number}"
        for command in (("push", "c", to, "-w", work), ("pull", to, "-w", other)):
            begun = time.monotonic()
            if number:
                kill_after(start(*command), rng.uniform(0, seconds[command[0]]), group=True)
                there = stored(to) if command[0] == "push" else files(other / "caches/c.zarr")
                assert GROUP_FILE not in there or {**expected, **there} == there
                if command[0] == "pull" and there:
                    continue  # it was faster
            run(*command).require(0)
            seconds[command[0]] = seconds[command[0]] or time.monotonic() - begun
        assert stored(to) == files(other / "caches/c.zarr") == expected


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
