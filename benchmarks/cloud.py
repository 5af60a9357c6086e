"""A cache at an address against the same one on this disk, the bare line, other readers of Zarr, and bare copies.

A server that speaks S3 runs in a process of its own on this machine, and so does a line to it as fast as gigabit
Ethernet; all share the cores: read the ratios, which are of one run. ``--save`` writes results/cloud.json and the table
of docs/cloud.md.

Usage: python benchmarks/cloud.py [--clips 384] [--rounds 3] [--line 117] [--save]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tensorstore as ts
import zarr
from rich.console import Console
from s3_server import Server, s3_server
from slow_line import slow_line
from zarr.storage import FsspecStore

from mocrop.evaluation.bench.synthetic_cache import make_cache
from mocrop.pipeline.address import Address, RemoteFiles
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.mirror.mirror import FETCHES_AT_ONCE
from mocrop.pipeline.commands.transfer import pull, push
from mocrop.training.data.dataset import CropDataset
from mocrop.training.data.loader import CropLoader, epoch_order

RESULTS = Path(__file__).parent / "results/cloud.json"
PAGE = Path(__file__).resolve().parents[1] / "docs/cloud.md"
BEGIN, END = "<!-- figures: benchmarks/cloud.py -->", "<!-- end of figures -->"
BATCH, SEGMENTS, BUCKET = 16, 3, "bench"
GIGABIT = 117.0  # MB/s that TCP carries over gigabit Ethernet
ROWS = {  # name in the results: what it is
    "bare": "all shards copied bare by the same client",
    "cold": "mocrop, first epoch, empty mirror",
    "warm": "mocrop, second epoch, from the mirror",
    "local": "mocrop, the same cache on this disk",
    "tensorstore first": "TensorStore's s3 driver, first epoch",
    "tensorstore second": "TensorStore's s3 driver, second epoch",
    "zarr first": "zarr-python with s3fs, first epoch",
    "zarr second": "zarr-python with s3fs, second epoch",
}
COPIES = {
    "push": "`mocrop push`, with both sides compared",
    "put": "s3fs, `put(recursive=True)`, nothing compared",
    "pull": "`mocrop pull`, verified",
    "get": "s3fs, `get(recursive=True)`, nothing compared",
}


def copies(workspace: Path, number: int) -> dict[str, float]:
    """Seconds to copy the whole cache there and back, by mocrop and by the client alone, in turns."""
    import s3fs  # type: ignore[import-untyped]

    client = s3fs.S3FileSystem(skip_instance_cache=True)
    here, there, peer = workspace / "caches/noise.zarr", f"{BUCKET}/{number}/noise.zarr", f"{BUCKET}/{number}/peer.zarr"
    silent, ours, theirs = Console(file=io.StringIO()), workspace / f"pulled{number}", workspace / f"got{number}"
    steps: dict[str, Callable[[], Any]] = {
        "push": lambda: push(workspace, "noise", f"s3://{there}", console=silent),
        "put": lambda: client.put(str(here), peer, recursive=True),
        "pull": lambda: pull(ours, f"s3://{there}", console=silent),
        "get": lambda: client.get(peer, str(theirs), recursive=True),
    }
    seconds = {}
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        seconds[name] = time.perf_counter() - start
    assert sum(1 for file in theirs.rglob("*") if file.is_file()) == len(
        RemoteFiles(Address.parse(f"s3://{there}")).list()
    )
    shutil.rmtree(ours)
    shutil.rmtree(theirs)
    return seconds


def data_set(cache: CropCache) -> CropDataset:
    return CropDataset(cache, np.arange(len(cache)), segments=SEGMENTS, random=True)


def epochs_of(loader: CropLoader, *, epochs: int = 1) -> float:
    """Seconds of an epoch in random order."""
    start = time.perf_counter()
    for _ in range(epochs):
        for _ in loader:
            pass
    return (time.perf_counter() - start) / epochs


def loader_of(cache: CropCache) -> CropLoader:
    return CropLoader(data_set(cache), batch_size=BATCH, shuffle=True, drop_last=False)


def bare(address: str, folder: Path) -> float:
    """Seconds to copy all shards, by as many threads as mocrop fetches with."""
    files = RemoteFiles(Address.parse(address))
    names = [name for name in files.list() if name.startswith("frames/c/")]
    start = time.perf_counter()
    with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        list(pool.map(lambda name: files.fetch(name, folder / name), names))
    return time.perf_counter() - start


def peer_epochs(read: Callable[[Any, Any], Any], cache: CropCache) -> tuple[float, float]:
    """Seconds of the first and the second epoch of a reader of frames by (clip, slot); its frames are compared."""
    data, seconds = data_set(cache), []
    for epoch in range(2):
        order = epoch_order(len(cache), shuffle=True, seed=0, epoch=epoch)
        start = time.perf_counter()
        for first in range(0, len(order), BATCH):
            indices = order[first : first + BATCH]
            rows, slots = data.rows[indices], data.slots(indices, epoch)
            frames = read(np.repeat(rows, SEGMENTS), slots.reshape(-1))
            if first == 0:
                expected = data.read(indices, epoch=epoch).frames.numpy()
                assert np.array_equal(frames.reshape(expected.shape), expected)
        seconds.append(time.perf_counter() - start)
    return seconds[0], seconds[1]


def tensorstore_reader(address: str) -> Callable[[Any, Any], Any]:
    """TensorStore's own s3 driver; it keeps the indices of shards in memory, as mocrop has it do."""
    kvstore = {
        "driver": "s3",
        "bucket": BUCKET,
        "path": f"{address.split('/', 3)[3]}/frames/",
        "endpoint": os.environ["AWS_ENDPOINT_URL"],
        "aws_region": "us-east-1",
    }
    spec = {"driver": "zarr3", "kvstore": kvstore, "recheck_cached_data": False}
    store = ts.open(spec, context=ts.Context({"cache_pool": {"total_bytes_limit": 64 << 20}}), open=True).result()
    return lambda rows, slots: store.vindex[rows, slots].read().result()


def zarr_reader(address: str) -> Callable[[Any, Any], Any]:
    """zarr-python with s3fs, a frame a call, as many at once as mocrop fetches shards."""
    pool = ThreadPoolExecutor(FETCHES_AT_ONCE)
    array = zarr.open_array(FsspecStore.from_url(f"{address}/frames"), mode="r", zarr_format=3)

    def read(rows: Any, slots: Any) -> Any:
        return np.stack(list(pool.map(lambda row, slot: np.asarray(array[row, slot]), rows.tolist(), slots.tolist())))

    return read


@contextlib.contextmanager
def server_behind(line: float) -> Iterator[None]:
    """A server with an empty bucket behind a line of so many MB/s, that the environment leads to; 0: no line."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(s3_server("127.0.0.1", buckets=[BUCKET]))
        if line:
            port = stack.enter_context(slow_line(server.host, server.port, bytes_per_second=line * 1e6))
            server = Server(server.host, port)
        stack.enter_context(mock.patch.dict(os.environ, server.env))
        yield


def measure(folder: Path, *, clips: int, size: int, rounds: int, line: float) -> dict[str, Any]:
    """Everything in one run. Returns: median seconds of an epoch by name, and what was measured."""
    own = CropCache(make_cache(folder / "caches/noise.zarr", clips=clips, size=size))
    (folder / "mocrop.toml").write_text('dataset = "nowhere"\n')
    with server_behind(line):
        address = f"s3://{BUCKET}/0/noise.zarr"
        seconds: dict[str, list[float]] = {name: [] for name in (*ROWS, *COPIES)}
        for number in range(rounds + 1):  # the first warms up
            mirror, copy = folder / f"mirror{number}", folder / f"bare{number}"
            measured = copies(folder, number)
            measured["bare"] = bare(address, copy)
            shutil.rmtree(copy)
            kept, here = loader_of(CropCache(address, mirror=mirror)), loader_of(own)
            measured["cold"] = epochs_of(kept)
            epochs_of(here)
            for _ in range(10):  # in turns
                for name, loader in (("warm", kept), ("local", here)):
                    seconds[name].append(epochs_of(loader, epochs=20))
            shutil.rmtree(mirror)
            if number:
                for name, value in measured.items():
                    seconds[name].append(value)
        for name, reader in (("tensorstore", tensorstore_reader), ("zarr", zarr_reader)):
            first, second = peer_epochs(reader(address), own)
            seconds[f"{name} first"].append(first)
            seconds[f"{name} second"].append(second)
    return {
        "clips": clips,
        "size": size,
        "frames": own.frames_per_clip,
        "megabytes": round(own.stored_bytes() / 1e6),
        "rounds": rounds,
        "line": line,
        "seconds": {name: statistics.median(values) for name, values in seconds.items() if values},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("mocrop", "s3fs", "moto", "tensorstore", "zarr", "torch")},
    }


def table(result: dict[str, Any]) -> str:
    """The results as Markdown."""
    seconds, clips = result["seconds"], result["clips"]
    lines = ["| an epoch in random order | clips/s | ratio |", "|---|---:|---|"]
    peers = {"cold": "bare", "warm": "local"}
    for name, text in ROWS.items():
        if name in seconds:
            against = peers.get(name) or ("cold" if name.endswith("first") else "warm" if " " in name else "")
            share = seconds[against] / seconds[name] if against else 0.0
            ratio = f"{share:{'.2f' if share >= 0.1 else '.1g'}} of *{against}*" if against else ""
            lines.append(f"| {text} (*{name}*) | {clips / seconds[name]:.0f} | {ratio} |")
    lines += ["", "| the whole cache | MB/s | ratio |", "|---|---:|---|"]
    for name, peer in (("push", "put"), ("put", ""), ("pull", "get"), ("get", "")):
        speed = result["megabytes"] / seconds[name]
        lines.append(
            f"| {COPIES[name]} (*{name}*) | {speed:.0f} | "
            + (f"{seconds[peer] / seconds[name]:.2f} of *{peer}* |" if peer else " |")
        )
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    lines += [
        "",
        f"{clips} clips of {result['frames']} frames, {result['size']} px, {result['megabytes']} MB in shards; batches "
        f"of {BATCH} clips,",
        f"{SEGMENTS} frames each; medians of {result['rounds']} rounds. A line of {result['line']:.0f} MB/s; "
        f"{result['machine']};",
        f"{versions}.",
    ]
    return "\n".join(lines)


def page_with(text: str, result: dict[str, Any]) -> str:
    """A page with the table between its marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table(result)}\n{END}{rest.split(END)[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=384)
    parser.add_argument("--size", type=int, default=112, help="pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--line", type=float, default=GIGABIT, help="MB/s to the server and from it; 0: as it comes")
    parser.add_argument("--save", action="store_true", help="write results/cloud.json and the table of docs/cloud.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), clips=chosen.clips, size=chosen.size, rounds=chosen.rounds, line=chosen.line)
    print(table(result))
    if chosen.save:
        RESULTS.write_text(json.dumps(result, indent=2) + "\n")
        PAGE.write_text(page_with(PAGE.read_text(), result))


if __name__ == "__main__":
    main()
