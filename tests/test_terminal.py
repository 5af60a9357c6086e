"""What people read on a terminal, and programs in a file: order, line breaks, the words for nothing to do."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mocrop.pipeline.run.progress import stage_progress
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


def test_a_line_in_a_file_is_never_broken() -> None:
    sentence = f"the workspace is {LONG_PATH} as you can see, and that is all there is to say of it"
    assert printed(sentence, terminal=False) == [sentence]


HOSTILE = "[red]x[/red]\x1b[2J\r\n\u202e日😀:smile:"
SHOWN = r"[red]x[/red]\x1b[2J\r\n\u202e日😀:smile:"
SHOWN_IN_LATIN_1 = r"[red]x[/red]\x1b[2J\r\n\u202e\u65e5\U0001f600:smile:"


def in_encoding(encoding: str, show: Callable[[LineConsole], None]) -> str:
    """What is written to a file of an encoding that takes nothing else."""
    file = io.BytesIO()
    stream = io.TextIOWrapper(file, encoding=encoding, errors="strict", newline="\n")
    show(LineConsole(file=stream, width=200, color_system=None))
    stream.flush()
    return file.getvalue().decode(encoding)


def a_table() -> Table:
    table = Table(HOSTILE, title=HOSTILE, caption=HOSTILE)
    table.add_row(HOSTILE)
    return table


@pytest.mark.parametrize(
    "show",
    [
        lambda console: console.print(HOSTILE),
        lambda console: console.print(HOSTILE, markup=True, emoji=True),
        lambda console: console.say(("name: ", "bold"), (HOSTILE, "red")),
        lambda console: console.print(HOSTILE, 1, markup=True),
        lambda console: console.print(a_table()),
        lambda console: console.rule(HOSTILE),
        lambda console: console.log(HOSTILE),
    ],
    ids=["print", "markup", "say", "several", "table", "rule", "log"],
)
@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", SHOWN), ("latin-1", SHOWN_IN_LATIN_1)])
def test_whatever_way_a_name_takes_to_the_console_it_is_shown_and_does_nothing(
    encoding: str, shown: str, show: Callable[[LineConsole], None]
) -> None:
    written = in_encoding(encoding, show)
    assert shown in written
    assert all(line.isprintable() for line in written.split("\n"))


def test_a_line_is_broken_where_its_codes_end_it() -> None:
    file = io.TextIOWrapper(written := io.BytesIO(), encoding="ascii", newline="\n")
    LineConsole(file=file, force_terminal=True, width=20, color_system=None).print("日日 日日 日日")
    file.flush()
    assert written.getvalue().decode().splitlines() == [r"\u65e5\u65e5"] * 3


def test_what_rich_turns_into_text_by_itself_has_no_control_either() -> None:
    """A text that rich has made of the name, as in a progress bar, comes to the console without its line breaks."""
    written = in_encoding("ascii", lambda console: console.print(Panel(Text("a\x1b[2J\u202e日😀"))))
    assert r"a\x1b[2J\u202e\u65e5\U0001f600" in written
    assert all(line.isprintable() for line in written.split("\n"))


def test_a_line_of_a_progress_bar_shows_a_name_and_does_nothing() -> None:
    file = io.StringIO()
    console = LineConsole(file=file, width=120, force_terminal=True, color_system=None)
    with stage_progress(console, "precrop:[red]x[/red]\x1b]0;owned\x07", total=2, size_bytes=2) as progress:
        progress.advance(clips=1, failed=1, size_bytes=1)
    assert r"precrop:[red]x[/red]\x1b]0;owned" in file.getvalue()
    assert "\x1b]" not in file.getvalue()
    assert "1 failed" in file.getvalue()
    assert "[red]1 failed" not in file.getvalue()


def test_an_error_that_nobody_has_caught_has_one_line_for_its_message() -> None:
    program = (
        "from mocrop import cli\n"
        "@cli.app.command()\n"
        "def fail():\n"
        "    try:\n"
        "        raise KeyError('first')\n"
        "    except KeyError as error:\n"
        "        raise RuntimeError('[red]a\\x1b[2J\\nb\\udce9\\u202e') from error\n"
        "cli.main(['fail'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "KeyError: 'first'" in lines
    at = lines.index("KeyError: 'first'")
    assert lines[at + 1] == ""
    assert lines[at + 2].startswith("The above exception was the direct cause")
    assert lines[at + 3] == ""
    assert lines[-1] == r"RuntimeError: [red]a\x1b[2J\nb\udce9\u202e"
    assert any(line.startswith('  File "') and line.endswith(", in fail") for line in lines)


def test_what_is_said_of_a_wrong_argument_quotes_it_printably(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[2J\u202e"
    for arguments in (["init", "data", hostile], [hostile], ["flops", f"--{hostile}"]):
        assert mocrop(*arguments) == 2
        told = capsys.readouterr().err
        assert r"\x1b[2J\u202e" in told, told
        assert "\x1b[2J" not in told


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
