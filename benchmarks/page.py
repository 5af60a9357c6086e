"""The page docs/benchmarks.md and its plots, from saved results and prose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from aims import Result, Row, rows
from plots import draw_loader, draw_ratios, draw_sizes

from mocrop.evaluation.bench.interleaved_timing import Spread, ratios, spread
from mocrop.pipeline.files import write_whole

NOTICE = (
    "<!-- Made by `python benchmarks/report.py` from benchmarks/results/ and benchmarks/reasons.md; "
    "change those, not this. -->"
)
MARKS = "<!-- speed: written by benchmarks/report.py -->", "<!-- end of speed -->"
UNITS = {"cpu": "CPU", "wall": "clock"}
Results = Mapping[str, Sequence[Result]]


def write_page(results: Results, *, reasons: Path, page: Path) -> None:
    """Write ``page`` and the plots beside it."""
    prose = read_prose(reasons.read_text(encoding="utf-8"))
    drawn = {
        "loader": draw_loader(results.get("loader", ()), page.with_name("benchmarks-loader.png")),
        "cache size": draw_sizes(results.get("cache size", ()), page.with_name("benchmarks-size.png")),
        "aims": draw_ratios(results, page.with_name("benchmarks-ratios.png")),
    }
    plots = {name: file.name for name, file in drawn.items() if file}
    write_whole(page, markdown(results, prose, plots=plots).encode())


# Of README.md: what work and compared begin with in the row to take, and what they are called there.
FIRST_PAGE = (
    ("vectors of a clip", "motion-vector-extractor without", "vectors of a clip, H.264", "motion-vector-extractor"),
    ("whole preprocessing (", "", "videos to a 192 px cache", "`ffmpeg` transcoding alone"),
    ("whole preprocessing, --source", "", "the same, vectors of the originals", "`ffmpeg` transcoding alone"),
    (
        "training batch, in memory (",
        "the reference",
        "a training batch, cache in memory",
        "open, seek and decode (OpenCV)",
    ),
    ("training batch, in memory (", "the quickest", "the same", "the quickest other reader"),
)


def write_first_page(results: Results, *, page: Path) -> None:
    """Write the table of speeds into README.md, between its two marks."""
    text = page.read_text(encoding="utf-8")
    start, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    write_whole(page, f"{text[:start]}\n{speed_table(rows(results))}\n{text[end:]}".encode())


def speed_table(found: Sequence[Row]) -> str:
    """Rows of FIRST_PAGE: how many times as fast as the peer, or which share of its time."""
    lines = []
    for work, compared, what, peer in FIRST_PAGE:
        row = next(each for each in found if each.aim.work.startswith(work) and each.aim.compared.startswith(compared))
        lines.append([what, peer, f"{said(row.found)} {'times as fast' if row.aim.most is None else 'of its time'}"])
    return table(["work", "peer", "ours"], lines)


def markdown(results: Results, prose: Mapping[str, str], *, plots: Mapping[str, str]) -> str:
    """The page's text: the aims, then a section a benchmark."""
    parts = ["# Benchmarks", NOTICE, prose.get("start", ""), _machine(results)]
    if found := rows(results):
        parts += ["## Aims", prose.get("aims", ""), aims_table(found), _picture("aims", plots)]
    for name, saved in results.items():
        if saved:
            parts += _section(name, saved, prose.get(name, ""), _picture(name, plots))
    return "\n\n".join(part for part in parts if part) + "\n"


def read_prose(text: str) -> dict[str, str]:
    """Paragraphs by heading.

    >>> read_prose("## a\\none\\n\\ntwo\\n## b\\nthree\\n")
    {'a': 'one\\n\\ntwo', 'b': 'three'}
    """
    sections = [section.partition("\n") for section in f"\n{text}".split("\n## ")[1:]]
    return {name.strip(): body.strip() for name, _, body in sections}


def aims_table(found: Sequence[Row]) -> str:
    """One row an aim."""
    lines = [
        [row.aim.work, row.aim.compared, row.wanted, said(row.found), "met" if row.met else "**missed**"]
        for row in found
    ]
    return table(["work", "compared with", "aim", "measured", ""], lines)


def _picture(name: str, plots: Mapping[str, str]) -> str:
    return f"![{name}]({plots[name]})" if name in plots else ""


def _section(name: str, saved: Sequence[Result], prose: str, picture: str) -> Iterator[str]:
    yield f"## {name[0].upper()}{name[1:]}"
    yield origin(saved)
    yield picture
    yield prose
    for result in saved:
        if "seconds" in result:
            yield f"**{result['title']}**, {_rounds(result)} rounds after one warm-up"
            yield timings_table(result)
        elif "columns" in result:
            yield f"**{result['title']}**; {result['note']}"
            yield table(result["columns"], result["rows"])
        else:
            yield f"```\n{result['printed'].rstrip()}\n```"


def timings_table(result: Result) -> str:
    """Milliseconds per unit and ratios to the peer, on every saved clock."""
    unit, peer, clocks = result["unit"].rstrip("s"), result["peer"], list(result["seconds"])
    titles = [""]
    for clock in clocks:
        titles += [f"{UNITS[clock]} ms/{unit}", f"ratio to {peer}"]
    lines = []
    for name in result["seconds"][clocks[0]]:
        cells = [name]
        for clock in clocks:
            values = result["seconds"][clock]
            each = spread([value / result["count"] * 1e3 for value in values[name]])
            cells += [said(each), said(ratios(values[name], to=values[peer]))]
        lines.append(cells)
    return table(titles, lines)


def table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right.

    >>> print(table(["a", "b"], [["x", "1"]]))
    | a | b |
    |---|---:|
    | x | 1 |
    """
    rule = "|---|" + "---:|" * (len(titles) - 1)
    return "\n".join([_line(titles), rule, *(_line(line) for line in lines)])


def said(values: Spread) -> str:
    """Median and range as text; the median alone if all values are equal.

    >>> said(Spread(median=0.0241, least=0.02, most=350.2)), said(Spread(median=1, least=1, most=1))
    ('0.024 (0.020 to 350)', '1.00')
    """
    if values.least == values.most:
        return figure(values.median)
    return f"{figure(values.median)} ({figure(values.least)} to {figure(values.most)})"


def figure(value: float) -> str:
    """A number with two or three significant digits.

    >>> figure(0.0241), figure(1.5), figure(12.34), figure(1234.5)
    ('0.024', '1.50', '12.3', '1,234')
    """
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rounds(result: Result) -> int:
    return len(next(iter(next(iter(result["seconds"].values())).values())))


def origin(saved: Sequence[Result]) -> str:
    """Command, day, and load of the machine."""
    return f"`{saved[0]['command']}`, {saved[0]['date']}, {_load(saved)}"


def _load(saved: Sequence[Result]) -> str:
    loads = [result["load"] for result in saved]
    low, high = min(loads), max(loads)
    return f"load {low:g}" + (f" to {high:g}" if high > low else "")


def _machine(results: Results) -> str:
    """All machines and versions that the results are from."""
    every = [result for saved in results.values() for result in saved]
    machines = sorted({result["machine"] for result in every})
    versions: dict[str, set[str]] = {}
    for result in every:
        for name, number in result.get("versions", {}).items():
            versions.setdefault(name, set()).add(number)
    listed = ", ".join(f"{name} {' and '.join(sorted(numbers))}" for name, numbers in sorted(versions.items()))
    return f"Machine: {'; '.join(machines)}. Versions: {listed}." if every else ""
