"""The recipes for clusters: SLURM's as it stands, with a stand-in for its two programs; others as far as can be."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster
from distributed.security import Security

from mocrop.cli import app
from tests.conftest import MakeVideo
from tests.interop.libraries import library
from tests.pipeline.run.certificates import Authority

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SBATCH = """#!/usr/bin/env bash
# Starts a job script at once, in a session of its own, as SLURM would later and elsewhere.
job=$(mktemp "$JOBS/job.XXXXXX") && cp "$1" "$job"
setsid bash "$job" >"$job.out" 2>&1 </dev/null &
echo "Submitted batch job $!"
echo $! >>"$JOBS/numbers"
"""
SCANCEL = '#!/usr/bin/env bash\nkill -TERM -- "-$1"\n'


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """dask-jobqueue takes Ctrl-C for itself when it is imported; Dask leaves variables of workers in this process."""
    handler, environment = signal.getsignal(signal.SIGINT), dict(os.environ)
    yield
    signal.signal(signal.SIGINT, handler)
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture
def dask_clusters() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / "dask_clusters.py"), run_name="dask_clusters")


@pytest.fixture
def data(tmp_path: Path, make_video: MakeVideo) -> Path:
    folder = tmp_path / "data"
    for name in ("A/v_g01_c01", "A/v_g02_c01", "B/v_g01_c01"):
        make_video(folder / f"{name}.mp4")
    return folder


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="the stand-in for SLURM is a shell program")
def test_the_recipe_for_slurm_runs_the_stages_in_jobs(
    dask_clusters: dict[str, Any], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library("dask_jobqueue")
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    for name, content in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (jobs / name).write_text(content)
        (jobs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{jobs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("JOBS", str(jobs))
    monkeypatch.chdir(tmp_path)
    try:
        arguments = ["run", str(data), "--size", "32", "-w", str(tmp_path / "work"), "--policy", "center"]
        assert dask_clusters["main"]("slurm", arguments, workers=2) == 0
        scripts = [file.read_text() for file in jobs.glob("job.??????")]
    finally:
        for number in (jobs / "numbers").read_text().split() if (jobs / "numbers").exists() else ():
            try:
                os.killpg(int(number), signal.SIGKILL)
            except ProcessLookupError:
                continue
    assert (tmp_path / "work/caches/center-32.zarr/zarr.json").is_file()
    assert len(scripts) == 2
    for script in scripts:
        assert "export MALLOC_TRIM_THRESHOLD_=134217728\nexport MALLOC_MMAP_THRESHOLD_=33554432\n" in script
        assert "#SBATCH --cpus-per-task=1" in script
        assert "--nthreads 1" in script
        assert "--nanny" in script
        assert "tls://" in script
    assert (tmp_path / "mocrop-tls").stat().st_mode & 0o077 == 0


def test_a_scheduler_of_a_recipe_blames_the_first_death(dask_clusters: dict[str, Any]) -> None:
    """As mocrop itself finds the clip; and a cluster in the cloud has its settings by variables."""
    assert dask_clusters["SETTINGS"]["distributed.scheduler.allowed-failures"] == 0
    source = (EXAMPLES / "dask_clusters.py").read_text()
    assert source.count('"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"') == 2


def test_certificates_that_a_cluster_has_in_memory_become_files_of_ones_own(
    dask_clusters: dict[str, Any], tmp_path: Path
) -> None:
    options = dask_clusters["certificate_options"](Security.temporary(), tmp_path)
    assert options[::2] == ["--tls-ca", "--tls-cert", "--tls-key"]
    assert all(Path(file).stat().st_mode & 0o077 == 0 for file in options[1::2])
    assert "PRIVATE KEY" in Path(options[5]).read_text()
    named = Authority().sign(tmp_path / "files")
    assert dask_clusters["certificate_options"](named.security(), tmp_path) == named.arguments


def test_any_cluster_with_temporary_certificates_will_do(
    dask_clusters: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    """As those of cloud services, which have an address and certificates in memory."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, security=Security.temporary(), protocol="tls", dashboard_address=None
    ) as cluster:
        arguments = ["run", str(data), "--size", "32", "--policy", "center", "-w", str(tmp_path / "work")]
        assert dask_clusters["mocrop_on"](cluster, arguments) == 0
    assert (tmp_path / "work/caches/center-32.zarr/zarr.json").is_file()


def kubernetes() -> dict[str, Any]:
    # in no extra: something that it needs has no wheel
    pytest.importorskip("dask_kubernetes", reason="dask-kubernetes is not installed: pip install dask-kubernetes")
    made: dict[str, Any] = runpy.run_path(str(EXAMPLES / "kubernetes.py"), run_name="kubernetes")["main"](
        "IMAGE", "s3://bucket/videos", "s3://bucket/a.zarr", workers=5
    )
    return made


def test_the_resources_for_kubernetes_are_whole() -> None:
    """Every volume that is mounted is there, every container has an image, and the options are mocrop's own."""
    import typer.main

    cluster, job = kubernetes()["items"]
    assert (cluster["kind"], cluster["spec"]["worker"]["replicas"]) == ("DaskCluster", 5)
    client = job["spec"]["template"]["spec"]
    for pod in (cluster["spec"]["scheduler"]["spec"], cluster["spec"]["worker"]["spec"], client):
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            assert container["image"] == "IMAGE"
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    commands: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    for container in (*client["initContainers"], *client["containers"]):
        _, name, *arguments = container["command"]
        options = {option for each in commands[name].params for option in each.opts}
        assert {word for word in arguments if word.startswith("-")} <= options


def test_what_pods_of_kubernetes_run_is_a_cluster_that_speaks_tls(tmp_path: Path) -> None:
    """The very arguments, as processes of this machine, on a port of loopback."""
    cluster, _ = kubernetes()["items"]
    files = Authority().sign(tmp_path)
    here = {
        "/tls": str(tmp_path),
        "0.0.0.0": "127.0.0.1",
        "tls://mocrop-scheduler:8786": "",
        "$(DASK_WORKER_NAME)": "w",
    }

    def start(part: str, *more: str) -> subprocess.Popen[bytes]:
        words = cluster["spec"][part]["spec"]["containers"][0]["args"]
        for old, new in here.items():
            words = [word.replace(old, new) for word in words]
        assert words[:2] in (["dask", "scheduler"], ["dask", "worker"])
        place = [sys.executable, "-m", f"distributed.cli.dask_{words[1]}", *filter(None, words[2:]), *more]
        return subprocess.Popen(place, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    file = str(tmp_path / "scheduler.json")
    scheduler = start("scheduler", "--port", "0", "--scheduler-file", file, "--dashboard-address", ":0")
    worker = start("worker", "--scheduler-file", file, "--host", "127.0.0.1", "--dashboard-address", ":0")
    try:
        with Client(scheduler_file=file, security=files.security(), timeout=60) as client:
            client.wait_for_workers(1, timeout=60)
            assert client.scheduler.address.startswith("tls://")
            assert [each["nthreads"] for each in client.scheduler_info(n_workers=-1)["workers"].values()] == [1]
    finally:
        for process in (worker, scheduler):
            process.terminate()
        for process in (worker, scheduler):
            process.wait(60)
