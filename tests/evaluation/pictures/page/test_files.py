"""What is written, what is replaced and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mocrop.evaluation.pictures.page import write
from mocrop.evaluation.pictures.page.command import page_in_workspace
from mocrop.evaluation.pictures.page.settings import MOST_CLIPS, MOST_IN_ONE_FILE, PageSettings
from mocrop.evaluation.pictures.page.write import MARK
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import mocrop
from tests.evaluation.pictures.page.conftest import data_of, made_clip, made_page

QUIET = LineConsole(quiet=True)
EVIL = "</script><script>alert(1)</script>\u2028\x1b[2J<img src=x onerror=alert(1)>"


def write_page(workspace: Workspace, target: Path | None = None, **how: bool) -> Path:
    settings = PageSettings(single_file=how.pop("single_file", False))
    return page_in_workspace(workspace, settings, output=target, console=QUIET, **how).file


def test_a_folder_holds_the_page_its_data_and_a_picture_a_clip(workspace: Workspace, tmp_path: Path) -> None:
    index = write_page(workspace, tmp_path / "page")
    assert index == tmp_path / "page/index.html"
    names = {path.relative_to(index.parent).as_posix() for path in index.parent.rglob("*") if path.is_file()}
    pictures = {f"page/pictures/{number}.jpg" for number in (0, 2, 3, 4)}  # the second is no video
    clips = {f"page/clips/{number}.js" for number in range(5)}
    assert names == {"index.html", "page/page.css", "page/data.js", *pictures, *clips} | {
        f"page/{name}" for name in write.SCRIPTS
    }
    for script in re.findall(r'(?:src|href)="([^"#:]+)"', index.read_text()):
        assert (index.parent / script).is_file()


def test_nothing_on_the_page_has_an_outside_address(workspace: Workspace, tmp_path: Path) -> None:
    index = write_page(workspace, tmp_path / "page")
    for file in index.parent.rglob("*.*"):
        if file.suffix in (".html", ".js", ".css"):
            found = set(re.findall(r"https?://[\w./]+", file.read_text()))
            assert found <= {"http://www.w3.org/2000/svg"}, file  # the name of a language, which nobody asks for


def test_the_usual_place_is_in_the_reports_and_the_same_clips_give_the_same_bytes(workspace: Workspace) -> None:
    index = write_page(workspace)
    assert index == workspace.reports / "gallery/index.html"
    before = {path: path.read_bytes() for path in index.parent.rglob("*") if path.is_file()}
    write_page(workspace, overwrite=True)
    assert before == {path: path.read_bytes() for path in index.parent.rglob("*") if path.is_file()}


def test_a_gallery_is_replaced_only_when_asked_for(workspace: Workspace, tmp_path: Path) -> None:
    for single_file, name in ((False, "page"), (True, "page.html")):
        target = tmp_path / name
        write_page(workspace, target, single_file=single_file)
        with pytest.raises(SettingsError, match="is there already; replace it with --overwrite"):
            write_page(workspace, target, single_file=single_file)
        write_page(workspace, target, single_file=single_file, overwrite=True)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("thesis.doc", "holds thesis.doc, which is of no gallery"),
        ("index.html", "is there and is no gallery of mocrop"),
        ("page/mine.txt", "page is there and is of no gallery"),
    ],
)
def test_a_folder_that_holds_anything_else_is_left_alone(
    workspace: Workspace, tmp_path: Path, entry: str, message: str
) -> None:
    file = tmp_path / "place" / entry
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(SettingsError, match=message):
        write_page(workspace, tmp_path / "place", overwrite=True)
    assert [path for path in (tmp_path / "place").rglob("*") if path.is_file()] == [file]
    assert file.read_text() == "mine"


def test_pictures_of_the_other_gallery_may_stay(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "motion-0.75.png").write_bytes(b"")
    assert write_page(workspace, tmp_path).is_file()
    assert (tmp_path / "motion-0.75.png").is_file()


def test_a_file_is_no_folder_and_a_folder_no_file(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SettingsError, match="is a file; name a folder, or pass --single-file"):
        write_page(workspace, tmp_path / "file")
    with pytest.raises(SettingsError, match="is a folder; name a file, or leave out --single-file"):
        write_page(workspace, tmp_path, single_file=True)
    with pytest.raises(SettingsError, match="would be a folder; pass --single-file"):
        write_page(workspace, tmp_path / "page.html")
    (tmp_path / "page.html").write_text("<title>mine</title>")
    with pytest.raises(SettingsError, match="is no gallery of mocrop"):
        write_page(workspace, tmp_path / "page.html", single_file=True, overwrite=True)


def test_a_page_that_fails_halfway_leaves_the_one_before(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = write_page(workspace, tmp_path / "page")
    before = {path: path.read_bytes() for path in index.parent.rglob("*") if path.is_file()}
    calls = iter(range(2))

    def fails(*_: object) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("mocrop.evaluation.pictures.page.command.make_sheet", fails)
    with pytest.raises(KeyboardInterrupt):
        write_page(workspace, tmp_path / "page", overwrite=True)
    assert before == {path: path.read_bytes() for path in index.parent.rglob("*") if path.is_file()}


def test_one_file_holds_everything_and_says_at_once_that_it_is_a_gallery(workspace: Workspace, tmp_path: Path) -> None:
    file = write_page(workspace, tmp_path / "page.html", single_file=True)
    text = file.read_text()
    assert MARK in file.read_bytes()[:1024]
    assert text.count("data:image/jpeg;base64,") == 4
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text) == []
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("single_file", [False, True])
def test_no_name_ends_a_script_or_the_title(tmp_path: Path, single_file: bool) -> None:
    clip = made_clip(0, name=EVIL)
    file = made_page(tmp_path / "page.html", [clip], single_file=single_file, title=EVIL, classes=[EVIL, EVIL])
    files = [file] if single_file else [path for path in file.parent.rglob("*") if path.suffix in (".html", ".js")]
    for each in files:
        text = each.read_text()
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    if not single_file:
        assert json.dumps(data_of(file)).count("onerror=alert") == 4  # it is there, escaped


def test_limits_are_those_of_the_kind_of_page() -> None:
    assert PageSettings().most_clips == MOST_CLIPS
    assert PageSettings(single_file=True).most_clips == MOST_IN_ONE_FILE
    assert PageSettings(single_file=True, clips=7).most_clips == 7


def test_the_command_says_what_it_has_written_and_left_out(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["-w", workspace.root, "-o", tmp_path / "page"]
    assert mocrop("gallery", "--html", "--clips", "4", *place) == 3
    told = capsys.readouterr()
    assert told.out.strip() == str(tmp_path / "page/index.html")
    said = told.err.splitlines()
    assert re.fullmatch(r"4 clips, center-32 and motion-32, \d+\.\d MB", said[0])
    assert said[1] == "1 clip could not be read, and the page says why: Dig/v_Dig_g02_c01"
    assert said[2] == "1 more are left out, evenly over the classes; --clips takes more"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--single-file"], "pass --html with them"),
        (["--report", "x.npz"], "pass --html with them"),
        (["--overwrite"], "pass --html with them"),
        (["--cache", "center-32", "--cache", "motion-32"], "pass --html to see several side by side"),
        (["--html", "--cache", "center-32", "--policy", "full"], "leave out either --cache or --policy"),
        (["--html", "--report", "nowhere.npz"], "there are no predictions nowhere.npz"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(
    workspace: Workspace, options: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert mocrop("gallery", *options, "-w", workspace.root, "-o", tmp_path / "x") == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
