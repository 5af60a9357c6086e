"""Ablations on tiny caches: what is run, what is not run again, and the report."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mocrop.evaluation.ablation import cells as ablation_module
from mocrop.evaluation.ablation import command as ablate_module
from mocrop.evaluation.ablation import few_shot_run, plots, tables
from mocrop.evaluation.ablation.callback import AblationCallback
from mocrop.evaluation.ablation.cells import make_caches, run_cells
from mocrop.evaluation.ablation.checks import checked, with_names
from mocrop.evaluation.ablation.command import _costs, ablate_in_workspace, ablation_settings, short_clips
from mocrop.evaluation.ablation.facts import facts
from mocrop.evaluation.ablation.families import corrected_by_question
from mocrop.evaluation.ablation.few_shot import FewShotSettings
from mocrop.evaluation.ablation.folder import AblationFolder
from mocrop.evaluation.ablation.outcomes import class_changes, comparisons, gather
from mocrop.evaluation.ablation.report import comparison_json, report_markdown
from mocrop.evaluation.ablation.settings import AblationSettings, Cell, View
from mocrop.evaluation.ablation.tables import comparison_table, curve_table
from mocrop.evaluation.ablation.variants import Variant, base_of, bases_of
from mocrop.evaluation.ablation.verdicts import BUDGET, FEW_SHOT, FULL_DATA, answers, overall
from mocrop.evaluation.scores.comparisons import Comparison, Verdict
from mocrop.evaluation.scores.evaluate import evaluate
from mocrop.evaluation.scores.predictions import read_predictions
from mocrop.evaluation.scores.statistics import Estimate
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.errors import CacheError, PredictionsError, SettingsError, StoppedError, WeightsError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.strict_json import json_text
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.loop.saver import RunControl
from mocrop.training.loop.signals import StopRequest
from mocrop.training.recipe import SAME_PIXELS, TrainSettings
from tests.evaluation.report.test_page import Page

TRAINING = TrainSettings(
    arch="timm/test_resnet",
    weights="none",
    epochs=2,
    batch_size=8,
    validation_share=0,
    freeze_backbone=True,
    device="cpu",
    **SAME_PIXELS,
)
STREAM = TrainSettings(
    arch="timm/test_resnet", input="motion", weights="none", epochs=1, batch_size=8, validation_share=0, device="cpu"
)
SETTINGS = AblationSettings(
    policies=("full", "center"), sizes=(16, 24), frames=(2,), cross_sizes=True, training=TRAINING
)
LABEL = [0, 1] * 12
GROUP = [number // 4 for number in range(24)]  # two clips of each class in each of six groups
AT_16, AT_24 = View(size=16, frames=2), View(size=24, frames=2)
SUBSET = [2 if group >= 4 else 1 for group in GROUP]


class Listen(AblationCallback):
    def __init__(self) -> None:
        self.ran: list[str] = []
        self.kept: list[str] = []

    def cell(self, cell: Cell, done: int, total: int, *, ran: bool) -> None:
        (self.ran if ran else self.kept).append(cell.name)


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[..., Path]) -> Workspace:
    """Caches of `full`, and of `center` whose frames tell the class by their brightness."""
    place = Workspace(tmp_path_factory.mktemp("ablation") / "work")
    for variant, size in SETTINGS.caches():
        pixels = np.random.default_rng(size).integers(1, 256, (24, 2, 3, size, size), dtype=np.uint8)
        if variant.policy == "center":
            pixels = (pixels // 4 + 160 * np.array(LABEL, np.uint8)[:, None, None, None, None]).astype(np.uint8)
        place.caches.mkdir(parents=True, exist_ok=True)
        make_cache(
            place.cache(variant.cache_name(size)),
            label=LABEL,
            group=GROUP,
            subset=SUBSET,
            pixels=pixels,
            attributes={"policy": variant.policy},
        )
    return place


@pytest.fixture(scope="module")
def finished(caches: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Listen]:
    """A workspace in which all cells are done; tests must not change it."""
    place = Workspace(tmp_path_factory.mktemp("finished") / "work")
    shutil.copytree(caches.root, place.root)
    return place, run(place)


@pytest.fixture
def done(finished: tuple[Workspace, Listen], tmp_path: Path) -> Workspace:
    """A copy of it, which a test may change."""
    shutil.copytree(finished[0].root, tmp_path / "work")
    return Workspace(tmp_path / "work")


@pytest.fixture
def workspace(caches: Workspace, tmp_path: Path) -> Workspace:
    """A workspace in which nothing is done."""
    shutil.copytree(caches.root, tmp_path / "work")
    return Workspace(tmp_path / "work")


def run(workspace: Workspace, settings: AblationSettings = SETTINGS) -> Listen:
    listen = Listen()
    run_cells(AblationFolder(workspace, "ablation"), settings, listen)
    return listen


def test_every_variant_and_size_is_one_checkpoint(finished: tuple[Workspace, Listen]) -> None:
    workspace, listen = finished
    assert listen.ran == [
        f"{cache}-split1-seed0" for cache in ("full-16", "center-0.75-16", "full-24", "center-0.75-24")
    ]
    assert {path.parent.name for path in (workspace.runs / "ablation").glob("*/best.pt")} == set(listen.ran)
    assert len(list((workspace.reports / "ablation/predictions").iterdir())) == 4 * 2


def test_what_is_done_is_not_done_again(done: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation_module, "train", None)
    listen = run(done)
    assert (listen.ran, len(listen.kept)) == ([], 4)
    with pytest.raises(TypeError):  # new cells are trained
        run(done, replace(SETTINGS, seeds=(0, 1)))


def test_predictions_that_are_lost_are_made_again_without_training(
    done: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cell = AblationFolder(done, "ablation"), SETTINGS.cells[1]
    before = read_predictions(folder.predictions(cell, AT_24))
    folder.predictions(cell, AT_24).unlink()
    monkeypatch.setattr(ablation_module, "train", None)
    assert run(done).ran == [cell.name]
    assert np.array_equal(read_predictions(folder.predictions(cell, AT_24)).logits, before.logits)


def test_a_killed_ablation_loses_the_cell_that_it_was_at(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    train, trained = ablation_module.train, []

    def killed(cache: Path, folder: Path, settings: TrainSettings, **_: object) -> object:
        trained.append(folder.name)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return train(cache, folder, settings)

    monkeypatch.setattr(ablation_module, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        run(workspace)
    listen = run(workspace)
    assert listen.kept == trained[:2]
    assert listen.ran[0] == trained[2]
    assert len(listen.ran) == 2


def test_other_training_settings_are_refused_under_the_same_name(done: Workspace) -> None:
    with pytest.raises(SettingsError, match=r"settings of training \(epochs: 2 there, 3 now\); pass another --name"):
        run(done, replace(SETTINGS, training=replace(TRAINING, epochs=3)))


def test_a_cache_that_has_changed_makes_its_cells_stale(done: Workspace, make_cache: Callable[..., Path]) -> None:
    path = done.cache("center-0.75-24")
    shutil.rmtree(path)
    make_cache(path, label=LABEL, group=GROUP, subset=SUBSET, slots=2, size=24, attributes={"policy": "center", "v": 2})
    assert run(done).ran == ["center-0.75-16-split1-seed0", "center-0.75-24-split1-seed0"]


def test_features_give_what_eval_gives(finished: tuple[Workspace, Listen]) -> None:
    workspace, _ = finished
    folder = AblationFolder(workspace, "ablation")
    cell = Cell(variant=Variant(policy="center", ratio=0.75), train_size=16, split="1", seed=0)
    kept = read_predictions(folder.predictions(cell, AT_24))
    found = evaluate(
        workspace.cache("center-0.75-24"),
        folder.run(cell) / "best.pt",
        ablation_module.testing_of(cell, AT_24, SETTINGS),
    ).predictions
    assert kept.clips == found.clips
    assert np.allclose(kept.logits, found.logits, atol=1e-4)
    assert kept.origin == found.origin


def test_a_network_that_is_trained_throughout_is_evaluated_by_eval(workspace: Workspace) -> None:
    training = TrainSettings(
        arch="timm/test_resnet", weights="none", epochs=1, batch_size=8, validation_share=0, device="cpu"
    )
    settings = replace(SETTINGS, training=training, sizes=(16,))
    assert len(run(workspace, settings).ran) == 2
    assert len(gather(AblationFolder(workspace, "ablation"), settings).clips.names) == 8


def test_clips_that_a_cache_lacks_are_left_out_of_all(done: Workspace, make_cache: Callable[..., Path]) -> None:
    path = done.cache("center-0.75-24")
    shutil.rmtree(path)
    make_cache(path, label=LABEL, group=GROUP, subset=SUBSET, state=[1] * 23 + [3], slots=2, size=24)
    run(done)
    outcomes = gather(AblationFolder(done, "ablation"), SETTINGS)
    assert (len(outcomes.clips.names), outcomes.left_out) == (7, 1)
    assert all(len(outcome.share) == 7 for outcome in outcomes.by_condition.values())


def test_too_few_groups_that_all_caches_have_are_an_error_before_heads_are_fitted(
    done: Workspace, make_cache: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data set has six groups; one cache lacks two of them, and the test needs five."""
    file = done.cache("center-0.75-16")
    shutil.rmtree(file)
    state = [3 if group < 2 else 1 for group in GROUP]
    make_cache(file, label=LABEL, group=GROUP, subset=SUBSET, state=state, slots=2, size=16)
    monkeypatch.setattr(few_shot_run, "few_shot_curves", lambda *_, **__: pytest.fail("heads are fitted"))
    settings = replace(SETTINGS, few_shot=FewShotSettings(groups=(1,), draws=24))
    with pytest.raises(SettingsError, match="class Dig has 4 groups of clips, and a few-shot test needs 5"):
        few_shot_run.run_few_shot(done, settings, Listen(), RunControl())


def test_variants_are_compared_in_the_main_view_alone(finished: tuple[Workspace, Listen]) -> None:
    outcomes = gather(AblationFolder(finished[0], "ablation"), SETTINGS)
    assert len(outcomes.by_condition) == 2 * 2 * 2  # variants, sizes trained at, sizes tested at
    found = comparisons(outcomes, SETTINGS)
    assert [(each.variant, each.base, each.where) for each in found] == [("center 0.75", "full", "24 px, 2 frames")]


def test_missing_predictions_are_an_error(done: Workspace) -> None:
    next((done.reports / "ablation/predictions").iterdir()).unlink()
    with pytest.raises(PredictionsError, match="there are no predictions"):
        gather(AblationFolder(done, "ablation"), SETTINGS)


def test_equal_costs_stand_at_one_place_and_the_legend_over_no_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three crops of one size cost the same: 2 GFLOPs are 2 on the axis for each, which shows more than that place."""
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "write_figure", lambda figure, file, **_: drawn.append(figure))
    settings = {"ratios": [0.5], "policies": ["full", "center", "motion"]}
    main = {"size": 16, "frames": 2, "pool": "mean"}
    conditions = [
        {"variant": name, "train_size": 16, **main, "gflops": 2.0, "accuracy": {"mean": 0.5, "low": 0.4, "high": 0.6}}
        for name in ("full", "center 0.5", "motion 0.5")
    ]
    plots.draw_accuracy({"settings": settings, "main": main, "conditions": conditions}, tmp_path / "a.png")
    (figure,) = drawn
    (axis,) = figure.axes
    points = [line for line in axis.lines if line.get_marker() not in ("None", "_", "|")]
    assert [line.get_xdata().tolist() for line in points] == [[2.0]] * 3
    offsets = {float(line.get_transform().transform((2.0, 50.0))[0]) for line in points}
    assert len(offsets) == 3  # side by side on paper
    low, high = axis.get_xlim()
    assert low < 2 / 1.2 < 2 * 1.2 < high
    assert axis.get_legend() is None
    assert len(figure.legends) == 1
    (label,) = [text for text in figure.texts if text.get_text().startswith("GFLOPs")]
    figure.draw_without_rendering()
    extent = label.get_window_extent()
    assert figure.bbox.x0 <= extent.x0 < extent.x1 <= figure.bbox.x1  # no letter is cut off


def test_a_table_of_classes_without_a_row_is_a_sentence() -> None:
    still = {"name": "Dig", "clips": 3, "variant": "motion", "base": "full", "gained": 0, "lost": 0}
    assert tables.class_table([still]) == "No class has gained or lost a clip.\n"
    assert "| Dig | 3 | motion | full | +1 | -0 |" in tables.class_table([{**still, "gained": 1}])


def numbers(cells: Iterable[str]) -> list[float]:
    return [float(text) for cell in cells for text in re.findall(r"-?\d+(?:\.\d+)?", cell.replace("\u2212", "-"))]


def assert_page_has_numbers_of(page: Page, content: dict[str, Any]) -> None:
    """The table of accuracies and costs, cell by cell."""
    (table,) = [table for table in page.tables if table[0][:2] == ["crop", "area"]]
    rows = {row[0]: numbers(row[1:]) for row in table[1:]}
    conditions = content["conditions"]
    for area in content["areas"]:
        of_crop = [each["accuracy"] for each in conditions if each["variant"] == area["variant"]]
        shares = [100 * each[key] for each in of_crop for key in ("mean", "low", "high")]
        assert rows.pop(area["variant"]) == pytest.approx([area["area"], *shares], abs=0.0501)
    costs = [each["gflops"] for each in conditions if each["variant"] == content["areas"][0]["variant"]]
    assert rows.pop("GFLOPs a clip") == pytest.approx(costs, abs=0.000501)
    assert rows.pop("against the most") == pytest.approx([100 * (each / max(costs) - 1) for each in costs], abs=0.501)
    assert not rows


def test_the_report_is_whole_and_agrees_with_the_numbers(done: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablate_module, "make_caches", lambda *_: 7)
    monkeypatch.setattr(ablate_module, "checked", lambda _, settings: settings)
    monkeypatch.setattr(Workspace, "require", lambda self: self)
    settings = replace(SETTINGS, few_shot=FewShotSettings(groups=(1, 2), draws=24))
    result, files = ablate_in_workspace(done, settings, name="ablation", run=RunOptions())
    assert {file.name for file in files.values()} == {
        *("report.md", "report.html", "report.json", "comparisons.csv"),
        *("accuracy.png", "few-shot.png", "operations.png"),
    }
    report = files["report"].read_text()
    assert "| crop | area | 16 px, 2 frames | trained at 24 px, 16 px, 2 frames |" in report
    assert "| crop, against full | 1 group | 2 groups |" in report
    assert "8 test clips of 4 groups (splits 1; 0 left out" in report
    assert "7 clips failed in precrop" in report
    assert "second stream" not in report
    assert "best of all settings of each policy, found on the clips that it is shown for" in report
    assert "it is not corrected for their number" in report
    assert "fewer than two for each" not in report  # 24 draws of 12 groups
    assert "WARNING: the whole lists test 4 groups alone" in report
    assert "if all groups agree, p is 0.12, before the correction for 1 test a question" in report
    lines = list(csv.DictReader(files["comparisons"].read_text().splitlines()))
    families = [line["family"] for line in lines]
    assert {name: families.count(name) for name in families} == {
        "full_data": 1,
        "few_shot": 2,
        "equal_operations": 2,  # one budget a size
        "equal_accuracy": 2,  # both policies against the whole frame
        "description": 4,  # sizes, groups
    }
    assert {line["verdict"] for line in lines} <= {*(verdict.value for verdict in Verdict), "not tested"}
    content = json.loads(files["json"].read_text())
    assert report_markdown(content) == report  # what is saved makes the same report again
    assert_page_has_numbers_of(Page(files["page"].read_text()), content)
    assert result.few_shot is not None
    few_shot = content["few_shot"]
    assert content["full_data"][0]["sentence"] == result.full_data[0].sentence
    budget = [each.comparison for each in result.few_shot.equal_operations]
    assert content["in_words"] == answers(
        {FULL_DATA: result.full_data, FEW_SHOT: result.few_shot.tested, BUDGET: budget}
    )
    assert (content["failed"], content["short"], content["streams"]) == (7, 0, [])
    assert [each["area"] for each in content["areas"]] == [1.0, 1.0]  # boxes of these caches are whole frames
    assert all(each.over_draws is not None for each in result.few_shot.tested)
    assert {each.base_accuracy for each in result.few_shot.tested} != {1.0}
    assert {each.accuracy for each in result.few_shot.tested} == {1.0}  # the classes differ in brightness
    assert len(few_shot["accuracies"]) == 2 * 2 * 2  # variants, sizes, groups
    by_base = {(each["variant"], each["base"]): each for each in few_shot["equal_accuracy"]}
    assert by_base["full", "full"]["difference"]["mean"] <= 0
    assert by_base["center", "full"]["gflops"] < by_base["center", "full"]["base_gflops"]  # 16 px will do


def test_clips_with_fewer_frames_than_are_tested_are_counted(tmp_path: Path, make_cache: Callable[..., Path]) -> None:
    """Of three usable clips one has fewer than four frames, and two have fewer than five."""
    place = Workspace(tmp_path / "work")
    place.caches.mkdir(parents=True)
    make_cache(place.cache("full-16"), label=[0, 0, 1, 1], used=[4, 5, 3, 1], state=[1, 1, 1, 3], slots=5, size=16)
    for frames, count in (((1, 2, 3), 0), ((4,), 1), ((1, 5), 2)):
        assert short_clips(place, replace(SETTINGS, frames=frames)) == count


@pytest.mark.parametrize(
    ("frames", "slots", "way_out"),
    [((1, 4), None, "pass --slots 5 to take it"), ((2,), 8, "pass --slots 5 to take it"), ((8,), None, "up to 5")],
)
def test_a_cache_with_other_slots_is_refused_with_the_option_that_takes_it(
    tmp_path: Path, make_cache: Callable[..., Path], frames: tuple[int, ...], slots: int | None, way_out: str
) -> None:
    """The ablation's own --name names no cache, so that precrop's advice to choose another one would not help."""
    place = Workspace(tmp_path / "work")
    place.caches.mkdir(parents=True)
    make_cache(place.cache("center-0.75-24"), label=[0, 1], slots=5, size=24)
    with pytest.raises(CacheError, match=f"^crop cache center-0.75-24 has 5 slots a clip.*{way_out}"):
        make_caches(place, replace(SETTINGS, frames=frames, slots=slots, ratios=(0.75,)), RunOptions(), Listen())


def test_splits_go_by_name_or_number_and_all_means_every_one() -> None:
    names = ["first", "second"]
    assert with_names(replace(SETTINGS, splits=("all",)), names).splits == ("first", "second")
    assert with_names(replace(SETTINGS, splits=("second", "1")), names).splits == ("second", "first")
    with pytest.raises(SettingsError, match="no split '3'; pass --splits all, or some of: first, second"):
        with_names(replace(SETTINGS, splits=("3",)), names)
    with pytest.raises(SettingsError, match="none twice"):
        with_names(replace(SETTINGS, splits=("1", "first")), names)


@pytest.fixture
def two_lists(tmp_path: Path, make_cache: Callable[..., Path]) -> tuple[AblationFolder, AblationSettings]:
    """Cells of two splits that test the same clips of groups 4 and 5; the second one also those of group 3."""
    place = Workspace(tmp_path / "work")
    place.caches.mkdir(parents=True)
    subsets = [[first, 2 if group == 3 else first] for first, group in zip(SUBSET, GROUP, strict=True)]
    settings = replace(SETTINGS, sizes=(16,), splits=("1", "2"))
    for variant, size in settings.caches():
        make_cache(place.cache(variant.cache_name(size)), label=LABEL, group=GROUP, subset=subsets, slots=2, size=size)
    run(place, settings)
    return AblationFolder(place, "ablation"), settings


def test_a_clip_in_the_test_lists_of_two_splits_counts_once(
    two_lists: tuple[AblationFolder, AblationSettings],
) -> None:
    folder, settings = two_lists
    outcomes = gather(folder, settings)
    assert len(outcomes.clips.names) == len(set(outcomes.clips.names)) == 12
    assert len(np.unique(outcomes.clips.clusters)) == 6
    (found,) = comparisons(outcomes, settings)
    assert found.clips == 12
    assert found.gained + found.lost <= 12
    assert sum(change.clips for change in class_changes(outcomes, settings)) == 12
    first, second = (
        read_predictions(folder.predictions(replace(settings.cells[0], split=split), AT_16)) for split in ("1", "2")
    )
    shared = [second.clips.index(clip) for clip in first.clips]
    assert len(shared) == 8
    outcome = next(iter(outcomes.by_condition.values()))
    rows = [outcomes.clips.names.index(clip) for clip in first.clips]
    right = [(each.logits.argmax(axis=1) == each.labels) for each in (first, second.take(np.array(shared)))]
    assert np.array_equal(outcome.share[rows], np.mean(right, axis=0))
    assert np.array_equal(outcome.answers[rows], (first.logits + second.logits[shared]).argmax(axis=1))


class Counted(StopRequest):
    """A signal that comes after so many checks for it."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def __bool__(self) -> bool:
        self.times -= 1
        if self.times < 0:
            self.signal = 15
        return super().__bool__()


@pytest.mark.parametrize("looks", [0, 3, 8, 17])
def test_a_signal_stops_an_ablation_wherever_it_is_and_the_same_call_goes_on(
    workspace: Workspace, finished: tuple[Workspace, Listen], looks: int
) -> None:
    control = RunControl(stop=Counted(looks))
    with pytest.raises(StoppedError, match="stopped by SIGTERM") as stopped:
        run_cells(AblationFolder(workspace, "ablation"), SETTINGS, AblationCallback(), control)
    assert stopped.value.exit_code == 143
    listen = run(workspace)
    assert len(listen.ran) + len(listen.kept) == 4
    for cell in SETTINGS.cells:
        here, there = (
            read_predictions(AblationFolder(place, "ablation").predictions(cell, AT_16))
            for place in (workspace, finished[0])
        )
        assert np.array_equal(here.logits, there.logits)


def test_clips_that_fail_in_several_caches_are_counted_once(
    workspace: Workspace, make_cache: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation_module, "precrop", lambda *_, **__: None)
    options = (SETTINGS, RunOptions(), AblationCallback())
    assert make_caches(workspace, *options) == 0
    for name, failed in (("full-16", [0, 5]), ("center-0.75-24", [5, 7])):
        shutil.rmtree(workspace.cache(name))
        state = [3 if row in failed else 1 for row in range(24)]
        make_cache(workspace.cache(name), label=LABEL, group=GROUP, subset=SUBSET, state=state, slots=2)
    assert make_caches(workspace, *options) == 3


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace after `mocrop init` on two groups of each of two classes."""
    root = tmp_path_factory.mktemp("known")
    for name in ("Dig", "Run"):
        (root / "videos" / name).mkdir(parents=True)
        for group in (1, 2):
            (root / "videos" / name / f"v_{name}_g0{group}_c01.avi").write_bytes(b"not looked at")
    lists = root / "lists"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Dig\n2 Run\n")
    (lists / "trainlist01.txt").write_text("Dig/v_Dig_g01_c01.avi 1\nRun/v_Run_g01_c01.avi 2\n")
    (lists / "testlist01.txt").write_text("Dig/v_Dig_g02_c01.avi\nRun/v_Run_g02_c01.avi\n")
    (lists / "trainlist02.txt").write_text("Dig/v_Dig_g01_c01.avi 1\n")
    (lists / "testlist02.txt").write_text("")
    workspace = Workspace(root / "work")
    preprocess.init(workspace, root / "videos", splits=lists)
    return workspace


def test_settings_that_can_be_met_pass_the_checks(known: Workspace) -> None:
    settings = replace(SETTINGS, splits=("1",))
    assert checked(known, settings) == settings
    assert checked(known, replace(settings, stream=STREAM)).stream == STREAM


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"splits": ("3",)}, SettingsError, "no split '3'"),
        ({"splits": ("2",)}, SettingsError, "split 2 has no test clip"),
        (
            {"few_shot": FewShotSettings(groups=(1, 2))},
            SettingsError,
            "class Dig has 2 groups of clips, and a few-shot test needs 5",
        ),
        ({"training": replace(TRAINING, weights="/nowhere.pt")}, WeightsError, "nowhere"),
        ({"training": replace(TRAINING, arch="vgg16")}, SettingsError, "vgg16"),
        ({"stream": replace(TRAINING, input="motion", arch="timm/nothing")}, SettingsError, "unknown --arch"),
        ({"training": replace(STREAM, input="frames", arch="video/s3d")}, SettingsError, "at least 13 frames"),
    ],
)
def test_settings_that_cannot_be_met_are_refused_before_any_work(
    known: Workspace, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        checked(known, replace(SETTINGS, **changes))
    assert not known.caches.exists()


def compared(verdict: Verdict, *, mean: float = 0.01) -> Comparison:
    return Comparison(
        variant="motion 0.75",
        base="full",
        where="",
        clips=10,
        accuracy=0.5,
        base_accuracy=0.5,
        difference=Estimate(mean=mean, low=mean - 0.01, high=mean + 0.01),
        p_value=0.5,
        p_corrected=0.5,
        verdict=verdict,
    )


@pytest.mark.parametrize(
    ("verdicts", "phrase"),
    [
        ([Verdict.NOT_SHOWN, Verdict.NOT_SHOWN], "No difference shown."),
        ([Verdict.BETTER, Verdict.BETTER], "Yes."),
        ([Verdict.WORSE], "No, it is worse."),
        ([Verdict.BETTER, Verdict.WORSE], "It depends: better in some settings, worse in others."),
        ([Verdict.BETTER, Verdict.NOT_SHOWN], "Better in 1 of 2 settings, no difference shown in the others."),
        ([Verdict.NOT_SHOWN, Verdict.WORSE], "Worse in 1 of 2 settings, no difference shown in the others."),
    ],
)
def test_the_phrase_follows_from_the_verdicts(verdicts: list[Verdict], phrase: str) -> None:
    assert overall([compared(verdict) for verdict in verdicts]) == phrase


def test_a_question_is_answered_with_counts_and_the_range_of_differences() -> None:
    found = [compared(Verdict.BETTER, mean=0.02), compared(Verdict.NOT_SHOWN, mean=-0.01)]
    (line,) = answers({FULL_DATA: found, FEW_SHOT: []})
    assert line == (
        "Does the paper's crop (motion) beat the whole frame? **Better in 1 of 2 settings, no difference shown in the "
        "others.** trained on the whole list, of these checkpoints: 1 better, 0 worse, 1 not shown of 2 (-1.0 to +2.0 "
        "points)."
    )


def test_the_tests_of_a_question_are_corrected_together_and_apart_from_others() -> None:
    first, second = (
        replace(compared(Verdict.NOT_SHOWN), variant=f"motion {area}", p_value=0.02) for area in (0.5, 0.1)
    )
    alone = replace(compared(Verdict.NOT_SHOWN), base="center 0.5", p_value=0.03)
    assert [each.p_corrected for each in corrected_by_question([first, alone, second])] == [0.04, 0.03, 0.04]


@pytest.mark.parametrize(
    ("groups", "areas", "said"),
    [(5, 1, True), (6, 1, False), (6, 2, True), (7, 2, False)],
    ids=["1/16", "1/32", "1/32, twice", "1/64, twice"],
)
def test_whole_lists_of_so_few_groups_that_nothing_can_be_shown_are_said_to_be(
    groups: int, areas: int, said: bool
) -> None:
    """The least p of a test that flips the signs of n groups is 2 in 2^n, and it is corrected for the areas."""
    tested = [comparison_json(replace(compared(Verdict.NOT_SHOWN), variant=f"motion 0.{n}")) for n in range(areas)]
    settings = {
        "training": {"arch": "a", "weights": "b", "freeze_backbone": True, "epochs": 1},
        **{"splits": ["1"], "seeds": [0], "frames": [4], "pools": ["mean"]},
    }
    counts = {"clips": 60, "groups": groups, "left_out": 0, "seen_in_training": 0, "failed": 0, "few_shot": None}
    main = {"size": 160, "frames": 4, "pool": "mean"}
    content = {"settings": settings, "main": main, "full_data": tested, **counts}
    paragraphs = facts(content)
    assert facts({**content, "short": 0}) == paragraphs
    assert facts({**content, "short": 1})[-1].startswith("1 clip has fewer than 4 frames in use")
    assert ("too few for any difference to be shown" in " ".join(paragraphs)) is said


def test_an_interval_without_ends_is_the_same_in_a_saved_report() -> None:
    """Two groups have none: JSON has null there, and the table made of it says why."""
    endless = replace(compared(Verdict.NOT_SHOWN), difference=Estimate(mean=0.25, low=-np.inf, high=np.inf))
    made = comparison_json(endless)
    assert "| +25.0 [too few groups] |" in comparison_table([made])
    assert comparison_table([json.loads(json_text(made))]) == comparison_table([made])


def test_only_differences_that_are_shown_are_bold() -> None:
    shown, not_shown = (
        comparison_json(replace(compared(verdict), where=verdict.value))
        for verdict in (Verdict.BETTER, Verdict.NOT_SHOWN)
    )
    assert curve_table([shown, not_shown], "full").splitlines()[2] == (
        "| motion 0.75 | **+1.0 [+0.0, +2.0]** | +1.0 [+0.0, +2.0] |"
    )
    assert curve_table([shown], "center") == ""


def test_variants_come_at_every_area_and_whole_ones_once() -> None:
    settings = replace(SETTINGS, policies=("full", "picture", "center"), ratios=(0.75, 0.5))
    assert [variant.name for variant in settings.variants] == ["full", "picture", "center 0.75", "center 0.5"]
    assert base_of(settings.variants[3], "center") == settings.variants[3]


def test_bases_that_are_not_compared_are_left_out() -> None:
    follow = Variant(policy="follow", ratio=0.25)
    assert [base.name for base in bases_of(follow, ("full", "center", "follow"))] == ["full", "center 0.25"]


def test_views_are_sizes_frames_and_pools_and_one_frame_has_no_spread() -> None:
    settings = replace(SETTINGS, sizes=(96, 160, 224), frames=(1, 2, 4), pools=("mean", "mean-std"))
    assert len(settings.views) == 3 * 3 + 3 * 2
    assert settings.main == View(size=160, frames=4)
    assert settings.cache_slots == 4
    cells = [cell for cell in settings.cells if cell.train_size == 96]
    assert [cell.name for cell in cells] == [
        *("full-96-split1-seed0", "center-0.75-96-split1-seed0"),
        *("full-96-split1-seed0-mean-std", "center-0.75-96-split1-seed0-mean-std"),
    ]
    alone = replace(settings, cross_sizes=False)
    assert [view.name for view in alone.views_of(cells[-1])] == [
        "96 px, 2 frames, mean-std",
        "96 px, 4 frames, mean-std",
    ]
    assert len(settings.views_of(cells[-1])) == 3 * 2


def test_the_centre_crop_of_the_frames_shape_is_a_policy_of_its_own() -> None:
    options = Variant(policy="center-frame", ratio=0.5).precrop_options(size=192, slots=8)
    assert options == {
        "policy": "center",
        "shape": "frame",
        "ratio": 0.5,
        "size": 192,
        "frames": 8,
        "name": "center-frame-0.5-192",
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("policies", ("full", "center", "maps"), "no policy 'maps'"),
        ("policies", ("full", "motion"), "must include 'center'"),
        ("ratios", (1.0,), "below 1"),
        ("sizes", (), "at least one"),
        ("seeds", (1, 1), "none twice"),
        ("frames", (2, 2), "none twice"),
        ("frames", (0,), "frames must be"),
        ("slots", 1, r"2 frames of a clip need as many slots, not 1"),
        ("pools", ("median",), "pool must be mean or mean-std"),
        ("lists", "none", "lists must be all or main"),
        ("stream", TRAINING, "must take motion"),
    ],
)
def test_invalid_settings_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **{name: value})


def test_whole_lists_can_be_trained_on_in_the_main_view_alone() -> None:
    settings = replace(
        SETTINGS, sizes=(96, 160, 224), frames=(1, 2), pools=("mean", "mean-std"), cross_sizes=False, lists="main"
    )
    assert {(cell.train_size, cell.pool) for cell in settings.cells} == {(160, "mean")}
    assert [view.name for view in settings.list_views] == ["160 px, 1 frame", "160 px, 2 frames"]
    assert len(list(settings.caches())) == 2 * 3
    with pytest.raises(ValueError, match="--cross-sizes needs networks of all sizes"):
        replace(settings, cross_sizes=True)


def test_a_spread_needs_two_frames_and_a_head_alone() -> None:
    with pytest.raises(ValueError, match="pool mean-std needs 2 frames a clip"):
        replace(SETTINGS, frames=(1,), pools=("mean-std",))
    with pytest.raises(ValueError, match="pass --freeze-backbone, or leave --pool out"):
        replace(SETTINGS, training=TrainSettings(), pools=("mean-std",))


def options(**changes: object) -> AblationSettings:
    plain: dict[str, object] = {
        "policies": None,
        "ratios": "0.75, 0.5",
        "sizes": "224,192",
        "splits": "1,2",
        "seeds": "0",
        "frames": "8",
        "slots": None,
        "pools": "mean",
        "cross_sizes": False,
        "lists": "all",
        "recipe": "reference",
        "training": {"arch": "resnet50", "epochs": None},
        "stream": None,
        "few_shot": None,
        "draws": 30,
    }
    return ablation_settings(**{**plain, **changes})


def test_options_become_settings() -> None:
    settings = options(few_shot="1,2,4", frames="4,1", training={"arch": "swin_b", "freeze_backbone": True})
    assert (settings.frames, settings.cache_slots) == ((1, 4), 4)
    assert (settings.ratios, settings.sizes, settings.splits) == ((0.75, 0.5), (192, 224), ("1", "2"))
    assert settings.few_shot == FewShotSettings(groups=(1, 2, 4), draws=30)
    assert settings.training == TrainSettings(arch="swin_b", validation_share=0, freeze_backbone=True, **SAME_PIXELS)
    assert options().training == TrainSettings(validation_share=0)


def test_the_second_stream_is_trained_throughout_whatever_the_first_is() -> None:
    frozen = {"arch": "swin_b", "weights": "none", "freeze_backbone": True, "epochs": 7}
    settings = options(training=frozen, stream={"arch": "timm/resnet18", "weights": "imagenet"})
    assert settings.training.freeze_backbone
    assert settings.stream == TrainSettings(arch="timm/resnet18", input="motion", epochs=7, validation_share=0)
    assert options(training=frozen).stream is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": "big"}, "--sizes takes numbers"),
        ({"ratios": ""}, "--ratio takes numbers"),
        ({"few_shot": "0"}, "few-shot takes numbers of groups from 1"),
        ({"policies": "full,centre"}, "no policy 'centre'"),
    ],
)
def test_invalid_options_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        options(**changes)


@pytest.mark.parametrize("name", ["a/b", "../elsewhere", ".hidden", ""])
def test_a_name_that_no_folder_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="use no slash or colon, and no dot at the start"):
        AblationFolder(Workspace(tmp_path), name)
    assert AblationFolder(Workspace(tmp_path), "plain").reports == tmp_path / "reports/plain"


def test_a_network_of_clips_is_trained_on_the_most_frames_that_are_tested() -> None:
    settings = options(frames=None, training={"arch": "video/mvit_v2_s", "weights": None, "freeze_backbone": False})
    assert (settings.frames, settings.cache_slots, settings.training.weights) == ((16,), 16, "kinetics")
    assert (settings.training.segments, settings.training.validation_segments) == (16, 16)
    some = options(frames="4,8", training={"arch": "video/r3d_18", "weights": "none", "freeze_backbone": False})
    assert (some.frames, some.training.segments, some.training.weights) == ((4, 8), 8, "none")
    assert options(frames=None).frames == (8,)
    with pytest.raises(SettingsError, match="--few-shot trains heads on features of frames, and video/r3d_18 has"):
        options(few_shot="1", training={"arch": "video/r3d_18", "freeze_backbone": False})
    with pytest.raises(SettingsError, match="leave --freeze-backbone out"):
        options(training={"arch": "video/r3d_18", "freeze_backbone": True})


def test_a_network_of_clips_is_trained_tested_and_counted(workspace: Workspace) -> None:
    clips = TrainSettings(
        arch="video/mc3_18", weights="none", epochs=1, batch_size=8, segments=2, validation_share=0, device="cpu"
    )
    settings = replace(SETTINGS, training=replace(clips, validation_segments=2), sizes=(16,), cross_sizes=False)
    assert len(run(workspace, settings).ran) == 2
    assert len(gather(AblationFolder(workspace, "ablation"), settings).clips.names) == 8
    one, two = _costs(replace(settings, frames=(1, 2)), classes=2)
    assert (one.frames, two.frames) == (1, 2)
    assert two.clip_gflops(2) > one.clip_gflops(1)
