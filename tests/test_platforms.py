"""mocrop on systems that lack calls of Linux: the same files and logits, one writer at a time, clips that time out.

The other systems are emulated (``tests/emulated_system.py``); nothing here was run on one.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import needs_torch

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("pipeline", "training", "evaluation", "benchmarks")
OTHERS = ("macos", "windows", "neither")
SYSTEMS = ("linux", *OTHERS)
COMMANDS = """
import json, sys
from mocrop.cli import main
for command in json.loads(sys.argv[1]):
    print("BEGIN", command[0], flush=True)
    try:
        main(command)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    print("\\nEND", code, flush=True)
"""
HOLD = """
import sys
from pathlib import Path
from mocrop.pipeline.workspace.lock import exclusive
from mocrop.pipeline.workspace.paths import Workspace
with exclusive(Workspace(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def start(system: str, program: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """Start a program on an emulated system, where text files without an encoding are an error."""
    emulated = [sys.executable, "-X", "warn_default_encoding", str(ROOT / "tests/emulated_system.py"), system, program]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([*emulated, *map(str, arguments)], text=True, encoding="utf-8", **pipes)


def run(system: str, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    process = start(system, program, *arguments)
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def mocrop(system: str, *commands: list[str | Path], before: str = "") -> tuple[dict[str, int], dict[str, str]]:
    """Exit codes and output by command; what was said to people besides is under "errors".

    Args:
        before: what the process does first.
    """
    done = run(system, before + COMMANDS, json.dumps(commands, default=str))
    assert done.returncode == 0, done.stdout + done.stderr
    _, *parts = re.split(r"^BEGIN (\S+)$", done.stdout, flags=re.MULTILINE)
    ends = [part.rpartition("\nEND ") for part in parts[1::2]]
    codes = {name: int(code) for name, (_, _, code) in zip(parts[::2], ends, strict=True)}
    return codes, {name: said for name, (said, _, _) in zip(parts[::2], ends, strict=True)} | {"errors": done.stderr}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, make_video: Any) -> Path:
    """Three clips of each of two classes, one of them a folder deeper."""
    folder = tmp_path_factory.mktemp("platforms") / "data"
    for label in ("Archery", "Surfing"):
        for group in (1, 2, 3):
            below = "Ünder/" if (label, group) == ("Surfing", 3) else ""
            make_video(folder / f"{label}/{below}v_{label}_g{group:02d}_c01.avi", frames=26 + group)
    return folder


@pytest.fixture(scope="module")
def made(dataset: Path) -> Any:
    """Run all commands on a system, once: ``made(system) -> (workspace, exit codes, what was said)``."""
    known: dict[str, tuple[Path, dict[str, int], dict[str, str]]] = {}

    def make(system: str) -> tuple[Path, dict[str, int], dict[str, str]]:
        if system not in known:
            work = dataset.parent / system
            here, plain = ["-w", work], ["--workers", "0", "-w", work]
            known[system] = work, *mocrop(
                system,
                ["--help"],
                ["init", dataset, *here],
                ["transcode", *plain],
                ["extract-mv", *plain],
                ["precrop", "--size", "32", "--frames", "4", "--motion-fields", "--field-side", "8", *plain],
                ["train", "--arch", "timm/test_resnet", "--weights", "none", "--epochs", "1", "--batch-size", "2",
                 "--device", "cpu", "--name", "small", *here],
                ["eval", "--segments", "2", "--device", "cpu", *here],
                ["verify", *here],
                ["status", *here],
            )  # fmt: skip
        return known[system]

    return make


@needs_torch
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_command_runs(made: Any, system: str) -> None:
    _, codes, said = made(system)
    assert len(codes) == 9, said
    assert set(codes.values()) == {0}, said


def stores(workspace: Path) -> dict[str, str]:
    """A hash of everything that the stages write, without the manifest, which holds times."""
    files = [path for part in ("h264", "motion.zarr", "caches") for path in (workspace / part).rglob("*")]
    digest = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()}
    return {path.relative_to(workspace).as_posix(): digest[path] for path in sorted(digest)}


def logits(workspace: Path) -> dict[str, Any]:
    (file,) = (workspace / "reports").rglob("*.npz")
    with np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files if name != "about"}  # which names folders


@needs_torch
@pytest.mark.parametrize("system", OTHERS)
def test_files_are_the_same_byte_for_byte_and_logits_bit_for_bit(made: Any, system: str) -> None:
    there, here = made("linux")[0], made(system)[0]
    assert len(stores(there)) > 20
    assert stores(here) == stores(there)
    ours, theirs = logits(here), logits(there)
    assert "logits" in ours
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_clip_that_hangs_times_out_in_a_plain_loop(dataset: Path, tmp_path: Path, system: str) -> None:
    hang = (
        "from mocrop.pipeline.stages import transcode\n"
        "conforms = transcode.conforms\n"
        "def hanging(video, **options):\n"
        "    while 'Archery_g02' in video.container.name:\n"
        "        pass\n"
        "    return conforms(video, **options)\n"
        "transcode.conforms = hanging\n"
    )
    codes, said = mocrop(
        system,
        ["init", dataset, "-w", tmp_path],
        ["transcode", "--workers", "0", "--clip-timeout", "3", "-w", tmp_path, "--json"],
        before=hang,
    )
    assert codes == {"init": 0, "transcode": 3}, said
    (stage,) = json.loads(said["transcode"])["stages"]
    assert (stage["summary"]["done"], stage["failed"]) == (5, {"timed-out": 1})


@pytest.fixture
def holder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process on the system of the test that writes the workspace ``tmp_path`` until its input ends."""
    process = start(request.node.callspec.params["system"], HOLD, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_second_writer_is_refused_until_the_first_is_done(
    holder: subprocess.Popen[str], tmp_path: Path, system: str
) -> None:
    second = run(system, HOLD, tmp_path)
    assert second.returncode == 1
    assert f"another mocrop (process {holder.pid}" in second.stderr
    assert ("delete" in second.stderr) == (system == "neither")
    holder.communicate()
    assert holder.returncode == 0
    assert run(system, HOLD, tmp_path).stdout == "held\n"
    assert [file.name for file in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_a_killed_writer_left_is_swept_by_the_next(
    holder: subprocess.Popen[str], tmp_path: Path, system: str
) -> None:
    litter = tmp_path / ".partial/7.mp4"
    litter.parent.mkdir()
    litter.touch()
    holder.kill()
    holder.communicate()
    if system == "neither":  # nobody can tell
        assert f"delete {tmp_path / '.lock.held'}" in run(system, HOLD, tmp_path).stderr
        assert litter.exists()
        (tmp_path / ".lock.held").unlink()
    assert run(system, HOLD, tmp_path).stdout == "held\n"
    assert not litter.exists()


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_writer_that_dies_halfway_leaves_the_file_of_before(tmp_path: Path, system: str) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from mocrop.pipeline.files import whole_file, write_whole\n"
        "file = Path(sys.argv[1])\n"
        "write_whole(file, b'before')\n"
        "with whole_file(file) as stream:\n"
        "    stream.write(b'half')\n"
        "    stream.flush()\n"
        "    os._exit(9)\n"
    )
    assert run(system, program, tmp_path / "file").returncode == 9
    assert (tmp_path / "file").read_bytes() == b"before"
    assert (tmp_path / ".file.partial").read_bytes() == b"half"


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_group_of_motion_appears_when_it_is_whole(tmp_path: Path, system: str) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from mocrop.pipeline.motion.store_writer import MotionRow, write_shard\n"
        "def rows(fails):\n"
        "    yield MotionRow(position=0, clip='A/a', motion=None)\n"
        "    assert not fails\n"
        "for number, fails in enumerate((True, False)):\n"
        "    try:\n"
        "        write_shard(Path(sys.argv[1]), number, rows(fails), attributes={})\n"
        "    except AssertionError:\n"
        "        print('failed')\n"
    )
    done = run(system, program, tmp_path / "motion.zarr")
    assert done.stdout == "failed\n", done.stderr
    assert sorted(path.name for path in (tmp_path / "motion.zarr").iterdir()) == ["shard-00001"]


NOT_EVERYWHERE = re.compile(
    r"fcntl|msvcrt|resource|_?winapi|flock|lockf|p(read|write)v?|RWF_\w+|posix_fadvise|POSIX_FADV_\w+|"
    r"O_(CLOEXEC|DIRECTORY|DIRECT|BINARY|NOFOLLOW)|SIG(ALRM|HUP|KILL|USR1|USR2|CHLD|PIPE|BREAK)|[gs]etitimer|"
    r"ITIMER_\w+|alarm|pause|pthread_(kill|sigmask)|SIG_((UN)?BLOCK|SETMASK)|register_at_fork|getrusage|sched_\w+|nice|fork|forkpty|waitpid|killpg|symlink(_to)?|"
    r"getloadavg|sysconf|statvfs|uname|get(e?[ug]id|pg(id|rp))|mkfifo|chown|fchmod|fdatasync|madvise|mincore|"
    r"sendfile|copy_file_range|memfd_create|/proc(/.*)?"
)
MAY = {  # modules besides that name some of them
    "pipeline/time_limit.py": r"SIGALRM|setitimer|ITIMER_REAL",
    "benchmarks/hosts.py": r"geteuid|SIGKILL|/proc/",  # namespaces are Linux's alone
}


def names(path: Path) -> Iterator[str]:
    """Every name in a module that could be a call: what is imported, looked up, or looked up by its text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.name for alias in node.names)
            if isinstance(node, ast.ImportFrom):
                yield node.module or ""
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_calls_that_some_system_lacks_are_named_in_one_module() -> None:
    files = [ROOT / "cli.py", *(file for part in PARTS for file in (ROOT / part).rglob("*.py"))]
    found: dict[str, set[str]] = {}
    for file in files:
        name = file.relative_to(ROOT).as_posix()
        odd = {each for each in names(file) if NOT_EVERYWHERE.fullmatch(each)}
        found[name] = {each for each in odd if not re.fullmatch(MAY.get(name, ""), each)}
    assert {"fcntl", "preadv", "posix_fadvise", "getrusage", "symlink_to"} <= found.pop("pipeline/platform_calls.py")
    assert {name: odd for name, odd in found.items() if odd} == {}


def test_files_are_opened_by_number_in_few_modules() -> None:
    """``os.open`` opens no folder on Windows, and text is translated; interrupts opens the null device alone."""
    found = {
        file.relative_to(ROOT).as_posix()
        for part in PARTS
        for file in (ROOT / part).rglob("*.py")
        if re.search(r"\bos\.open\(", file.read_text(encoding="utf-8"))
    }
    assert found == {"pipeline/interrupts.py", "pipeline/platform_calls.py"}
