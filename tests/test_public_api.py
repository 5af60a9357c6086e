"""What programs import: few names, cheap to reach, and plain values where the inside has enums and paths."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

import numpy as np
import pytest

import mocrop.cli
import mocrop.evaluation
import mocrop.pipeline
import mocrop.training
from mocrop.pipeline import (
    CropCache,
    RunOptions,
    Workspace,
    export_crops,
    extract_mv,
    init,
    precrop,
    run_all,
    transcode,
)
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.export.resolve import ExportOptions
from tests.conftest import MakeCache, MakeVideo, needs_torch

IN_THIS_PROCESS = RunOptions(workers=0)
OFFERED = {
    mocrop.pipeline: (
        "CropCache MocropError RunOptions TlsFiles Workspace export_crops extract_mv init precrop pull push run_all "
        "transcode"
    ),
    mocrop.training: "CropDataset CropLoader Subset TrainSettings normalise select_clips to_video train",
    mocrop.evaluation: "EvalResult EvalSettings evaluate export_model predict",
}


@pytest.mark.parametrize(("package", "names"), OFFERED.items(), ids=lambda value: getattr(value, "__name__", ""))
@needs_torch
def test_what_is_offered_can_be_had_is_listed_and_is_described(package: object, names: str) -> None:
    assert package.__all__ == names.split()  # type: ignore[attr-defined]
    assert set(package.__all__) <= set(dir(package))  # type: ignore[attr-defined]
    for name in names.split():
        assert getattr(package, name).__doc__


@pytest.mark.parametrize("package", OFFERED, ids=lambda package: package.__name__)
def test_no_name_is_that_of_a_folder_or_module_which_would_hide_it(package: ModuleType) -> None:
    (folder,) = package.__path__
    assert set(package.__all__) & {path.stem for path in Path(folder).iterdir()} == set()


def test_an_export_takes_what_its_command_takes() -> None:
    of_command = {each.name for each in dataclasses.fields(mocrop.cli.ExportOptions)}
    assert of_command <= set(get_type_hints(ExportOptions))


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"module 'mocrop\.pipeline' has no attribute 'nothing'"):
        _ = mocrop.pipeline.nothing  # type: ignore[attr-defined]


@pytest.mark.smoke
def test_importing_the_packages_imports_nothing_heavy() -> None:
    program = (
        "import sys, mocrop.pipeline, mocrop.training, mocrop.evaluation\n"
        "heavy = {'torch', 'dask', 'matplotlib', 'tensorstore', 'zarr', 'av', 'numpy', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.fixture
def dataset(tmp_path: Path, make_video: MakeVideo) -> str:
    for label in ("Archery", "Surfing"):
        for group in (1, 2):
            make_video(tmp_path / f"data/{label}/v_{label}_g{group:02d}_c01.avi", frames=26)
    return str(tmp_path / "data")


def test_the_stages_take_plain_paths_and_words(dataset: str, tmp_path: Path) -> None:
    work = str(tmp_path / "work")
    assert init(work, dataset).dataset.clips == 4  # type: ignore[union-attr]
    assert transcode(work, crf=30, run=IN_THIS_PROCESS).failed == 0
    assert extract_mv(work, run=IN_THIS_PROCESS).failed == 0
    (report,) = precrop(work, size=16, frames=2, grid="6x8", run=IN_THIS_PROCESS).stages
    assert report.summary.done == 4
    made = export_crops(work, tmp_path / "crops", run=IN_THIS_PROCESS, to="mp4")
    assert (made.clips, made.failed) == (4, 0)
    cache = CropCache(f"{work}/caches/motion-16.zarr")
    assert cache.box.shape == (4, 4)
    assert cache.attributes["stages"]["transcode"]["settings"]["crf"] == 30


def test_all_stages_at_once_make_the_same_cache(dataset: str, tmp_path: Path) -> None:
    at_once = run_all(tmp_path / "work", dataset, size=16, frames=2, policy="center", run=IN_THIS_PROCESS)
    assert [stage.stage for stage in at_once.stages] == ["transcode", "extract-mv", "precrop:center-16"]
    again = precrop(Workspace(tmp_path / "work"), size=16, frames=2, policy="center", run=IN_THIS_PROCESS)
    assert again.stages[0].plan.done == 4


def test_original_files_need_no_transcoding(dataset: str, tmp_path: Path) -> None:
    report = run_all(tmp_path / "work", dataset, source="original", size=16, frames=2, run=IN_THIS_PROCESS)
    assert [stage.stage for stage in report.stages] == ["extract-mv", "precrop:motion-16"]


def test_a_misspelt_option_is_named(dataset: str, tmp_path: Path) -> None:
    init(tmp_path / "work", dataset)
    with pytest.raises(SettingsError, match="has no setting 'sise'"):
        precrop(tmp_path / "work", sise=16, policy="center", run=IN_THIS_PROCESS)  # type: ignore[call-arg]


@needs_torch
@pytest.mark.parametrize(("split", "subset"), [(1, "train"), ("1", "test"), ("first", "train")])
def test_a_data_set_is_one_line_from_a_cache(
    make_cache: MakeCache, tmp_path: Path, split: str | int, subset: str
) -> None:
    from mocrop.training import CropDataset, Subset, select_clips

    path = make_cache(tmp_path / "a.zarr", label=[0, 0, 1, 1], subset=[1, 2, 1, 2])
    split = split if split != "first" else CropCache(path).split_names[0]
    data = CropDataset.from_cache(str(path), split=split, subset=subset, seed=3)  # type: ignore[arg-type]
    rows = select_clips(CropCache(path), split="1", subset=Subset[subset.upper()]).rows
    by_hand = CropDataset(
        CropCache(path), rows, segments={"train": 3, "test": 4}[subset], random=subset == "train", seed=3
    )
    assert data.rows.tolist() == ([0, 2] if subset == "train" else [1, 3])
    positions = np.arange(2)
    assert data.read(positions).frames.equal(by_hand.read(positions).frames)
    assert len(data[0].frames) == data.segments  # of 8 segments to test on, as many as the cache has slots: 4


@needs_torch
def test_a_word_that_is_no_subset_is_refused(make_cache: MakeCache, tmp_path: Path) -> None:
    from mocrop.training import CropDataset

    path = make_cache(tmp_path / "a.zarr", label=[0, 1])
    with pytest.raises(ValueError, match="subset must be train or test or val, not 'dev'"):
        CropDataset.from_cache(path, subset="dev")  # type: ignore[arg-type]


@needs_torch
def test_clips_without_frames_are_said(make_cache: MakeCache, tmp_path: Path) -> None:
    from mocrop.training import CropDataset

    path = make_cache(tmp_path / "a.zarr", label=[0, 0, 1], subset=[1, 1, 1], state=[1, 3, 1])
    with pytest.warns(UserWarning, match="train clips of split 1: left out are 1 failed"):
        assert len(CropDataset.from_cache(path)) == 2


@needs_torch
@pytest.mark.parametrize("settings", ["TrainSettings", "EvalSettings"])
def test_a_split_may_be_a_number(settings: str) -> None:
    kind: Callable[..., object] = {
        "TrainSettings": mocrop.training.TrainSettings,
        "EvalSettings": mocrop.evaluation.EvalSettings,
    }[settings]
    assert kind(split=2) == kind(split="2")
