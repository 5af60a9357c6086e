"""Galleries of made clips, and a browser to open them in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.evaluation.pictures.page.write import Content, write_file, write_folder
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.workspace.paths import Workspace

MakeVideo = Callable[..., Path]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HERE = RunOptions(workers=0)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Workspace:
    """Three clips of one class, one of another; a still one and one that is no video; caches of two policies."""
    folder = tmp_path_factory.mktemp("page")
    for number in (1, 2, 3):
        make_video(folder / f"data/Run/v_Run_g{number:02d}_c01.avi", frames=26 + number)
    make_video(folder / "data/Dig/v_Dig_g01_c01.avi", frames=[np.full((48, 64, 3), 90, np.uint8)] * 14)
    (folder / "data/Dig/v_Dig_g02_c01.avi").write_bytes(b"no video")
    made = Workspace(folder / "work")
    preprocess.init(made, folder / "data")
    preprocess.extract_mv(made, source="original", run=HERE)
    for policy in ("center", "motion"):
        preprocess.precrop(made, policy=policy, ratio=0.5, size=32, frames=3, source="original", run=HERE)
    return made


def data_of(index: Path) -> dict[str, Any]:
    """The data of a page in a folder."""
    text = (index.parent / "page/data.js").read_text()
    assert text.startswith("gallery.data(")
    assert text.endswith(");\n")
    return dict(json.loads(text.removeprefix("gallery.data(").removesuffix(");\n")))


def detail_of(index: Path, number: int) -> dict[str, Any]:
    """What the page reads when a clip is opened."""
    text = (index.parent / f"page/clips/{number}.js").read_text()
    return dict(json.loads(text.removeprefix(f"gallery.clip({number},").removesuffix(");\n")))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    if find_spec("playwright") is None:
        pytest.skip("Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A page of the browser, and all that it has asked for and complained of."""

    def __init__(self, browser: Any, **how: Any) -> None:
        self.page = browser.new_page(**{"viewport": {"width": 1200, "height": 800}, **how})
        self.page.set_default_timeout(20_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, file: Path) -> Any:
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-ready]", state="attached")
        return self.page

    def names(self) -> list[str]:
        """Names of the clips whose cards are in the page, in order."""
        return list(self.page.locator("#list .name").all_inner_texts())


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    """A page that must ask for nothing but files and complain of nothing."""
    found = Watched(browser)
    yield found
    assert not found.complaints
    assert [url for url in found.requests if not url.startswith(("file://", "data:"))] == []
    found.page.close()


def made_clip(number: int, **changed: Any) -> Content:
    """A clip of numbers alone: two ways, one frame, no picture."""
    crops = {
        "state": "cropped",
        "why": "",
        "boxes": [[0.1, 0.1, 0.6, 0.6]],
        "numbers": None,
        "area": 0.25,
        "shape": None,
    }
    entry = {
        "name": f"Class/clip{number}",
        "labels": [number % 2],
        "subsets": [1 + number % 2],
        "size": [64, 48],
        "length": 24,
        "frames": [0, 12],
        "words": "",
        "reasons": [],
        "still": True,
        "camera": 0.0,
        "motion": number / 10,
        "crops": [{**crops, "off": 0.1, "path": None}, {**crops, "off": 0.2, "path": None}],
        "answer": None,
        "sheet": None,
        **changed,
    }
    detail = {"noMotion": "", "notes": [], "density": [None, None], "camera": None, "top": []}
    return entry, {**detail, "arrows": {"stretch": 1, "frames": []}}, None


def made_head(clips: int, **changed: Any) -> dict[str, Any]:
    """What a page of such clips says once."""
    way = {"words": "half of the frame", "colour": "#0072b2", "dashes": []}
    return {
        "title": "made",
        "clips": clips,
        "of": clips,
        "classes": ["Dig", "Run"],
        "splits": ["1"],
        "ways": [{"name": "center", **way}, {"name": "motion", **way}],
        "report": None,
        **changed,
    }


def made_page(target: Path, clips: list[Content], *, single_file: bool = False, **changed: Any) -> Path:
    """Write a page of made clips; returns the file to open."""
    if single_file:
        write_file(target, clips, lambda count: made_head(count, **changed))
        return target
    write_folder(target, clips, lambda count: made_head(count, **changed))
    return target / "index.html"
