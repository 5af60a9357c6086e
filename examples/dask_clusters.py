"""Run mocrop's stages on a cluster that one of Dask's libraries starts.

python dask_clusters.py slurm --workers 32 -- run DATASET --size 192
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dask
from distributed.security import Security

ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "134217728", "MALLOC_MMAP_THRESHOLD_": "33554432"}
SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # mocrop itself finds the clip that ends its worker
    "distributed.comm.timeouts.tcp": "60s",  # a host that is silent for so long has gone
}
MEMORY = "4GiB"  # of a worker, which has one thread


def slurm(workers: int) -> Any:
    """Jobs of one worker each. dask_jobqueue has PBSCluster, SGECluster, LSFCluster... with the same options."""
    from dask_jobqueue import SLURMCluster

    shared = Path("mocrop-tls").absolute()  # where the nodes see it too, and nobody else does
    shared.mkdir(mode=0o700, exist_ok=True)
    cluster = SLURMCluster(
        cores=1,
        processes=1,
        memory=MEMORY,
        walltime="08:00:00",
        protocol="tls://",
        security=Security.temporary(),
        shared_temp_directory=str(shared),
        job_script_prologue=[f"export {name}={value}" for name, value in ALLOCATOR.items()],
        # queue="...", account="...", interface="ib0", job_extra_directives=[...]: as your site has them
    )
    cluster.scale(jobs=workers)
    return cluster


def ec2(workers: int) -> Any:
    """Virtual machines of one worker each, for data at s3:// addresses; `docker_image` has mocrop[cloud] in it."""
    from dask_cloudprovider.aws import EC2Cluster

    return EC2Cluster(
        n_workers=workers,
        instance_type="c7i.large",
        docker_image="REGISTRY/mocrop:TAG",
        security=True,
        worker_options={"nthreads": 1},
        env_vars={**ALLOCATOR, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"},
        iam_instance_profile={"Name": "PROFILE"},  # which may read the videos and write the cache
    )


def coiled(workers: int) -> Any:
    """The same with Coiled, which brings this environment to the machines."""
    import coiled

    return coiled.Cluster(
        n_workers=workers,
        worker_cpu=2,
        worker_options={"nthreads": 1},
        environ={**ALLOCATOR, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"},
    )


CLUSTERS: dict[str, Callable[[int], Any]] = {"slurm": slurm, "ec2": ec2, "coiled": coiled}


def certificate_options(security: Security, folder: Path) -> list[str]:
    """Write the certificates of a cluster, where it has them in memory, and name them as mocrop's options."""
    options = []
    for name, value in security.get_tls_config_for_role("client").items():
        option = {"ca_file": "--tls-ca", "cert": "--tls-cert", "key": "--tls-key"}.get(name)
        if option is None or value is None:
            continue
        file = Path(value)
        if "\n" in value:
            file = folder / f"{name}.pem"
            file.touch(mode=0o600)
            file.write_text(value)
        options += [option, str(file)]
    return options


def mocrop_on(cluster: Any, arguments: Sequence[str]) -> int:
    """Run a command of mocrop on a cluster. Returns: its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        tls = certificate_options(cluster.security, Path(folder))
        where = ["--scheduler", cluster.scheduler_address, *tls]
        return subprocess.call([sys.executable, "-m", "mocrop", *arguments, *where])


def main(kind: str, arguments: Sequence[str], *, workers: int = 32) -> int:
    with dask.config.set(SETTINGS), CLUSTERS[kind](workers) as cluster:
        return mocrop_on(cluster, arguments)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=CLUSTERS)
    parser.add_argument("arguments", nargs="+", help="of mocrop, after --")
    parser.add_argument("--workers", type=int, default=32)
    chosen = parser.parse_args()
    sys.exit(main(chosen.kind, chosen.arguments, workers=chosen.workers))
