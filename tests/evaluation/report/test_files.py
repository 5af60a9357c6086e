"""The files of a report: contents of the tables, and pictures that are the same for the same scores."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from mocrop.evaluation.report.console import print_result
from mocrop.evaluation.report.files import SUFFIXES, write_report
from mocrop.evaluation.report.plots import classes_drawn, draw_confusion
from mocrop.evaluation.scores.evaluate import EvalResult
from mocrop.evaluation.scores.latency import BatchTime, latency
from mocrop.evaluation.scores.metrics import measure
from mocrop.evaluation.scores.predictions import Origin, Predictions, read_predictions
from mocrop.evaluation.views import Look
from mocrop.pipeline.terminal import LineConsole
from mocrop.training.data.selection import LeftOut

ORIGIN = Origin(
    checkpoint="best.pt", checkpoint_hash="a", arch="resnet50", epoch=1, trained_on={}, cache={"name": "c"}, segments=8
)


def result(*, classes: int = 3) -> EvalResult:
    """Two clips of each class but the last, which has none; the second clip of each is taken for the next class."""
    labels = np.repeat(np.arange(classes - 1), 2)
    logits = np.zeros((len(labels), classes), np.float32)
    logits[np.arange(len(labels)), labels + np.tile([0, 1], classes - 1)] = 2
    predictions = Predictions(
        clips=tuple(f"Class{label}/{number}" for number, label in enumerate(labels)),
        labels=labels,
        groups=np.full(len(labels), -1, np.int32),
        logits=logits,
        class_names=tuple(f"Class{number}" for number in range(classes)),
        split="1",
        origin=ORIGIN,
    )
    described = {"name": "full-64", "policy": "full", "size": 64}
    return EvalResult(
        checkpoint=Path("runs/small/best.pt"),
        arch="resnet50",
        epoch=3,
        split="1",
        segments=8,
        look=Look(frames=8),
        input="frames",
        metrics=measure(predictions),
        left_out=LeftOut(),
        classes=classes,
        classes_tested=classes - 1,
        seen_in_training=0,
        cache=described,
        trained_on=described,
        device="cpu",
        seconds=2.0,
        latency=latency([BatchTime(clips=4, waiting_seconds=0.4, network_seconds=2)], segments=8),
        predictions=predictions,
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_report(result(), tmp_path_factory.mktemp("reports"), "small-v1.5-on-full-64-split1")


def test_every_file_is_there_under_the_name_of_the_report(files: dict[str, Path]) -> None:
    assert tuple(files) == SUFFIXES
    assert {file.name for file in files[".md"].parent.iterdir()} == {
        f"small-v1.5-on-full-64-split1{suffix}" for suffix in SUFFIXES
    }


def test_the_confusion_table_has_a_row_a_true_class_and_a_column_an_answer(files: dict[str, Path]) -> None:
    rows = list(csv.reader(files[".csv"].open()))
    assert rows == [
        ["true class", "Class0", "Class1", "Class2"],
        ["Class0", "1", "1", "0"],
        ["Class1", "0", "1", "1"],
        ["Class2", "0", "0", "0"],
    ]


def test_the_class_table_has_empty_cells_for_a_class_without_clips(files: dict[str, Path]) -> None:
    rows = list(csv.DictReader(files["-classes.csv"].open()))
    assert [row["share"] for row in rows] == ["0.5", "0.5", ""]
    assert (rows[0]["taken_for"], rows[0]["taken_for_clips"], rows[1]["answered"]) == ("Class1", "1", "2")


def test_the_markdown_holds_scores_classes_and_pictures(files: dict[str, Path]) -> None:
    text = files[".md"].read_text()
    for part in (
        "# resnet50 on full-64, test list of split 1",
        "| top-1 | 50.0 % | 2 / 4 |",
        "| Class0 | Class1 | 1 |",
        "| Class1 | 50.0 % | 1 / 2 | Class2 (1) |",
        "network alone 500 ms (500) a clip, 62.5 ms (62.5) a frame",
        "![Confusion matrix](small-v1.5-on-full-64-split1.png)",
    ):
        assert part in text
    assert "| Class2 | -" not in text


def test_the_json_and_the_predictions_say_the_same(files: dict[str, Path]) -> None:
    report = json.loads(files[".json"].read_text())
    assert report["top1"]["correct"] == measure(read_predictions(files[".npz"])).top1.correct == 2
    assert report["latency"]["ms_per_frame"]["with_reading"]["median"] == pytest.approx(75)
    assert report["per_class"][2]["share"] is None
    assert "predictions" not in report


def test_the_same_scores_are_the_same_pictures(files: dict[str, Path], tmp_path: Path) -> None:
    again = write_report(result(), tmp_path, "again")
    for suffix in (".png", "-calibration.png"):
        assert again[suffix].read_bytes() == files[suffix].read_bytes()


def test_the_picture_grows_with_the_classes_that_are_drawn(tmp_path: Path) -> None:
    """Fifty classes of which two have clips are drawn as two; all of them as fifty."""
    names, two = [f"Class{number}" for number in range(50)], np.zeros((50, 50), np.int64)
    two[3, 3] = two[7, 3] = 5
    sides = []
    for number, confusion in enumerate((two, two + np.eye(50, dtype=np.int64))):
        draw_confusion(confusion, names, tmp_path / f"{number}.png", title="title")
        sides.append(image.imread(tmp_path / f"{number}.png").shape[1])
    assert sides[0] < 800
    assert sides[1] > 1000


def test_a_very_long_name_leaves_the_picture_small(tmp_path: Path) -> None:
    draw_confusion(np.eye(2, dtype=np.int64), ["\x1b" * 250, "日" * 250], tmp_path / "a.png", title="\x1b" * 250)
    height, width, _ = image.imread(tmp_path / "a.png").shape
    assert max(height, width) < 1200


def test_of_very_many_classes_the_most_confused_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes 1 and 4 are confused once, 3 is always right, 0 and 2 have no clips and are no answers."""
    confusion = np.zeros((5, 5), np.int64)
    confusion[1, 4] = confusion[4, 1] = 1
    confusion[3, 3] = 9
    drawn, there = classes_drawn(confusion)
    assert (drawn.tolist(), there) == ([1, 3, 4], 3)
    monkeypatch.setattr("mocrop.evaluation.report.plots.MAX_CLASSES", 2)
    drawn, there = classes_drawn(confusion)
    assert (drawn.tolist(), there) == ([1, 4], 3)


def test_a_console_shows_few_classes_whole_and_of_many_the_worst() -> None:
    def shown(evaluated: EvalResult) -> str:
        text = StringIO()
        print_result(LineConsole(file=text, width=80), evaluated)
        return text.getvalue()

    few, many = shown(result(classes=7)), shown(result(classes=30))
    assert "by class" in few
    assert "Class5" in few
    assert "the 10 worst of 29 classes" in many
    assert max(map(len, (few + many).splitlines())) <= 80


def test_a_checkpoint_that_does_not_say_its_epoch_has_none_in_the_report() -> None:
    text = StringIO()
    print_result(LineConsole(file=text, width=120), replace(result(), epoch=0))
    assert "epoch" not in text.getvalue()
