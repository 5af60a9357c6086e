"""Write docs/files.md from benchmarks/results/files.json and, where it is there, mutations.json."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mocrop.evaluation.report.format import Markdown, table_lines
from mocrop.pipeline.files import write_whole

HERE = Path(__file__).resolve().parent
RESULTS, MUTATIONS, PAGE = HERE / "results" / "files.json", HERE / "results" / "mutations.json", "files.md"
NOTICE = "<!-- Made by `python benchmarks/files_page.py` from benchmarks/results/; change those, not this. -->"
DAMAGED = "damaged-frames"  # the note
COLUMNS = ("clips", "failed", "noted wrong", "noted right", "silent wrong", "silent right")
File = Mapping[str, Any]

INTRO = """\
# Files that were tried

Every file of these tables was made for the purpose, given to mocrop, and decoded by the `ffmpeg` program as well. Its
pictures carry their numbers as bars, so it can be told which frame of the file a cached frame is. Each file went
through all stages four times: with `--source h264` and `--source original`, each with `--select keyframes` and
`--select uniform`. It is *right* if, in the cache, every frame number is the one that the program gives that picture,
the pictures are upright and the same but for compression, the frames chosen are those that the selection names, and
`motion.zarr` has as many frames as the program. A key frame is what a decoder calls one. Where a decoder names none,
all frames stand in for them. Where the version of FFmpeg in the program returns another number of frames than the one
in PyAV, as of streams that begin without a key frame, PyAV's frames count, and the bars must still agree.

A file whose suffix mocrop does not look for, such as `.mxf`, got `.mkv` after it. The files are made by
`tests/odd_files`: by the `ffmpeg` program, by a small writer of H.264, and by changing bytes of containers. A part of
them is tried by every run of the tests.
"""
PROSE = {
    "order": "Streams whose pictures are decoded in another order than shown, or whose packets are not one picture "
    "each. They were written bit by bit, as no common encoder makes them.",
    "key flags": "Files whose container calls other packets key frames than the decoder does.",
    "edit list": "MP4 and QuickTime files that show other frames than they hold.",
    "container": "Whole files whose index, header or clock is odd.",
    "damage": "What is compared here is only that the frames that come have the numbers of the program's.",
    "orientation": "The bars of all of these are upright when the file is shown as it asks to be.",
    "geometry": "Sizes, crops and shapes of pixels.",
    "colour": "Tags of an H.264 stream, some of which swscale does not know.",
    "streams": "Files with more than one stream.",
    "no video": "Each of these must be refused, with the reason code of the table.",
}


def page(results: Mapping[str, Any], mutations: Mapping[str, Any] | None) -> str:
    """The text of docs/files.md."""
    files = results["files"]
    kinds = list(dict.fromkeys(file["kind"] for file in files))
    parts = [NOTICE, INTRO, *_summary(results, kinds), *_codecs([f for f in files if f["kind"] == "codec"])]
    for kind in kinds:
        if kind != "codec":
            parts += _kind(kind, [file for file in files if file["kind"] == kind])
    parts += _wrong(files)
    parts += _alarms(files)
    if mutations is not None:
        parts += _mutations(mutations)
    return "\n".join(parts).rstrip() + "\n"


def _summary(results: Mapping[str, Any], kinds: Sequence[str]) -> Iterator[str]:
    files, versions = results["files"], results["versions"]
    yield "## In short"
    rows = [(kind, *_counts([file for file in files if file["kind"] == kind])) for kind in kinds]
    yield "\n".join(table_lines(("kind", "files", "right", "refused", "wrong"), [*rows, ("all", *_counts(files))]))
    left_out = f" {len(results['left_out'])} files could not be made." if results["left_out"] else ""
    yield (
        f"\nMade by `{results['command']}` on {results['date']} with ffmpeg {versions['ffmpeg']} and PyAV "
        f"{versions['av']} (libavcodec {versions['avcodec']}).{left_out}\n"
    )


def _counts(files: Sequence[File]) -> tuple[int, int, int, int]:
    """Files, and those that are right, refused as they may be, and wrong in any way."""
    found = Counter(_worst(file) for file in files)
    return len(files), found["right"], found["refused"], found["wrong"]


def _worst(file: File) -> str:
    seen = {way["found"] for way in file["others"]}
    return next((found for found in ("wrong", "refused") if found in seen), "right")


def _codecs(files: Sequence[File]) -> Iterator[str]:
    yield "## Codecs, containers and pixel formats"
    yield (
        "Orders are those of the pictures: `b` with B-frames, `p` without, `open` with groups that lean on the one "
        "before, `mbaff` and `interlaced` of two fields. Every order was tried in every container, every pixel format "
        "in the first.\n"
    )
    head = ("codec", "orders", "containers", "pixel formats", "files", "right", "refused", "wrong")
    rows = []
    for codec in dict.fromkeys(file["codec"] for file in files):
        mine = [file for file in files if file["codec"] == codec]
        orders = [what for what in _several(mine, "what") if what != "as usual"]
        lists = (", ".join(orders), *(", ".join(_several(mine, key)) for key in ("container", "pix_fmt")))
        rows.append((codec, *lists, *_counts(mine)))
    yield "\n".join(table_lines(head, rows)) + "\n"


def _several(files: Iterable[File], key: str) -> list[str]:
    return list(dict.fromkeys(str(file[key]) for file in files))


def _kind(kind: str, files: Sequence[File]) -> Iterator[str]:
    yield f"## {kind.capitalize()}"
    yield PROSE[kind] + "\n"
    rows = []
    for what in _several(files, "what"):
        mine = [file for file in files if file["what"] == what]
        rows.append((what, ", ".join(_several(mine, "container")), ", ".join(_several(mine, "codec")), _said(mine)))
    yield "\n".join(table_lines(("what", "containers", "codecs", "outcome"), rows)) + "\n"


def _said(files: Sequence[File]) -> Markdown:
    """Outcome of some files in words, with the notes that say something of the file."""
    _, right, refused, wrong = _counts(files)
    codes = sorted({way["what"] for file in files for way in file["others"] if way["found"] == "refused"})
    words = [f"{right} right"] * bool(right)
    words += [f"{refused} refused: {', '.join(f'`{code}`' for code in codes)}"] * bool(refused)
    return Markdown("; ".join([*words, *[f"**{wrong} wrong**"] * bool(wrong)]))


def _wrong(files: Sequence[File]) -> Iterator[str]:
    wrong = [file for file in files if _worst(file) == "wrong"]
    if not wrong:
        return
    yield "## What is wrong"
    rows = []
    for file in wrong:
        ways = [way for way in file["others"] if way["found"] == "wrong"]
        names = ", ".join(f"{way['source']}/{way['select']}" for way in ways)
        rows.append((Markdown(f"`{file['name']}`"), names if file["right"] else "all", ways[0]["what"]))
    yield "\n".join(table_lines(("file", "source/selection", "the first of it"), rows)) + "\n"


def _alarms(files: Sequence[File]) -> Iterator[str]:
    """Whether intact files are called damaged."""
    intact = [file for file in files if file["kind"] not in ("damage", "no video")]
    called = [file for file in intact if DAMAGED in file["notes"]]
    yield "## Damaged clips"
    names = f": {', '.join(file['name'] for file in called[:9])}" if called else ""
    yield f"Of the {len(intact)} intact files above, {len(called)} got the note `{DAMAGED}`{names}.\n"


def _mutations(mutations: Mapping[str, Any]) -> Iterator[str]:
    """What is noticed of damage, by kind of damage and form of file."""
    rows = mutations["rows"]
    damaged = [row for row in rows if row["mutation"]]
    intact = [row for row in rows if not row["mutation"]]
    false = sum(row["clips"] - row.get("silent right", 0) for row in intact)
    whole = mutations["intact"]
    yield (
        f"Of {whole['clips']} whole real clips, {whole['alarms']} failed or got it with either source.\n\n"
        f"Parts of {mutations['clips']} real clips, in {len({row['form'] for row in rows})} forms, were damaged in "
        f"{len({row['mutation'] for row in damaged})} ways with a fixed seed, {_total(damaged, 'clips') // 2:,} files, "
        "and run with both sources; the tables count runs. A frame in the cache is *wrong* if it looks like none of "
        "the intact clip near its number: where they differ most, a block of 8x8 of its 64x64 pixels differs by more "
        f"than 30 of 255 on average. *Noted* is a run that is done with the note `{DAMAGED}`, *silent* one without "
        f"it. The parts were run intact too: {false} of {_total(intact, 'clips'):,} runs failed, had the note, or had "
        f"a wrong frame. Made by `{mutations['command']}` on {mutations['date']}.\n"
    )
    for key in ("mutation", "form", "source"):
        table = [
            (name, *(_total([row for row in damaged if row[key] == name], column) for column in COLUMNS))
            for name in dict.fromkeys(row[key] for row in damaged)
        ]
        head = ({"mutation": "damage", "form": "container"}.get(key, key), *COLUMNS)
        yield "\n".join(table_lines(head, table)) + "\n"
    silent, wrong = _total(damaged, "silent wrong"), _total(damaged, "noted wrong")
    well_formed = _total([row for row in damaged if row["mutation"].startswith("packets")], "silent wrong")
    yield (
        f"So {silent:,} of the {silent + wrong:,} runs that are done with wrong frames say nothing, "
        f"{well_formed:,} of them of files from which whole packets are missing or in which they stand twice, which "
        "are well-formed. Such damage remains unseen.\n"
    )


def _total(rows: Iterable[Mapping[str, Any]], column: str) -> int:
    return sum(row.get(column, 0) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=Path, default=HERE.parent / "docs", help="folder to write the page to")
    folder = parser.parse_args().pages
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    mutations = json.loads(MUTATIONS.read_text(encoding="utf-8")) if MUTATIONS.is_file() else None
    write_whole(folder / PAGE, page(results, mutations).encode())


if __name__ == "__main__":
    main()
