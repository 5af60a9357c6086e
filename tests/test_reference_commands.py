"""Reference maps as a user meets them: export-npy, import-npy and precrop --density-from, on small clips."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import ClipState
from tests.conftest import mocrop

MakeVideo = Callable[..., Path]
SMALL = ["--size", "32", "--frames", "4", "--workers", "0"]
CLIPS = ["Archery/v_Archery_g01_c01", "Archery/v_Archery_g02_c01", "Surfing/v_Surfing_g01_c01"]


@pytest.fixture
def here(tmp_path: Path, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a workspace of three clips, looked through and nothing more, whose own files are to be read."""
    for clip in CLIPS:
        make_video(tmp_path / f"data/{clip}.avi", frames=30)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOCROP_WORKSPACE", raising=False)
    assert mocrop("init", tmp_path / "data") == 0
    settings = tmp_path / "mocrop-work/mocrop.toml"
    settings.write_text(settings.read_text() + '\n[extract-mv]\nsource = "original"\n')
    return tmp_path


def map_of(folder: Path, clip: str, grid: str = "6_8") -> Path:
    return folder / clip / f"motion_vectors_denoised_all_mc_{grid}.npy"


def maps(folder: Path, *, clips: list[str] = CLIPS, shape: tuple[int, int] = (6, 8), column: int = -1) -> Path:
    """Maps whose motion is all in one column, by default the last."""
    density = np.zeros(shape)
    density[:, column] = 1
    for clip in clips:
        path = map_of(folder, clip, f"{shape[0]}_{shape[1]}")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, density)
    return folder


def cache_of(here: Path, name: str = "maps-32") -> CropCache:
    return CropCache(here / f"mocrop-work/caches/{name}.zarr")


def test_maps_crop_without_any_motion_vectors(here: Path) -> None:
    assert mocrop("precrop", "--density-from", maps(here / "maps"), *SMALL) == 0
    cache = cache_of(here)
    assert (cache.state == ClipState.CROPPED).all()
    assert cache.box[:, 2].tolist() == [1, 1, 1]
    assert cache.box[:, 0].min() > 0
    assert cache.density[0].sum() == 6
    assert not (here / "mocrop-work/motion.zarr").exists()


@pytest.mark.parametrize("grid", ["6x8", "9x16"])
def test_exported_maps_give_the_boxes_that_motion_gives(here: Path, grid: str) -> None:
    assert mocrop("extract-mv", "--workers", "0") == 0
    assert mocrop("precrop", "--grid", grid, *SMALL) == 0
    assert mocrop("export-npy", "out", "--grid", grid) == 0
    assert mocrop("precrop", "--density-from", "out", *SMALL) == 0
    own, read = cache_of(here, "motion-32"), cache_of(here)
    assert (own.state == ClipState.CROPPED).all()
    assert np.array_equal(own.box, read.box)
    assert np.array_equal(own.density, read.density)
    assert np.array_equal(own.open_frames().read().result(), read.open_frames().read().result())


def test_a_clip_without_a_map_is_counted_said_and_keeps_the_whole_frame(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = maps(here / "maps", clips=CLIPS[:2])
    assert mocrop("precrop", "--density-from", folder, *SMALL) == 0
    assert "noted      1  whole-frame" in capsys.readouterr().out
    cache = cache_of(here)
    assert cache.state.tolist() == [ClipState.CROPPED, ClipState.CROPPED, ClipState.WHOLE_FRAME]
    assert cache.box[2].tolist() == [0, 0, 1, 1]


def test_maps_that_have_come_are_read_without_overwrite(here: Path) -> None:
    command = ["precrop", "--density-from", maps(here / "maps", clips=CLIPS[:2]), *SMALL]
    assert mocrop(*command) == 0
    assert cache_of(here).state.tolist() == [1, 1, 2]
    maps(here / "maps")
    assert mocrop(*command) == 0
    assert cache_of(here).state.tolist() == [1, 1, 1]


def test_a_bad_map_fails_its_clip_alone_and_retry_takes_the_mended_one(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = maps(here / "maps")
    np.save(map_of(folder, CLIPS[1]), np.full((6, 8), np.nan))
    assert mocrop("precrop", "--density-from", folder, *SMALL) == 3
    assert "failed      1  bad-density-map" in capsys.readouterr().out
    assert cache_of(here).state.tolist() == [ClipState.CROPPED, ClipState.FAILED, ClipState.CROPPED]
    assert mocrop("status", "--failed") == 0
    assert "not a number" in capsys.readouterr().out
    maps(folder, clips=[CLIPS[1]])
    assert mocrop("retry", "--workers", "0") == 0
    assert (cache_of(here).state == ClipState.CROPPED).all()


def test_another_folder_is_another_setting(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mocrop("precrop", "--density-from", maps(here / "right"), *SMALL) == 0
    assert mocrop("precrop", "--density-from", maps(here / "left", column=0), *SMALL) == 1
    assert "folder: " in (said := capsys.readouterr().err)
    assert "--overwrite" in said
    assert mocrop("precrop", "--density-from", here / "left", "--overwrite", *SMALL) == 0
    assert cache_of(here).box[:, 0].tolist() == [0, 0, 0]


def test_the_same_command_again_has_nothing_to_do(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["precrop", "--density-from", "maps", *SMALL]
    maps(here / "maps")
    assert mocrop(*command) == 0
    assert mocrop("precrop", "--name", "maps-32", "--workers", "0") == 0
    capsys.readouterr()
    assert mocrop(*command, "--json") == 0
    assert json.loads(capsys.readouterr().out)["stages"][0]["plan"]["to_run"] == 0


def test_of_several_grids_one_must_be_chosen(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = maps(maps(here / "maps"), shape=(9, 16))
    assert mocrop("precrop", "--density-from", folder, *SMALL) == 1
    assert "choose one with --grid: 6x8 (3), 9x16 (3)" in capsys.readouterr().err
    assert mocrop("precrop", "--density-from", folder, "--grid", "9x16", *SMALL) == 0
    assert cache_of(here).density.shape == (3, 9, 16)


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        (["--density-from", "maps", "--policy", "motion"], "leave out --policy motion"),
        (["--density-from", "maps", "--seed", "1"], "policy 'maps' has no setting 'seed'"),
        (["--density-from", "maps", "--grid", "3x3"], "holds no 3x3 maps"),
        (["--density-from", "none"], "there is no folder"),
        (["--policy", "maps"], "name it with --density-from"),
    ],
)
def test_options_that_cannot_be_are_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], options: list[str], fact: str
) -> None:
    maps(here / "maps")
    capsys.readouterr()
    assert mocrop("precrop", *options, *SMALL) == 1
    said = capsys.readouterr().err.strip()
    assert fact in said
    assert len(said.splitlines()) == 1
    assert not (here / "mocrop-work/caches").exists()


def test_import_reports_what_fits_and_remembers_the_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = maps(here / "maps", clips=[*CLIPS[:2], "Surfing/somebody_else_s"])
    capsys.readouterr()
    assert mocrop("import-npy", "maps", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report == {
        "folder": str(folder), "grid": [6, 8], "fitting": 2, "missing": [CLIPS[2]], "bad": [], "unmatched": 1
    }  # fmt: skip
    assert mocrop("precrop", "--policy", "maps", *SMALL) == 0
    assert cache_of(here).state.tolist() == [1, 1, 2]


def test_import_names_bad_maps_and_ends_with_three(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = maps(here / "maps")
    np.save(map_of(folder, CLIPS[0]), np.zeros((8, 6)))
    np.save(map_of(folder, CLIPS[1]), np.full((6, 8), -1))
    assert mocrop("import-npy", folder) == 3
    said = capsys.readouterr().out
    assert "1 6x8 map of" in said
    assert "2  bad, the clip would fail" in said
    assert "has shape (8, 6), not (6, 8)" in said
    assert "has negative cells" in said


def test_import_of_a_folder_of_other_clips_is_refused_and_not_remembered(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps(here / "maps/too_deep")
    assert mocrop("import-npy", "maps") == 1
    assert f"looked for as {map_of(here / 'maps', CLIPS[0])}" in capsys.readouterr().err
    assert "import-npy" not in (here / "mocrop-work/mocrop.toml").read_text()


def test_export_counts_what_has_no_map(here: Path, make_video: MakeVideo, capsys: pytest.CaptureFixture[str]) -> None:
    still = [np.full((48, 64, 3), 90, np.uint8)] * 30
    make_video(here / "data/Surfing/v_Surfing_g02_c01.avi", frames=still)
    make_video(here / "data/Surfing/v_Surfing_g03_c01.avi", codec="mjpeg", pix_fmt="yuvj420p")
    assert mocrop("init") == 2
    assert mocrop("init", here / "data") == 0
    mocrop("extract-mv", "--workers", "0")
    make_video(here / "data/Archery/v_Archery_g01_c01.avi", frames=40)
    assert mocrop("init", here / "data") == 0
    capsys.readouterr()
    assert mocrop("export-npy", "out", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    counts = {name: report[name] for name in ("written", "nothing_moves", "without_motion", "stale")}
    assert counts == {"written": 2, "nothing_moves": 1, "without_motion": 1, "stale": 1}
    assert len(list((here / "out").rglob("*.npy"))) == 2


def test_export_without_motion_names_the_command_before(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mocrop("export-npy", "out") == 1
    assert "run `mocrop extract-mv` first" in capsys.readouterr().err
    assert not (here / "out").exists()


def test_export_replaces_no_maps_unless_told_to(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mocrop("extract-mv", "--workers", "0") == 0
    before = map_of(maps(here / "out"), CLIPS[0]).read_bytes()
    assert mocrop("export-npy", "out") == 1
    assert "out holds 3 6x8 maps already" in capsys.readouterr().err
    assert map_of(here / "out", CLIPS[0]).read_bytes() == before
    assert mocrop("export-npy", "out", "--grid", "9x16") == 0
    assert mocrop("export-npy", "out", "--overwrite") == 0
    assert map_of(here / "out", CLIPS[0]).read_bytes() != before


def test_export_writes_the_same_bytes_for_a_seed_and_others_for_another(here: Path) -> None:
    assert mocrop("extract-mv", "--workers", "0") == 0
    written = []
    for seed in ("0", "0", "1"):
        shutil.rmtree(here / "out", ignore_errors=True)
        assert mocrop("export-npy", "out", "--seed", seed, "--samples", "20", "--eps-px", "0.25") == 0
        written.append([map_of(here / "out", clip).read_bytes() for clip in CLIPS])
    assert written[0] == written[1] != written[2]


def test_export_takes_a_grid_that_no_crop_could_use(here: Path) -> None:
    assert mocrop("extract-mv", "--workers", "0") == 0
    assert mocrop("export-npy", "out", "--grid", "1x1") == 0
    assert np.load(map_of(here / "out", CLIPS[0], "1_1")).shape == (1, 1)
