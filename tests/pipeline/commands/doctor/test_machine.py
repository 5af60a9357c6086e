"""The rows on the machine, each on machines that have enough and on such that have not; the facts are made up."""

from __future__ import annotations

import sys
import tempfile
from collections import namedtuple
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from mocrop.pipeline.commands.doctor import disk, limits, machine
from mocrop.pipeline.commands.doctor.disk import DiskSpeed
from mocrop.pipeline.commands.doctor.finding import Finding, State, found_by
from mocrop.pipeline.errors import WorkspaceError

GB = 10**9
Version = namedtuple("Version", "major minor")


def only(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    return finding


@pytest.mark.parametrize(
    ("version", "state", "stops", "way_out"),
    [
        ((3, 10), State.MISSING, True, "install Python 3.11 or later"),
        ((3, 11), State.OK, False, ""),
        ((3, 14), State.OK, False, ""),
        ((3, 15), State.NOTE, False, "newer than mocrop knows, which is 3.14"),
    ],
)
def test_python_is_compared_with_what_the_package_asks_for(
    version: tuple[int, int], state: State, stops: bool, way_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine.sys, "version_info", Version(*version))
    found = only(machine.python())
    assert (found.state, found.stops) == (state, stops)
    assert found.way_out.startswith(way_out)


@pytest.mark.parametrize(
    ("there", "usable", "limit", "state", "fact", "way_out"),
    [
        (8, 8, None, State.OK, "8 usable", ""),
        (8, 2, None, State.NOTE, "2 usable of 8", "pass --workers 2: without it there are 8"),
        (8, 8, 1.5, State.NOTE, "8 usable, the time of 1.5 by the limit of a container", "pass --workers 1"),
        (2, 2, 4.0, State.OK, "2 usable", ""),
    ],
)
def test_cores_are_those_that_this_process_may_use(
    there: int,
    usable: int,
    limit: float | None,
    state: State,
    fact: str,
    way_out: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine.os, "cpu_count", lambda: there)
    monkeypatch.setattr(machine, "usable_cores", lambda: usable)
    monkeypatch.setattr(machine, "core_limit", lambda _: limit)
    found = only(machine.cores())
    assert (found.state, found.fact) == (state, fact)
    assert found.way_out.startswith(way_out)


@pytest.mark.parametrize(
    ("total", "available", "limit", "state", "way_out"),
    [
        (16 * GB, 8 * GB, None, State.OK, ""),
        (16 * GB, GB, None, State.NOTE, "pass --workers 2"),
        (16 * GB, 2 * GB, None, State.NOTE, "enough for the stages; training wants 2 GB and more"),
        (16 * GB, GB // 10, None, State.MISSING, "end other programs"),
        (16 * GB, 8 * GB, GB, State.NOTE, "pass --workers 1"),  # a container of 1 GB, half of it in use
        (0, 0, None, State.NOTE, ""),
    ],
)
def test_memory_is_what_is_free_within_the_limit(
    total: int, available: int, limit: int | None, state: State, way_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 4)
    monkeypatch.setattr(machine, "memory_bytes", lambda: (total, available))
    monkeypatch.setattr(machine, "memory_limit", lambda _: limit)
    monkeypatch.setattr(machine, "memory_used", lambda _: GB // 2)
    found = only(machine.memory())
    assert found.state is state
    assert found.way_out.startswith(way_out)
    if limit:
        assert found.facts == {"total": GB, "available": GB // 2}


@pytest.mark.parametrize(
    ("most", "state", "fact"),
    [(256, State.NOTE, "256 at a time"), (4096, State.OK, "4,096 at a time"), (sys.maxsize, State.OK, "no limit")],
)
def test_few_open_files_are_a_note(most: int, state: State, fact: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "most_open_files", lambda: most)
    found = only(machine.open_files())
    assert (found.state, found.fact) == (state, fact)
    assert found.way_out.startswith("`ulimit -n 4096`") == (state is State.NOTE)


@pytest.mark.parametrize(("free", "state"), [(GB, State.OK), (1000, State.NOTE)])
def test_the_folder_of_temporary_files_needs_room(
    free: int, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(free))
    found = only(machine.temporary())
    assert found.state is state
    assert str(tmp_path) in found.fact
    assert not list(tmp_path.iterdir())


def test_without_a_folder_of_temporary_files_mocrop_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    found = only(machine.temporary())
    assert (found.state, found.stops) == (State.MISSING, True)
    assert "TMPDIR" in found.way_out


def group(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_limits_of_control_groups_are_the_least_on_the_way_up(tmp_path: Path) -> None:
    outer = group(tmp_path, cpu__max="150000 100000\n", memory__max="max\n", memory__current="900\n")
    inner = group(tmp_path / "inner", cpu__max="max 100000\n", memory__max="4096\n", memory__current="1000\n")
    assert limits.core_limit([inner, outer]) == 1.5
    assert limits.memory_limit([inner, outer]) == 4096
    assert limits.memory_used([inner, outer]) == 1000
    assert limits.core_limit([inner]) is limits.memory_limit([outer]) is limits.core_limit([]) is None


def test_limits_of_the_first_version_of_control_groups_are_read(tmp_path: Path) -> None:
    limited = group(tmp_path / "a", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    group(tmp_path / "a", memory__limit_in_bytes="8192", memory__usage_in_bytes="77")
    free = group(tmp_path / "b", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    group(tmp_path / "b", memory__limit_in_bytes="9223372036854771712")
    assert (limits.core_limit([limited]), limits.memory_limit([limited]), limits.memory_used([limited])) == (
        0.5,
        8192,
        77,
    )
    assert limits.core_limit([free]) is limits.memory_limit([free]) is None


FAST = DiskSpeed(write=2e8, read=5e8, from_disk=True, sync_seconds=0.001)


@pytest.mark.parametrize(
    ("speed", "state", "says"),
    [
        (
            FAST,
            State.OK,
            "writes 200 MB/s, a small file in 1.0 ms, each until it is on the disk; reads 500 MB/s from",
        ),
        (DiskSpeed(write=1e7, read=5e8, from_disk=True, sync_seconds=0.001), State.NOTE, "the stages may wait"),
        (DiskSpeed(write=2e8, read=5e8, from_disk=True, sync_seconds=0.2), State.NOTE, "a small file in 200.0 ms"),
        (DiskSpeed(write=2e8, read=1e7, from_disk=True, sync_seconds=0.001), State.NOTE, "training may wait for it"),
        (DiskSpeed(write=2e8, read=1e7, from_disk=False, sync_seconds=0.001), State.OK, "from memory: the disk itself"),
    ],
)
def test_a_slow_disk_is_a_note(
    speed: DiskSpeed, state: State, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "measured", lambda _: speed)
    found = only(disk.disk(tmp_path / "not yet/there"))
    assert found.state is state
    assert says in f"{found.fact}; {found.way_out}"
    assert found.fact.startswith(f"{tmp_path}: ")
    assert not list(tmp_path.iterdir())


def test_the_speed_of_a_disk_is_measured_by_files_that_are_removed(tmp_path: Path) -> None:
    now = iter(range(10**6))  # each look at the clock is a second later
    speed = disk.measured(tmp_path, clock=lambda: float(next(now)))
    # begun at 0; a second later there is time for a second chunk, and one later no more; and the end
    assert speed.write == 2 * disk.CHUNK_BYTES / 3
    assert speed.read > 0
    assert speed.sync_seconds == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_missing_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(tempfile, "mkdtemp", refused)
    found = only(disk.disk(tmp_path))
    assert (found.state, found.stops) == (State.MISSING, False)
    assert "nothing can be written into" in found.fact


def failing(error: Exception) -> Callable[[], list[Finding]]:
    def check() -> list[Finding]:
        raise error

    return check


def test_a_check_that_fails_is_a_finding() -> None:
    found = only(found_by("x", failing(ZeroDivisionError("a bug"))))
    assert (found.state, found.fact) == (State.NOTE, "ZeroDivisionError: a bug")
    assert only(found_by("x", failing(WorkspaceError("damaged")))).fact == "damaged"
    assert only(found_by("x", failing(ImportError("no zarr")))).state is State.MISSING


def test_only_what_is_missing_can_keep_mocrop_from_working() -> None:
    with pytest.raises(ValueError, match="what keeps mocrop from working is missing, not note"):
        Finding(name="x", state=State.NOTE, fact="", stops=True)
