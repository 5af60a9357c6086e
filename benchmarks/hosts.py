"""Separate hosts on one machine: network namespaces on a bridge, each with its own disk and without anybody else's.

Needs Linux, root and the program `ip`. A host is switched off like a real one, with all that runs on it, and its line
can be cut. Whatever happens, nothing of it stays: what a killed run has left goes when the next one begins.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "mch"  # of the names of bridges, lines and namespaces, before the number of the process that made them
SECONDS_TO_END = 20
PROGRAMS = ("ip", "unshare", "mount", "setpriv", "hostname")


def why_not() -> str:
    """Why no hosts can be made here; empty if they can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "separate hosts need Linux and root"
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"separate hosts need {' and '.join(missing)}"
    name = f"{PREFIX}{os.getpid()}t"
    try:
        _ip("netns", "add", name)
        _ip("link", "add", name, "type", "bridge")
        subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        return f"the system makes no separate hosts: {error.stderr.decode(errors='replace').strip()}"
    finally:
        for kind in ("link", "netns"):
            subprocess.run(["ip", kind, "del", name], capture_output=True)
    return ""


@dataclass
class Host:
    """One host: a network namespace, an address and a disk that no other host sees.

    Attributes:
        disk: where it sees its own disk; the same path on every host.
        outside: where that disk lies for whoever is on no host.
    """

    name: str
    namespace: str
    address: str
    disk: Path
    outside: Path
    hidden: tuple[Path, ...]  # folders that it does not see
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, command: Sequence[str], *, env: Mapping[str, str], log: str) -> subprocess.Popen[bytes]:
        """Start a program on the host, which ends with the host and with this process.

        Args:
            log: name of a file on its disk for what it prints.
        """
        here = ["ip", "netns", "exec", self.namespace, "setpriv", "--pdeathsig", "KILL"]
        apart = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
        with (self.outside / log).open("ab") as stream:
            process = subprocess.Popen(
                [*here, *apart, "sh", "-ec", self._script(command)],
                env={**os.environ, **env, "TMPDIR": str(self.disk), "HOSTNAME": self.name},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd="/",
            )
        self.running.append(process)
        return process

    def _script(self, command: Sequence[str]) -> str:
        """Put the own disk into its place, take all others away, and become a program."""
        steps = [f"mount --bind {shlex.quote(str(self.outside))} {shlex.quote(str(self.disk))}"]
        steps += [f"mount -t tmpfs tmpfs {shlex.quote(str(folder))}" for folder in self.hidden]
        named = f"hostname {self.name}"  # in a namespace of its own, too
        return "\n".join([*steps, f"cd {shlex.quote(str(self.disk))}", named, f"exec {shlex.join(command)}"])

    def cut(self) -> None:
        """Take its line down; what runs there runs on."""
        _ip("link", "set", f"{self.namespace}v", "down")

    def mend(self) -> None:
        _ip("link", "set", f"{self.namespace}v", "up")

    def switch_off(self) -> None:
        """End everything on it at once, as a lack of power does."""
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)  # its namespace of processes goes with it
        for process in self.running:
            process.wait(SECONDS_TO_END)
        self.running.clear()


@contextlib.contextmanager
def separate_hosts(folder: Path, *, names: Sequence[str], hidden: Sequence[Path]) -> Iterator[tuple[str, list[Host]]]:
    """Hosts with a line to each other and to this machine, which is at the end of the bridge.

    Args:
        folder: for their disks.
        hidden: folders of this machine that they do not see, beside each other's disks.
    Yields: the address of this machine on the bridge, and the hosts.
    """
    sweep()
    mine = f"{PREFIX}{os.getpid()}"
    net = f"10.213.{os.getpid() % 250 + 1}"
    disks, disk = folder / "disks", folder / "disk"
    disk.mkdir(parents=True)
    made = []
    for number, name in enumerate(names):
        outside = disks / name
        outside.mkdir(parents=True)
        made.append(Host(name, f"{mine}{'abcdefgh'[number]}", f"{net}.{11 + number}", disk, outside, (disks, *hidden)))
    try:
        _ip("link", "add", f"{mine}br", "type", "bridge")
        _ip("addr", "add", f"{net}.1/24", "dev", f"{mine}br")
        _ip("link", "set", f"{mine}br", "up")
        for host in made:
            _connect(host, f"{mine}br")
        yield f"{net}.1", made
    finally:
        for host in made:
            host.switch_off()
        _remove(mine)


def _connect(host: Host, bridge: str) -> None:
    _ip("netns", "add", host.namespace)
    _ip("link", "add", f"{host.namespace}v", "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
    _ip("link", "set", f"{host.namespace}v", "master", bridge, "up")
    _ip("-n", host.namespace, "addr", "add", f"{host.address}/24", "dev", "eth0")
    for line in ("lo", "eth0"):
        _ip("-n", host.namespace, "link", "set", line, "up")


def sweep() -> None:
    """Remove what runs that were killed have left: whose number no process has any more."""
    names = f"{_ip('netns', 'list')}\n{_ip('-o', 'link', 'show')}"
    for number in set(re.findall(rf"\b{PREFIX}(\d+)(?:[a-h]|[a-h]v|br|t)\b", names)):
        if not Path(f"/proc/{number}").exists():
            _remove(f"{PREFIX}{number}")


def _remove(mine: str) -> None:
    """Remove all names that begin so; a line goes with its namespace, and at the latest with its own name."""
    for kind, listed in (("netns", _ip("netns", "list")), ("link", _ip("-o", "link", "show"))):
        for name in sorted(set(re.findall(rf"\b{mine}\w+", listed))):
            subprocess.run(["ip", kind, "del", name], capture_output=True)


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=False).stdout.decode()


def wait_until(holds: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait until something holds. Raises: TimeoutError that says what was waited for."""
    give_up = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up:
            raise TimeoutError(f"waited {seconds:g} s: {what}")
        time.sleep(0.1)
