"""Write the page, whole or not at all: a folder of `index.html` and what it reads, or one file that holds everything.

A page is opened as a file, without a server. A browser lets such a page load scripts and pictures that lie beside it
and nothing else, so data come as scripts: `data.js` when it is opened, `clips/<number>.js` when a clip is.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

from mocrop.evaluation.pictures.page.sheet import Sheet
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.files import whole_file, write_whole
from mocrop.pipeline.strict_json import json_text
from mocrop.pipeline.system_errors import as_mocrop_errors

MARK = b'<meta name="generator" content="mocrop gallery">'  # near the start of every page
INDEX, PARTS = "index.html", "page"  # of a folder
ONE_FILE = "gallery.html"  # the usual name of one file
SCRIPTS = ("filters.js", "pictures.js", "list.js", "clip.js", "page.js")  # in the order that they are read in
_PARTIAL, _OLD = f".{PARTS}.partial", f".{PARTS}.old"
_OURS = {INDEX, PARTS, ONE_FILE, _PARTIAL, _OLD, f".{INDEX}.partial", f".{ONE_FILE}.partial"}

Content = tuple[dict[str, Any], dict[str, Any], Sheet | None]  # of a clip: entry, detail, pictures


def require_free(target: Path, *, single_file: bool, overwrite: bool) -> None:
    """Check that the page may be written, before anything is read for it.

    Raises: SettingsError if there is a gallery already and it may not be replaced, or anything else in its place.
    """
    file = target if single_file else target / INDEX
    with as_mocrop_errors(target):
        if single_file and target.is_dir():
            raise SettingsError(f"{target} is a folder; name a file, or leave out --single-file")
        if not single_file and target.exists():
            _require_folder(target)
        if not file.exists():
            return
        if not _is_gallery(file):
            raise SettingsError(f"{file} is there and is no gallery of mocrop; name another place with -o")
        if not overwrite:
            raise SettingsError(f"{file} is there already; replace it with --overwrite, or name another place with -o")


def _require_folder(target: Path) -> None:
    """Raises: SettingsError if it is a file, or a folder that holds anything but galleries, as pages or as PNG."""
    if not target.is_dir():
        raise SettingsError(f"{target} is a file; name a folder, or pass --single-file")
    for entry in sorted(os.listdir(target)):
        if entry not in _OURS and not entry.endswith(".png"):
            raise SettingsError(f"{target} holds {entry}, which is of no gallery; name another folder with -o")
    parts = target / PARTS
    if parts.exists() and not (parts / "data.js").is_file():
        raise SettingsError(f"{parts} is there and is of no gallery; name another folder with -o")


def _is_gallery(file: Path) -> bool:
    with file.open("rb") as stream:
        return MARK in stream.read(1024)


def write_folder(target: Path, clips: Iterable[Content], head: Callable[[int], dict[str, Any]]) -> int:
    """Write a page as a folder; what was there before is replaced when all is written, `index.html` last.

    Args:
        head: what the page says once, of the number of its clips.
    Returns: bytes written.
    """
    partial, parts, old = (target / name for name in (_PARTIAL, PARTS, _OLD))
    with as_mocrop_errors(target):
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)
        (partial / "clips").mkdir(parents=True)
        (partial / "pictures").mkdir()
        try:
            entries = []
            for number, (entry, detail, sheet) in enumerate(clips):
                entries.append(entry)
                (partial / f"clips/{number}.js").write_bytes(_call("gallery.clip", number, detail))
                if sheet:
                    (partial / f"pictures/{number}.jpg").write_bytes(sheet.jpeg)
            (partial / "data.js").write_bytes(_call("gallery.data", {**head(len(entries)), "list": entries}))
            for name in ("page.css", *SCRIPTS):
                (partial / name).write_bytes(_asset(name))
            (target / INDEX).unlink(missing_ok=True)
            if parts.exists():
                parts.rename(old)
            partial.rename(parts)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        shutil.rmtree(old, ignore_errors=True)
    linked = "".join(f'<script src="{PARTS}/{name}" defer></script>\n' for name in (*SCRIPTS, "data.js"))
    style = f'<link rel="stylesheet" href="{PARTS}/page.css">\n'
    write_whole(target / INDEX, _page(style=style.encode(), scripts=linked.encode()))
    return sum(file.stat().st_size for file in parts.rglob("*") if file.is_file())


def write_file(target: Path, clips: Iterable[Content], head: Callable[[int], dict[str, Any]]) -> int:
    """Write a page as one file; see :func:`write_folder`."""
    entries, details = [], []
    for entry, detail, sheet in clips:
        picture = f"data:image/jpeg;base64,{base64.b64encode(sheet.jpeg).decode()}" if sheet else None
        entries.append({**entry, "picture": picture})
        details.append(detail)
    style = b"<style>\n" + _asset("page.css") + b"</style>\n"

    def scripts() -> Iterator[bytes]:
        for name in SCRIPTS:
            yield b"<script>\n" + _asset(name) + b"</script>\n"
        for number, detail in enumerate(details):  # as text, which the browser reads when the clip is opened
            yield b'<script type="application/json" id="clip-%d">' % number + _json(detail) + b"</script>\n"
        yield b"<script>" + _call("gallery.data", {**head(len(entries)), "list": entries}) + b"</script>\n"

    with whole_file(target) as stream:
        _write_all(stream, _page(style=style, scripts=b"\0").split(b"\0"), scripts())
    return target.stat().st_size


def _write_all(stream: BinaryIO, around: list[bytes], middle: Iterable[bytes]) -> None:
    stream.write(around[0])
    for part in middle:
        stream.write(part)
    stream.write(around[1])


def _page(*, style: bytes, scripts: bytes) -> bytes:
    return _asset("index.html").replace(b"<!-- style -->\n", style).replace(b"<!-- scripts -->\n", scripts)


def _asset(name: str) -> bytes:
    return files("mocrop.evaluation.pictures.page").joinpath("static", name).read_bytes()


def _call(function: str, *values: Any) -> bytes:
    """A call of a function of the page, as a script."""
    return function.encode() + b"(" + b",".join(map(_json, values)) + b");\n"


def _json(value: Any) -> bytes:
    """JSON in ASCII that can stand in a script of a page: no name in it can end the script."""
    return json_text(value).replace("<", "\\u003c").encode()
