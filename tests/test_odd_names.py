"""All commands on a data set whose names do what they can: every byte that comes out is a letter and does nothing."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer.main

from mocrop.cli import app
from mocrop.pipeline.checks.crop_cache import ways_out
from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.names import from_csv_cell, printable
from mocrop.pipeline.run.progress import stage_progress
from mocrop.pipeline.terminal import LineConsole
from tests.conftest import MakeCache, MakeVideo, mocrop, needs_torch

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no files of such names")

ESC = "\x1b[2J\x1b]0;owned\x07"
CLASSES = (f"=cmd()\n{ESC}[red]", "日本 😀\u202e`|**b**<i>$x\\frac{$")
FILES = ("-1+2\t_g01_c01", "[bold]@x\r_g02_c01", "é\x7f\x9b_g03_c01")
CLIPS = [f"{label}/{file}" for label in CLASSES for file in FILES]
BROKEN = f"{CLASSES[0]}/\u2028broken{ESC}_g04_c01"
NOT_UTF8 = b"caf\xe9\x1b[2J_g05_c01.avi"
SPLIT = f"@split/../|\t{ESC}"
CACHE, RUN = "=c[red]|\u202e", "@r|[red]日"
RENAMED = "@r\n[red]日"  # in a file manager, or by an earlier mocrop: no new run may be called so
ENCODINGS = ("utf-8", "latin-1", "shift-jis")
TRAIN = ["--arch", "timm/test_resnet", "--weights", "none", "--epochs", "1", "--batch-size", "2", "--device", "cpu"]
TESTED = ["--split", SPLIT, "--segments", "2", "--device", "cpu"]
CROP = ["--size", "32", "--frames", "2", "--name", CACHE, "--workers", "0"]


@dataclass
class Said:
    """What one command has written on standard output and standard error, and its exit code."""

    code: int
    out: bytes
    err: bytes


@dataclass
class Place:
    """The data set and the workspace, and all that has been said about them, by encoding and command."""

    dataset: Path
    lists: Path
    work: Path
    said: dict[tuple[str, ...], Said] = field(default_factory=dict)

    def run(self, encoding: str, *command: str | Path) -> Said:
        """Run a command whose output goes to streams that take nothing but an encoding."""
        files = io.BytesIO(), io.BytesIO()
        with pytest.MonkeyPatch.context() as patch:
            for name, file in zip(("stdout", "stderr"), files, strict=True):
                stream = io.TextIOWrapper(file, encoding=encoding, errors="strict", newline="\n", write_through=True)
                patch.setattr(sys, name, stream)
            code = mocrop(*command)
            out, err = (file.getvalue() for file in files)
        self.said[encoding, *map(str, command)] = said = Said(code, out, err)
        return said

    @property
    def exported(self) -> Path:
        return self.work.parent / f"crops\n[red]{ESC}日"

    def exported_as(self, form: str) -> Path:
        return self.work.parent / f"{form}\n[red]{ESC}日"

    def commands(self) -> Iterator[tuple[int, list[str | Path]]]:
        """Every command that works on the workspace, and its exit code."""
        here: list[str | Path] = ["-w", self.work]
        yield 0, ["init", self.dataset, "--splits", self.lists, *here]
        yield 0, ["status", "--failed", *here]
        yield 0, ["status", "--notes", *here]
        yield 0, ["doctor", *here]
        yield 0, ["transcode", "--dry-run", *here]
        yield 0, ["extract-mv", "--dry-run", *here]
        yield 0, ["precrop", "--dry-run", *CROP, *here]
        yield 3, ["retry", "--workers", "0", *here]
        yield 3, ["export", self.exported, "--to", "mp4", "--cache", CACHE, "--workers", "0", *here]
        yield 0, ["export", self.exported, "--dry-run", *here]
        for form in ("frames", "webdataset", "huggingface"):
            yield 3, ["export", self.exported_as(form), "--to", form, "--cache", CACHE, "--workers", "0", *here]
        yield 1, ["export", self.exported_as("x"), "--to", "webdataset", "--cache", CACHE, "--split", f"no{ESC}", *here]
        yield 1, ["export", self.dataset / f"inside{ESC}", "--to", "mp4", "--cache", CACHE, *here]
        yield 1, ["export", self.work.parent / f"no{ESC}\udce9", "--to", "mp4", "--cache", CACHE, *here]
        yield 3, ["verify", *here]
        yield 0, ["verify", CACHE, *here]
        address = f"file://{self.work.parent}/remote{ESC}/{CACHE}.zarr"
        yield 0, ["push", CACHE, address, *here]
        yield 0, ["pull", address, "--overwrite", "-w", self.work.parent / f"pulled{ESC}"]
        yield 1, ["pull", address, *here]
        yield 1, ["pull", f"file://{self.work.parent}/nothing{ESC}.zarr", "--name", "x", *here]
        yield 1, ["precrop", "--to", f"file://{self.work.parent}/no name{ESC}", *here]
        yield 1, ["init", f"file://{self.work.parent}/no videos{ESC}", *here]
        yield 0, ["import-npy", self.work.parent / f"maps{ESC}", *here]
        yield 0, ["bench", "--no-videos", *here]
        yield 0, ["eval", *TESTED, *here]
        yield 3, ["predict", self.dataset, "nothing\x1b\x07\udce9.avi", "--device", "cpu", *here]
        yield 1, ["predict", f"nothing{ESC}*.avi", "--device", "cpu", *here]
        yield 1, ["predict", self.dataset, "--video", f"one{ESC}\udce9.mp4", "--device", "cpu", *here]
        drawn = self.work.parent / f"drawn{ESC}\udce9"
        drawn.mkdir(exist_ok=True)
        pictures = ["--window", "0.5", "--timeline", drawn, "--video", drawn]
        yield 3, ["predict", self.dataset, "nothing\x1b\x07\udce9.avi", *pictures, "--device", "cpu", *here]
        yield 0, ["export-model", "--to", "torchscript", *here]
        yield 0, ["advise", *here]
        yield 3, ["gallery", "--html", "--overwrite", *here]
        yield 0, ["coverage", "--boxes", self.work.parent / "boxes.json", "--policy", "center", *here]
        yield 1, ["precrop", "--density-from", self.work.parent / f"no such maps{ESC}", *here]
        yield 1, ["train", *TRAIN, "--cache", f"no{CACHE}", *here]
        for name in ("caf\udce9", f"x{ESC}"):
            yield 1, ["train", *TRAIN, "--name", name, *here]
            yield 1, ["precrop", *CROP, "--name", name, *here]
            yield 1, ["ablate", "--name", name, *here]
        yield 1, ["eval", "--run", f"no{RUN}", *here]
        yield 1, ["eval", "--checkpoint", self.work.parent / f"no{ESC}\udce9.pt", *here]
        yield 1, ["export-model", "-o", self.work.parent / f"no{ESC}\udce9.pt", *here]
        yield 1, ["show", f"no clip{ESC}\udce9", *here]
        yield 1, ["init", self.dataset.parent / f"nowhere{ESC}\udce9", *here]
        yield 1, ["status", "-w", self.work.parent / f"nowhere{ESC}\udce9"]
        yield 2, ["status", f"too{ESC}many日😀"]

    def pictures(self) -> Iterator[list[str | Path]]:
        here: list[str | Path] = ["-w", self.work]
        yield ["show", CLIPS[0], *here]
        yield ["show", CLIPS[-1], "--video", *here]
        yield ["gallery", *here]
        yield ["gallery", "--cache", CACHE, *here]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Place:
    """A workspace of odd names that every stage has run on, and a training."""
    folder = tmp_path_factory.mktemp("odd") / f"here\t{ESC}日"
    place = Place(folder / "data\n[red]", folder / "lists\u202e=.csv", folder / f"work{ESC}")
    for number, clip in enumerate(CLIPS):
        make_video(place.dataset / f"{clip}.avi", frames=26 + number, metadata={"title": ESC})
    (place.dataset / f"{BROKEN}.avi").write_bytes(b"RIFF")
    (place.dataset / f"stray{ESC}.avi").write_bytes(b"x")
    (place.dataset / f"{CLASSES[1]}/notes{ESC}.txt").write_bytes(b"x")
    (place.dataset / f"empty{ESC}").mkdir()
    Path(os.fsdecode(os.fsencode(place.dataset / CLASSES[0]) + b"/" + NOT_UTF8)).write_bytes(b"x")
    rows = [(clip, "test" if "_g03" in clip else "train", clip.partition("/")[0], SPLIT) for clip in [*CLIPS, BROKEN]]
    missing = [(f"nowhere{ESC}/x.avi", "train", CLASSES[0], SPLIT)]
    write_csv(("path", "subset", "label", "split"), [*rows, *missing], place.lists)
    tubes = {clip: [{"start": 0, "stop": 1, "boxes": [[8, 8, 16, 16]]}] for clip in CLIPS}
    (folder / "boxes.json").write_text(json.dumps(tubes))
    here = ["-w", place.work]
    for code, command in (
        (3, ["run", place.dataset, "--splits", place.lists, *CROP, *here]),
        (0, ["export-npy", folder / f"maps{ESC}", *here]),
        (0, ["train", *TRAIN, "--split", SPLIT, "--name", RUN, *here]),
    ):
        said = place.run("utf-8", *command)
        assert said.code == code, said
    (place.work / f"h264/{CLIPS[1]}.mp4").write_bytes(b"cut off")  # damage, for verify
    (place.work / "runs" / RUN).rename(place.work / "runs" / RENAMED)
    return place


def lines(written: bytes, encoding: str) -> list[str]:
    return written.decode(encoding).split("\n")


def assert_harmless(written: bytes, encoding: str, what: object) -> None:
    for line in lines(written, encoding):
        assert line.isprintable(), (what, line)


def test_every_command_has_its_turn(tmp_path: Path) -> None:
    """But those that meet no name of a user: `flops`, and `demo`, which makes its own clips. Of `ablate`, see below."""
    place = Place(tmp_path, tmp_path, tmp_path)
    run = {str(command[0]) for _, command in place.commands()} | {str(command[0]) for command in place.pictures()}
    every = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert every - run == {"run", "export-npy", "flops", "demo"}  # the first two run in the fixture


@needs_torch
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_commands_print_is_in_the_encoding_and_without_a_control(place: Place, encoding: str) -> None:
    for code, command in place.commands():
        said = place.run(encoding, *command)
        assert said.code == code, (command, said)
    for key, said in place.said.items():
        for written in (said.out, said.err):
            assert_harmless(written, key[0], key)
            assert b"Traceback" not in written


@needs_torch
def test_names_are_shown_as_they_are_or_by_their_codes(place: Place) -> None:
    plan = place.run("latin-1", "precrop", "--dry-run", *CROP, "-w", place.work).out.decode("latin-1")
    assert plan == "precrop: 0 clips would run\n"
    (place.work / f"h264/{CLIPS[1]}.mp4").write_bytes(b"cut off")
    told = place.run("latin-1", "verify", "-w", place.work).out.decode("latin-1")
    assert printable(CLIPS[1], encoding="latin-1") in told
    assert r"=cmd()\n\x1b[2J\x1b]0;owned\x07[red]/[bold]@x\r_g02_c01" in told
    found = place.run("utf-8", "init", place.dataset, "--splits", place.lists, "-w", place.work).out.decode()
    assert r"left out because its path is not UTF-8; rename it: =cmd()\n\x1b[2J" in found
    assert r"caf\udce9\x1b[2J_g05_c01.avi" in found
    (row,) = [line for line in found.splitlines() if line.startswith(rf"@split/../|\t{printable(ESC)} ")]
    assert row.split()[-4:] == ["5", "-", "2", "-"]


@needs_torch
def test_names_that_no_new_run_or_cache_may_have_are_refused_with_the_option_named(place: Place) -> None:
    for name in (f"x{ESC}", "x\n[red]", "日" * 67):
        for command in (["train", *TRAIN], ["precrop", *CROP], ["ablate"]):
            told = place.run("utf-8", *command, "--name", name, "-w", place.work)
            assert (told.code, told.out) == (1, b"")
            assert told.err.startswith(b"error: ")
            assert told.err.count(b"\n") == 1
            assert b"--name" in told.err
    assert [path.name for path in (place.work / "runs").iterdir()] == [RENAMED]
    assert [path.name for path in (place.work / "caches").glob("*.zarr")] == [f"{CACHE}.zarr"]


STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # what a terminal is told: colours, and where to go


@needs_torch
def test_names_are_no_markup_on_a_terminal_either(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables, progress bars, and what Typer says of wrong arguments."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "300")
    shown = {}
    for command in (
        ["status", "--failed"],
        ["verify"],
        ["precrop", *CROP, "--overwrite"],
        ["eval", *TESTED],
        ["bench", "--no-videos"],
        ["status", "x[bold]y"],
        ["x[bold]y"],
        ["status", "--no[bold]y"],
    ):
        said = place.run("utf-8", *command, *(["-w", place.work] if len(command) != 1 or "[" not in command[0] else []))
        text = STYLE.sub("", (said.out + said.err).decode())
        assert_harmless(text.replace("\r", "").encode(), "utf-8", command)
        shown[command[0], command[-1]] = text
    for command, word in {
        ("status", "--failed"): "precrop:=c[red]|",
        ("verify", "verify"): r"[red]/[bold]@x\r_g02_c01",
        ("precrop", "--overwrite"): "precrop:=c[red]|",
        ("eval", "cpu"): "on =c[red]|",
        ("bench", "--no-videos"): "=c[red]|",
        ("status", "x[bold]y"): "(x[bold]y)",
        ("x[bold]y", "x[bold]y"): "'x[bold]y'",
        ("status", "--no[bold]y"): "--no[bold]y",
    }.items():
        assert word in shown[command], command


def test_a_progress_bar_shows_a_name_as_it_is() -> None:
    console = LineConsole(file=io.StringIO(), force_terminal=True, width=120)
    with stage_progress(console, "precrop:x[bold]y", total=2, size_bytes=2) as progress:
        progress.advance(clips=1, failed=1, size_bytes=1)
    shown = STYLE.sub("", console.file.getvalue())  # type: ignore[attr-defined]  # it is the one above
    assert "precrop:x[bold]y" in shown
    assert ", 1 failed" in shown


@needs_torch
@pytest.mark.skipif(shutil.which("bash") is None, reason="asks a shell")
def test_a_command_that_repairs_can_be_pasted(place: Place) -> None:
    (place.work / f"h264/{CLIPS[1]}.mp4").write_bytes(b"cut off")
    found = json.loads(place.run("ascii", "verify", "-w", place.work, "--json").out)
    (command,) = (each for each in found["repair"] if "transcode" in each)
    assert command.isprintable()
    spy = f'LC_ALL=C.UTF-8; mocrop() {{ printf "%s\\0" "$@"; }}; {command}'
    words = subprocess.run(["bash", "-c", spy], capture_output=True, check=True).stdout.decode().split("\0")
    assert words == ["transcode", "-w", str(place.work), ""]
    assert ways_out(CACHE)["table"].isprintable()
    assert ways_out("a b; c")["cache"] == "mocrop precrop --name 'a b; c' --overwrite"


@needs_torch
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_json_holds_names_as_they_are(place: Place, encoding: str) -> None:
    def read(*command: str | Path) -> Any:
        return json.loads(place.run(encoding, *command, "-w", place.work, "--json").out.decode(encoding))

    found = read("init", place.dataset, "--splits", place.lists)["dataset"]
    assert found["dataset"] == str(place.dataset)
    assert list(found["splits"]) == [SPLIT]
    examples = {issue["code"]: issue["examples"] for issue in found["issues"]}
    assert examples["name-not-utf8"] == [f"{CLASSES[0]}/{os.fsdecode(NOT_UTF8)}"]
    assert examples["without-class"] == [f"stray{ESC}.avi"]
    made = read("export", place.exported, "--to", "mp4", "--cache", CACHE, "--workers", "0")
    assert made["folder"] == str(place.exported)
    status = read("status", "--failed")
    stages = {stage["stage"]: stage for stage in status["stages"]}
    assert set(stages) >= {f"precrop:{CACHE}", f"export:{place.exported}"}
    assert status["stages"][0]["failures"][0]["clip"] == BROKEN
    damage = read("verify")["damage"]
    assert CLIPS[1] in [each["clip"] for each in damage]
    assert read("bench", "--no-videos")["cache"].endswith(f"/{CACHE}.zarr")
    assert read("import-npy", place.work.parent / f"maps{ESC}")["missing"] == [BROKEN]
    scores = read("eval", *TESTED)
    assert [each["name"] for each in scores["per_class"]] == list(CLASSES)
    assert read("advise")["facts"]["clips"] <= len(CLIPS)
    measured = read("coverage", "--boxes", place.work.parent / "boxes.json", "--policy", "center")
    assert {*CLIPS} - {CLIPS[1]} <= set(measured["clips"]) <= {*CLIPS}  # the motion of a damaged file may be gone


@needs_torch
def test_pictures_of_odd_names_are_drawn_without_a_word_but_on_what_is_damaged(place: Place) -> None:
    for command in place.pictures():
        said = place.run("ascii", *command)
        of_damaged_clips = command == ["gallery", "-w", place.work]
        assert (said.code, said.err.count(b"\n")) == ((3, 1) if of_damaged_clips else (0, 0)), (command, said)
        assert_harmless(said.out + said.err, "ascii", command)


def files_for_people(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.suffix in (".md", ".csv", ".json", ".jsonl", ".toml", ".txt")]


def assert_tables(markdown: str) -> None:
    """Every table has a rule below its head, and rows of as many cells, whose bars no name has added to."""
    found = [list(group) for is_table, group in itertools.groupby(markdown.split("\n"), _in_table) if is_table]
    assert found
    for head, rule, *rows in found:
        assert set(rule) == {"|", "-"}
        bars = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in (head, rule, *rows)}
        assert len(bars) == 1, (head, rows)
        assert rows


def _in_table(line: str) -> bool:
    return line.startswith("|")


@needs_torch
def test_files_that_people_open_have_no_control_and_programs_find_the_names_in_them(place: Place) -> None:
    boxes = place.work.parent / "boxes.json"
    for command in (
        ["eval", *TESTED],
        ["eval", *TESTED, "--fuse", RENAMED],
        ["coverage", "--boxes", boxes, "--policy", "center"],
    ):
        assert place.run("utf-8", *command, "-w", place.work).code == 0
    reports, runs = files_for_people(place.work / "reports"), files_for_people(place.work / "runs")
    assert {file.suffix for file in reports} == {".md", ".csv", ".json"}
    assert {file.suffix for file in runs} == {".json", ".jsonl"}
    for file in (*reports, *runs):
        assert_harmless(file.read_bytes(), "utf-8", file)
        if file.suffix == ".json":
            json.loads(file.read_text())
        if file.suffix == ".md":
            assert_tables(file.read_text())
    alone = [file for file in (place.work / "reports").iterdir() if "-fused-" not in file.name]
    (confusion,) = (file for file in alone if file.match("*[!s].csv"))
    head, *rows = csv.reader(io.StringIO(confusion.read_text()))
    assert [from_csv_cell(cell) for cell in head[1:]] == list(CLASSES)
    assert [from_csv_cell(row[0]) for row in rows] == list(CLASSES)
    assert head[1] == rf"'=cmd()\n{printable(ESC)}[red]"
    assert all(cell.isdecimal() for row in rows for cell in row[1:])
    (report,) = (file for file in alone if file.match("@r*.md"))
    assert r"日本 😀\u202e\`\|\*\*b\*\*\<i>\$x\\frac{\$" in report.read_text().replace(r"x\frac", r"x\\frac")


@needs_torch
def test_the_lists_of_an_export_have_no_control_and_lead_to_its_files(place: Place) -> None:
    command = ["export", place.exported, "--to", "mp4", "--cache", CACHE, "--workers", "0", "-w", place.work]
    assert place.run("utf-8", *command).code == 3
    for file in files_for_people(place.exported):
        assert_harmless(file.read_bytes(), "utf-8", file)
    rows = list(csv.DictReader((place.exported / "splits.csv").open()))
    assert len(rows) >= len(CLIPS) - 1  # one is damaged
    assert {from_csv_cell(row["label"]) for row in rows} == set(CLASSES)
    assert all((place.exported / row["path"]).is_file() for row in rows)
    there = {file.relative_to(place.exported).as_posix() for file in place.exported.rglob("*.mp4")}
    assert there == {row["path"] for row in rows}
    assert all(path.isprintable() for path in there)


@needs_torch
@pytest.mark.parametrize("form", ["frames", "webdataset", "huggingface"])
def test_tables_and_cards_of_other_exports_have_no_control(place: Place, form: str) -> None:
    folder = place.exported_as(form)
    command = ["export", folder, "--to", form, "--cache", CACHE, "--workers", "0", "-w", place.work]
    assert place.run("utf-8", *command).code == 3
    for file in files_for_people(folder):
        assert_harmless(file.read_bytes(), "utf-8", file)
    for card in folder.glob("README.md"):
        assert_tables(card.read_text())
    for metadata in folder.rglob("metadata.csv"):
        for row in csv.DictReader(metadata.open()):
            assert (metadata.parent / row["file_name"]).is_file()  # as it is, for readers that know of no escapes
    assert all(path.relative_to(folder).as_posix().isprintable() for path in folder.rglob("*"))


@needs_torch
def test_the_tables_of_an_ablation_show_names_and_are_tables() -> None:
    from mocrop.evaluation.ablation.tables import class_table, pair_table

    changes = [
        {"name": name, "variant": "center 0.5", "base": "full", "clips": 3, "gained": 1, "lost": 0} for name in CLASSES
    ]
    none = {"mean": 0.0, "low": 0.0, "high": 0.0}
    pair = {"groups": 1, "classes": CLASSES, "variant": "full", "rate": none, "over_full": none}
    for table, rows, bars in ((class_table(changes), 4, 7), (pair_table([pair]), 3, 6)):
        assert_harmless(table.encode(), "utf-8", "ablation")
        assert r"\*\*b\*\*\<i>" in table
        lines = [line.replace(r"\|", "") for line in table.split("\n") if line.startswith("|")]
        assert (len(lines), {line.count("|") for line in lines}) == (rows, {bars})


@needs_torch
def test_settings_of_odd_names_are_read_back(place: Place) -> None:
    text = (place.work / "mocrop.toml").read_text()
    assert not any(character < " " for character in text.replace("\n", ""))
    found = json.loads(place.run("ascii", "status", "-w", place.work, "--json").out)
    assert found["dataset"] == str(place.dataset)


@pytest.mark.parametrize("what", ["dataset", "splits", "workspace"])
def test_a_folder_that_is_not_utf_8_is_refused_in_words(
    what: str, tmp_path: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"dataset": "data", "splits": "lists.csv", "workspace": "work"}
    names[what] = f"caf\udce9\x1b{names[what]}"
    dataset, lists, work = (tmp_path / name for name in names.values())
    make_video(dataset / "A/a_g01_c01.avi", frames=2)
    lists.write_text("path,subset\nA/a_g01_c01.avi,train\n")
    assert mocrop("init", dataset, "--splits", lists, "-w", work) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert r"caf\udce9" in told
    assert "UTF-8" in told


def test_a_workspace_that_has_moved_to_such_a_folder_is_refused_too(
    tmp_path: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    make_video(tmp_path / "data/A/a_g01_c01.avi", frames=2)
    assert mocrop("init", tmp_path / "data", "-w", tmp_path / "work") == 0
    (tmp_path / "work").rename(there := tmp_path / "caf\udce9")
    for command in ("status", "extract-mv", "verify"):
        assert mocrop(command, "-w", there) == 1
        assert r"caf\udce9 is not UTF-8; rename the folder" in capsys.readouterr().err


def test_a_cache_in_a_folder_that_is_not_utf_8_is_refused_in_words(
    tmp_path: Path, make_cache: MakeCache, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = make_cache(tmp_path / "small.zarr", label=[0, 1])
    cache.rename(there := tmp_path / "caf\udce9.zarr")
    assert mocrop("verify", there) == 3
    assert mocrop("gallery", "--cache", there) == 1
    found, told = capsys.readouterr()
    assert r"caf\udce9.zarr is not UTF-8; rename the folder" in found
    assert r"caf\udce9.zarr is not UTF-8; rename the folder" in told


PROCESSES: dict[str, tuple[dict[str, str], str]] = {  # what is set, and the encoding of what is written then
    "latin-1": ({"PYTHONIOENCODING": "latin-1"}, "latin-1"),
    "strict": ({"PYTHONIOENCODING": "ascii:strict"}, "ascii"),
    "windows": ({"PYTHONIOENCODING": "cp1252"}, "cp1252"),
    "utf-8": ({"PYTHONIOENCODING": "utf-8"}, "utf-8"),
    "C": ({"LC_ALL": "C", "LANG": "C"}, "utf-8"),  # Python takes UTF-8 then
    "C without UTF-8": ({"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "ascii"),
}


@pytest.mark.parametrize("environment", PROCESSES)
def test_a_process_in_any_environment_says_what_it_finds(
    environment: str, tmp_path: Path, make_video: MakeVideo
) -> None:
    settings, encoding = PROCESSES[environment]
    folder = f"data{ESC}"
    for name in ("café_g01_c01", f"日😀{ESC}_g02_c01", "plain_g03_c01"):
        make_video(tmp_path / f"{folder}/a/{name}.avi", frames=2)
    plain = {key: value for key, value in os.environ.items() if key not in ("PYTHONUTF8", "LC_ALL", "LANG")}
    said = []
    for command in (["init", folder], ["transcode", "--dry-run"], ["status"], ["status", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "mocrop", *command, "-w", "w"],
            cwd=tmp_path,
            env={**plain, **settings},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), done.stderr
        assert_harmless(done.stdout, encoding, command)
        said.append(done.stdout.decode(encoding))
    found, planned, _, as_json = said
    if environment == "C without UTF-8":  # in which the names of these files are not text
        assert "left out because their paths are not UTF-8" in found
        assert "plain_g03_c01" in planned
    else:
        for name in ("café_g01_c01", f"日😀{ESC}_g02_c01"):
            assert f"transcode  a/{printable(name, encoding=encoding)}  not done yet" in planned.split("\n")
    assert json.loads(as_json)["dataset"] == str(tmp_path / folder)
