"""What people read on a terminal, and programs in a file: order, line breaks, the words for nothing to do."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from mocrop.pipeline.terminal import LineConsole
from tests.conftest import MakeVideo, mocrop

LONG_PATH = "/a/folder/" + "/".join(["with-a-rather-long-name"] * 6)


@pytest.fixture
def dataset(tmp_path: Path, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOCROP_WORKSPACE", raising=False)
    for label in ("Archery", "Surfing"):
        for group in (1, 2):
            make_video(tmp_path / f"data/{label}/v_{label}_g{group:02d}_c01.avi", frames=13)
    (tmp_path / "data/stray.avi").write_bytes(b"x")
    return tmp_path / "data"


def printed(text: str, *, terminal: bool, width: int = 40) -> list[str]:
    file = io.StringIO()
    LineConsole(file=file, force_terminal=terminal, width=width, color_system=None).print(text)
    return file.getvalue().splitlines()


def test_a_terminal_line_breaks_between_words_and_a_path_stays_whole() -> None:
    assert printed(f"  the workspace is {LONG_PATH} as you can see", terminal=True) == [
        "  the workspace is",
        f"    {LONG_PATH}",
        "    as you can see",
    ]
    assert printed("ten: [bold]words[/bold] that fit into\n\nthe width", terminal=True) == [
        "ten: words that fit into",
        "",
        "the width",
    ]


def test_a_line_in_a_file_is_never_broken() -> None:
    sentence = f"the workspace is {LONG_PATH} as you can see, and that is all there is to say of it"
    assert printed(sentence, terminal=False) == [sentence]


@pytest.mark.parametrize("command", ["transcode", "run"])
def test_what_init_finds_is_said_before_the_stages_start(
    dataset: Path, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said_before: list[str] = []

    def stop(*_: object, **__: object) -> None:
        said_before.append(capsys.readouterr().out)
        raise KeyboardInterrupt

    monkeypatch.setattr("mocrop.pipeline.run.session.run_units", stop)
    assert mocrop(command, dataset, "--workers", "0") == 130
    assert "4 clips in 2 classes" in said_before[0]
    assert "1 video lies outside any class folder and is left out: stray.avi" in said_before[0]


def test_the_summary_repeats_what_is_serious_and_nothing_else(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset / "notes.txt").write_text("x")  # a file with another suffix: said once, no reason to worry
    assert mocrop("transcode", dataset, "--workers", "0") == 0
    before, _, after = capsys.readouterr().out.partition("workspace: ")
    assert "notes.txt" in before
    assert "stray.avi" in before
    assert "stray.avi" in after
    assert "notes.txt" not in after
    assert "4 clips in 2 classes" not in after


def test_json_on_standard_output_stays_json_and_people_are_told_beside_it(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mocrop("transcode", dataset, "--workers", "0", "--json") == 0
    out, err = capsys.readouterr()
    assert out.startswith("{")
    assert "4 clips in 2 classes" in err


def test_retry_says_that_there_is_nothing_to_retry(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mocrop("transcode", dataset, "--workers", "0") == 0
    capsys.readouterr()
    assert mocrop("retry", "--workers", "0") == 0
    assert capsys.readouterr().out == "no clip has failed, so there is nothing to try again\n"


def test_retry_of_a_failed_clip_does_not_say_so(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (dataset / "Archery/v_Archery_g03_c01.avi").write_bytes(b"")
    assert mocrop("transcode", dataset, "--workers", "0") == 3
    capsys.readouterr()
    assert mocrop("retry", "--workers", "0") == 3
    out = capsys.readouterr().out
    assert "nothing to try again" not in out
    assert "1 failed" in out


def test_both_outputs_in_one_file_keep_their_order(dataset: Path, tmp_path: Path) -> None:
    """Standard output of a process is held back in a file, were it not told to give up each line."""
    program = (
        "import sys, typer\n"
        "from mocrop import cli\n"
        "@cli.app.command()\n"
        "def speak():\n"
        "    for n in range(3):\n"
        "        print('out', n); print('err', n, file=sys.stderr)\n"
        "cli.main(['speak'])\n"
    )
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([sys.executable, "-c", program], stdout=log, stderr=subprocess.STDOUT, check=True)
    assert (tmp_path / "log").read_text().split("\n")[:6] == ["out 0", "err 0", "out 1", "err 1", "out 2", "err 2"]


@pytest.mark.smoke
@pytest.mark.parametrize("way", [["-c", "from mocrop.cli import main; main()"], ["-m", "mocrop"]])
def test_the_version_is_that_of_the_package(way: list[str]) -> None:
    from importlib.metadata import version

    done = subprocess.run([sys.executable, *way, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"mocrop {version('mocrop')}\n"


@pytest.mark.parametrize("command", [[], ["run"], ["train"]])
def test_h_is_short_for_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert mocrop(*command, "-h") == 0
    short = capsys.readouterr().out
    assert mocrop(*command, "--help") == 0
    assert short == capsys.readouterr().out
    assert "Usage: mocrop" in short
