"""The documentation says what is so: links lead somewhere, lists are complete, commands exist, examples run."""

from __future__ import annotations

import re
import runpy
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import typer
import zarr
from distributed.security import Security
from typer.testing import CliRunner

from mocrop.cli import app
from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.layout import CacheLayout, ClipTable
from mocrop.pipeline.errors import Reason
from tests.conftest import needs_torch

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md"])
COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
NOT_RUN = "<!-- not run: "
POLICIES = ("full", "picture", "center", "random", "motion-v2", "adaptive", "follow", "maps")

# what a page consists of


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    code: str
    runs: bool  # False: a comment before it says why not


def blocks(page: Path) -> Iterator[Block]:
    pattern = re.compile(r"(<!--[^\n]*-->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for comment, language, code in pattern.findall(page.read_text()):
        yield Block(language, code, runs=not comment.startswith(NOT_RUN))


def prose(page: Path) -> str:
    """A page without its fenced blocks and without code in its sentences."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))


def anchors(page: Path) -> set[str]:
    """Where links may lead in a page: its headings as GitHub spells them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        repeated = (f"{slug}-{n}" for n in range(1, 99))
        found.add(slug if slug not in found else next(name for name in repeated if name not in found))
    return found


def links(page: Path) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if "://" not in link]


def sections(page: Path, *, level: int) -> dict[str, str]:
    """Text by heading of that level; it ends at the next heading of that level or above."""
    pattern = rf"^#{{{level}}} ([^\n]+)\n(.*?)(?=^#{{1,{level}}} |\Z)"
    return dict(re.findall(pattern, page.read_text(), re.MULTILINE | re.DOTALL))


def first_cells(text: str) -> list[str]:
    """What is in code spans of the first column of the tables of a text."""
    return re.findall(r"`([^`]+)`", "\n".join(re.findall(r"^\|([^|]*)\|", text, re.MULTILINE)))


def spans(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


# links and paths


def test_the_index_has_every_page_once() -> None:
    listed = [link for link in links(DOCS / "README.md") if "/" not in link]
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md") if page.name != "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{link}: there is no such heading"


def test_anchors_are_those_of_github(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# To run: `mocrop eval --run`\n## Same\n## Same\n```sh\n# none\n```\n")
    assert anchors(page) == {"to-run-mocrop-eval---run", "same", "same-1"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_page_names_a_path_of_a_machine(page: Path) -> None:
    found = re.search(r"(?<![\w.])/(home|root|tmp|work|mnt|Users|var|opt)/|[A-Z]:\\", page.read_text())
    assert found is None, found


# lists


def test_the_page_of_reasons_lists_exactly_the_codes_there_are() -> None:
    listed = first_cells((DOCS / "reasons.md").read_text())
    assert sorted(listed) == sorted(reason.value for reason in Reason)


def test_every_command_and_option_is_explained_and_no_other() -> None:
    page = DOCS / "commands.md"
    explained = {name.removeprefix("mocrop "): text for name, text in sections(page, level=3).items()}
    common = set(first_cells(sections(page, level=2)["Options that many commands have"]))
    assert set(explained) - {name for name in explained if name[0].isupper()} == set(COMMANDS)
    for name in COMMANDS:
        options, listed = options_of(name), set(first_cells(explained[name]))
        assert listed <= options, f"{name} has no {listed - options}"
        assert options - listed <= common, f"{name}: {options - listed - common} is not explained"
    assert common <= set.union(*map(options_of, COMMANDS))


def options_of(command: str) -> set[str]:
    every = (name for each in COMMANDS[command].params for name in (*each.opts, *each.secondary_opts))
    return {name for name in every if name.startswith("-")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_in_examples_exist(page: Path) -> None:
    for block in blocks(page):
        for command, options in typed(block.code) if block.language in ("sh", "bash") else ():
            assert command in COMMANDS, f"there is no mocrop {command}"
            assert options <= options_of(command), f"mocrop {command} has no {options - options_of(command)}"


def typed(code: str) -> Iterator[tuple[str, set[str]]]:
    """The commands of mocrop in a shell block, and the options that each is given."""
    for line in code.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set(";&|"):
                place = next((n for n, each in enumerate(words) if each.rpartition("/")[2] == "mocrop"), len(words))
                if words[place + 1 : place + 2]:
                    given = {each.partition("=")[0] for each in words[place + 2 :] if re.match("--?[a-z]", each)}
                    yield words[place + 1], given
                words = []
            else:
                words.append(word)


def test_recipes_for_clusters_give_mocrop_options_that_it_has(tmp_path: Path) -> None:
    recipes = runpy.run_path(str(ROOT / "examples/dask_clusters.py"), run_name="dask_clusters")
    text = (DOCS / "scale-out.md").read_text()
    found = re.findall(r"examples/dask_clusters\.py (\w+) --workers \d+ -- ([\w-]+)([^#\n]*)", text)
    assert {kind for kind, _, _ in found} == set(recipes["CLUSTERS"])
    certificates = recipes["certificate_options"](Security.temporary(), tmp_path)
    for _, command, words in found:
        options = {*re.findall("--[a-z-]+", words), *certificates[::2], "--scheduler"}
        assert options <= options_of(command), f"mocrop {command} has no {options - options_of(command)}"
    compile((ROOT / "examples/kubernetes.py").read_text(), "kubernetes.py", "exec")  # see tests/interop


def test_typed_commands_are_found_among_others() -> None:
    code = "a && .venv/bin/mocrop run d/ --size 8  # mocrop none\nx -- mocrop eval \\\n  --run=r; mocrop status -w w\n"
    assert list(typed(code)) == [("run", {"--size"}), ("eval", {"--run"}), ("status", {"-w"})]


def test_every_boundary_has_a_test_and_every_test_on_the_page_of_security_exists() -> None:
    text = (DOCS / "security.md").read_text()
    rows = re.findall(r"^\| .* \|$", text, re.MULTILINE)
    boundaries = [row for row in rows if not row.endswith("| test |")]
    assert len(boundaries) == text.count("\n| ") - text.count("| test |\n") > 40
    named = [re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row.rpartition(" | ")[2]) for row in boundaries]
    assert all(len(tests) == 1 for tests in named), [
        row for row, tests in zip(boundaries, named, strict=True) if not tests
    ]
    for ((file, test),) in named:
        assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file} has no {test}"


# a small workspace


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, make_video: Any) -> Path:
    """A folder with the workspace mocrop-work and a cache of every policy in it, motion-192 with motion fields."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("Archery", "Surfing"):
        for group in (1, 2, 3):
            make_video(folder / f"videos/{name}/v_{name}_g{group:02d}_c01.avi", frames=26)
    place = ("-w", str(folder / "mocrop-work"))
    typed_in("run", str(folder / "videos"), "--size", "192", "--motion-fields", "--workers", "0", *place)
    typed_in("export-npy", str(folder / "maps"), *place)
    typed_in("import-npy", str(folder / "maps"), *place)
    small = ("--size", "16", "--workers", "0", *place)
    typed_in("precrop", "--policy", "full", "--fit", "pad", "--name", "padded", *small)
    typed_in("precrop", "--policy", "center", "--bars", "cut", "--name", "without-bars", *small)
    windows = ("--select", "dense", "--clips", "2", "--stride", "1", "--at", "motion")
    typed_in("precrop", *windows, "--name", "windows", *small)
    for policy in POLICIES:
        typed_in("precrop", "--policy", policy, *small)
    return folder


def typed_in(*words: str) -> None:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output


def keys(value: Any) -> set[str]:
    """Every key of nested dictionaries; names of classes, splits and clips are values."""
    return set(value) | set().union(*map(keys, value.values())) if isinstance(value, dict) else set()


def several_labels(folder: Path) -> zarr.Group:
    """A cache of clips that may have several labels, without frames."""
    layout = CacheLayout(frames=1, size=8, grid=(2, 3), clips_per_shard=1)
    table = ClipTable(
        names=["a"],
        label=np.zeros(1, np.int32),
        group=np.zeros(1, np.int32),
        subset=np.zeros((1, 1), np.uint8),
        class_names=["Dig", "Run"],
        split_names=["1"],
        labels=np.ones((1, 2), np.uint8),
    )
    create_cache(folder / "several.zarr", layout, table, attributes={})
    return zarr.open_group(folder / "several.zarr", mode="r")


def test_the_cache_format_names_every_array_and_attribute(work: Path, tmp_path: Path) -> None:
    parts = sections(DOCS / "cache-format.md", level=2)
    caches = [zarr.open_group(path, mode="r") for path in sorted((work / "mocrop-work/caches").glob("*.zarr"))]
    assert len(caches) == 4 + len(POLICIES)
    arrays = {name for cache in (*caches, several_labels(tmp_path)) for name, _ in cache.arrays()}
    assert set(first_cells(parts["Arrays"].partition("### States")[0])) == arrays
    attributes = set().union(*(keys(cache.attrs.asdict()) for cache in caches))
    own = {name for cache in caches for _, array in cache.arrays() for name in array.attrs}
    missing = (attributes | own) - spans(parts["Attributes"]) - arrays  # `metadata` has a key for each array
    assert not missing
    listed = set(first_cells(parts["Attributes"]))
    assert listed <= attributes, f"no cache has {listed - attributes}"


def test_the_cache_format_names_shapes_and_types(work: Path, tmp_path: Path) -> None:
    cache = zarr.open_group(work / "mocrop-work/caches/motion-192.zarr", mode="r")
    rows = re.findall(r"^\| `(\w+)` \| \(([^)]*)\) (\w+) \|", (DOCS / "cache-format.md").read_text(), re.MULTILINE)
    said = {name: (shape.strip(",").count(",") + 1, kind) for name, shape, kind in reversed(rows)}
    for name, array in (*cache.arrays(), *several_labels(tmp_path).arrays()):
        kind = "string" if name == "clip" else str(array.dtype)
        assert said[name] == (array.ndim, kind), name


def test_the_cache_format_names_what_lies_beside_a_cache(work: Path) -> None:
    parts = sections(DOCS / "cache-format.md", level=2)
    group = zarr.open_group(work / "mocrop-work/motion.zarr/shard-00000", mode="r")
    assert set(first_cells(parts["motion.zarr"])) == {name for name, _ in group.arrays()}
    assert keys(group.attrs.asdict()["mocrop"]) - {"source"} <= spans(parts["motion.zarr"])
    database = sqlite3.connect(work / "mocrop-work/manifest.sqlite")
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert sorted(first_cells(parts["manifest.sqlite"])) == sorted(tables)
    columns = {row[1] for name in ("clips", "outcomes") for row in database.execute(f"PRAGMA table_info({name})")}
    database.close()
    assert columns <= spans(parts["manifest.sqlite"])


# examples

EXAMPLES = [
    pytest.param(
        block, id=f"{page.name}-{number}", marks=[needs_torch] if "mocrop.training" in block.code and block.runs else []
    )
    for page in PAGES
    for number, block in enumerate(each for each in blocks(page) if each.language == "python")
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run(example: Block, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not example.runs:
        compile(example.code, "example", "exec")
        pytest.skip("the page says why it is not run")
    monkeypatch.chdir(work)
    exec(compile(example.code, "example", "exec"), {"__name__": "example"})
