"""SIGKILL of commands that write to an address, or from one: the place is no cache or all of it, and they go on."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from mocrop.pipeline.cache.description import GROUP_FILE
from tests.cloud import files, new_bucket, serving_s3, stored
from tests.reliability.commands import CROP, kill_after, make_dataset, run, start, usual_seconds

Stored = dict[str, bytes]


def kill_transfers(folder: Path, seed: int) -> Counter[str]:
    """Kill `push`, `pull` and `precrop --to` once each, in front of a server of their own, and run them again.

    Raises: AssertionError unless what is there is whole or no cache in between, and the expected bytes in the end.
    """
    with serving_s3() as server, pytest.MonkeyPatch.context() as environment:
        bucket = new_bucket(server, environment)
        work, expected = make_place(folder)
        ended = kill_precrop(folder, f"s3://{bucket}", expected, seed=seed)
        return ended + kill_push_and_pull(folder, f"s3://{bucket}", work, expected, seed=seed)


def make_place(folder: Path) -> tuple[Path, Stored]:
    """A workspace with a cache `c` of six clips, and the files of the cache; made once in a folder."""
    dataset, work = make_dataset(folder / "data"), folder / "w"
    if not work.exists():
        run("run", dataset, *CROP, "--name", "c", "--workers", "0", "-w", work).require(0)
    return work, files(work / "caches/c.zarr")


def kill_precrop(folder: Path, place: str, expected: Stored, *, seed: int) -> Counter[str]:
    """Kill `precrop --to`, the client alone or with its workers, and run it again. Raises: as kill_transfers."""
    rng = random.Random(seed)
    workers, scratch = rng.choice("02"), folder / "scratch"
    command = ("precrop", *CROP, "--workers", workers, "--scratch", scratch)

    def here(number: str) -> tuple[str | Path, ...]:
        shutil.rmtree(work := folder / f"v{number}", ignore_errors=True)
        run("init", make_dataset(folder / "data"), "-w", work).require(0)
        return (*command, "--to", f"{place}/{number}/c.zarr", "-w", work)

    seconds = usual_seconds(folder / f"seconds-precrop-{workers}", *here(f"timed-{workers}-{seed}"))
    killed_command, to = here(str(seed)), f"{place}/{seed}/c.zarr"
    killed = kill_after(start(*killed_command), rng.uniform(0, seconds), group=rng.random() < 0.5)
    _require_none_or_all(stored(to), expected)
    run(*killed_command).require(0)
    assert stored(to) == expected
    assert not list(scratch.iterdir())
    return _count(killed)


def kill_push_and_pull(folder: Path, place: str, work: Path, expected: Stored, *, seed: int) -> Counter[str]:
    """Kill `push`, then `pull` of what it has pushed, and run each again. Raises: as kill_transfers."""
    rng = random.Random(seed)
    to, other = f"{place}/pushed-{seed}/c.zarr", folder / f"pulled-{seed}"
    seconds = usual_seconds(folder / "seconds-push", "push", "c", f"{place}/timed-{seed}/c.zarr", "-w", work)
    killed = kill_after(start("push", "c", to, "-w", work), rng.uniform(0, seconds), group=True)
    _require_none_or_all(stored(to), expected)
    run("push", "c", to, "-w", work).require(0)
    assert stored(to) == expected
    ended = _count(killed)
    killed = kill_after(start("pull", to, "-w", other), rng.uniform(0, seconds), group=True)
    arrived = files(other / "caches/c.zarr")
    _require_none_or_all(arrived, expected)
    if not arrived:
        run("pull", to, "-w", other).require(0)
    assert files(other / "caches/c.zarr") == expected
    return ended + _count(killed)


def _require_none_or_all(there: Mapping[str, bytes], expected: Stored) -> None:
    """Without its description nobody takes what is there for a cache; with it, all must be there."""
    assert GROUP_FILE not in there or {**expected, **there} == there, "a cache that lacks something"


def _count(killed: bool) -> Counter[str]:
    return Counter({"completed later" if killed else "was done before": 1})
