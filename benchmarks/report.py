"""Run the benchmarks that have no saved results, and write docs/benchmarks.md and docs/scaling.md with their plots.

Every program of RUNS saves its tables as lines of JSON in benchmarks/results/; for one that saves none, its output is
shown. A program that has a file there is not run again unless --rerun names it. The prose of the pages, which gives the
reasons, is in benchmarks/reasons.md, under the names of the programs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness import RESULTS, here
from page import Result, write_first_page, write_page
from scaling import write_scaling

HERE = Path(__file__).resolve().parent
SAVED, REASONS, PAGES = HERE / "results", HERE / "reasons.md", HERE.parent / "docs"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One benchmark on the page."""

    name: str  # of its file in results/ and of its prose
    program: str
    arguments: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        return " ".join(("python", f"benchmarks/{self.program}", *self.arguments))


RUNS = (
    Run(name="loader", program="loader.py", arguments=("--rounds", "3")),
    Run(name="cache size", program="cache_size.py", arguments=("--rounds", "3")),
    Run(name="vectors", program="vectors.py", arguments=("--clips", "12", "--rounds", "3")),
    Run(name="preprocessing", program="preprocessing.py", arguments=("--clips", "20", "--rounds", "3")),
    Run(name="sources", program="sources.py", arguments=("--clips", "12", "--rounds", "3")),
    Run(name="transcode", program="transcode.py", arguments=("--clips", "12", "--rounds", "3")),
    Run(name="export", program="export.py", arguments=("--clips", "12", "--rounds", "3")),
    Run(name="export frames", program="export_frames.py", arguments=("--clips", "24", "--rounds", "3")),
    Run(name="segments", program="segments.py", arguments=("--clips", "12", "--rounds", "3")),
    Run(name="extract-mv", program="extract.py", arguments=("--clips", "24")),
    Run(
        name="precrop",
        program="precrop.py",
        arguments=("--clips", "24", "--policies", "center", "motion", "adaptive", "follow"),
    ),
    Run(name="dense clips", program="dense.py", arguments=("--clips", "24")),
    Run(name="policies", program="policy_time.py", arguments=("--clips", "48")),
    Run(name="box search", program="box_search.py", arguments=("--clips", "100", "--rounds", "5")),
    Run(name="workers", program="workers.py", arguments=("--clips", "60", "--copies", "4", "--rounds", "1")),
    Run(name="training step", program="training_step.py", arguments=("--steps", "4", "--size", "112")),
    Run(
        name="predict",
        program="predict.py",
        arguments=("--clips", "4", "--rounds", "3", "--arch", "mobilenet_v3_large", "--threads", "1"),
    ),
    Run(name="bitstream", program="bitstream.py", arguments=("--clips", "20", "--rounds", "1")),
    Run(name="scale", program="scale.py"),
    Run(name="forms", program="forms.py"),
    Run(name="gallery", program="gallery.py", arguments=("--rounds", "3")),
    Run(name="memory", program="memory.py", arguments=("--short", "48", "--times", "5")),
)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [run.name for run in RUNS]
    parser.add_argument(
        "--rerun", nargs="+", choices=[*names, "all"], default=[], help="run these although they have results"
    )
    parser.add_argument("--only-saved", action="store_true", help="run nothing: make the pages from saved results")
    parser.add_argument("--results", type=Path, default=SAVED, help="folder of saved results")
    parser.add_argument("--pages", type=Path, default=PAGES, help="folder of the pages and plots to write")
    parser.add_argument("--readme", type=Path, default=HERE.parent / "README.md", help="gets its table of speeds")
    return parser.parse_args()


def execute(run: Run, file: Path) -> None:
    """Run one program and save its tables, or else its output, in ``file``; a program that fails writes none."""
    partial = file.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    print(f"{run.name}: {run.command}", flush=True)
    command = [sys.executable, str(HERE / run.program), *run.arguments]
    environment = {**os.environ, RESULTS: str(partial)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)
    if done.returncode:
        print(f"{run.name}: failed\n{done.stdout}", flush=True)
        return
    if not partial.exists():
        line = {**here(run.program, run.arguments), "title": run.name, "printed": done.stdout}
        partial.write_text(json.dumps(line) + "\n", encoding="utf-8")
    os.replace(partial, file)


def saved(run: Run, folder: Path) -> list[Result]:
    """Saved results of a program; empty if it has not run."""
    file = folder / f"{run.name.replace(' ', '-')}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def main() -> None:
    chosen = options()
    chosen.results.mkdir(parents=True, exist_ok=True)
    for run in RUNS:
        wanted = not saved(run, chosen.results) or run.name in chosen.rerun or "all" in chosen.rerun
        if wanted and not chosen.only_saved:
            execute(run, chosen.results / f"{run.name.replace(' ', '-')}.jsonl")
    results = {run.name: saved(run, chosen.results) for run in RUNS}
    for name, write in (("benchmarks.md", write_page), ("scaling.md", write_scaling)):
        write(results, reasons=REASONS, page=chosen.pages / name)
        print(f"written: {chosen.pages / name}")
    write_first_page(results, page=chosen.readme)


if __name__ == "__main__":
    main()
