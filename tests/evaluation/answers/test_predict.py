"""`mocrop predict` and `mocrop.evaluation.predict`: what they say of files, good and bad."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mocrop.evaluation import EvalSettings, evaluate, predict
from mocrop.evaluation.answers import answers as answers_module
from mocrop.evaluation.answers.predictor import load_predictor
from mocrop.evaluation.scores.predict import batch_logits
from mocrop.pipeline import CropCache, Workspace
from mocrop.pipeline.errors import CheckpointError, Reason, SettingsError
from mocrop.pipeline.strict_json import json_text
from mocrop.training.model.checkpoint import describe_cache, load_checkpoint, save_checkpoint
from tests.conftest import MakeCache, MakeVideo, mocrop
from tests.evaluation.answers.conftest import Train

CPU = {"segments": 4, "device": "cpu"}


def _changed(run: Path, target: Path, **fields: object) -> Path:
    """A checkpoint like that of a run, but for some of its parts."""
    save_checkpoint(target, SimpleNamespace(**{**vars(load_checkpoint(run / "best.pt")), **fields}))  # type: ignore[arg-type]
    return target


def test_test_clips_of_a_run_get_the_logits_of_eval_by_either_file(made: Workspace, trained: Train) -> None:
    run = trained("motion", policy="motion")
    tested = evaluate(made.cache("motion"), run / "best.pt", EvalSettings(**CPU)).predictions  # type: ignore[arg-type]
    for paths in ([made.root.parent / f"data/{clip}.avi" for clip in tested.clips], map(made.h264_file, tested.clips)):
        answers = predict(list(paths), run="motion", workspace=made, **CPU)  # type: ignore[arg-type]
        assert [each.name for each in answers.files] == list(tested.clips)
        for each, expected in zip(answers.files, tested.logits, strict=True):
            assert each.logits is not None
            assert each.logits.tobytes() == expected.tobytes()
            assert each.seen is None
    assert Reason.TAKEN_AS_IT_IS in answers.files[0].reasons


def test_a_checkpoint_needs_no_workspace_and_nothing_is_written(made: Workspace, trained: Train, here: Path) -> None:
    alone = shutil.copy(trained("center", policy="center", fit="pad") / "best.pt", here / "alone.pt")
    (here / "Fish").mkdir()
    clip = shutil.copy(made.root.parent / "data/Fish/v_Fish_g01_c01.avi", here / "Fish/x.avi")
    before = sorted(here.rglob("*"))
    (answer,) = predict(clip, checkpoint=alone, **CPU).files  # type: ignore[arg-type]
    assert sorted(here.rglob("*")) == before
    cache = CropCache(made.cache("center"))
    assert (answer.name, answer.named_by) == ("Fish/x", "class")
    row = cache.clip.index("Fish/v_Fish_g01_c01")
    assert answer.frames == (0, 12, 12, 24)  # 3 key frames for 4 segments
    assert cache.frame_index[row].tolist() == [0, 12, 24, -1]
    assert answer.box is not None
    assert np.array_equal(np.float32(answer.box.edges), cache.box[row])


def test_a_bad_file_is_said_and_the_others_go_on(
    made: Workspace, trained: Train, here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    trained("motion", policy="motion")
    (here / "broken.avi").write_bytes(b"RIFF")
    (here / "empty.mp4").touch()
    make_video(here / "one.mp4", frames=1)
    make_video(here / "good.mp4", frames=26)
    files = ["broken.avi", "empty.mp4", "gone.mp4", "one.mp4", "good.mp4", "good.mp4"]
    common = ["-w", made.root, "--run", "motion", "--device", "cpu"]
    assert mocrop("predict", *files, *common, "--json", "--csv", "out.csv", "--top", "1") == 3
    said = json.loads(capsys.readouterr().out)
    assert [(each["path"], each["state"], each["reasons"][0]) for each in said["files"]] == [
        ("broken.avi", "failed", "not-a-video"),
        ("empty.mp4", "failed", "empty-file"),
        ("gone.mp4", "failed", "vanished"),
        ("one.mp4", "whole-frame", "one-frame"),
        ("good.mp4", "cropped", "fewer-key-frames-than-slots"),
    ]
    assert said["failed"] == 3
    good = said["files"][-1]
    assert good["frames"] == [0, 12, 12, 24]
    assert good["times"] == pytest.approx([0, 0.48, 0.48, 0.96])
    odds = np.exp(np.array(good["logits"]))
    assert good["top"][0]["probability"] == pytest.approx((odds / odds.sum()).max(), rel=1e-5)
    assert good["top"][0]["class"] == said["classes"][int(odds.argmax())]
    rows = list(csv.DictReader((here / "out.csv").open()))
    assert [row["path"] for row in rows] == files[:-1]
    assert rows[-1]["class_1"] == good["top"][0]["class"]
    assert rows[0]["class_1"] == ""
    assert mocrop("predict", *files, *common) == 3
    text = capsys.readouterr().out
    assert "gone.mp4: vanished: there is no such file" in text
    assert "3 files of 5 could not be read" in text
    assert "policy motion draws vectors by the name of a clip; 5 files are no clips of a workspace at hand" in text


def test_paths_come_from_standard_input(
    made: Workspace, trained: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained("center", policy="center", fit="pad")
    path = made.root.parent / "data/Fish/v_Fish_g01_c01.avi"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{path}\n".encode())))
    assert mocrop("predict", "-", "-w", made.root, "--run", "center", "--device", "cpu", "--json") == 0
    (answer,) = json.loads(capsys.readouterr().out)["files"]
    assert answer["name"] == "Fish/v_Fish_g01_c01"
    assert answer["times"] is None  # nobody has read its motion


def test_a_clip_that_was_trained_on_is_said(made: Workspace, trained: Train) -> None:
    run = trained("motion", policy="motion")
    answers = predict(made.root.parent / "data", run="motion", workspace=made, **CPU)  # type: ignore[arg-type]
    checkpoint, cache = load_checkpoint(run / "best.pt"), CropCache(made.cache("motion"))
    seen = {each.name for each in answers.files if each.seen}
    assert seen == {name for name, subset in zip(cache.clip, cache.subset[:, 0].tolist(), strict=True) if subset == 1}
    assert checkpoint.trained_on is not None
    assert sum(each.seen == "trained on" for each in answers.files) == len(checkpoint.trained_on)


def test_a_file_without_vectors_is_transcoded_where_the_cache_read_originals(
    made: Workspace, trained: Train, here: Path, make_video: MakeVideo
) -> None:
    trained("original", policy="motion", source="original")
    make_video(here / "vp9.webm", codec="libvpx-vp9", frames=26)
    (answer,) = predict("vp9.webm", run="original", workspace=made, **CPU).files  # type: ignore[arg-type]
    assert answer.state == "cropped"
    assert Reason.OWN_FILE_FALLS_SHORT in answer.reasons
    assert "FFmpeg exports no motion vectors from vp9" in answer.message


def test_a_checkpoint_without_crop_settings_names_the_option_that_supplies_them(
    made: Workspace, trained: Train, tmp_path: Path
) -> None:
    run = trained("motion", policy="motion")
    described = load_checkpoint(run / "best.pt").cache
    old = _changed(run, tmp_path / "old.pt", cache={name: described[name] for name in ("name", "hash")})
    clip = made.root.parent / "data/Fish/v_Fish_g01_c01.avi"
    with pytest.raises(CheckpointError, match=r"did not store how its clips were cropped; pass --cache"):
        predict(clip, checkpoint=old, workspace=made, **CPU)  # type: ignore[arg-type]
    one, other = (
        predict(clip, checkpoint=file, cache=cache, workspace=made, **CPU).files[0].logits  # type: ignore[arg-type]
        for file, cache in ((old, str(made.cache("motion"))), (run / "best.pt", None))
    )
    assert one is not None
    assert other is not None
    assert one.tobytes() == other.tobytes()


def test_boxes_of_given_maps_are_refused(trained: Train, tmp_path: Path) -> None:
    run = trained("center", policy="center", fit="pad")
    described = load_checkpoint(run / "best.pt").cache
    maps = {"folder": str(tmp_path), "grid": [6, 8], "ratio": 0.75}
    settings = {**described["settings"], "policy": "maps", "policy_settings": maps}
    file = _changed(run, tmp_path / "maps.pt", cache={**described, "settings": settings})
    with pytest.raises(CheckpointError, match=r"density maps that were given for its clips \(policy maps\)"):
        load_predictor(file, device="cpu")


def test_a_setting_of_a_newer_mocrop_is_refused(trained: Train, tmp_path: Path) -> None:
    run = trained("center", policy="center", fit="pad")
    described = load_checkpoint(run / "best.pt").cache
    newer = {**described, "settings": {**described["settings"], "sharpen": 3}}
    with pytest.raises(CheckpointError, match="'sharpen', which this one does not know"):
        load_predictor(_changed(run, tmp_path / "new.pt", cache=newer), device="cpu")


def test_what_does_not_fit_is_refused_in_one_line(
    made: Workspace, trained: Train, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained("motion", policy="motion")
    torch.save({"weight": torch.zeros(2, 2)}, here / "other.pt")
    (here / "a.mp4").write_bytes(b"video")
    common = ["a.mp4", "--device", "cpu"]
    for options, said in (
        (["--run", "nosuch", "-w", made.root], "there is no trained run 'nosuch'"),
        (["--run", "motion", "--checkpoint", "x.pt"], "both say what is to answer"),
        (["--checkpoint", "x.pt"], "there is no checkpoint x.pt"),
        (["--checkpoint", "other.pt"], "is of another program, and says neither its classes nor how"),
        (["--checkpoint", run / "best.pt", "--arch", "resnet50"], "was trained as timm/test_resnet, not as resnet50"),
        (["--checkpoint", run / "best.pt", "--segments", "9"], "pass --segments 4 or fewer"),
        (["--checkpoint", run / "best.pt", "--csv", "no/x.csv"], "there is no folder"),
        (["--checkpoint", run / "best.pt", "--csv", "a.mp4"], "is a video; pass the path of a .csv file"),
        ([], "there is no mocrop workspace at"),
    ):
        assert mocrop("predict", *common, *options) == 1
        told = capsys.readouterr()
        assert told.out == ""
        assert said in told.err
        assert told.err.count("\n") == 1
    assert (here / "a.mp4").read_bytes() == b"video"


def test_a_network_for_several_labels_judges_each_class_by_itself(trained: Train, tmp_path: Path) -> None:
    run = trained("center", policy="center", fit="pad")
    checkpoint = load_checkpoint(run / "best.pt")
    logits = np.float32([0, 0])
    for fields, expected in (
        ({}, ("softmax", 0.5)),
        ({"settings": {**checkpoint.settings, "loss": "bce"}}, ("sigmoid", 0.5)),
        ({"cache": {**checkpoint.cache, "several_labels": True}}, ("sigmoid", 0.5)),
    ):
        predictor = load_predictor(_changed(run, tmp_path / "x.pt", **fields), device="cpu")
        assert (predictor.activation, predictor.probabilities(logits)[0]) == expected
    assert predictor.probabilities(np.float32([3, 3])).sum() > 1


def test_a_checkpoint_says_whether_clips_had_several_labels(make_cache: MakeCache, tmp_path: Path) -> None:
    several = make_cache(tmp_path / "several.zarr", label=[0, 1], labels=[[1, 1], [0, 1]])
    assert describe_cache(CropCache(several))["several_labels"]
    assert not describe_cache(CropCache(make_cache(tmp_path / "one.zarr", label=[0, 1])))["several_labels"]


def test_logits_of_a_clip_do_not_depend_on_those_beside_it(trained: Train) -> None:
    predictor = load_predictor(trained("center", policy="center", fit="pad") / "best.pt", device="cpu")
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (7, 4, 3, 32, 32), dtype=np.uint8))
    with torch.inference_mode():
        together = batch_logits(predictor.backbone, frames, device=predictor.device)
        alone = [batch_logits(predictor.backbone, clip[None], device=predictor.device) for clip in frames]
    assert together.equal(torch.cat(alone))


def test_answers_come_in_order_and_few_files_are_read_ahead(
    made: Workspace, trained: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mocrop.evaluation.answers.videos import find_videos

    predictor = load_predictor(trained("center", policy="center", fit="pad") / "best.pt", device="cpu")
    monkeypatch.setattr(answers_module.os, "cpu_count", lambda: 1)
    started: list[int] = []
    read = answers_module._read

    def counted(number: int, *rest: object) -> object:
        started.append(number)
        return read(number, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(answers_module, "_read", counted)
    videos = find_videos([made.root.parent / "data"]).videos
    answers = answers_module.answers_for(videos, predictor)
    assert next(answers).path == videos[0].path
    assert len(started) <= 1 + answers_module.READ_AHEAD
    assert [each.path for each in answers] == [each.path for each in videos[1:]]


def test_two_names_of_a_network_are_one_too_many() -> None:
    with pytest.raises(SettingsError, match="pass one of them"):
        predict("x.mp4", run="a", checkpoint="b.pt")


def test_windows_in_python_are_those_of_the_command(
    made: Workspace, trained: Train, here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    trained("motion", policy="motion")
    for name in ("a", "b"):
        make_video(here / f"in/{name}.mp4", frames=60)
    seen: list[tuple[int, int]] = []
    answers = predict(
        "in",
        run="motion",
        workspace=made,
        window=1,
        stride=0.5,
        on_file=lambda done, total: seen.append((done, total)),
        **CPU,  # type: ignore[arg-type]
    )
    assert seen == [(1, 2), (2, 2)]
    assert [each.start for each in answers.files[1].windows] == [0, 0.5, 1, 1.5]
    common = ["-w", made.root, "--run", "motion", "--device", "cpu", "--segments", "4", "--json"]
    assert mocrop("predict", "in", *common, "--window", "1", "--stride", "0.5") == 0
    told, said = (_without_seconds(text) for text in (json_text(answers.to_json(top=5)), capsys.readouterr().out))
    assert told == said


def _without_seconds(text: str) -> object:
    said = json.loads(text)
    for file in said["files"]:
        del file["seconds"]
    return said


def test_a_stride_without_a_window_is_refused() -> None:
    with pytest.raises(SettingsError, match="pass --window, too"):
        predict("x.mp4", checkpoint="b.pt", stride=1)  # type: ignore[call-overload]


def test_the_csv_file_replaces_nothing_that_the_command_reads_or_draws(
    trained: Train, here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(trained("center", policy="center", fit="pad") / "best.pt", here / "net.csv")
    make_video(here / "a.mp4", frames=13).rename(here / "clip.csv")
    before = {file: file.read_bytes() for file in here.iterdir()}
    command = ["predict", "clip.csv", "--checkpoint", "net.csv", "--device", "cpu", "--window", "1"]
    for options in (["clip.csv"], ["./net.csv"], ["t.png", "--timeline", "t.png"]):
        assert mocrop(*command, "--csv", *options) == 1
        assert "is the place of another file of this command; name another one" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in here.iterdir()} == before
