"""The first tutorial runs: every command of docs/your-videos.md, in order, in one folder, with the output it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.conftest import needs_torch
from tests.test_docs import DOCS, blocks

PAGE = DOCS / "your-videos.md"
SHORTER = {"--epochs 25": "--epochs 1"}  # the same words come out, and other numbers
NEW = "Flower/v_Flower_g01_c01"  # the clip that step 7 says the network has not seen


def typed_in(code: str, folder: Path) -> str:
    """What commands print in a folder, on standard output; they must succeed."""
    for words, fewer in SHORTER.items():
        code = code.replace(words, fewer)
    here = f"mocrop() {{ '{sys.executable}' -m mocrop \"$@\"; }}\n"
    root = str(Path(sys.executable).parent)
    system = {**os.environ, "COLUMNS": "80", "PATH": f"{root}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euc", here + code], cwd=folder, env=system, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def alike(text: str) -> list[str]:
    """Lines without their numbers and blanks; lines of tables, whose rows are results, and `...` are left out."""
    lines = (re.sub(r"\s+", " ", re.sub(r"\d[\d.,]*", "#", line)).strip() for line in text.splitlines())
    return [line for line in lines if line and line != "..." and not set(line) & set("│━─")]


@needs_torch
def test_the_commands_run_in_order_and_print_what_the_page_shows(tmp_path: Path) -> None:
    said: list[str] = []
    commands = shown = 0
    for block in blocks(PAGE):
        if block.language == "sh":
            said = alike(typed_in(block.code, tmp_path))
            commands += block.code.count("mocrop ")
        elif block.language == "text":
            lines = alike(block.code)
            shown += len(lines)
            assert [line for line in lines if line not in said] == []
    assert commands == 7
    assert shown > 8
    assert (tmp_path / "mocrop-work/reports/gallery/index.html").exists()
    assert NEW in PAGE.read_text()
    with np.load(tmp_path / "mocrop-work/reports/second-on-motion-64-split1.npz") as predictions:
        assert NEW in predictions["clip"]
    page = tmp_path / "mocrop-work/reports/second-on-motion-64-split1.html"
    assert "gallery/index.html#/clip/" in page.read_text()
