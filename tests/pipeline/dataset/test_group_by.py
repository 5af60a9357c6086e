"""Groups by an expression or a column: their names, numbers and errors, and splits that keep them on one side."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.dataset.group_by import group_names
from mocrop.pipeline.dataset.init import init_workspace
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.dataset.listed_subsets import TEST, TRAIN, UNUSED
from mocrop.pipeline.dataset.spanning_splits import spanning_subsets
from mocrop.pipeline.dataset.splits import Splits, read_splits
from mocrop.pipeline.errors import DatasetError, SettingsError
from mocrop.pipeline.groups import FIRST_ACROSS_CLASSES
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import mocrop
from tests.pipeline.dataset.test_splits import clips


def csv_file(folder: Path, text: str) -> Path:
    (folder / "own.csv").write_text(text)
    return folder / "own.csv"


def counts(splits: Splits) -> dict[IssueCode, int]:
    return {issue.code: issue.count for issue in splits.issues}


# names


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("person([0-9]+)", ("1", "2", "2")),  # its first group
        ("(?:person)[0-9]+", ("person1", "person2", "person2")),  # the whole match
        ("(?P<who>son[0-9])(.)", ("son1", "son2", "son2")),
        ("^[A-Z]/(.*)_", ("person1", "person2", "person2")),
    ],
)
def test_an_expression_is_searched_in_the_path(expression: str, names: tuple[str, ...]) -> None:
    found = clips("A/person1_a.avi", "A/person2_a.avi", "B/person2_b.avi")
    assert group_names(expression, found, IssueLog()) == names


def test_accents_that_are_spelled_in_two_ways_name_one_group() -> None:
    found = clips("A/Zo\u00e9_a.avi", "A/Ann_a.avi", "B/Zoe\u0301_b.avi")
    assert group_names("/([^_]+)_", found, IssueLog()) == ("Zo\u00e9", "Ann", "Zo\u00e9")


@pytest.mark.parametrize(
    ("command", "paths", "names"),
    [
        ("KTH", ["boxing/person01_boxing_d1.avi", "walking/person01_walking_d2.avi"], ("01", "01", None)),
        (
            "HMDB",
            ["kick/Goonies_kick_f_cm_np1_ba_med_0.avi", "brush_hair/Goonies_brush_hair_u_nm_np1_ba_goo_1.avi"],
            ("Goonies", "Goonies", None),
        ),
        (
            "kinetics",
            ["yoga/dQw4w9WgXcQ_000010_000020.mp4", "yoga/dQw4w9WgXcQ_000050_000060.mp4"],
            ("dQw4w9WgXcQ",) * 2,
        ),
    ],
)
def test_the_expressions_of_the_documentation_do_what_it_says(
    command: str, paths: list[str], names: tuple[str | None, ...]
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text(encoding="utf-8")
    expression = page.partition(f"mocrop init {command}/ --group-by '")[2].partition("'")[0]
    found = clips(*paths, "other/clip.avi")
    assert group_names(expression, found, IssueLog())[: len(names)] == names


def test_clips_without_a_match_are_named_and_stand_alone() -> None:
    splits = read_splits(
        None, clips("A/p1_a.avi", "A/p2_b.avi", "A/other.avi", "A/more.avi"), group_by="p([0-9])?_|more"
    )
    assert splits.groups == ("1", "2", None, None)  # a group that takes no part in the match is none
    (issue,) = (each for each in splits.issues if each.code is IssueCode.NOT_GROUPED)
    assert (issue.count, issue.examples) == (2, ("A/other.avi", "A/more.avi"))


def test_files_of_one_stem_are_in_one_group() -> None:
    assert group_names("[^.]+$", clips("A/x.avi", "A/x.mp4", "A/y.mp4"), IssueLog()) == ("avi", "avi", "mp4")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("person(", r"--group-by 'person\(' is no regular expression \(.*\); pass another one"),
        ("p{99999999999999999}", "is no regular expression"),
        ("subject([0-9]+)", "'subject.*' finds a group for none of the clips, such as A/p1_a.avi; pass an expression"),
        ("x*", "finds a group for none"),  # an empty match names nothing
        ("[AB]?.*(avi)", "puts all 2 clips into one group, 'avi', so no split is possible; pass an expression whose"),
    ],
)
def test_an_expression_that_groups_nothing_is_an_error(expression: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as raised:
        read_splits(None, clips("A/p1_a.avi", "B/p2_b.avi"), group_by=expression)
    assert "--group-by ''" in str(raised.value)
    assert "\n" not in str(raised.value)


# a column of a CSV

PEOPLE = "path,subset,Person\nA/a.avi,train,Ann\nA/b.avi,test,Bob\nB/c.avi,test,Ann\nB/d.avi,train,\n"


def test_a_column_names_groups_and_groups_on_both_sides_are_said(tmp_path: Path) -> None:
    found = clips("A/a.avi", "A/b.avi", "B/c.avi", "B/d.avi")
    splits = read_splits(csv_file(tmp_path, PEOPLE), found, group_by=" person")
    assert splits.groups == ("Ann", "Bob", "Ann", None)
    assert splits.subset[:, 0].tolist() == [TRAIN, TEST, TEST, TRAIN]  # as listed
    assert splits.kept_together is None
    assert counts(splits) == {IssueCode.GROUP_ON_BOTH_SIDES: 1, IssueCode.NOT_GROUPED: 1}
    (issue,) = (each for each in splits.issues if each.code is IssueCode.GROUP_ON_BOTH_SIDES)
    assert issue.examples == ("Ann of split 1",)


def test_a_missing_column_is_taken_for_an_expression_and_the_error_names_the_columns(tmp_path: Path) -> None:
    found = clips("A/a.avi", "A/b.avi", "B/c.avi", "B/d.avi")
    with pytest.raises(SettingsError, match=r"own.csv has no such column \(it has path, subset, person\)"):
        read_splits(csv_file(tmp_path, PEOPLE), found, group_by="people")
    splits = read_splits(csv_file(tmp_path, PEOPLE), found, group_by="/([ac])")
    assert splits.groups == ("a", None, "c", None)


def test_a_column_called_group_counts_without_being_asked_for_and_an_expression_before_it(tmp_path: Path) -> None:
    found = clips("A/1_x.avi", "A/2_y.avi", "B/3_x.avi", "B/4_y.avi")
    rows = "A/1_x,A,p\nA/2_y,A,q\nB/3_x,B,p\nB/4_y,B,r\n"
    own = csv_file(tmp_path, f"path,label,group\n{rows}")
    assert read_splits(own, found).groups == ("p", "q", "p", "r")
    assert read_splits(own, found, group_by="_([xy])").groups == ("x", "y", "x", "y")
    other = csv_file(tmp_path, f"path,label,person\n{rows}")
    assert read_splits(other, found).groups is None
    assert read_splits(other, found, group_by="person").groups == ("p", "q", "p", "r")


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["p", "p"], "the column group puts all 2 clips into one group, 'p', so no split is possible; pass"),
        (["", ""], "the column group finds a group for none of the clips, such as A/1.avi; pass"),
    ],
)
def test_a_column_called_group_that_tells_nothing_is_refused(tmp_path: Path, cells: list[str], said: str) -> None:
    found = clips("A/1.avi", "A/2.avi")
    own = csv_file(tmp_path, "path,label,group\n" + "".join(f"A/{n},A,{cell}\n" for n, cell in enumerate(cells, 1)))
    with pytest.raises(SettingsError, match=said) as refused:
        read_splits(own, found)
    assert str(refused.value).endswith("or call the column otherwise to do without")


def test_a_csv_without_subsets_gives_labels_and_groups_of_a_split_that_is_made(tmp_path: Path) -> None:
    paths = [f"all/{person}{n}.avi" for person in "abcdef" for n in range(4)]
    rows = "".join(f"{path},{'run' if n % 2 else 'dig'},{path[4]}\n" for n, path in enumerate(paths[:-1]))
    splits = read_splits(csv_file(tmp_path, "path,label,who\n" + rows), clips(*paths), group_by="who")
    assert splits.class_names == ("dig", "run")
    assert splits.subset.shape == (24, 3)
    assert splits.label[-1] == -1
    assert splits.subset[-1].tolist() == [UNUSED] * 3
    assert splits.kept_together is not None
    for column in splits.subset[:-1].T:
        assert len({(path[4], side) for path, side in zip(paths, column.tolist(), strict=False)}) == 6


def test_a_csv_without_subsets_and_groups_gives_the_labels_of_a_split_that_is_made(tmp_path: Path) -> None:
    """The folders do not tell the classes apart; each clip is a group of its own."""
    paths = [f"all/{n}.avi" for n in range(20)]
    rows = "".join(f"{path},{'run' if n % 2 else 'dig'}\n" for n, path in enumerate(paths))
    splits = read_splits(csv_file(tmp_path, "path,label\n" + rows), clips(*paths))
    assert (splits.class_names, splits.label.tolist()) == (("dig", "run"), [0, 1] * 10)
    for column in splits.subset.T:
        assert [(column[label::2] == TEST).sum() for label in (0, 1)] == [3, 3]
    assert counts(splits) == {IssueCode.NO_GROUPS: 20}


def test_a_clip_with_two_groups_has_the_first(tmp_path: Path) -> None:
    text = "path,subset,split,who\nA/a.avi,train,1,Ann\nA/a.avi,test,2,Bob\nA/b.avi,test,1,Cid\nA/b.avi,train,2,\n"
    splits = read_splits(csv_file(tmp_path, text), clips("A/a.avi", "A/b.avi"), group_by="who")
    assert splits.groups == ("Ann", "Cid")
    assert counts(splits) == {IssueCode.TWO_GROUPS: 1}


def test_groups_in_the_names_of_a_flat_folder_are_those_of_the_classes_that_a_csv_names(tmp_path: Path) -> None:
    paths = [f"v_{label}_g{group:02d}_c{n}.avi" for label in "AB" for group in range(1, 11) for n in (1, 2)]
    rows = "".join(f"{path},{path[2]}\n" for path in paths)
    splits = read_splits(csv_file(tmp_path, "path,label\n" + rows), clips(*paths))
    assert splits.subset.shape == (40, 3)
    for column in splits.subset.T:
        assert len({(path[2:7], side) for path, side in zip(paths, column.tolist(), strict=True)}) == 20
    assert counts(splits) == {}


# numbers


def test_numbers_span_classes_and_stay_when_people_come(tmp_path: Path) -> None:
    dataset, workspace = tmp_path / "data", Workspace(tmp_path / "work")

    def scan(*paths: str, group_by: str | None = None) -> dict[str, int]:
        for path in paths:
            (dataset / path).parent.mkdir(parents=True, exist_ok=True)
            (dataset / path).write_bytes(path.encode())
        init_workspace(workspace, dataset=dataset, group_by=group_by)
        with Manifest(workspace.manifest_file) as manifest:
            return {clip.name: clip.group - FIRST_ACROSS_CLASSES for clip in manifest.clips() if clip.group >= 0}

    first = scan("A/p5_g01_1.avi", "B/p5_g02_1.avi", "B/p7_g01_1.avi", "B/x_g09_.avi", group_by="p([0-9])")
    assert first == {"A/p5_g01_1": 0, "B/p5_g02_1": 0, "B/p7_g01_1": 1}
    assert scan("A/p1_a.avi", "A/p9_a.avi") == {**first, "A/p1_a": 2, "A/p9_a": 3}
    numbers = scan(group_by="")
    assert numbers["B/x_g09_"] == 9 - FIRST_ACROSS_CLASSES


# splits


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ABC"), st.integers(1, 6)), min_size=1, max_size=40),
    st.integers(0, 5),
)
def test_a_person_is_on_one_side_and_every_class_is_trained(videos: list[tuple[int, str, int]], seed: int) -> None:
    groups = [f"p{person}" for person, _, clips in videos for _ in range(clips)]
    classes = [name for _, name, clips in videos for _ in range(clips)]
    names = [f"c{n}" for n in range(len(groups))]
    log = IssueLog()
    subset = spanning_subsets(names, groups, classes, log, seed=seed)
    for person in set(groups):
        assert len(np.unique(subset[[group == person for group in groups]], axis=0)) == 1
    assert np.all((subset == TEST).sum(axis=1) <= 1)
    people_of = {
        name: {group for group, of in zip(groups, classes, strict=True) if of == name} for name in set(classes)
    }
    assert subset.shape[1] == (3 if min(map(len, people_of.values())) >= 3 else 1)
    for name in people_of:
        rows = np.array([each == name for each in classes])
        assert np.all((subset[rows] == TRAIN).any(axis=0))
    order = np.random.default_rng(seed).permutation(len(names))
    again = spanning_subsets(
        [names[n] for n in order], [groups[n] for n in order], [classes[n] for n in order], IssueLog(), seed=seed
    )
    assert np.array_equal(again, subset[order])


def test_25_people_in_six_classes_give_three_splits_of_about_three_tenths() -> None:
    """As in KTH: each person does each action four times."""
    people = [f"p{person}" for person in range(25) for _ in range(24)]
    classes = [f"k{label}" for _ in range(25) for label in range(6) for _ in range(4)]
    subset = spanning_subsets([f"c{n}" for n in range(600)], people, classes, IssueLog(), seed=0)
    assert subset.shape == (600, 3)
    for name in set(classes):
        rows = [each == name for each in classes]
        assert all(28 <= tested <= 32 for tested in (subset[rows] == TEST).sum(axis=0))  # 7 or 8 people


def test_two_people_are_one_on_each_side_and_one_alone_is_trained_on() -> None:
    log = IssueLog()
    subset = spanning_subsets("abcdef", ["p", "p", "p", "q", "r", "r"], ["A", "A", "A", "A", "B", "B"], log, seed=0)
    assert subset[:, 0].tolist() == [TRAIN, TRAIN, TRAIN, TEST, TRAIN, TRAIN]
    assert [(issue.code, issue.examples) for issue in log.issues] == [(IssueCode.CLASS_NOT_TESTED, ("B",))]


def test_another_seed_gives_another_split_of_people() -> None:
    people = [f"p{person}" for person in range(12)]
    subsets = [spanning_subsets(people, people, ["A"] * 12, IssueLog(), seed=seed)[:, 0].tolist() for seed in range(4)]
    assert all(Counter(subset)[TEST] == 4 for subset in subsets)
    assert len({tuple(subset) for subset in subsets}) > 1


# the command line


def test_the_option_is_kept_said_and_refused_in_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for person in range(4):
        for label in "AB":
            (here / "data" / label).mkdir(parents=True, exist_ok=True)
            (here / "data" / label / f"p{person}.avi").write_bytes(f"{label}{person}".encode())
    assert mocrop("init", "data") == 0
    assert "group_by" not in (here / "mocrop-work" / "mocrop.toml").read_text()
    assert mocrop("init", "data", "--group-by", "p(") == 1
    assert capsys.readouterr().err.startswith("error: --group-by 'p(' is no regular expression")
    assert mocrop("init", "data", "--group-by", r"/p(\d)\.") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "change sides between train and test" in said
    assert r"by grouping by '/p(\d)\.' instead of by file names" in said
    assert mocrop("init", "data", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert "sides-changed" not in json.dumps(report)
    with Manifest(here / "mocrop-work" / "manifest.sqlite") as manifest:
        side_of = {clip.name: clip.subset for clip in manifest.clips()}
    assert all(side_of[f"A/p{person}"] == side_of[f"B/p{person}"] for person in range(4))
    assert tomllib.loads((here / "mocrop-work" / "mocrop.toml").read_text())["group_by"] == r"/p(\d)\."
    (here / "mocrop-work" / "mocrop.toml").write_text(
        (here / "mocrop-work" / "mocrop.toml").read_text() + "\n[transcode]\ncrf = 30\n"
    )
    assert mocrop("transcode", "--group-by", "", "--workers", "0") == 3  # no file is a video
    assert "change sides" in " ".join(capsys.readouterr().out.split())
    content = tomllib.loads((here / "mocrop-work" / "mocrop.toml").read_text())
    assert (content["group_by"], content["transcode"]["crf"]) == ("", 30)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    table = csv_file(tmp_path, "path,label,Person,person \nA/a.avi,A,1,2\nA/b.avi,A,2,2\n")
    found = clips("A/a.avi", "A/b.avi")
    with pytest.raises(DatasetError, match=r"own\.csv: the first line names the column person twice"):
        read_splits(table, found, group_by="person")
