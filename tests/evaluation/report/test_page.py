"""Reports as pages: words and numbers of the Markdown, tables that a screen reader can read, nothing from outside."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from mocrop.evaluation.report.files import write_report
from mocrop.evaluation.report.format import in_markdown, table_lines
from mocrop.evaluation.report.page import html_page, write_markdown
from mocrop.evaluation.report.wrong_answers import GALLERY, linked, wrong_answers
from mocrop.evaluation.scores.predictions import Predictions
from tests.evaluation.report.test_files import ORIGIN, result

EMPTY = {"meta", "img", "link", "br", "hr"}
ODD = "<img src=x onerror=alert(1)>&amp;\"'|`**[a](http://example.com)"


class Page(HTMLParser):
    """Elements of a page: each is closed where it was opened, or it is no page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert not self.opened

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in EMPTY:
            self.opened.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data if "style" not in self.opened else ""
        if "td" in self.opened or "th" in self.opened:
            self.tables[-1][-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(text: str, folder: Path) -> Page:
    return Page(html_page(text, folder))


def test_a_page_of_an_evaluation_has_the_numbers_of_its_json(tmp_path: Path) -> None:
    """Two of four clips are right; the two wrong ones are of Class0 and Class1, taken for the next class."""
    files = write_report(result(), tmp_path, "run-on-c-split1")
    page, values = Page(files[".html"].read_text()), json.loads(files[".json"].read_text())
    scores = page.tables[0]
    assert scores[1][:3] == ["top-1", "50.0 %", f"{values['top1']['correct']} / {values['top1']['total']}"]
    wrong = next(table for table in page.tables if table[0][0] == "clip")
    assert [row[:3] for row in wrong[1:]] == [["Class0/1", "Class0", "Class1"], ["Class1/3", "Class1", "Class2"]]
    markdown = files[".md"].read_text()
    for number in re.findall(r"\d+\.\d+", markdown.partition("## Pictures")[0]):
        assert number in page.words


def test_a_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    files = write_report(result(), tmp_path, "run-on-c-split1")
    text = files[".html"].read_text()
    page = Page(text)
    assert not page.all("script") + page.all("link")
    sources = [str(each["src"]) for each in page.all("img")]
    assert [base64.b64decode(each.removeprefix("data:image/png;base64,")) for each in sources] == [
        files[".png"].read_bytes(),
        files["-calibration.png"].read_bytes(),
    ]
    assert all(each["alt"] for each in page.all("img"))
    assert all(str(each["href"]).startswith("#s") for each in page.all("a"))
    assert "http" not in re.sub(r'"data:[^"]*"|http-equiv', "", text)
    assert any("default-src 'none'" in str(each.get("content")) for each in page.all("meta"))


def test_names_are_shown_and_do_nothing(tmp_path: Path) -> None:
    page = page_of("\n".join([f"# {in_markdown(ODD)}", "", *table_lines(("class",), [(ODD,)])]), tmp_path)
    assert page.tables[0][1] == [ODD]
    assert page.words.count(ODD) == 4  # of the title, the heading, the caption of the table, and the cell
    assert not page.all("img") + page.all("a")


def test_tables_say_what_their_cells_are(tmp_path: Path) -> None:
    """One row and two columns of heads: a caption, a head for each column and for the row, numbers to the right."""
    text = "\n".join(
        ["# Title", "## By class", "", *table_lines(("class", "right", "taken for"), [("A", "3.0 %", "B")])]
    )
    page = page_of(text, tmp_path)
    assert [each.get("scope") for each in page.all("th")] == ["col", "col", "col", "row"]
    assert [each.get("class") for each in page.all("td")] == ["number", None]
    assert len(page.all("caption")) == 1
    (region,) = [each for each in page.all("div") if each.get("role") == "region"]
    assert (region["aria-label"], region["tabindex"]) == ("By class", "0")
    assert page.all("html")[0]["lang"] == "en"


def test_two_tables_of_a_section_have_two_captions(tmp_path: Path) -> None:
    table = [*table_lines(("crop, against full", "x"), [("a", 1)]), ""]
    page = page_of("\n".join(["# T", "## Few", "", *table, *table]), tmp_path)
    assert [each["aria-label"] for each in page.all("div")] == ["Few", "Few: crop, against full"]


def test_clips_lead_to_the_gallery_where_there_is_one(tmp_path: Path) -> None:
    without = Page(write_report(result(), tmp_path, "a")[".html"].read_text())
    assert not [each for each in without.all("a") if "gallery" in str(each["href"])]
    (tmp_path / GALLERY).parent.mkdir()
    (tmp_path / GALLERY).touch()
    page = Page(write_report(result(), tmp_path, "a")[".html"].read_text())
    addresses = [str(each["href"]) for each in page.all("a") if not str(each["href"]).startswith("#")]
    assert addresses == [GALLERY, f"{GALLERY}#/clip/Class0%2F1", f"{GALLERY}#/clip/Class1%2F3"]
    below = tmp_path / "ablation"
    below.mkdir()
    write_markdown("# Which crop helps\n", below / "report.md", below / "report.html")
    assert [each["href"] for each in Page((below / "report.html").read_text()).all("a")] == [f"../{GALLERY}"]


@pytest.mark.parametrize("name", ["A/a b", "A/[x](y)", "A/]\\[", "A/<b>|`", "日本/é", "A/%2F#?"])
def test_a_link_of_any_name_leads_to_its_clip(name: str, tmp_path: Path) -> None:
    page = page_of("\n".join(["# T", "", *table_lines(("clip",), [(linked(name),)])]), tmp_path)
    assert page.tables[0][1] == [name]
    (link,) = page.all("a")
    assert unquote(str(link["href"]).partition("#/clip/")[2]) == name


def test_the_surest_wrong_answer_comes_first() -> None:
    """Softmax of (0, ln 3) is a quarter and three quarters; of (0, 0) the lower class is the answer."""
    predictions = Predictions(
        clips=("a", "b", "c"),
        labels=np.array([1, 0, 1]),
        groups=np.full(3, -1, np.int32),
        logits=np.array([[0, 0], [0, np.log(3)], [0, 9]], np.float32),
        class_names=("X", "Y"),
        split="1",
        origin=ORIGIN,
    )
    found = wrong_answers(predictions)
    assert [row[:3] for row in found] == [("b", "X", "Y"), ("a", "Y", "X")]
    assert [row[3] for row in found] == pytest.approx([0.75, 0.5])
