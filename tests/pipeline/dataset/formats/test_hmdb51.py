"""The lists of HMDB-51: what they select, against torchvision's class, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mocrop.pipeline.dataset.clips import find_clips
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.splits import Splits, read_splits
from mocrop.pipeline.errors import DatasetError

CLASSES = ("brush_hair", "cartwheel")
TAGS = {1: (1, 1, 2, 0), 2: (2, 1, 1, 0), 3: (0, 2, 1, 1)}  # of the clips of each class, by split
NAMES = ("{c}_0.avi", "#20_Rhythm_{c}_u_nm_np1_fr_goo_0.avi", "(a&b)!_{c}_1.avi", "x_{c}_test_split1.avi")


@pytest.fixture
def hmdb(tmp_path: Path) -> Path:
    """HMDB-51 in small: `videos/<class>/` and `lists/<class>_test_split<N>.txt`, a blank behind each digit."""
    (tmp_path / "lists").mkdir()
    for label in CLASSES:
        (tmp_path / "videos" / label).mkdir(parents=True)
        for name in NAMES:
            (tmp_path / "videos" / label / name.format(c=label)).write_bytes(b"x")
        for split, tags in TAGS.items():
            lines = (f"{name.format(c=label)} {tag} \n" for name, tag in zip(NAMES, tags, strict=True))
            (tmp_path / f"lists/{label}_test_split{split}.txt").write_text("".join(lines))
    return tmp_path


def read(folder: Path, lists: str = "lists", *, form: str = "auto") -> Splits:
    clips = find_clips(folder / "videos", lists=folder / lists, loose=True).clips
    return read_splits(folder / lists, clips, dataset=folder / "videos", form=form)


def sides(splits: Splits) -> dict[str, list[list[int]]]:
    """Subsets of the clips of each class, one row a clip in the order of NAMES."""
    place = {clip.path: n for n, clip in enumerate(splits.clips)}
    return {c: [splits.subset[place[f"{c}/{name.format(c=c)}"]].tolist() for name in NAMES] for c in CLASSES}


@pytest.mark.parametrize("lists", ["lists", "lists/cartwheel_test_split2.txt"])
@pytest.mark.parametrize("form", ["auto", "hmdb51"])
def test_three_splits_of_two_classes_with_1_for_train_and_2_for_test(hmdb: Path, lists: str, form: str) -> None:
    splits = read(hmdb, lists, form=form)
    assert splits.form.why == "6 files are called <class>_test_split<N>.txt"
    assert (splits.split_names, splits.class_names) == (("1", "2", "3"), CLASSES)
    assert [CLASSES[label] for label in splits.label] == [clip.class_name for clip in splits.clips]
    assert sides(splits) == dict.fromkeys(CLASSES, np.array(list(TAGS.values())).T.tolist())
    assert [issue.code for issue in splits.issues] == []


def test_it_selects_what_torchvision_selects(hmdb: Path) -> None:
    datasets = pytest.importorskip("torchvision.datasets", reason="torchvision is not installed")
    splits = read(hmdb)
    paths = [clip.path for clip in splits.clips]
    for fold in (1, 2, 3):
        for train, code in ((True, 1), (False, 2)):
            theirs = datasets.HMDB51._select_fold(datasets.HMDB51, paths, str(hmdb / "lists"), fold, train)
            assert theirs == np.flatnonzero(splits.subset[:, fold - 1] == code).tolist()


@pytest.mark.parametrize("flat", [False, True])
def test_a_flat_folder_takes_its_classes_from_the_lists(hmdb: Path, flat: bool) -> None:
    if flat:
        for file in list((hmdb / "videos").rglob("*.avi")):
            file.rename(hmdb / "videos" / file.name)
        for label in CLASSES:
            (hmdb / "videos" / label).rmdir()
    splits = read(hmdb)
    assert [splits.class_names[label] in clip.path for clip, label in zip(splits.clips, splits.label, strict=True)] == (
        [True] * 8
    )
    assert np.bincount(splits.subset[:, 0], minlength=3).tolist() == [2, 4, 2]


@pytest.mark.parametrize("line", ["cartwheel_0.avi 3", "cartwheel_0.avi", "cartwheel_0.avi -1", "1"])
def test_a_line_with_another_digit_is_named_with_the_reason_and_its_clip_is_in_no_split(hmdb: Path, line: str) -> None:
    file = hmdb / "lists/cartwheel_test_split1.txt"
    file.write_text("\n".join([line, *file.read_text().splitlines()[1:]]))
    splits = read(hmdb)
    (issue,) = (issue for issue in splits.issues if issue.code is IssueCode.MALFORMED_LINE)
    assert issue.sentence == (
        "1 line cannot be read and is skipped: 1 without 0, 1 or 2 at the end (cartwheel_test_split1.txt:1)"
    )
    assert sides(splits)["cartwheel"][0] == [0, 2, 0]


def test_a_split_that_lacks_the_list_of_a_class_is_refused(hmdb: Path) -> None:
    (hmdb / "lists/cartwheel_test_split3.txt").unlink()
    with pytest.raises(DatasetError, match="split 3 has no list of cartwheel; add it, or remove"):
        read(hmdb)
    (hmdb / "lists/brush_hair_test_split3.txt").unlink()
    assert read(hmdb).split_names == ("1", "2")


@pytest.mark.parametrize("text", ["", "\n", "cartwheel_0.avi\n"])
def test_a_list_without_a_line_that_can_be_read_is_refused(hmdb: Path, text: str) -> None:
    """The clips of that class would be missing from the split."""
    (hmdb / "lists/cartwheel_test_split3.txt").write_text(text)
    with pytest.raises(DatasetError, match=r"cartwheel_test_split3\.txt lists no clip"):
        read(hmdb)


def test_a_class_folder_of_another_name_is_found_by_its_files_and_the_list_counts(hmdb: Path) -> None:
    (hmdb / "videos/cartwheel").rename(hmdb / "videos/Cart wheel")
    splits = read(hmdb)
    assert splits.class_names == CLASSES
    assert [splits.class_names[label][:4].lower() for label in splits.label] == [
        clip.class_name[:4].lower() for clip in splits.clips
    ]
    assert np.bincount(splits.subset[:, 0]).tolist() == [2, 4, 2]


@pytest.mark.parametrize("given", ["", "own_test_split1.txt"])
def test_lists_with_counterparts_for_train_are_none_of_hmdb51_whose_digits_would_be_labels(
    tmp_path: Path, given: str
) -> None:
    for name in ("A/a.avi", "A/b.avi", "B/c.avi"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).touch()
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/own_train_split1.txt").write_text("A/a.avi 1\nB/c.avi 2\n")
    (tmp_path / "lists/own_test_split1.txt").write_text("A/b.avi 1\n")
    splits = read(tmp_path, f"lists/{given}".rstrip("/"))
    assert splits.form.format.name == "list"
    assert (splits.class_names, splits.label.tolist()) == (("A", "B"), [0, 0, 1])
    assert splits.subset[:, 0].tolist() == [1, 2, 1]


def test_a_folder_that_is_not_the_class_says_that_the_list_is_of_another_form(hmdb: Path) -> None:
    file = hmdb / "lists/cartwheel_test_split1.txt"
    file.write_text("brush_hair/brush_hair_0.avi 1\ncartwheel/cartwheel_0.avi 1\n")
    splits = read(hmdb)
    (issue,) = (issue for issue in splits.issues if issue.code is IssueCode.MALFORMED_LINE)
    assert issue.kinds == {"with a folder that is not the class": 1}
    assert [side[0] for side in sides(splits)["cartwheel"]] == [1, 0, 0, 0]
    assert [splits.class_names[label] for label in splits.label] == [clip.class_name for clip in splits.clips]


def test_lists_of_two_data_sets_in_one_folder_are_refused(hmdb: Path) -> None:
    (hmdb / "lists/own_train_split1.txt").write_text("brush_hair/brush_hair_0.avi 1\n")
    (hmdb / "lists/own_test_split1.txt").write_text("cartwheel/cartwheel_0.avi 2\n")
    with pytest.raises(DatasetError, match=r"own_test_split1\.txt among them has the counterpart own_train"):
        read(hmdb)


def test_hidden_files_beside_a_list_are_none(hmdb: Path) -> None:
    (hmdb / "lists/._cartwheel_test_split1.txt").write_bytes(b"\xff")
    assert read(hmdb, "lists/cartwheel_test_split1.txt").class_names == CLASSES
