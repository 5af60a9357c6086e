"""Run all storms for some minutes and print what they came to.

    python -m tests.reliability --minutes 30 --save

With ``--save`` the table of docs/reliability.md is written anew, from benchmarks/results/reliability.json.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.reliability.page import Row, save, table
from tests.reliability.storms import STORMS, Storm


def main() -> int:
    """Exit code: 1 if something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="for all storms together")
    parser.add_argument("--only", default="", help="storms whose name or harm holds this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    storms = [storm for storm in STORMS if options.only in f"{storm.name}: {storm.harm}"]
    rows = []
    for number, storm in enumerate(storms):
        print(f"{number + 1}/{len(storms)} {storm.name}: {storm.harm}", file=sys.stderr, flush=True)
        rows.append(weather(storm, seconds=60 * options.minutes / len(storms), seed=options.seed))
    print(table(rows))
    for row in rows:
        for fault in row.faults:
            print(f"{row.name}, {row.harm}: {fault}")
    if options.save:
        save(rows, minutes=options.minutes)
    return 1 if any(row.faults for row in rows) else 0


def weather(storm: Storm, *, seconds: float, seed: int) -> Row:
    """Run rounds of a storm until the time is over, one at least."""
    ended: Counter[str] = Counter()
    faults: list[str] = []
    start, rounds = time.monotonic(), 0
    possible = storm.possible()
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        while possible and (not rounds or time.monotonic() - start < seconds):
            try:
                ended += storm.round(Path(folder), seed + rounds)
            except Exception as error:  # whatever it is, it must not happen, and the next round may tell more
                faults.append(f"seed {seed + rounds}: {str(error) or type(error).__name__}")
                traceback.print_exc()
            rounds += 1
    return Row(
        name=storm.name,
        harm=storm.harm,
        must=storm.must,
        tried=ended.total() + len(faults),
        ended={what: ended[what] for what in sorted(ended) if ended[what]},
        faults=faults,
    )


if __name__ == "__main__":
    sys.exit(main())
