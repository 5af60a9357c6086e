"""The machine: Python, processors, memory, open files, and the folder of temporary files."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path

from mocrop.pipeline.commands.doctor.finding import Finding, State, size
from mocrop.pipeline.commands.doctor.limits import core_limit, memory_limit, memory_used
from mocrop.pipeline.platform_calls import control_groups, memory_bytes, most_open_files, usable_cores

WORKER_BYTES = 400 << 20  # a worker of the stages has at most some 300 MB on clips of 320x240, docs/scaling.md
TRAINING_BYTES = 2 << 30  # PyTorch takes 800 MB before a network, and that and its batches come on top
OPEN_FILES = 4096  # training keeps a quarter of them open, at most 1,024 shards
TEMPORARY_BYTES = 100 << 20


def python() -> Iterator[Finding]:
    """Whether this Python is one that mocrop supports, and one that it is tested on."""
    said = metadata("mocrop")
    version = (sys.version_info.major, sys.version_info.minor)
    least = _version(str(said["Requires-Python"]).removeprefix(">="))
    tested = [_version(line.rpartition("::")[2]) for line in said.get_all("Classifier", ()) if _PYTHON.search(line)]
    fact = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    if version < least:
        needs = f"install Python {'.'.join(map(str, least))} or later, and mocrop with it"
        yield Finding(name="Python", state=State.MISSING, fact=fact, way_out=needs, stops=True)
    elif tested and version > max(tested):
        most = ".".join(map(str, max(tested)))
        yield Finding(name="Python", state=State.NOTE, fact=fact, way_out=f"newer than mocrop knows, which is {most}")
    else:
        yield Finding(name="Python", state=State.OK, fact=fact)


_PYTHON = re.compile(r"Python :: 3\.\d+$")


def _version(text: str) -> tuple[int, int]:
    major, minor = text.strip().split(".")[:2]
    return int(major), int(minor)


def cores() -> Iterator[Finding]:
    """How many cores this process may use; a worker for each is started unless --workers says otherwise."""
    there, usable, limit = os.cpu_count() or 1, usable_cores(), core_limit(control_groups())
    facts = {"there": there, "usable": usable, "limit": limit}
    fact = f"{usable} usable" + (f" of {there}" if usable != there else "")
    if limit is not None and limit < usable:
        fact += f", the time of {limit:g} by the limit of a container"
    best = max(1, min(usable, int(limit or usable)))
    state, way_out = State.OK, ""
    if best < there:  # `--workers` defaults to one for each core of the machine
        state, way_out = State.NOTE, f"pass --workers {best}: without it there are {there}"
    yield Finding(name="cores", state=state, fact=fact, way_out=way_out, facts=facts)


def memory() -> Iterator[Finding]:
    """Whether there is memory for a worker on each core."""
    total, available = memory_bytes()
    if limit := memory_limit(groups := control_groups()):
        total = min(total or limit, limit)
        available = min(available or limit, limit - min(limit, memory_used(groups) or 0))
    facts = {"total": total, "available": available}
    if not total:
        yield Finding(name="memory", state=State.NOTE, fact="this system does not say how much there is")
        return
    fact = f"{size(total)}" + (f", {size(available)} of it free" if available else "")
    workers = (available or total) // WORKER_BYTES
    if workers < 1:
        way_out = "end other programs: one worker takes up to 400 MB"
        yield Finding(name="memory", state=State.MISSING, fact=fact, way_out=way_out, facts=facts)
    elif workers < usable_cores():
        way_out = f"pass --workers {workers}, which take up to 400 MB each on clips of 320x240"
        yield Finding(name="memory", state=State.NOTE, fact=fact, way_out=way_out, facts=facts)
    elif (available or total) < TRAINING_BYTES:
        way_out = "enough for the stages; training wants 2 GB and more"
        yield Finding(name="memory", state=State.NOTE, fact=fact, way_out=way_out, facts=facts)
    else:
        yield Finding(name="memory", state=State.OK, fact=fact, facts=facts)


def open_files() -> Iterator[Finding]:
    """Whether training may keep as many shards open as it would."""
    most = most_open_files()
    fact = "no limit" if most == sys.maxsize else f"{most:,} at a time"
    facts = {"most": most, "needed": OPEN_FILES}
    if most < OPEN_FILES:
        way_out = f"`ulimit -n {OPEN_FILES}` lets training keep more shards open; with fewer it opens them again"
        yield Finding(name="open files", state=State.NOTE, fact=fact, way_out=way_out, facts=facts)
    else:
        yield Finding(name="open files", state=State.OK, fact=fact, facts=facts)


def temporary() -> Iterator[Finding]:
    """Whether temporary files can be written: workers have their own folders there."""
    try:
        folder = Path(tempfile.gettempdir())
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"mocrop")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        way_out = "set TMPDIR to a folder that can be written to"
        fact = f"nothing can be written: {error}"
        yield Finding(name="temporary files", state=State.MISSING, fact=fact, way_out=way_out, stops=True)
        return
    fact = f"{folder}, {size(free)} free"
    if free < TEMPORARY_BYTES:
        way_out = "free some, or set TMPDIR to another folder"
        yield Finding(name="temporary files", state=State.NOTE, fact=fact, way_out=way_out)
    else:
        yield Finding(name="temporary files", state=State.OK, fact=fact)
