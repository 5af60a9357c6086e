"""A report as one page for a browser: its Markdown, with its pictures inside; no script, and no address outside."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from mocrop.pipeline.files import write_whole

_NUMBER = re.compile(r"[+-]?\d[^a-zA-Z]*$|[+-]?\d.* (%|to [\d.]+ %)$|-?$")  # what a column of numbers has in its cells
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # a browser enforces what this module promises
GALLERY = "gallery/index.html"  # of `mocrop gallery --html`, in the folder of all reports
_FEW_SECTIONS = 3  # with fewer, a list of them helps nobody


def write_markdown(text: str, markdown: Path, page: Path) -> None:
    """Write a report twice, each whole or not at all: as Markdown, and as a page with the same words and numbers.

    Args:
        text: the Markdown; pictures that it shows lie in the folder of the page already.
    """
    write_whole(markdown, text.encode())
    write_whole(page, html_page(text, page.parent, beside=(markdown.name,)).encode())


def html_page(text: str, folder: Path, *, beside: Sequence[str] = ()) -> str:
    """The page of a report.

    Args:
        text: Markdown with one heading of the first level; HTML in it is shown as text.
        folder: of the page, where its pictures lie; a gallery there, or beside the folder, is linked.
        beside: names of files that hold the same, to be named at the end.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    sections = [
        _words(tokens[at + 1]) for at, each in enumerate(tokens) if (each.type, each.tag) == ("heading_open", "h2")
    ]
    title = next((_words(tokens[at + 1]) for at, each in enumerate(tokens) if each.tag == "h1"), "Report")
    body = parser.renderer.render(list(_for_page(tokens, folder)), parser.options, {})
    others = f" The same as text: {', '.join(map(escape, beside))}." if beside else ""
    return _PAGE.format(
        policy=_POLICY,
        title=escape(title),
        style=files(__package__).joinpath("page.css").read_text(encoding="utf-8"),
        contents=_contents(sections, _gallery(folder)),
        body=body,
        made=f"mocrop {version('mocrop')}.{others}",
    )


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{contents}<main>
<section>
{body}</section>
</main>
<footer>{made}</footer>
</body>
</html>
"""


def _gallery(folder: Path) -> str | None:
    """The address of the gallery from a page in the folder of reports or in one below it; None without a gallery."""
    return next((way + GALLERY for way in ("", "../") if (folder / way / GALLERY).is_file()), None)


def _contents(sections: Sequence[str], gallery: str | None) -> str:
    """Links to the sections of a page, and to the gallery of the clips."""
    named = enumerate(sections, 1) if len(sections) >= _FEW_SECTIONS else ()
    links = [f'<a href="#s{number}">{escape(name)}</a>' for number, name in named]
    links += [f'<a href="{gallery}">All clips in the gallery</a>'] if gallery else []
    return f'<nav aria-label="Contents">{" ".join(links)}</nav>\n' if links else ""


def _for_page(tokens: Sequence[Token], folder: Path) -> Iterator[Token]:
    """The parts of a Markdown text with sections, figures, and tables that say what their cells are."""
    heading, sections, tables, at = "", 0, 0, 0
    while at < len(tokens):
        token = tokens[at]
        if token.type == "heading_open":
            heading, tables = _words(tokens[at + 1]), 0
            if token.tag == "h2":
                sections += 1
                yield _html(f'</section>\n<section id="s{sections}">\n')
            yield token
        elif token.type == "table_open":
            end = next(n for n in range(at, len(tokens)) if tokens[n].type == "table_close")
            tables += 1
            yield from _table(tokens[at : end + 1], heading, tables)
            at = end
        elif token.type == "paragraph_open" and (figure := _figure(tokens[at + 1], folder)):
            yield _html(figure)
            at += 2
        else:
            yield token
        at += 1


def _table(tokens: Sequence[Token], heading: str, number: int) -> Iterator[Token]:
    """A table that scrolls within the page; its first column heads the rows, and columns of numbers are set right."""
    rows = _cells(tokens)
    head, *others = rows
    numbers = [bool(others) and all(_NUMBER.match(row[column]) for row in others) for column in range(len(head))]
    first = f": {head[0]}" if number > 1 and head[0] else f", {number}" if number > 1 else ""
    caption = escape(heading + first)
    yield _html(f'<div class="table" role="region" tabindex="0" aria-label="{caption}">\n')
    column = 0
    for token in tokens:
        if token.type == "tr_open":
            column = 0
        elif token.type in ("th_open", "td_open"):
            row_head = token.type == "td_open" and column == 0
            token.tag = "th" if token.type == "th_open" or row_head else "td"
            if token.tag == "th":
                token.attrSet("scope", "row" if row_head else "col")
            if column and numbers[column]:
                token.attrSet("class", "number")
            column += 1
        elif token.type == "td_close":
            token.tag = "th" if column == 1 else "td"
        yield token
        if token.type == "table_open":
            yield _html(f"<caption{'' if first else ' class=hidden'}>{caption}</caption>\n")
    yield _html("</div>\n")


def _cells(tokens: Sequence[Token]) -> list[list[str]]:
    """The words of each cell of a table, row by row."""
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_words(token))
    return rows


def _figure(inline: Token, folder: Path) -> str | None:
    """A picture with its words below, as part of the page; None for a paragraph that is no picture."""
    children = inline.children or []
    if [each.type for each in children] != ["image"]:
        return None
    name, words = unquote(str(children[0].attrs["src"])), escape(children[0].content)
    source = f"data:image/png;base64,{base64.b64encode((folder / name).read_bytes()).decode('ascii')}"
    return f'<figure><img src="{source}" alt="{words}"><figcaption>{words}</figcaption></figure>\n'


def _words(inline: Token) -> str:
    """What a heading or a cell says, without markup."""
    return "".join(each.content for each in inline.children or [])


def _html(text: str) -> Token:
    return Token("html_block", "", 0, content=text)
