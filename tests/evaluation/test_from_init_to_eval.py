"""Data sets in their official forms, from `mocrop init` to `mocrop eval`, as a new user would go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mocrop.cli import app
from mocrop.evaluation.demo.sprites import SpriteSettings, make_sprites
from mocrop.evaluation.scores.predictions import read_predictions
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import MocropError

SPRITES = SpriteSettings(classes=2, groups=4, clips_per_group=1, frames=13, width=48, height=36)
Clips = dict[Path, tuple[str, bool]]  # file -> class, whether it is for train
TRAIN = ("train", "--arch", "timm/test_resnet", "--weights", "none", "--epochs", "1", "--device", "cpu", "--name", "r")
EVAL = ("eval", "--run", "r", "--segments", "2", "--device", "cpu")
Lay = Callable[[Path, Clips], list[str]]  # writes a data set of clips; the options of `init`


def _put(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    file.rename(target)


def _subset_folders(root: Path, clips: Clips) -> list[str]:
    for file, (label, train) in clips.items():
        _put(file, root / "data" / ("train" if train else "val") / label / file.name)
    return []


def _hmdb51(root: Path, clips: Clips) -> list[str]:
    for file, (label, train) in clips.items():
        _put(file, root / "data" / label / file.name)
        _append(root / "lists" / f"{label}_test_split1.txt", f"{file.name} {1 if train else 2} ")
    return ["--splits", "lists"]


def _ucf101(root: Path, clips: Clips) -> list[str]:
    labels = sorted({label for label, _ in clips.values()})
    for n, label in enumerate(labels, start=1):
        _append(root / "lists/classInd.txt", f"{n} {label}")
    for file, (label, train) in clips.items():
        _put(file, root / "data" / label / file.name)
        number = f" {labels.index(label) + 1}" if train else ""
        _append(root / "lists" / ("trainlist01.txt" if train else "testlist01.txt"), f"{label}/{file.name}{number}")
    return ["--splits", "lists"]


def _kinetics(root: Path, clips: Clips) -> list[str]:
    for n, (file, (label, train)) in enumerate(clips.items()):
        video, subset = f"-{n:010d}", "train" if train else "validate"
        csv = root / "lists" / f"{subset}.csv"
        if not csv.exists():
            _append(csv, "label,youtube_id,time_start,time_end,split")
        _append(csv, f"{label},{video},{n},{n + 10},{subset}")
        _put(file, root / "data" / f"{video}_{n:06d}_{n + 10:06d}.avi")
    return ["--splits", "lists"]


def _ssv2(root: Path, clips: Clips) -> list[str]:
    names = sorted({label for label, _ in clips.values()})
    entries: dict[str, list[dict[str, str]]] = {"train": [], "validation": []}
    for n, (file, (label, train)) in enumerate(clips.items()):
        entries["train" if train else "validation"].append({"id": str(n), "template": f"{label} [something]"})
        _put(file, root / "data" / f"{n}.avi")
    numbers = {f"{name} something": str(n) for n, name in enumerate(names)}
    for word, value in {**entries, "labels": numbers}.items():
        _append(root / f"lists/something-something-v2-{word}.json", json.dumps(value))
    return ["--splits", "lists"]


def _diving48(root: Path, clips: Clips) -> list[str]:
    names = sorted({label for label, _ in clips.values()})
    entries: dict[str, list[dict[str, object]]] = {"train": [], "test": []}
    for n, (file, (label, train)) in enumerate(clips.items()):
        entry = {"vid_name": f"-x_{n:05d}", "label": names.index(label), "start_frame": 0, "end_frame": 13}
        entries["train" if train else "test"].append(entry)
        _put(file, root / "data" / f"rgb/-x_{n:05d}.avi")
    for word, value in {"V2_train": entries["train"], "V2_test": entries["test"]}.items():
        _append(root / f"lists/Diving48_{word}.json", json.dumps(value))
    _append(root / "lists/Diving48_vocab.json", json.dumps([[name] for name in names]))
    return ["--splits", "lists"]


def _flat_with_csv(root: Path, clips: Clips) -> list[str]:
    _append(root / "own.csv", "subset;label;path")
    for n, (file, (label, train)) in enumerate(clips.items()):
        _put(file, root / "data" / f"a clip {n}.avi")
        _append(root / "own.csv", f"{'train' if train else 'eval'};{label};C:\\videos\\a clip {n}.avi")
    return ["--splits", "own.csv"]


def _flat_with_list(root: Path, clips: Clips) -> list[str]:
    for n, (file, (label, train)) in enumerate(clips.items()):
        _put(file, root / "data" / f"a clip {n}.avi")
        _append(root / "lists" / ("train.txt" if train else "test.txt"), f"a clip {n}.avi {label}")
    return ["--splits", "lists"]


def _append(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        stream.write(f"{line}\n")


FORMS: dict[str, tuple[str, Lay]] = {
    "subset folders": ("folders", _subset_folders),
    "HMDB-51": ("hmdb51", _hmdb51),
    "UCF-101": ("ucf101", _ucf101),
    "Kinetics": ("kinetics", _kinetics),
    "Something-Something v2": ("ssv2", _ssv2),
    "Diving48": ("diving48", _diving48),
    "a flat folder with a CSV": ("csv", _flat_with_csv),
    "a flat folder with lists": ("list", _flat_with_list),
}


def mocrop(*command: str, code: int = 0) -> str:
    """Standard output of a command, or the message of the error that it ends with."""
    done = CliRunner().invoke(app, command)
    if code:
        assert isinstance(done.exception, MocropError), done.output
        return str(done.exception)
    assert done.exit_code == 0, done.output + str(done.exception)
    return done.stdout


@pytest.mark.parametrize("what", FORMS)
def test_every_form_goes_from_init_to_eval_with_its_own_labels(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_sprites(tmp_path / "made", SPRITES)
    clips = {file: (file.parent.name, "_g01_" not in file.name) for file in sorted((tmp_path / "made").rglob("*.avi"))}
    truth = {file.stat().st_size: label for file, (label, _) in clips.items()}
    assert len(truth) == len(clips) == 8
    form, lay = FORMS[what]
    options = lay(tmp_path, clips)
    labels = {path.relative_to("data"): truth[path.stat().st_size] for path in Path("data").rglob("*.avi")}

    found = json.loads(mocrop("init", "data", *options, "--json"))["dataset"]
    assert (found["form"], found["splits"]) == (form, {"1": {"train": 6, "val": 0, "test": 2, "none": 0}})
    mocrop("run", "--size", "16", "--frames", "2", "--workers", "0", "--name", "c")
    cache = CropCache(Path("mocrop-work/caches/c.zarr"))
    for row, clip in enumerate(cache.clip):
        name = cache.class_names[cache.label[row]].removesuffix(" something")
        assert name == labels[Path(f"{clip}.avi")], clip
    mocrop(*TRAIN)
    mocrop(*EVAL)
    (saved,) = Path("mocrop-work/reports").glob("*.npz")
    assert len(read_predictions(saved).clips) == 2


def test_several_labels_a_clip_go_from_init_to_eval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_sprites(tmp_path / "made", SPRITES)
    truth, rows = {}, ["path,label,subset"]
    for n, file in enumerate(sorted((tmp_path / "made").rglob("*.avi"))):
        subset = ("test", "val", "train", "train")[n % 4]
        truth[file.stem] = {file.parent.name} | ({"moving"} if n % 2 else set())
        rows.append(f"{file.name},{' + '.join(sorted(truth[file.stem]))},{subset}")
        _put(file, tmp_path / "data" / file.name)
    (tmp_path / "own.csv").write_text("\n".join(rows))

    found = json.loads(mocrop("init", "data", "--splits", "own.csv", "--label-separator", "+", "--json"))["dataset"]
    assert found["splits"] == {"1": {"train": 4, "val": 2, "test": 2, "none": 0}}
    assert (found["classes"], found["class_clips"]["moving"], found["several_labels"]) == (3, 4, True)
    mocrop("run", "--size", "16", "--frames", "2", "--workers", "0", "--name", "c")
    path = Path("mocrop-work/caches/c.zarr")
    cache = CropCache(path)
    assert cache.labels is not None
    for clip, marks in zip(cache.clip, cache.labels, strict=True):
        assert {name for name, mark in zip(cache.class_names, marks, strict=True) if mark} == truth[clip]
    assert "2 of the validation list to validate on" in mocrop(*TRAIN)
    assert "average precision" in mocrop(*EVAL)
    (saved,) = Path("mocrop-work/reports").glob("*.npz")
    assert len(read_predictions(saved).clips) == 2

    mocrop("init", "data", "--no-multi-label")
    mocrop("precrop", "--name", "c", "--workers", "0")
    cache = CropCache(path)
    assert cache.labels is None
    assert len(cache.class_names) == 4  # each of two alone, and moving


def test_segments_go_from_init_to_eval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_sprites(tmp_path / "made", SPRITES)
    database = {}
    for n, file in enumerate(sorted((tmp_path / "made").rglob("*.avi"))):
        spans = ((0, 0.2), (0.1, 0.4))
        database[f"-x{n}"] = {
            "subset": "validation" if n % 4 == 0 else "training",
            "duration": 0.52,
            "annotations": [{"label": file.parent.name, "segment": span} for span in spans],
        }
        _put(file, tmp_path / "data" / f"v_-x{n}.avi")
    (tmp_path / "lists.json").write_text(json.dumps({"version": "1.3", "database": database}))

    found = json.loads(mocrop("init", "data", "--splits", "lists.json", "--json"))["dataset"]
    assert (found["form"], found["clips"], found["listed"], found["missing"]) == ("activitynet", 16, 16, 0)
    assert found["splits"] == {"1": {"train": 12, "val": 0, "test": 4, "none": 0}}
    mocrop("run", "--size", "16", "--frames", "2", "--workers", "0", "--name", "c")
    cache = CropCache(Path("mocrop-work/caches/c.zarr"))
    assert sorted(cache.clip)[:2] == ["v_-x0#0-0.2", "v_-x0#0.1-0.4"]
    for row, clip in enumerate(cache.clip):
        video = clip.partition("#")[0].removeprefix("v_")
        assert cache.class_names[cache.label[row]] == database[video]["annotations"][0]["label"]
    assert len({(clip.partition("#")[0], group) for clip, group in zip(cache.clip, cache.group, strict=True)}) == 8
    mocrop(*TRAIN)
    assert "of 4 clips" in mocrop(*EVAL)


def test_videos_without_labels_are_cropped_and_looked_at_and_labelled_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_sprites(tmp_path / "made", SPRITES)
    for n, file in enumerate(sorted((tmp_path / "made").rglob("*.avi"))):
        _put(file, tmp_path / "data" / ("deep/er" if n % 2 else "") / file.name)
    (tmp_path / "data/own.csv").write_text(
        "path,label,subset\n"
        + "".join(
            f"{file.name},{file.name.split('_')[1]},{'test' if '_g01_' in file.name else 'train'}\n"
            for file in Path("data").rglob("*.avi")
        )
    )
    found = json.loads(mocrop("init", "data", "--unlabelled", "--json"))["dataset"]
    assert (found["clips"], found["classes"], found["splits"], found["form"]) == (8, 0, {}, "")
    mocrop("run", "--size", "16", "--frames", "2", "--workers", "0", "--name", "c")
    path = Path("mocrop-work/caches/c.zarr")
    cache = CropCache(path)
    assert (cache.class_names, cache.split_names, set(cache.label.tolist()), cache.subset.shape) == (
        [],
        [],
        {-1},
        (8, 0),
    )
    mocrop("verify")
    mocrop("gallery", "--clips", "2")
    mocrop("show", cache.clip[0])
    assert json.loads(mocrop("status", "--json"))["next_command"] == "mocrop gallery"
    for command in (("train", "--arch", "timm/test_resnet", "--weights", "none"), ("ablate",)):
        assert "have no labels" in mocrop(*command, code=1)
    mocrop("transcode", "data")  # looks through everything again, and keeps what it is
    assert CropCache(path).class_names == []
    before = next((path / "frames").rglob("c/*/*/*/*/*")).stat().st_mtime_ns
    assert "--splits data/own.csv is given" in mocrop(
        "init", "data", "--unlabelled", "--splits", "data/own.csv", code=1
    )
    mocrop("init", "data", "--splits", "data/own.csv")
    mocrop("precrop", "--name", "c", "--workers", "0")
    cache = CropCache(path)
    assert [cache.class_names[label] for label in cache.label] == [clip.split("_")[-3] for clip in cache.clip]
    assert next((path / "frames").rglob("c/*/*/*/*/*")).stat().st_mtime_ns == before
    mocrop(*TRAIN)
