"""docs/datasets.md says what `mocrop init` does: its commands run, and what it refuses is refused in these words."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from mocrop.cli import app
from mocrop.pipeline.dataset.formats.registry import FORMATS
from tests.pipeline.dataset.formats.official import FIXTURES, lay_seconds, write_csv
from tests.test_docs import DOCS, anchors, blocks, sections

PAGE = DOCS / "datasets.md"
TEXT = PAGE.read_text(encoding="utf-8")
FORMS = re.findall(r"^\| \[[^]]+\]\(#([^)]+)\)[^|]*\| `(\w+)` \|", TEXT, re.MULTILINE)  # heading and --format of each

# every form


def test_the_table_of_forms_has_all_of_them_in_order() -> None:
    assert list(dict.fromkeys(name for _, name in FORMS)) == [each.name for each in FORMATS]


@pytest.mark.parametrize(
    ("anchor", "fixture"),
    [
        ("class-folders", "folders"),
        ("subset-folders", "folders/subsets"),
        *((anchor, name) for anchor, name in FORMS if name != "folders"),
        ("a-flat-folder", "csv"),
    ],
)
def test_the_command_of_each_form_takes_an_official_data_set_in(
    anchor: str, fixture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = FIXTURES[fixture](tmp_path / "made")
    monkeypatch.chdir(tmp_path)
    words = command_of(anchor)
    places = [Path(word) for word in words[1:] if not word.startswith("--")]
    for place, there in zip(places, filter(None, (made.dataset, made.annotations)), strict=True):
        place.symlink_to(there)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception
    assert f"read as {fixture.partition('/')[0]}: " in done.stdout


def test_the_command_for_videos_without_labels_takes_them_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write_csv(tmp_path)
    monkeypatch.chdir(made.dataset.parent)
    done = CliRunner().invoke(app, command_of("videos-without-labels"))
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "2 clips, not labelled")


@pytest.mark.parametrize("anchor", [anchor for anchor, _ in FORMS] + ["a-flat-folder", "videos-without-labels"])
def test_each_form_has_a_section_that_says_what_is_checked(anchor: str) -> None:
    assert anchor in anchors(PAGE)
    assert re.search("^Checked(:|, and missing clips:) ", section(anchor), re.MULTILINE)


def section(anchor: str) -> str:
    """The text under a heading of level 3, by its anchor."""
    return next(text for title, text in sections(PAGE, level=3).items() if anchor == title.lower().replace(" ", "-"))


def command_of(anchor: str) -> list[str]:
    """The words of the first command of a section, behind `mocrop`."""
    (command, *_) = re.findall("^mocrop (init .*)$", section(anchor), re.MULTILINE)
    return shlex.split(command)


# missing clips


def test_missing_clips_are_told_as_the_page_shows_them(tmp_path: Path) -> None:
    names = [f"Archery/v_Archery_g{n // 4 + 1:02d}_c{n % 4 + 1:02d}.avi" for n in range(200)]
    gone = {"Archery/v_Archery_g01_c03.avi", "Archery/v_Archery_g02_c01.avi"}
    for name in set(names) - gone:
        write(tmp_path / "videos" / name, "x")
    lines = [f"{name} 1" for name in names]
    lines.insert(16, "Archery/odd.avi 1.5")
    write(tmp_path / "lists/classInd.txt", "1 Archery\n")
    write(tmp_path / "lists/trainlist01.txt", "\n".join(lines))
    done = init(tmp_path, "--splits", "lists")
    shown, rows = (block.code for block in blocks(PAGE) if "not on disk" in block.code or "not-on-disk" in block.code)
    assert done.exception is None
    assert not {line.strip() for line in shown.splitlines()} - {line.strip() for line in done.stdout.splitlines()}
    written = (tmp_path / "work/reports/init/left-out.csv").read_text(encoding="utf-8").splitlines()
    assert not set(rows.splitlines()) - set(written)


# what is refused


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Files of a data set and of its lists; None: no lists are given."""

    videos: Sequence[str] = ("Archery/a_g01_c01.avi", "Surfing/a_g01_c01.avi")
    lists: Mapping[str, str] | None = None
    dataset: str = "videos"
    options: Sequence[str] = ()
    seconds: Mapping[str, int] = field(default_factory=dict)  # of videos that are opened


SSV2 = {
    "x-labels.json": '{"Closing something": "0"}',
    "x-train.json": '[{"id": "1", "template": "Closing [something]"}]',
}
SEGMENTS = '{"database": {}}'
KINETICS = "label,youtube_id,time_start,time_end,split\n"
FLAT = ("a.mp4", "b.mp4")
REFUSED = {
    "no such folder": Layout(videos=()),
    "a file": Layout(dataset="videos/Archery/a_g01_c01.avi"),
    "a flat folder of videos": Layout(videos=FLAT),
    "a flat folder with a list in it": Layout(videos=(*FLAT, "labels.csv")),
    "subsets and something else": Layout(videos=("train/A/a.avi", "test/A/b.avi", "extra/A/c.avi", "extra/A/d.avi")),
    "subsets and videos beside them": Layout(videos=("videos/train/A/a.avi", "videos/test/A/b.avi", "videos/c.avi")),
    "a folder between subsets and classes": Layout(
        videos=("train/rgb/A/a.avi", "train/rgb/B/a.avi", "test/rgb/A/b.avi")
    ),
    "the parent of the data set": Layout(videos=("UCF/Archery/a.avi", "UCF/Surfing/b.avi")),
    "no videos": Layout(videos=("Archery/a.txt",)),
    "people above what they do": Layout(videos=("person1/run/a.mp4", "person1/walk/a.mp4", "person2/run/a.mp4")),
    "subsets in classes": Layout(videos=("Archery/train/a.mp4", "Archery/test/a.mp4", "Surfing/train/b.mp4")),
    "a flat test beside classes": Layout(videos=("Archery/a.mp4", "test/b.mp4")),
    "flat subsets": Layout(videos=("train/a.mp4", "test/b.mp4")),
    "frames in place of videos": Layout(videos=("Archery/clip1/0001.jpg", "Surfing/clip2/0001.jpg")),
    "the workspace itself": Layout(options=("-w", "videos")),
    "no such file": Layout(lists={}),
    "a folder without lists": Layout(lists={"list.txt": "Archery/a_g01_c01.avi 0\n"}),
    "a list whose name does not say": Layout(
        lists={"list.txt": "Archery/a_g01_c01.avi 0\n"}, options=("--splits", "lists/list.txt")
    ),
    "CSVs that say no subsets": Layout(lists={"train.csv": "path,label\nx,y\n", "rest.csv": "path,label\nx,y\n"}),
    "two columns for one thing": Layout(lists={"own.csv": "video,clip,label\na,a,b\n"}),
    "a CSV with other columns": Layout(lists={"own.csv": "Archery/a_g01_c01.avi,Archery\n"}),
    "Kinetics by ids": Layout(
        videos=(),
        seconds={"1.mp4": 2, "2.mp4": 14, "3.mp4": 2, "4.mp4": 2},
        lists={"train.csv": KINETICS + "".join(f"yoga,{number},10,12,train\n" for number in range(1, 5))},
    ),
    "HMDB-51 without a class": Layout(
        lists={
            "cartwheel_test_split1.txt": "a.avi 1\n",
            "catch_test_split1.txt": "b.avi 1\n",
            "catch_test_split3.txt": "b.avi 1\n",
        }
    ),
    "lists of other clips": Layout(lists={"train.txt": "Running/b.avi 0\n"}),
    "no labels, and no plain class folders": Layout(
        videos=("videos/A/a.mp4", "videos/B/b.mp4"), lists={"train.txt": "A/a.mp4\n", "test.txt": "B/b.mp4\n"}
    ),
    "lists that count classes differently": Layout(
        lists={
            "train.txt": "Archery/a_g01_c01.avi 0\nSurfing/a_g01_c01.avi 1\n",
            "test.txt": "Archery/a_g01_c02.avi 1\nSurfing/a_g01_c02.avi 2\n",
        }
    ),
    "a `classInd.txt` of other lists": Layout(
        videos=("run/a.avi", "walk/b.avi"),
        lists={"classInd.txt": "1 Archery\n2 YoYo\n", "trainlist01.txt": "run/a.avi 1\nwalk/b.avi 2\n"},
    ),
    "an odd `classInd.txt`": Layout(
        lists={"classInd.txt": "Archery 1\n", "trainlist01.txt": "Archery/a_g01_c01.avi 1\n"}
    ),
    "two sets of lists": Layout(
        lists=dict.fromkeys(("Diving48_V2_test.json", "Diving48_train.json"), '[{"vid_name": "a", "label": 0}]')
    ),
    "a JSON that was cut off": Layout(lists=SSV2 | {"x-train.json": SSV2["x-train.json"][:-1]}),
    "a class that is in the label map twice": Layout(
        lists=SSV2 | {"x-labels.json": '{"Closing something": "0", "Closing something": "1"}'}
    ),
    "two databases of segments": Layout(lists={"a.json": SEGMENTS, "b.json": SEGMENTS}),
    "a JSON of another kind": Layout(lists={"coco.json": '{"images": []}'}),
    "frames counted in lists": Layout(lists={"train.txt": "Archery/a_g01_c01 120 0\nSurfing/a_g01_c01 80 1\n"}),
    "segments in frames": Layout(lists={"own.csv": "path,label,start_frame,end_frame\na,b,0,9\n"}),
    "subsets in another column": Layout(lists={"own.csv": "path,label,set\na,b,train\nc,b,test\n"}),
    "a quotation mark that is not closed": Layout(lists={"own.csv": 'path,label\n"a,b\nc,d\n'}),
    "a list that was never written to its end": Layout(lists={"train.txt": "Archery/a_g01_c01.avi 0\n\0\0\0"}),
    "a packed list": Layout(lists={"train.csv.gz": "x", "test.csv": "path,label\na,b\n"}),
    "another encoding": Layout(lists={"train.txt": "Archery/abc\xe9.avi 0\n"}),
}


def test_every_row_of_the_tables_of_what_is_refused_is_tried() -> None:
    tables = section("folders-that-are-refused"), section("lists-that-are-refused")
    given = re.findall(r"^\| ([^|]+) \| `", "".join(tables), re.MULTILINE)
    assert sorted(given) == sorted(REFUSED)


@pytest.mark.parametrize("what", REFUSED)
def test_data_sets_are_refused_with_the_message_that_the_page_tells(what: str, tmp_path: Path) -> None:
    layout = REFUSED[what]
    for name in layout.videos:
        write(tmp_path / "videos" / name, "")
    for name, length in layout.seconds.items():
        lay_seconds(tmp_path / "videos" / name, length)
    for name, text in (layout.lists or {}).items():
        write(tmp_path / "lists" / name, text)
    lists = () if layout.lists is None or "--splits" in layout.options else ("--splits", "lists")
    refused = init(tmp_path, *lists, *layout.options, dataset=layout.dataset)
    (told,) = re.findall(rf"^\| {re.escape(what)} \| `(.*)` \|$", TEXT, re.MULTILINE)
    assert re.fullmatch(re.escape(told).replace(r"\.\.\.", ".*"), str(refused.exception)), refused.exception


def init(folder: Path, *options: str, dataset: str = "videos") -> Result:
    """Run `mocrop init`; options that name something in a folder mean it."""
    words = [str(folder / word) if word.split("/")[0] in ("videos", "lists") else word for word in options]
    return CliRunner().invoke(app, ["init", str(folder / dataset), "-w", str(folder / "work"), *words])


def write(file: Path, text: str) -> None:
    """Write a text; "\\xe9" as one byte, as no UTF-8 has it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode("latin-1"))
