"""Resources for Kubernetes, with the operator of dask-kubernetes: workers, and a job of mocrop that uses them.

python kubernetes.py IMAGE s3://bucket/videos s3://bucket/motion-192.zarr --workers 32 | kubectl apply -f -
"""

import argparse
import json
from typing import Any

from dask_kubernetes.operator import make_cluster_spec

NAME = "mocrop"  # of the cluster; the operator calls the service of its scheduler mocrop-scheduler
SCHEDULER = f"tls://{NAME}-scheduler:8786"
TLS = ["--tls-ca-file", "/tls/ca.pem", "--tls-cert", "/tls/cert.pem", "--tls-key", "/tls/key.pem"]
SECRETS = [{"secretRef": {"name": "mocrop-s3"}}]  # AWS_ACCESS_KEY_ID and the like, as variables
ENV = {
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "60s",
    "MALLOC_TRIM_THRESHOLD_": "134217728",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
}
RESOURCES = {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "4Gi"}}


def cluster(image: str, *, workers: int) -> dict[str, Any]:
    """A scheduler and workers of one thread each, which speak TLS by the secret `mocrop-tls`."""
    made = make_cluster_spec(
        NAME,
        image=image,
        n_workers=workers,
        resources=RESOURCES,
        env=ENV,
        worker_command=["dask", "worker", SCHEDULER, "--nthreads", "1", *TLS],
    )
    parts = made["spec"]["scheduler"]["spec"], made["spec"]["worker"]["spec"]
    parts[0]["containers"][0]["args"] = ["dask", "scheduler", "--host", "0.0.0.0", "--protocol", "tls", *TLS]
    for pod in parts:
        _with_volumes(pod)
    return made


def job(image: str, videos: str, cache: str) -> dict[str, Any]:
    """The client: its workspace is the volume claim `mocrop-work`, so that it goes on where it was stopped."""
    where = ["-w", "/work/mocrop-work"]
    tls = ["--tls-ca", *TLS[1:]]
    crop = ["mocrop", "precrop", *where, "--to", cache, "--scheduler", SCHEDULER, *tls]
    mounted = [{"name": "work", "mountPath": "/work"}]
    pod: dict[str, Any] = {
        "restartPolicy": "OnFailure",
        "initContainers": [{"name": "init", "command": ["mocrop", "init", videos, *where]}],
        "containers": [{"name": "precrop", "command": crop}],
        "volumes": [{"name": "work", "persistentVolumeClaim": {"claimName": "mocrop-work"}}],
    }
    for container in (*pod["initContainers"], *pod["containers"]):
        container |= {"image": image, "volumeMounts": [*mounted]}
    _with_volumes(pod)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{NAME}-precrop"},
        "spec": {"backoffLimit": 3, "template": {"spec": pod}},
    }


def _with_volumes(pod: dict[str, Any]) -> None:
    pod.setdefault("volumes", []).append({"name": "tls", "secret": {"secretName": "mocrop-tls"}})
    for container in (*pod.get("initContainers", []), *pod["containers"]):
        container.setdefault("volumeMounts", []).append({"name": "tls", "mountPath": "/tls", "readOnly": True})
        container["envFrom"] = SECRETS


def main(image: str, videos: str, cache: str, *, workers: int = 32) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": [cluster(image, workers=workers), job(image, videos, cache)]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("image", "videos", "cache"):
        parser.add_argument(name)
    parser.add_argument("--workers", type=int, default=32)
    chosen = parser.parse_args()
    print(json.dumps(main(chosen.image, chosen.videos, chosen.cache, workers=chosen.workers), indent=1))
