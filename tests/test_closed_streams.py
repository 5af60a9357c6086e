"""Standard streams that are closed, a reader that is gone, a current folder that was deleted: no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a shell that closes streams, and folders one can delete")
ROOT = Path(__file__).resolve().parents[1]
MOCROP = f'"{sys.executable}" -m mocrop'


def shell(script: str, folder: Path) -> tuple[int, str]:
    """Exit code, and what was said on both streams."""
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT)}
    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_what_is_said_to_a_closed_stream_is_lost(tmp_path: Path) -> None:
    assert shell(f"{MOCROP} --version >&-", tmp_path) == (0, "")
    assert shell(f"{MOCROP} status -w none 2>&-", tmp_path) == (1, "")
    assert shell(f"{MOCROP} status -w none <&- >&- 2>&-", tmp_path) == (1, "")


def test_no_file_takes_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    program = (
        "import os; from mocrop.pipeline.interrupts import hold_streams; hold_streams();"
        "number = os.open('store', os.O_CREAT | os.O_WRONLY); print('said'); os.write(2, b'said');"
        "raise SystemExit(number < 3)"
    )
    assert shell(f'"{sys.executable}" -c "{program}" <&- >&- 2>&-', tmp_path) == (0, "")
    assert (tmp_path / "store").read_bytes() == b""


def test_a_reader_that_is_gone_is_no_traceback(tmp_path: Path) -> None:
    _, said = shell(f"{MOCROP} --help | true; {MOCROP} status -w none 2>&1 >/dev/null | true", tmp_path)
    assert said == ""


def test_a_current_folder_that_was_deleted_is_one_line(tmp_path: Path) -> None:
    code, said = shell(f"mkdir gone; cd gone; rmdir ../gone; {MOCROP} eval -w {tmp_path}", tmp_path)
    assert code == 1
    assert said.splitlines()[-1].startswith("error: the current folder: No such file or directory; change to one")
    assert "Traceback" not in said
