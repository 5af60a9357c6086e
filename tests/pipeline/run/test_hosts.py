"""Workers of other hosts that lack what they need: said before any work, and once more by each that comes later."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest
from distributed import Client, LocalCluster

from mocrop.pipeline.errors import ClusterError
from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.run import clusters, executors, hosts
from mocrop.pipeline.run.executors import DaskCluster, open_executor
from mocrop.pipeline.run.hosts import Needs, lacking, look, on_a_worker, programs, watched_hosts
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.workspace.paths import Workspace
from tests.pipeline.run.test_clusters import STAGE, UNIT, accept

cloudpickle.register_pickle_by_value(sys.modules[STAGE.function.__module__])

READS = dataclasses.replace(STAGE, name="transcode", reads_dataset=True)
SAME = ("install", "same")  # words of every way out of another version


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    lacking.cache_clear()
    yield
    lacking.cache_clear()


def needs(**values: str) -> Needs:
    return Needs(programs=programs(), **values)


# one process


def test_a_process_that_has_and_sees_everything_lacks_nothing(tmp_path: Path) -> None:
    proof = tmp_path / "seen"
    proof.touch()
    assert lacking(needs(workspace=str(tmp_path), proof=str(proof), dataset=str(tmp_path))) == ""


@pytest.mark.parametrize("name", ["Python", "mocrop", "distributed", "av"])
def test_another_version_is_named_with_both(name: str) -> None:
    wanted = dict(programs())
    said = lacking(Needs(programs=tuple({**wanted, name: "9.9"}.items())))
    assert said.startswith(f"has {name} {wanted[name]}, and the process that hands out the work 9.9; install the same")


def test_a_changed_file_of_mocrop_is_another_mocrop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = dict(programs())["mocrop"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run/hosts.py").write_text("changed = True\n")
    monkeypatch.setattr(hosts, "__file__", str(tmp_path / "run/hosts.py"))
    programs.cache_clear()
    try:
        after = dict(programs())["mocrop"]
    finally:
        programs.cache_clear()
    assert before.partition(",")[0] == after.partition(",")[0]
    assert before != after


def test_a_folder_of_the_same_name_is_no_workspace_of_ours(tmp_path: Path) -> None:
    """A copy of the workspace on each host: shards would go into copies, and nobody would miss them."""
    (tmp_path / "mocrop.toml").touch()
    said = lacking(needs(workspace=str(tmp_path), proof=str(tmp_path / ".partial/seen-1")))
    assert said.startswith(f"does not see the workspace {tmp_path}; ")
    assert "precrop --to URL --scratch DIR" in said


def test_a_data_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "does not see the data set, as" in lacking(needs(dataset=str(tmp_path / "none")))


def test_work_is_not_begun_where_something_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="does not see the workspace"):
        on_a_worker(accept, UNIT, None, str(tmp_path), needs(workspace="/w", proof="/w/seen"))
    assert on_a_worker(accept, UNIT, None, str(tmp_path), needs())[0].status == "done"


# a cluster


class Stranger:
    """Stands for a client: its processes have answered what they are given to answer."""

    def __init__(self, scheduler: Any, **workers: Any) -> None:
        self.scheduler, self.workers = scheduler, workers
        self.asked: list[Needs] = []

    def run_on_scheduler(self, function: Any, needs: Needs) -> Any:
        assert function is look
        assert (needs.workspace, needs.dataset) == ("", "")  # a scheduler opens no files
        if isinstance(self.scheduler, BaseException):
            raise self.scheduler
        return self.scheduler

    def run(self, function: Any, needs: Needs, *, on_error: str) -> dict[str, Any]:
        assert (function, on_error) == (look, "return")
        self.asked.append(needs)
        return {f"tcp://{place}": answer for place, answer in self.workers.items()}


def refusal(client: Stranger, workspace: Path) -> str:
    with watched_hosts(client) as watched:  # type: ignore[arg-type]
        try:
            watched.needs_of(STAGE, UNIT, str(workspace))
        except ClusterError as error:
            return str(error)
        return ""


GOOD = ("a", "")


@pytest.mark.parametrize(
    ("scheduler", "workers", "said"),
    [
        (GOOD, {"n1:1": GOOD, "n2:1": GOOD}, ""),
        (GOOD, {"n1:1": GOOD, "n2:1": ("b", "sleeps; wake it")}, "b (n2) sleeps; wake it"),
        (GOOD, {"n2:1": ("b", "sleeps"), "n2:2": ("b", "sleeps")}, "b (n2) sleeps"),
        (
            GOOD,
            {f"n{n}:1": (f"b{n}", "sleeps") for n in range(5)},
            "each of b0 (n0), b1 (n1), b2 (n2) and 2 more sleeps",
        ),
        (("s", "sleeps"), {"n1:1": GOOD}, "the scheduler on s sleeps"),
        (ModuleNotFoundError("No module named 'mocrop'"), {"n1:1": GOOD}, "the scheduler lacks mocrop or something"),
        (
            GOOD,
            {"n1:1": Exception("ModuleNotFoundError(\"No module named 'mocrop'\")")},
            "n1 lacks mocrop or something",
        ),
        (GOOD, {"n1:1": PackageNotFoundError("av")}, "n1 does not answer (PackageNotFoundError"),
        (GOOD, {"n1:1": OSError("Timed out"), "n2:1": GOOD}, ""),  # it has just gone: no reason to stop
    ],
)
def test_hosts_that_lack_something_are_named_before_any_work(
    tmp_path: Path, scheduler: Any, workers: dict[str, Any], said: str
) -> None:
    found = refusal(Stranger(scheduler, **workers), tmp_path)
    assert found.startswith(said) if said else not found
    assert "\n" not in found


def test_the_proof_is_there_while_it_is_looked_at_and_then_gone(tmp_path: Path) -> None:
    client = Stranger(GOOD, **{"n1:1": GOOD})
    with watched_hosts(client) as watched:  # type: ignore[arg-type]
        first = watched.needs_of(STAGE, UNIT, str(tmp_path))
        assert watched.needs_of(STAGE, UNIT, str(tmp_path)) == first
        assert [asked.proof for asked in client.asked] == [first.proof]  # once a stage
        assert Path(first.proof).parent == Workspace(tmp_path).partial
        assert Path(first.proof).is_file()
    assert not Path(first.proof).exists()


def test_only_what_a_stage_uses_is_asked_for(tmp_path: Path) -> None:
    client = Stranger(GOOD, **{"n1:1": GOOD})
    (tmp_path / "A").mkdir()
    here = WorkUnit(index=0, clips=(ClipTask(position=0, name="A/0", path=str(tmp_path / "A/0.avi")),))
    gone = WorkUnit(index=0, clips=(ClipTask(position=0, name="B/0", path=str(tmp_path / "B/0.avi")),))
    with watched_hosts(client) as watched:  # type: ignore[arg-type]
        remote = dataclasses.replace(READS, name="remote", in_workspace=False)
        assert watched.needs_of(STAGE, here, str(tmp_path)).dataset == ""
        assert watched.needs_of(READS, here, str(tmp_path)).dataset == str(tmp_path / "A")
        assert watched.needs_of(remote, gone, str(tmp_path)) == Needs(programs=programs())


@pytest.fixture
def cluster() -> Iterator[SimpleNamespace]:
    with (
        clusters._quiet_logs(),
        LocalCluster(n_workers=1, processes=False, host="127.0.0.1", protocol="tcp", dashboard_address=None) as running,
    ):
        yield SimpleNamespace(running=running, address=running.scheduler_address)


def test_workers_that_see_the_workspace_work(cluster: SimpleNamespace, tmp_path: Path) -> None:
    with open_executor(1, cluster.address) as executor:
        executor.submit(STAGE, UNIT, str(tmp_path))
        assert executor.next_finished().outcomes
    assert list(Workspace(tmp_path).partial.iterdir()) == []


def test_a_worker_that_lacks_something_ends_the_run_even_if_it_has_come_late(
    cluster: SimpleNamespace, tmp_path: Path
) -> None:
    with open_executor(1, cluster.address) as executor:
        executor.submit(STAGE, UNIT, str(tmp_path))
        assert executor.next_finished().outcomes
        for seen in Workspace(tmp_path).partial.iterdir():  # now a host that sees another folder under that path
            seen.unlink()
        lacking.cache_clear()  # which asks for the first time
        executor.submit(STAGE, UNIT, str(tmp_path))
        with pytest.raises(ClusterError, match=r"does not see the workspace .*--scratch"):
            executor.next_finished()


def test_a_worker_without_mocrop_is_named(tmp_path: Path) -> None:
    """A real one, which cannot import it."""
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'mocrop':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}')\n"
        "sys.meta_path.insert(0, Hidden())\n"
    )
    with (
        clusters._quiet_logs(),
        LocalCluster(n_workers=0, processes=False, host="127.0.0.1", protocol="tcp", dashboard_address=None) as running,
    ):
        command = [sys.executable, "-m", "distributed.cli.dask_worker", running.scheduler_address, "--no-dashboard"]
        with subprocess.Popen(
            [*command, "--no-nanny", "--nthreads", "1"],
            env={"PYTHONPATH": str(hide), "PATH": ""},
            cwd=hide,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as worker:
            try:
                with (
                    open_executor(1, running.scheduler_address, say=lambda line: None) as executor,
                    pytest.raises(ClusterError, match=r"^127\.0\.0\.1 lacks mocrop or something of it; install"),
                ):
                    executor.submit(STAGE, UNIT, str(tmp_path))
            finally:
                worker.kill()


# workers that come and go


def test_a_cluster_without_workers_is_waited_for_and_asked_to_start_some(tmp_path: Path) -> None:
    """An adaptive cluster has none until there is something to do."""
    said: list[str] = []
    with (
        clusters._quiet_logs(),
        LocalCluster(n_workers=0, processes=False, host="127.0.0.1", protocol="tcp", dashboard_address=None) as running,
    ):
        running.adapt(minimum=0, maximum=1, interval="100ms")
        with open_executor(1, running.scheduler_address, say=said.append) as executor:
            executor.submit(STAGE, UNIT, str(tmp_path))
            assert executor.next_finished().outcomes
    assert len(said) == 1
    assert "has no workers yet; waiting up to 10 minutes for one" in said[0]


def test_a_cluster_that_gets_no_worker_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "SECONDS_TO_GET_A_WORKER", 1)
    with (
        clusters._quiet_logs(),
        LocalCluster(n_workers=0, processes=False, host="127.0.0.1", protocol="tcp", dashboard_address=None) as running,
        pytest.raises(ClusterError, match="has no workers; start some with `dask worker`, or wait until a queue"),
        open_executor(1, running.scheduler_address, say=lambda line: None),
    ):
        pass


def test_more_workers_get_more_units(cluster: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "SECONDS_BETWEEN_COUNTS", 0)
    with Client(cluster.address) as client:
        executor = DaskCluster(client, if_lost="")
        assert executor.window == executors.UNITS_PER_WORKER
        cluster.running.scale(3)
        client.wait_for_workers(3, timeout=60)
        assert executor.window == 3 * executors.UNITS_PER_WORKER
        cluster.running.scale(0)
        while client.scheduler_info(n_workers=-1)["workers"]:
            time.sleep(0.05)
        assert executor.window == 3 * executors.UNITS_PER_WORKER  # until some are back, as many as there were
