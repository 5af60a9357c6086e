"""The benchmarks of whole stages run in a small form, on clips that they make themselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(name: str, *options: str) -> str:
    command = [sys.executable, str(BENCHMARKS / name), "--data", "nowhere", "--rounds", "1", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="compares with the ffmpeg program")
def test_transcode_is_compared_with_ffmpeg() -> None:
    said = run("transcode.py", "--clips", "2").splitlines()
    assert said[0].startswith("transcode: 120 frames, 1 rounds")
    assert [line.split("  ")[0] for line in said[3:]] == ["mocrop transcode", "ffmpeg"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="compares with the ffmpeg program")
def test_an_export_is_compared_with_ffmpeg() -> None:
    said = run("export.py", "--clips", "2").splitlines()
    assert [line for line in said if line.startswith("export as MP4")] == [
        f"export as MP4, {what}: 120 frames, 1 rounds after one warm-up"
        for what in ("scaled to 192 px", "in the pixels of the source")
    ]
    assert [line.split("  ")[0] for line in said[3:6]] == ["mocrop export", "ffmpeg", "ffmpeg, a frame a clip"]


def test_exports_of_frames_are_compared_with_writing_them_alone() -> None:
    said = run("export_frames.py", "--clips", "2").splitlines()
    assert [line for line in said if line.startswith("export as")] == [
        f"export as {form}: 32 frames, 1 rounds after one warm-up" for form in ("frames", "webdataset")
    ]
    assert [line.split("  ")[0] for line in said[3:5]] == ["mocrop export", "encode and write"]


def test_segments_are_compared_with_one_pass_over_as_many_frames() -> None:
    said = run("segments.py", "--clips", "2", "--minutes", "1", "--segments", "20", "--seconds", "0.4").splitlines()
    assert said[0].startswith("segments of one long video: 200 frames, 1 rounds")
    assert [line.split("  ")[0] for line in said[3:5]] == ["mocrop transcode", "one pass"]
    assert said[5].startswith("segments of one long video, 2 workers: 200 frames, 1 rounds")
    assert [line.split("  ")[0] for line in said[8:10]] == ["mocrop transcode, 2 workers", "one pass, in halves"]
    assert [line.partition(":")[0] for line in said[10:]] == ["16 segments", "20 segments"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="compares with the ffmpeg program")
def test_whole_preprocessing_is_compared_with_transcoding_alone() -> None:
    said = run("preprocessing.py", "--clips", "2", "--size", "32").splitlines()
    assert said[0].startswith("preprocessing to 32 px: 2 clips, 1 rounds")
    names = ["all stages", "all stages, --source original", "vectors: transcode, extract-mv"]
    assert [line.split("  ")[0] for line in said[3:6]] == names


def test_sources_are_compared_on_every_kind_of_data_set() -> None:
    """Clips of 60 frames: -g 250 gives one key frame, -g 12 five, as the transcoded form has."""
    rows = run("sources.py", "--clips", "3", "--size", "32").splitlines()[3:]
    kept = {tuple(line[1:3]): line[3] for line in ([cell.strip() for cell in row.split("|")] for row in rows)}
    assert kept == {
        ("H.264, -g 250", "keyframes"): "0 of 3",
        ("H.264, -g 250", "uniform"): "3 of 3",
        ("H.264, -g 12", "keyframes"): "3 of 3",
        ("H.264, -g 12", "uniform"): "3 of 3",
        ("MPEG-4, as they are", "keyframes"): "3 of 3",
        ("MPEG-4, as they are", "uniform"): "3 of 3",
        ("a third of each", "keyframes"): "2 of 3",
        ("a third of each", "uniform"): "3 of 3",
    }
    assert [row.split("|")[-2].strip() for row in rows] == ["0"] * 8  # no clip has fewer frames than transcoded


@pytest.mark.skipif(find_spec("mvextractor") is None, reason="compares with motion-vector-extractor")
def test_vectors_are_the_same_as_those_of_motion_vector_extractor() -> None:
    said = run("vectors.py", "--clips", "1")
    for title in ("vectors of H.264", "vectors of the original files"):
        assert f"{title}: 60 frames, 1 rounds" in said
    assert said.count("the same by all three ways of getting them") == 2


def test_ways_of_writing_h264_are_compared() -> None:
    said = run("bitstream.py", "--clips", "1", "--variants", "CAVLC").splitlines()
    head, _, cabac, cavlc = ([cell.strip() for cell in line.split("|")[1:-1]] for line in said[2:])
    assert cabac[0] == "CABAC"
    assert cavlc[0] == "CAVLC"
    assert cabac[head.index("bytes")] == "1.00"
    assert float(cavlc[head.index("bytes")]) > 1


def test_one_and_two_workers_are_compared_for_every_stage() -> None:
    said = run("workers.py", "--clips", "1", "--copies", "2", "--workers", "2").splitlines()
    assert said[0].startswith("workers: 2 clips, 1 rounds")
    stages = ("transcode", "extract-mv", "precrop")
    assert [line.split("  ")[0] for line in said[2:]] == [f"{stage}, {n}" for stage in stages for n in (1, 2)]


def test_many_clips_go_through_every_phase_without_work(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    command = [sys.executable, str(BENCHMARKS / "scale.py"), "--clips", "30", "60", "--workers", "0"]
    environment = {**os.environ, "MOCROP_BENCHMARK_RESULTS": str(results)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    saved = json.loads(results.read_text())
    assert [facts["clips"] for facts in saved["facts"]] == [30, 60]
    assert {len(row) for row in saved["rows"]} == {len(saved["columns"])} == {3}
    for facts in saved["facts"]:
        assert set(facts) == {"clips", "init", "transcode", "extract-mv", "precrop", "status", "training"}
        assert facts["training"]["MB"] > facts["training"]["before MB"] > 0


def test_a_data_set_of_each_form_is_taken_in(tmp_path: Path) -> None:
    """Of 50 rows; Kinetics lacks each tenth file, and twelve segments are cut out of a video."""
    results = tmp_path / "results.jsonl"
    forms = ("class folders", "text lists", "CSV", "CSV of segments, split made", "Kinetics", "Something-Something")
    command = [sys.executable, str(BENCHMARKS / "forms.py"), "--rows", "50"]
    environment = {**os.environ, "MOCROP_BENCHMARK_RESULTS": str(results)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    saved = json.loads(results.read_text())
    counts = {fact["form"]: (fact["files"], fact["clips"]) for fact in saved["facts"]}
    assert counts == {
        **dict.fromkeys(forms, (50, 50)),
        "CSV of segments, split made": (5, 50),
        "Kinetics": (45, 45),
        "ActivityNet": (5, 50),
    }
    assert all(fact["CPU"] > 0 and fact["MB"] > 0 for fact in saved["facts"])
