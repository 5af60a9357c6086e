"""Write evaluation/advice/measured.json, which `mocrop advise` rests on, from saved results.

    python benchmarks/advice_tables.py
    python benchmarks/advice_tables.py --of real real-work "300 clips of six UCF-101 classes"

Results are those of ablations (``results/ablation-NAME.json``, the report.json of `mocrop ablate`), of coverage
(``results/coverage.json``) and, saved here with ``--of``, what the stored motion of the same clips says
(``results/advice-facts.json``).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mocrop.evaluation.advice import measured
from mocrop.evaluation.advice.motion_facts import motion_facts, summed_up
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.workspace.paths import Workspace

RESULTS = Path(__file__).resolve().parent / "results"
FACTS = RESULTS / "advice-facts.json"
TARGET = Path(measured.__file__).with_name(measured.FILE)
SETS = {  # of coverage.json that are quoted: words for them, and what the camera does
    ("real", "camera moves"): ("annotated UCF-101 clips whose camera moves", "moves"),
    ("real", "camera still"): ("annotated UCF-101 clips whose camera stands still", "still"),
    ("crossing", "all"): ("the demo's crossing scene", "still"),
}
DIGITS = 4
Values = Mapping[str, Any]


def measured_json(ablations: Mapping[str, Values], facts: Mapping[str, Values], coverage: list[Any]) -> dict[str, Any]:
    """What the package needs of the results.

    Args:
        ablations: reports by name; only those with facts of that name count.
        facts: by name.
        coverage: rows.
    """
    return {
        "accuracy": [_accuracy(ablations[name], facts[name]) for name in sorted(ablations) if name in facts],
        "coverage": list(_coverage(coverage)),
    }


def _accuracy(report: Values, facts: Values) -> dict[str, Any]:
    main, few_shot = report["main"], report["few_shot"]
    groups = few_shot["main_groups"]
    where = f"{groups} group{'' if groups == 1 else 's'}"
    return {
        **facts,
        "backbone": report["settings"]["training"]["arch"],
        "clips": few_shot["clips"],
        "groups": groups,
        "size": main["size"],
        "frames": main["frames"],
        "tested": [
            {
                "variant": test["variant"],
                "base": test["base"],
                "difference": _interval(test["difference"]),
                "verdict": test["verdict"],
            }
            for test in few_shot["tested"]
            if test["where"] == where
        ],
        "measured": [
            {
                "variant": one["variant"],
                "size": one["size"],
                "frames": one["frames"],
                "gflops": round(one["gflops"], DIGITS),
                "accuracy": round(one["accuracy"], DIGITS),
            }
            for one in few_shot["accuracies"]
            if one["groups"] == groups and one["pool"] == main["pool"]
        ],
    }


def _coverage(rows: list[Any]) -> Iterator[dict[str, Any]]:
    for row in rows:
        name = row["variant"] if row["ratio"] == 1 else f"{row['variant']} {row['ratio']:g}"
        if (row["of"], row["set"]) in SETS and row["at"] == "slots":
            data, kind = SETS[row["of"], row["set"]]
            yield {"data": data, "kind": kind, "variant": _as_ablated(name), "inside": row["inside"]}


def _as_ablated(name: str) -> str:
    """The name that ablations have for a variant of a coverage.

    >>> _as_ablated("center (frame's shape) 0.25")
    'center-frame 0.25'
    """
    return name.replace("center (frame's shape)", "center-frame")


def _interval(estimate: Values) -> list[float | None]:
    """Mean and both ends; None for an end that is not known."""
    ends = (estimate[name] for name in ("mean", "low", "high"))
    return [None if end is None else round(end, DIGITS) for end in ends]


def saved_results() -> tuple[dict[str, Values], dict[str, Values], list[Any]]:
    """The results that are there: ablations and facts by name, rows of coverage."""
    ablations = {file.stem.removeprefix("ablation-"): _read(file) for file in RESULTS.glob("ablation-*.json")}
    coverage = RESULTS / "coverage.json"
    return ablations, _read(FACTS) if FACTS.is_file() else {}, _read(coverage)["rows"] if coverage.is_file() else []


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def content() -> bytes:
    """Of the file, as the saved results give it."""
    found = measured_json(*saved_results())
    parts = (f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]" for name, rows in found.items())
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def save_facts(name: str, workspace: Path, data: str) -> None:
    """Look at the stored motion of clips that an ablation is about."""
    found = summed_up(motion_facts(Workspace(workspace)))
    facts = saved_results()[1]
    facts[name] = {"data": data, "still": round(found.still, DIGITS), "spread": round(found.spread or 1.0, DIGITS)}
    write_whole(FACTS, (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    names = ("NAME", "WORKSPACE", "WORDS")
    parser.add_argument("--of", nargs=3, action="append", default=[], metavar=names, help="clips to look at anew")
    for name, workspace, data in parser.parse_args().of:
        save_facts(name, Path(workspace), data)
    write_whole(TARGET, content())
    print(TARGET)


if __name__ == "__main__":
    main()
