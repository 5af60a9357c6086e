"""The form `webdataset`, read back with nothing but `tarfile`; tests/interop reads it with the library itself."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.export import stage
from tests.conftest import MakeVideo, mocrop
from tests.pipeline.export.odd_data_set import BROKEN, CLASSES, CLIPS, KEY_FRAMES, UNLISTED, export_workspace, workspace

__all__ = ["export_workspace", "workspace"]  # fixtures

Sample = dict[str, bytes]  # what is behind the first dot of its names -> content


def export(folder: Path, *options: str, workers: int = 0) -> int:
    return mocrop("export", folder, "--to", "webdataset", "--cache", "c", "--workers", str(workers), *options)


def samples(*shards: Path) -> dict[str, Sample]:
    """By key, as WebDataset groups files that come one after the other: up to the first dot."""
    found: dict[str, Sample] = {}
    before = ""
    for shard in sorted(shards):
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, name = member.name.partition(".")
                assert key == before or key not in found, "files of a sample follow one another"
                content = tar.extractfile(member)
                assert content is not None
                found.setdefault(key, {})[name] = content.read()
                before = key
    return found


def facts(sample: Sample) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(sample["json"])
    return told


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_clip_is_in_one_shard_of_its_subset(workspace: Path, tmp_path: Path) -> None:
    assert export(tmp_path / "out") == 3
    names = {
        subset: sorted(facts(each)["clip"] for each in samples(tmp_path / f"out/{subset}-000000.tar").values())
        for subset in ("train", "test", "unlisted")
    }
    assert names["test"] == [clip for number, clip in enumerate(CLIPS) if number % 4 == 0]
    assert names["unlisted"] == [UNLISTED]
    assert sorted(clip for each in names.values() for clip in each) == sorted(CLIPS)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tar")) == [
        "test-000000.tar",
        "train-000000.tar",
        "unlisted-000000.tar",
    ]
    assert not any(BROKEN in str(each) for each in names.values())


def test_the_second_split_has_other_subsets(workspace: Path, tmp_path: Path) -> None:
    assert export(tmp_path / "out", "--split", "2") == 3
    train = [facts(each)["clip"] for each in samples(tmp_path / "out/train-000000.tar").values()]
    assert sorted(train) == CLIPS[1::2]


def test_a_sample_has_its_frames_in_order_its_label_and_what_is_known_of_it(workspace: Path, tmp_path: Path) -> None:
    export(tmp_path / "out", "--image", "png")
    cache = CropCache(workspace / "caches/c.zarr")
    stored = cache.open_frames().read().result()
    for sample in samples(*(tmp_path / "out").glob("*.tar")).values():
        told = facts(sample)
        count = KEY_FRAMES[told["clip"]]
        label = int(told["clip"].startswith("two"))
        assert sorted(sample) == sorted([f"{slot:05d}.png" for slot in range(count)] + ["cls", "json"])
        pixels = [np.asarray(Image.open(io.BytesIO(sample[f"{slot:05d}.png"]))) for slot in range(count)]
        row = cache.clip.index(told["clip"])
        assert np.array_equal(np.stack(pixels).transpose(0, 3, 1, 2), stored[row, :count])
        assert sample["cls"] == str(label).encode()
        assert told == {
            "clip": told["clip"],
            "label": label,
            "class": CLASSES[label],
            "frames": [12 * slot for slot in range(count)],
            "seconds": [0.48 * slot for slot in range(count)],
            "boxes": [[0, 0, 64, 48]] * count,
            "source": [64, 48],
        }


def test_videos_have_every_frame_and_its_time(workspace: Path, tmp_path: Path) -> None:
    assert export(tmp_path / "out", "--sample", "mp4", "--crf", "10") == 3
    for sample in samples(*(tmp_path / "out").glob("*.tar")).values():
        told = facts(sample)
        count = 12 * KEY_FRAMES[told["clip"]]
        assert sorted(sample) == ["cls", "json", "mp4"]
        with av.open(io.BytesIO(sample["mp4"])) as video:
            shown = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert {picture.shape for picture in shown} == {(32, 32, 3)}
        assert len(shown) == count
        assert told["frames"] == list(range(count))
        assert told["seconds"] == [round(0.04 * number, 6) for number in range(count)]


def test_small_shards_hold_what_they_should_and_the_same_bytes_by_any_workers(workspace: Path, tmp_path: Path) -> None:
    """A clip takes some 5,000 bytes, so that two fit into a shard of 12,000."""
    assert export(tmp_path / "one", "--shard-mb", "0.012") == 3
    assert export(tmp_path / "two", "--shard-mb", "0.012", workers=2) == 3
    shards = [*(tmp_path / "one").glob("train-*.tar")]
    assert len(shards) > 1
    assert len(samples(*shards)) == 5
    tars = [
        {name: data for name, data in files(tmp_path / each).items() if name.endswith("tar")} for each in ("one", "two")
    ]
    assert tars[0] == tars[1]


def test_another_seed_has_the_same_samples_in_another_order(workspace: Path, tmp_path: Path) -> None:
    export(tmp_path / "one")
    export(tmp_path / "two", "--shuffle-seed", "3")
    one, two = (samples(tmp_path / each / "train-000000.tar") for each in ("one", "two"))
    assert one == two
    assert list(one) != list(two)
    assert list(one) != sorted(one)


def test_an_export_that_was_stopped_ends_with_the_same_bytes(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped while it joins its second shard, of which nothing may be left."""
    options = ["--shard-mb", "0.012"]
    export(tmp_path / "whole", *options)
    joined: list[Path] = []
    form = stage.FORMS["webdataset"]

    def join(pieces: Any, file: Path, settings: Any) -> None:
        if joined:
            file.write_bytes(b"half")
            raise KeyboardInterrupt
        joined.append(file)
        assert form.join is not None
        form.join(pieces, file, settings)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "FORMS", {**stage.FORMS, "webdataset": _with_join(form, join)})
        assert export(tmp_path / "out", *options) == 130
    assert len([*(tmp_path / "out").glob("*.tar")]) == 1
    first = next((tmp_path / "out").glob("*.tar"))
    when = first.stat().st_mtime_ns
    assert export(tmp_path / "out", *options) == 3
    assert first.stat().st_mtime_ns == when  # not written again
    assert _apart(files(tmp_path / "out")) == _apart(files(tmp_path / "whole"))
    assert not (tmp_path / "out/.partial").exists()


DIES = """
import os, signal, sys
from mocrop.cli import main
from mocrop.pipeline.export import webdataset

join, joined = webdataset.join_tar, []

def dies(pieces, file):
    join(pieces, file)
    joined.append(file)
    if len(joined) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

webdataset.join_tar = dies
main(sys.argv[1:])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_an_export_that_is_killed_ends_with_the_same_bytes(workspace: Path, tmp_path: Path) -> None:
    """By SIGKILL, with a whole shard that has no name yet."""
    options = ["--to", "webdataset", "--cache", "c", "--workers", "0", "--shard-mb", "0.012"]
    export(tmp_path / "whole", "--shard-mb", "0.012")
    command = [sys.executable, "-c", DIES, "export", str(tmp_path / "out"), *options]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert len([*(tmp_path / "out").glob("*.tar")]) == 1
    assert any((tmp_path / "out/.partial").iterdir())
    assert mocrop("export", tmp_path / "out", "--workers", "0") == 3  # a clip of the data set is broken
    assert _apart(files(tmp_path / "out")) == _apart(files(tmp_path / "whole"))
    assert not (tmp_path / "out/.partial").exists()


def test_a_disk_that_is_full_ends_the_export_in_a_line_and_leaves_no_half_shard(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def join(_: Any, file: Path, __: Any) -> None:
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(file))

    with monkeypatch.context() as patch:
        patch.setattr(stage, "FORMS", {**stage.FORMS, "webdataset": _with_join(stage.FORMS["webdataset"], join)})
        assert export(tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no space is left on the disk" in said
    assert not [*(tmp_path / "out").glob("*.tar")]
    assert export(tmp_path / "out") == 3
    assert len([*(tmp_path / "out").glob("*.tar")]) == 3
    assert not (tmp_path / "out/.partial").exists()


def _with_join(form: Any, join: Callable[..., None]) -> Any:
    return dataclasses.replace(form, join=join)


def _apart(found: dict[str, bytes]) -> dict[str, bytes]:
    """Without the description, which names the folder in hashes."""
    return {name: content for name, content in found.items() if name != "mocrop-export.json"}


def test_shards_of_an_earlier_plan_are_gone_when_clips_have_come(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a pattern such as train-*.tar would give clips twice."""
    monkeypatch.setenv("MOCROP_WORKSPACE", str(tmp_path / "work"))
    crop = ["--policy", "full", "--size", "32", "--frames", "2", "--name", "c", "--workers", "0"]

    def exported(*numbers: int) -> list[str]:
        """Clips in the shards. Odd ones are for test; a shard holds two."""
        for number in range(9):
            file = tmp_path / f"data/Dig/{number}.avi"
            if number not in numbers:
                file.unlink(missing_ok=True)
            elif not file.exists():
                make_video(file)
        rows = [(f"Dig/{each}.avi", "Dig", "test" if each % 2 else "train") for each in numbers]
        write_csv(("path", "label", "subset"), rows, tmp_path / "lists.csv")
        assert mocrop("init", tmp_path / "data", "--splits", tmp_path / "lists.csv") == 0
        assert mocrop("transcode", "--workers", "0") == 0
        assert mocrop("precrop", *crop) == 0
        assert export(tmp_path / "out", "--shard-mb", "0.012") == 0
        found = samples(*(tmp_path / "out").glob("*.tar"))
        return sorted(facts(each)["clip"] for each in found.values())

    def shards() -> list[str]:
        return sorted(path.name.replace("-00000", "").removesuffix(".tar") for path in (tmp_path / "out").glob("*.tar"))

    for numbers, expected in (
        (range(5), ["test0", "train0", "train1"]),
        (range(9), ["test0", "test1", "train0", "train1", "train2"]),
        ((0, 1, 2, 4, 6, 8), ["test0", "train0", "train1", "train2"]),
    ):
        assert exported(*numbers) == [f"Dig/{number}" for number in sorted(numbers)]
        assert shards() == expected


def test_several_labels_a_clip_are_in_the_facts_and_there_is_no_single_one(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCROP_WORKSPACE", str(tmp_path / "work"))
    make_video(tmp_path / "data/a.avi")
    make_video(tmp_path / "data/b.avi")
    rows = [("a.avi", "Run", "train"), ("a.avi", "Dig", "train"), ("b.avi", "Run", "train")]
    write_csv(("path", "label", "subset"), rows, tmp_path / "lists.csv")
    assert mocrop("init", tmp_path / "data", "--splits", tmp_path / "lists.csv", "--multi-label") == 0
    assert mocrop("transcode", "--workers", "0") == 0
    assert mocrop("precrop", "--policy", "full", "--size", "32", "--name", "c", "--workers", "0") == 0
    assert export(tmp_path / "out") == 0
    found = {facts(each)["clip"]: each for each in samples(tmp_path / "out/train-000000.tar").values()}
    assert [sorted(each) for each in found.values()].count(["00000.jpg", "00001.jpg", "json"]) == 2
    labels = {clip: (facts(each)["labels"], facts(each)["classes"]) for clip, each in found.items()}
    assert labels == {"a": ([0, 1], ["Dig", "Run"]), "b": ([1], ["Run"])}
    assert "label" not in facts(found["b"])


def test_the_card_states_what_is_known_and_what_is_not(workspace: Path, tmp_path: Path) -> None:
    export(tmp_path / "plain")
    export(tmp_path / "said", "--licence", "cc-by-4.0", "--source-url", "https://example.org/a", "--sample", "mp4")
    plain, said = ((tmp_path / each / "README.md").read_text(encoding="utf-8") for each in ("plain", "said"))
    assert plain.startswith(
        "---\nlicense: unknown\ntask_categories:\n- video-classification\nsize_categories:\n- n<1K\n"
    )
    assert "Source of the videos: unknown" in plain
    assert "Policy: `full`, crop cache `c`" in plain
    assert "| train | 5 |\n| test | 2 |\n| unlisted | 1 |" in plain
    assert "1 clips of the data set are not in here" in plain
    assert "license: cc-by-4.0\n" in said
    assert "Source of the videos: <https://example.org/a>" in said
    assert "configs:" not in plain  # clips of one, two and three frames: `datasets` would refuse them
    assert "The library `datasets` does not read these shards" in plain
    assert '  - split: train\n    path: "train-*.tar"\n' in said


def test_a_split_that_is_not_there_is_refused_in_a_line(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path / "out", "--split", "5") == 1
    assert "there is no split '5'; the splits are 1, 2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_damaged_or_missing_shard_is_found_and_made_again_with_the_same_bytes(
    workspace: Path, tmp_path: Path
) -> None:
    export(tmp_path / "out")
    before = files(tmp_path / "out")
    shard = tmp_path / "out/train-000000.tar"
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    assert mocrop("verify", tmp_path / "out") == 3
    shutil.move(tmp_path / "out/test-000000.tar", tmp_path / "elsewhere")
    assert mocrop("verify", tmp_path / "out", "--repair") == 0
    assert export(tmp_path / "out") == 3
    assert files(tmp_path / "out") == before


def test_an_export_whose_split_is_gone_says_so_and_is_made_again_by_another(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOCROP_WORKSPACE", str(tmp_path / "work"))
    rows = []
    for number in range(3):
        make_video(tmp_path / f"data/Dig/{number}.avi")
        subset = "test" if number == 2 else "train"
        rows += [(f"Dig/{number}.avi", "Dig", subset, split) for split in ("a", "b")]
    write_csv(("path", "label", "subset", "split"), rows, tmp_path / "two.csv")
    write_csv(("path", "label", "subset", "split"), [row for row in rows if row[3] == "a"], tmp_path / "one.csv")
    assert mocrop("init", tmp_path / "data", "--splits", tmp_path / "two.csv") == 0
    command = ["export", tmp_path / "out", "--to", "webdataset", "--policy", "full", "--size", "32", "--workers", "0"]
    assert mocrop("transcode", "--workers", "0") == 0
    assert mocrop(*command, "--split", "b") == 0
    assert mocrop("init", tmp_path / "data", "--splits", tmp_path / "one.csv") == 0
    capsys.readouterr()
    assert mocrop("export", tmp_path / "out", "--workers", "0") == 1
    assert (
        f"{tmp_path / 'out'}: there is no split 'b'; the splits are a; pass another --split" in capsys.readouterr().err
    )
    for others in (["status"], ["retry", "--workers", "0"], ["gallery", "--html"]):  # go on without it
        assert mocrop(*others) == 0
        told = capsys.readouterr().out.splitlines()
        named = [line for line in told if line.startswith(f"export {tmp_path / 'out'}: there is no split 'b'")]
        assert len(named) == (others != ["gallery", "--html"])
        assert others != ["status"] or ["transcode", "3"] in [line.split()[:2] for line in told]
    assert mocrop(*command, "--split", "a") == 1  # the settings differ
    assert mocrop(*command, "--split", "a", "--overwrite") == 0
    capsys.readouterr()
    assert mocrop("status") == 0
    assert "there is no split" not in capsys.readouterr().out
