"""Make every odd file of tests/odd_files, run mocrop on it, compare with the ffmpeg program, and save what came out.

    python benchmarks/files.py && python benchmarks/files_page.py

Each file is decoded by the `ffmpeg` program, and read by mocrop with both sources and both selections of frames; the
pictures carry their numbers as bars. What came out goes to benchmarks/results/files.json, of which
`benchmarks/files_page.py` makes docs/files.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
from harness import here

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # tests/ is no part of the package

from tests.odd_files.catalogue import all_files  # noqa: E402
from tests.odd_files.compare import Verdict, compare  # noqa: E402
from tests.odd_files.odd_file import OddFile  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results" / "files.json"
AT_ONCE = 64  # files of one workspace


def verdicts_of(files: Sequence[OddFile]) -> Iterator[Verdict]:
    """What comes of the files, a batch at a time."""
    for first in range(0, len(files), AT_ONCE):
        with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stderr(io.StringIO()):
            yield from compare(files[first : first + AT_ONCE], Path(scratch))
        print(f"{min(first + AT_ONCE, len(files))} of {len(files)} files", file=sys.stderr)


def summary(file: OddFile, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """One file as it is saved: how many ways are right, and what became of the others."""
    return {
        "name": file.name,
        "kind": file.kind,
        "what": file.what,
        "codec": file.codec,
        "container": file.container,
        "pix_fmt": file.pix_fmt,
        "right": sum(v.found == "right" for v in verdicts),
        "notes": sorted({note for v in verdicts for note in v.notes}),
        "others": [
            {"source": v.source, "select": v.select, "found": v.found, "what": v.what}
            for v in verdicts
            if v.found != "right"
        ],
    }


def program_version() -> str:
    """Version of the ffmpeg program."""
    said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    kinds = sorted({file.kind for file in all_files()})
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds, help="only these; nothing is saved then")
    chosen = parser.parse_args().kinds
    files = [file for file in all_files() if file.kind in chosen]
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts_of(files):
        found.setdefault(verdict.file, []).append(verdict)
        if verdict.found == "wrong":
            print(f"{verdict.file}, --source {verdict.source} --select {verdict.select}: {verdict.what}")
    print(dict(Counter(verdict.found for each in found.values() for verdict in each)))
    if chosen == kinds:
        versions = {"ffmpeg": program_version(), "av": av.__version__, "avcodec": _avcodec()}
        left_out = sorted(file.name for file in files if file.name not in found)
        saved = [summary(file, found[file.name]) for file in files if file.name in found]
        result = {**here("files.py", []), "versions": versions, "left_out": left_out}
        lines = ",\n".join(json.dumps(each) for each in saved)  # a file a line: changes can be read
        RESULTS.write_text(f'{json.dumps(result)[:-1]}, "files": [\n{lines}\n]}}\n', encoding="utf-8")


def _avcodec() -> str:
    return ".".join(map(str, av.library_versions["libavcodec"]))


if __name__ == "__main__":
    main()
