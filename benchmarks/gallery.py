"""How long a browser takes for a gallery of thousands of clips: until it can be used, and for each thing done in it.

Clips are made: pictures of noise as large as those of UCF-101's clips, boxes of four ways. Beside it stands the same
page whose window is so high that all cards are in it, as a page that does not choose among them would have it.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from harness import arguments as common_arguments
from harness import save_table

from mocrop.evaluation.pictures.page.sheet import Sheet, make_sheet
from mocrop.evaluation.pictures.page.write import Content, write_folder

WAYS = ("adaptive", "center", "follow", "motion")
FRAMES, SHEETS = 6, 12  # of a clip; different ones, which clips share
WINDOW = {"width": 1440, "height": 900}
COLUMNS = ("from the page's start to", "this page, s", "all cards in the page, s", "ratio")


def made_sheets() -> list[Sheet]:
    """Sheets of smooth noise, whose JPEGs are about as large as those of real clips."""
    rng = np.random.default_rng(0)

    def pictures(height: int, width: int) -> list[np.ndarray[Any, Any]]:
        coarse = rng.integers(0, 256, (FRAMES, height // 8, width // 8, 3), dtype=np.uint8)
        return list(coarse.repeat(8, axis=1).repeat(8, axis=2))

    made = (make_sheet([pictures(192, 256), *(pictures(128, 128) for _ in WAYS)]) for _ in range(SHEETS))
    return [sheet for sheet in made if sheet is not None]


def made_clip(number: int, sheet: Sheet, numbers: random.Random) -> Content:
    """A clip of a hundred classes, with an answer, four boxes and a path."""

    def crops(path: bool) -> dict[str, Any]:
        left, top = (round(numbers.uniform(0, 0.3), 4) for _ in range(2))
        boxes = [[left, top, left + 0.7, top + 0.7]] * (FRAMES if path else 1)
        found: dict[str, Any] = {
            "state": "cropped",
            "why": "",
            "boxes": boxes,
            "numbers": None,
            "shape": [1, 1],
            "area": 0.49,
            "off": left,
        }
        return {**found, "path": [[left + 0.35, top + 0.35 + place / 100] for place in range(8)] if path else None}

    label = number % 100
    entry = {
        "name": f"Class{label}/v_Class{label}_g{number // 100:02d}",
        "labels": [label],
        "subsets": [1 + number % 2],
        "size": [320, 240],
        "length": 180,
        "frames": list(range(0, 12 * FRAMES, 12)),
        "words": "",
        "reasons": ["variable-frame-rate"] if number % 7 == 0 else [],
        "still": number % 3 == 0,
        "camera": 0.3,
        "motion": round(numbers.random(), 4),
        "crops": [crops(name == "follow") for name in WAYS],
        "answer": [f"Class{numbers.randrange(100)}", round(numbers.random(), 4), number % 4 > 0],
        "sheet": [sheet.width, sheet.height, [[row.top, row.width, row.height] for row in sheet.rows if row]],
    }
    detail = {"noMotion": "", "notes": [], "density": [None] * 4, "camera": None, "top": []}
    return entry, {**detail, "arrows": {"stretch": 1, "frames": []}}, sheet


def write_page(target: Path, count: int) -> Path:
    """Write a page of so many made clips; returns the file to open."""
    numbers, sheets = random.Random(0), made_sheets()
    head = {
        "title": "made clips",
        "clips": count,
        "of": count,
        "classes": [f"Class{number}" for number in range(100)],
        "splits": ["1"],
        "ways": [{"name": name, "words": "made", "colour": "#0072b2", "dashes": []} for name in WAYS],
        "report": "made",
    }
    write_folder(
        target, (made_clip(number, sheets[number % SHEETS], numbers) for number in range(count)), lambda _: head
    )
    return target / "index.html"


def seconds(browser: Any, index: Path, *, clips: int, all_cards: bool) -> dict[str, float]:
    """Open the page, sort it, filter it, open a clip: seconds until the browser has drawn what follows."""
    height = (clips // 3 + 1) * 260 if all_cards else WINDOW["height"]
    page = browser.new_page(viewport=WINDOW)
    if all_cards:  # the page asks for the height of its window; a real window of that height would want the memory
        page.add_init_script(f"Object.defineProperty(window, 'innerHeight', {{get: () => {height}}})")
    drawn = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
    page.goto(index.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    start = f"{drawn}.then(() => performance.now())"
    found = {"cards that answer": page.evaluate(start) / 1000}
    timed = "async ([selector, kind, value]) => { const began = performance.now(); const field ="
    timed += " document.querySelector(selector); if (kind === 'click') field.click(); else { field.value = value;"
    timed += f" field.dispatchEvent(new Event(kind, {{bubbles: true}})); }} await {drawn};"
    timed += " return (performance.now() - began) / 1000; }"
    for what, how in {
        "clips sorted by motion": ["#sort", "change", "motion"],
        "a class alone": ["input[name=label][value='7']", "click", ""],
        "a name found": ["#search", "input", "g1"],
    }.items():
        found[what] = page.evaluate(timed, how)
    page.close()
    return found


def main() -> None:
    parser = common_arguments(__doc__ or "")
    parser.set_defaults(clips=3000)
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        index = write_page(Path(scratch) / "page", options.clips)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        runs: dict[bool, list[dict[str, float]]] = {False: [], True: []}
        for turn in range(options.rounds + 1):  # the first round warms up
            for all_cards, found in runs.items():
                timed = seconds(browser, index, clips=options.clips, all_cards=all_cards)
                if turn:
                    found.append(timed)
        size = sum(file.stat().st_size for file in index.parent.rglob("*") if file.is_file())
        name = browser.version
        browser.close()
    rows = []
    for what in runs[False][0]:
        ours, all_of_them = (sorted(run[what] for run in runs[each]) for each in (False, True))
        ratio = median(ours) / median(all_of_them)
        cells = [f"{median(each):.2f} ({each[0]:.2f} to {each[-1]:.2f})" for each in (ours, all_of_them)]
        rows.append([what, *cells, f"{ratio:.2f}"])
        print(f"{what:26s} {cells[0]:>22s} {cells[1]:>22s} {ratio:6.2f}")
    note = (
        f"{options.clips:,} clips, {len(WAYS)} ways, {size / 1e6:.0f} MB, Chromium {name}, median of {options.rounds}"
    )
    print(note)
    save_table(f"A gallery of {options.clips:,} clips in a browser", COLUMNS, rows, note=note)


if __name__ == "__main__":
    main()
