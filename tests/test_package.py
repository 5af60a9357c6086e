"""The package as a whole: what the wheel holds, which way imports point, what start-up costs."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ["pipeline", "training", "evaluation"]  # each may import itself and what stands before it
GROUND = "ground floor"
FRONT_DOOR = "front door"  # what a package offers to programs
ROOMS = {  # from the top down: each may import itself and what stands behind it
    "pipeline": [
        "commands",
        "transfer",
        "checks",
        "run",
        "export",
        "stages",
        "policies",
        "motion",
        "cache",
        "dataset",
        "workspace",
        "video",
        "bitstream",
    ],
    "training": ["commands", "options", "report", "loop", "data", "model"],
    "evaluation": [
        "commands",
        "options",
        "demo",
        "bench",
        "advice",
        "ablation",
        "coverage",
        "answers",
        "pictures",
        "model_export",
        "report",
        "scores",
    ],
}
for rooms in ROOMS.values():
    rooms[:] = [FRONT_DOOR, *rooms, GROUND]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]


def modules() -> list[Path]:
    return [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module or "")
            if (node.module or "").startswith("mocrop."):  # what is imported may be a module itself
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def test_package_list_matches_the_tree() -> None:
    found = {"mocrop"}
    for layer in LAYERS:
        for file in (ROOT / layer).rglob("__init__.py"):
            found.add("mocrop." + ".".join(file.parent.relative_to(ROOT).parts))
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found


AT_THE_ROOT = ["__main__.py", "cli.py"]


def test_nothing_else_lies_at_the_root() -> None:
    """It would be packed into the wheel."""
    assert sorted(path.name for path in ROOT.glob("*.py")) == AT_THE_ROOT


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_one_way(path: Path) -> None:
    """From the command line to the pipeline, and within each of the three from an upper room to a lower one."""
    layer = path.relative_to(ROOT).parts[0]
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "mocrop":
            assert len(parts) > 1, f"{path} imports all of mocrop"
            assert parts[1] in allowed, f"{path} imports {name}"
            if parts[1] == layer:
                here, there = room(layer, path.relative_to(ROOT / layer).parts), room(layer, tuple(parts[2:]))
                assert ROOMS[layer].index(here) <= ROOMS[layer].index(there), f"{path} imports {name}"
        if layer == "pipeline":
            assert parts[0] not in ("torch", "torchvision", "timm", "typer"), f"{path} imports {name}"


def room(layer: str, parts: tuple[str, ...]) -> str:
    """The room of a module, by its path or by its name below the layer; the ground floor where it is in none."""
    first = parts[0].removesuffix(".py") if parts else GROUND
    if first == "__init__":
        return FRONT_DOOR
    return first if first in ROOMS[layer] else GROUND


def test_every_folder_is_a_room_that_has_its_place_and_stands_on_the_map() -> None:
    map_of_rooms = (ROOT / "CONTRIBUTING.md").read_text()
    for layer in LAYERS:
        folders = {path.parent.name for path in (ROOT / layer).glob("*/__init__.py")}
        assert folders == {name for name in ROOMS[layer] if (ROOT / layer / name).is_dir()}
        for name in folders:
            assert f"{name}/" in map_of_rooms


def test_no_module_is_part_of_a_circle() -> None:
    """Also of one within a room. Imports for types alone count: they say who must know whom."""
    graph = {".".join(("mocrop", *path.relative_to(ROOT).with_suffix("").parts)): imports(path) for path in modules()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"a circle: {' -> '.join((*above[above.index(name) :], name))}"
        if name in graph and name not in done:
            for other in sorted(graph[name]):
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


WAYS_OUT = {  # what writes for people, and the only modules that may call it: they make names printable
    "print": [],
    "echo": ["cli.py"],  # JSON and the version
    "secho": [],
    "savefig": ["training/report/figure_file.py"],
    "writer": ["pipeline/csv_file.py"],
    "DictWriter": [],
    "from_markup": [],
    "escape": ["evaluation/report/page.py"],  # of HTML, what the Markdown says, whose names are printable already
    "Console": [],
}


@pytest.mark.parametrize("call", WAYS_OUT)
def test_names_have_one_way_out(call: str) -> None:
    """To the console by LineConsole, to CSV files by `write_csv`, to pictures by `write_figure`."""
    found = set()
    for path in [*modules(), ROOT / "cli.py"]:
        calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        if any((isinstance(each, ast.Name) and each.id == call) or _is_of_library(each, call) for each in calls):
            found.add(path.relative_to(ROOT).as_posix())
    assert found == set(WAYS_OUT[call])


def _is_of_library(function: ast.expr, name: str) -> bool:
    """Whether a function is an attribute of that name, and not `print`, which is LineConsole's."""
    return isinstance(function, ast.Attribute) and function.attr == name and name != "print"


def test_package_imports_no_peer_and_nothing_of_what_others_train_with() -> None:
    """What it is measured against, and what its caches and exports are tried with."""
    others = {Requirement(each).name.replace("-", "_") for each in EXTRAS["interop"]} - {"mocrop"}
    peers = {"cv2", "ffcv", "mvextractor", "torchcodec", "webdataset", "zarrs", *others}
    found = {name for path in [*modules(), ROOT / "cli.py"] for name in imports(path) if name.split(".")[0] in peers}
    assert found == set()


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from mocrop.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as end:\n    assert end.code == 0, end.code\n"
        "heavy = {'torch', 'dask', 'distributed', 'matplotlib', 'tensorstore', 'zarr', 'av', 'numpy'}\n"
        "print('IMPORTED', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("IMPORTED []")


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="needs the source tree")
def test_wheel_holds_only_the_package_and_its_metadata(tmp_path: Path) -> None:
    shutil.rmtree(ROOT / "build/lib", ignore_errors=True)  # of an earlier build: what was moved since would be packed
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    outside = [n for n in names if not n.startswith(("mocrop/", f"mocrop-{PROJECT['project']['version']}.dist-info/"))]
    assert outside == []
    packed = {name for name in names if name.endswith(".py")}
    assert {name for name in names if name.endswith("py.typed")} == {f"mocrop/{layer}/py.typed" for layer in LAYERS}
    assert {name for name in names if name.endswith(".json")} == {"mocrop/evaluation/advice/measured.json"}
    page = [*(ROOT / "evaluation/pictures/page/static").iterdir(), ROOT / "evaluation/report/page.css"]
    browsed = {name for name in names if name.endswith((".html", ".css", ".js"))}
    assert browsed == {f"mocrop/{path.relative_to(ROOT).as_posix()}" for path in page}
    assert packed == {
        f"mocrop/{path.relative_to(ROOT).as_posix()}" for path in [*modules(), *(ROOT / name for name in AT_THE_ROOT)]
    }


def test_the_lowest_versions_that_are_tested_are_those_that_are_promised() -> None:
    requirements = [Requirement(each) for each in PROJECT["project"]["dependencies"]]
    extras = ("boxes", "cloud", "onnx", "weights", "tensorboard", "test")
    requirements += [Requirement(each) for name in extras for each in EXTRAS[name]]
    promised = {each.name: str(each.specifier).removeprefix(">=") for each in requirements if each.name != "mocrop"}
    lines = (line for line in (ROOT / ".ci/lowest.txt").read_text().splitlines() if not line.startswith("#"))
    tested = dict(line.split("==") for line in lines)
    assert tested.pop("distributed") == tested["dask"]
    assert {name: Version(text) for name, text in tested.items()} == {n: Version(text) for n, text in promised.items()}
