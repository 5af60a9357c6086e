"""The whole pipeline on two hosts that share no disk; one is cut off, comes back and dies, then the other one dies.

Both hosts are network namespaces (`hosts.py`) with disks of their own. A Dask scheduler that speaks TLS runs on host A,
workers on both. Videos and cache lie at addresses of an S3 server (moto) at the end of the bridge, where the client is,
whose workspace no host sees. What happens to the hosts is set off by the number of shards at the address. After each
end the same command is given again, on hosts that are there again, until it ends well. Then every object is compared,
byte for byte, with the file that the stages write on one machine. Needs Linux, root and the program `ip`.

    python benchmarks/two_hosts.py    # saves its log in benchmarks/results/ and shows it in docs/scale-out.md
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import REAL_CLIPS, choose_clips
from hosts import Host, separate_hosts, why_not
from s3_server import Server, s3_server

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # for tests/

from mocrop.evaluation.report.format import Markdown, table_lines  # noqa: E402
from mocrop.pipeline.files import write_whole  # noqa: E402
from tests.pipeline.run.certificates import Authority, Certificates  # noqa: E402

SAVED, PAGE = HERE / "results" / "two-hosts.json", HERE.parent / "docs" / "scale-out.md"
MARKS = "<!-- two hosts: written by benchmarks/two_hosts.py -->", "<!-- end of two hosts -->"
NAME = "motion-112"
CROP = ("--size", "112")
PORT = 8786  # of the scheduler
ATTEMPTS = 6  # of the command, at most
SECONDS_CUT_OFF = 25.0
WORDS_OF_RETURN = "its line is back, and a new worker runs: Dask ends one whose scheduler has been silent too long"
SECONDS = 900.0  # for one attempt; it is a fault if one takes longer
DASK = {
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "15s",  # a host that is silent for so long has gone
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
}


@dataclass(frozen=True)
class Happening:
    """Something that befalls a host once so many shards are at the address, and some time after what came before."""

    shards: int
    host: Host
    words: str
    do: Callable[[], None]
    seconds_later: float = 0.0


@dataclass
class Log:
    """What happened, in seconds since the first command."""

    start: float = field(default_factory=time.monotonic)
    events: list[dict[str, Any]] = field(default_factory=list)

    def add(self, where: str, what: str, shards: int) -> None:
        seconds = round(time.monotonic() - self.start)
        self.events.append({"seconds": seconds, "where": where, "shards": shards, "what": what})
        print(f"{seconds:5} s  {where:7} {shards:3} shards  {what}", flush=True)


@dataclass
class Cluster:
    """A scheduler with TLS on the first host, and a worker on each."""

    machines: Sequence[Host]
    env: Mapping[str, str]
    certificates: Certificates  # of the client

    @property
    def address(self) -> str:
        return f"tls://{self.machines[0].address}:{PORT}"

    def start(self) -> None:
        """Start what runs on hosts that are switched off."""
        for host in self.machines:
            if not host.running:
                self._start(host)

    def _start(self, host: Host) -> None:
        pems = Certificates(host.disk / "ca.pem", host.disk / "cert.pem", host.disk / "key.pem").of_dask
        if host is self.machines[0]:
            place = ["--protocol", "tls", "--host", host.address, "--port", str(PORT), "--no-dashboard"]
            host.start([*_dask("scheduler"), *place, *pems], env=self.env, log="scheduler.log")
        place = [self.address, "--host", host.address, "--nthreads", "1", "--no-dashboard"]
        place += ["--name", host.name, "--local-directory", str(host.disk / "dask")]
        host.start([*_dask("worker"), *place, *pems], env=self.env, log="worker.log")


def _dask(what: str) -> list[str]:
    return [sys.executable, "-m", f"distributed.cli.dask_{what}"]


@dataclass
class Client:
    """The process that hands out the work, time and again."""

    work: Path
    server: Server
    cluster: Cluster
    log: Log
    _happened: float = 0.0  # when something did, monotonic

    @property
    def shards(self) -> int:
        """Shards that are at the address as a whole: their states are put last."""
        return len(self.server.names("cache", f"{NAME}.zarr/state/c/"))

    def mocrop(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mocrop", *arguments, "-w", str(self.work)],
            env={**os.environ, **DASK, **self.server.env},
            cwd=self.work.parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def init(self) -> None:
        """Make a workspace of the videos at their address."""
        ended = self.mocrop("init", "s3://videos")
        _, said = ended.communicate(timeout=SECONDS)
        assert ended.returncode == 0, said
        self.log.add("client", "`mocrop init s3://videos`", 0)

    def until_done(self, happenings: Sequence[Happening]) -> int:
        """Give the same command until it ends well, while things happen. Returns: how many times it was given."""
        waiting = list(happenings)
        for attempt in range(1, ATTEMPTS + 1):
            self.cluster.start()
            self.log.add(
                "client", "`mocrop precrop --to s3://cache/...`" + (", again" if attempt > 1 else ""), self.shards
            )
            if self._once(waiting) == 0:
                return attempt
        raise AssertionError(f"the command has not ended well in {ATTEMPTS} attempts")

    def _once(self, waiting: list[Happening]) -> int:
        scratch = self.cluster.machines[0].disk / "scratch"
        to = ["--to", f"s3://cache/{NAME}.zarr", "--scratch", str(scratch)]
        where = ["--scheduler", self.cluster.address, *self.cluster.certificates.arguments]
        give_up = time.monotonic() + SECONDS
        with self.mocrop("precrop", *CROP, *to, *where) as process:
            try:
                while process.poll() is None:
                    if time.monotonic() > give_up:
                        raise TimeoutError(f"the command has not ended in {SECONDS:g} s")
                    self._let_happen(waiting)
                    time.sleep(0.2)
            finally:
                process.kill()
            assert process.stderr is not None
            last = (process.stderr.read().strip().splitlines() or [""])[-1]
        words = f"exit code {process.returncode}" + (f": {last}" if process.returncode else "")
        self.log.add("client", words.replace(str(self.work.parent), "..."), self.shards)
        return process.returncode

    def _let_happen(self, waiting: list[Happening]) -> None:
        """Let the next thing happen if its moment has come."""
        if not waiting or time.monotonic() < self._happened + waiting[0].seconds_later:
            return
        if (shards := self.shards) >= waiting[0].shards:
            happening = waiting.pop(0)
            happening.do()
            self._happened = time.monotonic()
            self.log.add(happening.host.name, happening.words, shards)


def story(cluster: Cluster, *, shards: int) -> list[Happening]:
    """What befalls the two hosts on the way to so many shards."""
    a, b = cluster.machines

    def come_back() -> None:
        b.mend()
        b.switch_off()  # of what has not ended by itself
        cluster.start()

    return [
        Happening(1, b, "its line is cut", b.cut),
        Happening(1, b, WORDS_OF_RETURN, come_back, seconds_later=SECONDS_CUT_OFF),
        Happening(shards // 2, b, "loses its power: all its processes are killed", b.switch_off),
        Happening(shards // 2 + 1, a, "loses its power, and the scheduler with it", a.switch_off),
    ]


def run_on_two_hosts(videos: Path, folder: Path) -> dict[str, Any]:
    """Make a cache of videos at an address, on two hosts to which things happen.

    Args:
        videos: folder of folders of classes.
        folder: an empty one.
    Returns: the log, and what was compared in the end.
    """
    home = folder / "client"
    expected = on_one_machine(videos, home)
    shards = len(list((expected / "state" / "c").iterdir()))
    with separate_hosts(folder, names=["host-a", "host-b"], hidden=[home, videos]) as (here, (a, b)):
        authority = Authority()
        for place in (a.outside, b.outside):
            authority.sign(place)
        with s3_server(here, buckets=["videos", "cache"]) as server:
            files = sorted(path for path in videos.rglob("*") if path.is_file())
            for file in files:
                server.ask("PUT", f"/videos/{file.relative_to(videos).as_posix()}", file.read_bytes())
            cluster = Cluster([a, b], {**DASK, **server.env}, authority.sign(home / "pems"))
            client = Client(home / "work", server, cluster, Log())
            client.init()
            attempts = client.until_done(story(cluster, shards=shards))
            found = compare(expected, server)
            return {"clips": len(files), "shards": shards, "attempts": attempts, "events": client.log.events, **found}


def on_one_machine(videos: Path, home: Path) -> Path:
    """The cache that the stages write on one machine, from files on its disk."""
    work = home / "one-machine"
    home.mkdir(parents=True)
    command = [sys.executable, "-m", "mocrop", "run", str(videos), "-w", str(work), "--name", NAME, *CROP]
    subprocess.run([*command, "--workers", "2"], check=True, capture_output=True, cwd=home)
    return work / "caches" / f"{NAME}.zarr"


def compare(expected: Path, server: Server) -> dict[str, Any]:
    """Compare every object with the file of that name. Returns: counts, and names that differ."""
    files = {file.relative_to(expected).as_posix(): file.read_bytes() for file in expected.rglob("*") if file.is_file()}
    names = server.names("cache", f"{NAME}.zarr/")
    objects = {name: server.ask("GET", f"/cache/{NAME}.zarr/{name}") for name in names}
    differ = sorted(name for name in {*files, *objects} if files.get(name) != objects.get(name))
    return {
        "objects": len(objects),
        "bytes": sum(map(len, objects.values())),
        "differ": differ,
    }


def shown(result: Mapping[str, Any]) -> str:
    """The log as it stands in the documentation."""
    rows = [[str(e["seconds"]), e["where"], str(e["shards"]), Markdown(e["what"])] for e in result["events"]]
    same = "the same, byte for byte," if not result["differ"] else f"the same but for {len(result['differ'])}"
    return "\n".join(
        [
            *table_lines(["seconds", "host", "shards there", "what happens"], rows),
            "",
            textwrap.fill(
                f"In the end the {result['objects']} objects of the cache of {result['clips']} clips "
                f"({result['bytes'] / 1e6:.0f} MB) are {same} as the files that "
                "the stages write on one machine. The log is that of `python benchmarks/two_hosts.py`.",
                width=118,
            ),
        ]
    )


def write_shown(result: Mapping[str, Any], page: Path) -> None:
    """Write the log into a page, between its two marks."""
    text = page.read_text(encoding="utf-8")
    start, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    write_whole(page, f"{text[:start]}\n{shown(result)}\n{text[end:]}".encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=REAL_CLIPS, help="folder of class folders of videos")
    parser.add_argument("--clips", type=int, default=96, help="how many of them")
    parser.add_argument("--only-saved", action="store_true", help="run nothing: show the saved log")
    chosen = parser.parse_args()
    if not chosen.only_saved:
        if reason := why_not():
            parser.error(reason)
        with tempfile.TemporaryDirectory() as folder:
            videos = Path(folder, "videos")
            for clip in choose_clips(chosen.data, chosen.clips, Path(folder)):
                place = videos / clip.parent.name
                place.mkdir(parents=True, exist_ok=True)
                (place / clip.name).write_bytes(clip.read_bytes())
            result = run_on_two_hosts(videos, Path(folder, "run"))
        write_whole(SAVED, (json.dumps(result, indent=1) + "\n").encode())
        print(f"{result['objects']} objects, {len(result['differ'])} differ")
    write_shown(json.loads(SAVED.read_text()), PAGE)


if __name__ == "__main__":
    main()
