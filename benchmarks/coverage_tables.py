"""Tables of coverage as Markdown, from the rows that ``actor_coverage.py`` and its neighbours save."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mocrop.evaluation.report.format import Markdown, markdown_table
from mocrop.evaluation.scores.statistics import FEW_GROUPS

Row = Mapping[str, Any]
Rows = Sequence[Row]
FRAME_CENTER = "center (frame's shape)"
STATIC, MOVING = "best static box", "best moving box"
TITLES = {
    ("real", "camera moves"): "real clips, the camera moves",
    ("real", "camera still"): "real clips, the camera stands still",
    ("made", "class drift"): "made clips, drift",
    ("made", "class cross"): "made clips, cross",
    ("crossing", "all"): "made clips, people cross the whole width",
}  # sets of clips, by the first word of the name that they go by and the set of the coverage
GAINS = (
    *((policy, base) for policy in ("motion", "adaptive", "follow") for base in ("center", FRAME_CENTER)),
    ("adaptive", "motion"),
    ("follow", "adaptive"),
    ("follow", "picture"),
)


def sets_of(rows: Rows) -> list[tuple[str, str]]:
    """Names of clips, and sets of them, in the order of the rows."""
    return list(dict.fromkeys((row["of"], row["set"]) for row in rows))


def title(of: str, name: str) -> str:
    """What a set of clips is called."""
    first, _, rest = of.partition(" ")
    return TITLES[first, name] + (f", {rest}" if rest else "")


def of_set(rows: Rows, chosen: tuple[str, str], *, at: str) -> Rows:
    return [row for row in rows if (row["of"], row["set"]) == chosen and row["at"] == at]


def counts(rows: Rows) -> str:
    """How many clips and groups there are, and whether these are few."""
    clips, groups = rows[0]["counts"]
    few = f"; fewer than {FEW_GROUPS} groups, so intervals are not known to hold 95 %" if groups < FEW_GROUPS else ""
    return f"{clips} clips of {groups} groups{few}"


def share(values: Sequence[float | None], *, ends: bool = True) -> str:
    """A share, with its interval.

    >>> share([0.5, 0.25, 0.75]), share([None, None, None])
    ('0.500 [0.250, 0.750]', 'no box')
    """
    mean, low, high = values
    if mean is None:
        return "no box"
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]" if ends else f"{mean:.3f}"


def gain(values: Sequence[float | None]) -> str:
    """A difference with its interval.

    >>> gain([0.5, -0.25, 0.75])
    '+0.500 [-0.250, +0.750]'
    """
    mean, low, high = values
    return "-" if mean is None else f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def areas(rows: Rows) -> list[float]:
    """The areas that were asked for, largest first."""
    return sorted({row["ratio"] for row in rows if row["variant"] == FRAME_CENTER}, reverse=True)


def inside_table(rows: Rows) -> str:
    """What every policy keeps: a line a policy, a column an area."""
    wanted, lines = areas(rows), []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        mine = {row["ratio"]: row for row in rows if row["variant"] == variant}
        if set(mine) == {1.0}:
            name = f"{variant}, area {mine[1.0]['area']:.2f}"
            lines.append([name, share(mine[1.0]["inside"]), *[""] * (len(wanted) - 1)])
        else:
            lines.append([variant, *(share(mine[area]["inside"]) for area in wanted)])
    return markdown_table((counts(rows), *(f"{area:g}" for area in wanted)), lines)


def gains_table(rows: Rows, pairs: Sequence[tuple[str, str]] = GAINS) -> str:
    """Differences on the same clips: a line a pair of policies, a column an area."""
    wanted, lines = areas(rows), []
    for variant, base in pairs:
        mine = {row["ratio"]: row["over"][base] for row in rows if row["variant"] == variant}
        lines.append([f"{variant} over {base}", *(gain(mine[area]) for area in wanted)])
    return markdown_table((counts(rows), *(f"{area:g}" for area in wanted)), lines)


def policy_table(
    rows: Rows, sets: Sequence[tuple[str, str]], *, at: str, policies: Sequence[str], over: Sequence[tuple[str, str]]
) -> str:
    """All sets of clips and areas below each other: means of some policies, and some differences."""
    lines = []
    for chosen in sets:
        mine = of_set(rows, chosen, at=at)
        for number, area in enumerate(areas(mine)):
            found = {row["variant"]: row for row in mine if row["ratio"] == area}
            name = f"{title(*chosen)}, {counts(mine)}" if number == 0 else ""
            shares = (share(found[policy]["inside"], ends=False) for policy in policies)
            lines.append([name, f"{area:g}", *shares, *(gain(found[one]["over"][base]) for one, base in over)])
    return markdown_table(("clips", "area", *policies, *(f"{one} over {base}" for one, base in over)), lines)


def bars_table(rows: Rows) -> str:
    """Boxes that count within black bars against boxes of the same area that count in the frame."""
    lines = [
        [
            f"{row['of']}, {counts([row])}, the picture is {row['picture']:.2f} of the frame",
            row["policy"],
            f"{row['ratio']:g} of the {row['shares_of']}",
            f"{row['keep']:.3f}",
            f"{row['cut']:.3f}",
            gain(row["gain"]),
        ]
        for row in rows
    ]
    return markdown_table(("clips with bars", "policy", "area", "keep", "cut", "cut over keep"), lines)


def constants_table(rows: Rows, chosen: Mapping[str, str]) -> str:
    """Mean over the areas of what some variants keep, a column a set of clips.

    Args:
        chosen: names of variants, and how they are shown.
    """
    sets = sets_of(rows)
    lines: list[list[str]] = []
    for variant, shown in chosen.items():
        cells = [shown]
        for of in sets:
            (row,) = (each for each in rows if (each["of"], each["set"]) == of and each["variant"] == variant)
            cells.append(f"{sum(row['inside']) / len(row['inside']):.4f}")
        lines.append(cells)
    return markdown_table(("", *_columns(rows, sets)), lines)


def _columns(rows: Rows, sets: Sequence[tuple[str, str]]) -> Iterator[Markdown]:
    for of in sets:
        clips = next(row["clips"] for row in rows if (row["of"], row["set"]) == of)
        yield Markdown(f"{of[0]}, {of[1]}, {clips} clips")
