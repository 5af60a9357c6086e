"""Time of the box search against plain loops over the same maps, whose boxes must be the same."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import numpy.typing as npt
from harness import save_table

from mocrop.pipeline.policies.box_search import find_box, find_boxes, rectangles

Map = npt.NDArray[np.float32]
GRIDS = ((6, 8), (9, 16), (36, 64))
RATIOS = (0.75, 0.5, 0.25)
COLUMNS = ("grid", "boxes", "first", "one by one", "as a stack", "plain loops", "one by one", "as a stack")


def plain_loops(density: Map, ratio: float) -> tuple[int, int, int, int]:
    """Top, left, height, width of the best rectangle, by the obvious nested loops."""
    rows, cols = density.shape
    best, best_sum = (0, 0, 0, 0), -1.0
    for height in range(1, rows + 1):
        for width in range(1, cols + 1):
            if not 0.9 * ratio * rows * cols <= height * width <= 1.1 * ratio * rows * cols:
                continue
            for top in range(rows - height + 1):
                for left in range(cols - width + 1):
                    total = 0.0
                    for row in range(top, top + height):
                        total += sum(density[row, left : left + width])
                    if total > best_sum:
                        best, best_sum = (top, left, height, width), total
    return best


def milliseconds(work: Callable[[], object], *, times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times * 1e3


def check(maps: Map, ratio: float) -> None:
    """Check that all three ways find the same box on every map."""
    stacked = find_boxes(maps, ratio=ratio)
    rows, cols = maps.shape[1:]
    for density, edges in zip(maps, stacked.tolist(), strict=True):
        top, left, height, width = plain_loops(density, ratio)
        expected = [left / cols, top / rows, (left + width) / cols, (top + height) / rows]
        assert edges == list(find_box(density, ratio=ratio).edges) == expected


def measure(grid: tuple[int, int], ratio: float, *, clips: int, rounds: int) -> list[str]:
    """Print one row of the table, and return it."""
    maps = np.random.default_rng(0).poisson(10_000 / (grid[0] * grid[1]), (clips, *grid)).astype(np.float32)
    small = grid[0] * grid[1] <= 200  # plain loops over a large grid take seconds a map
    if small:
        check(maps[:20], ratio)
    rectangles.cache_clear()
    first = milliseconds(lambda: find_box(maps[0], ratio=ratio), times=1)
    one, many, plain = [], [], []
    for _ in range(rounds + 1):  # the first round warms up
        one.append(milliseconds(lambda: [find_box(density, ratio=ratio) for density in maps], times=1) / clips)
        many.append(milliseconds(lambda: find_boxes(maps, ratio=ratio), times=5) / clips)
        if small:
            plain.append(milliseconds(lambda: [plain_loops(density, ratio) for density in maps[:20]], times=1) / 20)
    cells = [f"{first:9.2f}", spread(one), spread(many)]
    if small:
        cells += [spread(plain), *(f"{ratio_of(plain, ours):8.0f}x" for ours in (one, many))]
    label, boxes = f"{grid[0]}x{grid[1]}, ratio {ratio}", f"{len(rectangles(grid, ratio=ratio)):,}"
    print(f"{label:20s} {boxes:>7s} " + " ".join(cells))
    row = [label, boxes, *(cell.strip() for cell in cells)]
    return row + ["-"] * (len(COLUMNS) - len(row))


def spread(values: list[float]) -> str:
    measured = values[1:]
    return f"{statistics.median(measured):8.4f} ({min(measured):.4f} to {max(measured):.4f})"


def ratio_of(plain: list[float], ours: list[float]) -> float:
    return statistics.median(p / o for p, o in zip(plain[1:], ours[1:], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=300, help="maps, one a clip")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds; one more comes first as warm-up")
    options = parser.parse_args()
    print(
        f"box search: {options.clips} maps a grid, {options.rounds} rounds after one warm-up, CPU ms a map, min to max"
    )
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}, numpy {version('numpy')}")
    print(
        f"{'':20s} {'boxes':>7s} {'first':>9s} {'one by one':>28s} {'as a stack':>28s} {'plain loops':>28s}  speed-ups"
    )
    table = [measure(grid, ratio, clips=options.clips, rounds=options.rounds) for grid in GRIDS for ratio in RATIOS]
    note = "CPU ms a map, min to max; the last two columns: plain loops to each of ours; - : too slow to wait for"
    save_table(f"box search, {options.clips} maps a grid, {options.rounds} rounds", COLUMNS, table, note=note)


if __name__ == "__main__":
    main()
