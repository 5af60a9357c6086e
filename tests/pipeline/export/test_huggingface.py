"""The form `huggingface`: folders of subsets, their metadata and the card; tests/interop reads it with `datasets`."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.export.places import clip_infos
from mocrop.pipeline.names import csv_cell
from mocrop.pipeline.workspace.manifest import ClipRow
from tests.conftest import MakeVideo, mocrop
from tests.pipeline.export.odd_data_set import BROKEN, CLASSES, CLIPS, UNLISTED, export_workspace, workspace

__all__ = ["export_workspace", "workspace"]  # fixtures

HEAD = ["file_name", "label", "class", "left", "top", "right", "bottom", "moves", "source_width", "source_height"]


def export(folder: Path, *options: str) -> int:
    return mocrop("export", folder, "--to", "huggingface", "--cache", "c", "--workers", "0", *options)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_metadata_of_each_subset_name_every_file_in_it_once(workspace: Path, tmp_path: Path) -> None:
    assert export(tmp_path / "out") == 3
    found = []
    for subset in ("train", "test", "unlisted"):
        folder = tmp_path / "out" / subset
        table = rows(folder / "metadata.csv")
        names = [row["file_name"] for row in table]
        assert sorted(names) == sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.mp4"))
        assert list(table[0]) == HEAD
        for row in table:
            label = int("/two/" in row["file_name"])
            assert (row["label"], row["class"]) == (str(label), CLASSES[label])
            assert [row[name] for name in HEAD[3:]] == ["0", "0", "64", "48", "false", "64", "48"]
        found += [(subset, "/".join(Path(name).with_suffix("").parts[-2:])) for name in names]
    subsets = {clip: "test" if number % 4 == 0 else "train" for number, clip in enumerate(CLIPS)}
    assert sorted(found) == sorted((subset, clip) for clip, subset in {**subsets, UNLISTED: "unlisted"}.items())
    assert not [*(tmp_path / "out").rglob(f"*{Path(BROKEN).name}*")]


_LETTERS = st.characters(codec="utf-8")  # as the manifest can hold


@given(st.text(_LETTERS, min_size=1, max_size=30), st.text(_LETTERS.filter("/".__ne__), min_size=1, max_size=30))
@example("\uff1dcmd()", "a")
@example("__x__", "..")
@example("C:\\x", "-1\t")
def test_a_path_stands_in_a_table_as_it_is_whatever_clips_are_called(class_name: str, clip: str) -> None:
    """As `datasets` looks for the very text of a cell; and nothing is hidden from it, as by a dot or two lines."""
    row = ClipRow(name=clip, path="", label=0, group=-1, subset=(1,), size_bytes=0, mtime_ns=0)
    (info,) = clip_infos([row], [class_name])
    assert csv_cell(info.place) == info.place
    assert not [part for part in info.place.split("/") if part.startswith((".", "__")) or part in ("", " ")]


def test_videos_are_crops_of_all_frames(workspace: Path, tmp_path: Path) -> None:
    export(tmp_path / "out")
    with av.open(str(tmp_path / f"out/test/Dig/{CLIPS[0]}.mp4")) as video:
        assert [(frame.width, frame.height) for frame in video.decode(video=0)] == [(32, 32)] * 12


def test_damaged_and_missing_files_are_found_and_made_again_with_the_same_bytes(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A video, the table of a subset, and the card, which is of the whole."""
    out = tmp_path / "out"
    assert export(out) == 3
    before = contents(out)
    video = min(out.glob("train/**/*.mp4"))
    for file in (video, out / "test/metadata.csv", out / "README.md"):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    max(out.glob("train/**/*.mp4")).unlink()
    capsys.readouterr()
    assert mocrop("verify", out) == 3
    told = "".join(capsys.readouterr().out.split())
    for name in (video.relative_to(out).as_posix(), "test/metadata.csv", "README.md"):
        assert f"thechecksumof{''.join(name.split())}differs" in told
    assert mocrop("verify", out, "--repair") == 0
    assert mocrop("export", out, "--workers", "0") == 3
    assert contents(out) == before
    assert mocrop("verify", out) == 0


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_card_leads_to_the_folders_by_the_names_of_the_hub(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A validation list is called `validation` there; several classes of a clip stand in one cell."""
    monkeypatch.setenv("MOCROP_WORKSPACE", str(tmp_path / "work"))
    for name in ("a", "b", "c"):
        make_video(tmp_path / f"data/{name}.avi")
    table = [("a.avi", "Run", "val"), ("a.avi", "Dig", "val"), ("b.avi", "Run", "train"), ("c.avi", "Run", "test")]
    write_csv(("path", "label", "subset"), table, tmp_path / "lists.csv")
    assert mocrop("init", tmp_path / "data", "--splits", tmp_path / "lists.csv", "--multi-label") == 0
    command = ["export", tmp_path / "out", "--to", "huggingface", "--policy", "full", "--size", "32", "--workers", "0"]
    assert mocrop(*command, "--licence", "cc0-1.0") == 0
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: cc0-1.0\n")
    assert (
        '  - split: train\n    path: "train/**"\n  - split: validation\n    path: "validation/**"\n  - split: test\n'
        in card
    )
    assert "a clip may have several" in card
    row = rows(tmp_path / "out/validation/metadata.csv")[0]
    assert (row["label"], row["class"]) == ("0|1", "Dig|Run")
    assert (tmp_path / "out/classes.csv").read_text(encoding="utf-8") == "label,class\n0,Dig\n1,Run\n"


def test_a_moving_crop_is_said_to_move_and_its_path_is_in_a_table(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bright square of a made clip goes to the right, and the crop of `follow` with it."""
    monkeypatch.setenv("MOCROP_WORKSPACE", str(tmp_path / "work"))
    make_video(tmp_path / "data/Run/a.avi", frames=48, size=(160, 48))
    assert mocrop("init", tmp_path / "data") == 0
    assert mocrop("transcode", "--workers", "0") == 0
    assert mocrop("extract-mv", "--workers", "0") == 0
    command = ["export", tmp_path / "out", "--to", "huggingface", "--policy", "follow", "--ratio", "0.4"]
    assert mocrop(*command, "--size", "32", "--workers", "0") == 0
    metadata = next((tmp_path / "out").rglob("metadata.csv"))
    row = rows(metadata)[0]
    path = [each for each in rows(tmp_path / "out/boxes.csv") if each["clip"].endswith(row["file_name"])]
    assert row["moves"] == "true"
    assert len(path) > 1
    assert [row[name] for name in HEAD[3:7]] == [path[0][name] for name in HEAD[3:7]]
    assert int(path[-1]["left"]) > int(path[0]["left"])
