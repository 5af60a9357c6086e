"""A split that mocrop made: new clips are added to it, and no clip changes sides unless another split is asked for."""

from __future__ import annotations

import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mocrop.pipeline.dataset import init as init_module
from mocrop.pipeline.dataset.clips import Clip, FoundClips, group_of
from mocrop.pipeline.dataset.init import init_workspace
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.report import DatasetReport, SubsetCounts
from mocrop.pipeline.dataset.walk import without_video_suffix
from mocrop.pipeline.errors import WorkspaceError
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import read_settings
from mocrop.pipeline.workspace.split_memory import SplitMemory

Sides = dict[str, tuple[int, ...]]
CLASSES = {"A": range(1, 6), "B": range(1, 5)}  # groups of each class


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    add(
        tmp_path / "data",
        (name_of(label, group, c) for label, groups in CLASSES.items() for group in groups for c in (1, 2)),
    )
    return tmp_path / "data"


def name_of(label: str, group: int, clip: int) -> str:
    return f"{label}/v_{label}_g{group:02d}_c{clip:02d}.avi"


def add(dataset: Path, paths: Iterable[str]) -> None:
    """Write files that differ in their contents' size, as videos do."""
    for path in paths:
        (dataset / path).parent.mkdir(parents=True, exist_ok=True)
        (dataset / path).write_bytes(path.encode() * (1 + len(list((dataset / path).parent.iterdir()))))


def sides(workspace: Workspace) -> Sides:
    """The sides of the clips that are there, by path without suffix."""
    with Manifest(workspace.manifest_file) as manifest:
        return {without_video_suffix(clip.path): clip.subset for clip in manifest.clips() if any(clip.subset)}


def count(report: DatasetReport, code: IssueCode) -> int:
    return sum(issue.count for issue in report.issues if issue.code is code)


def require_kept(before: Sides, after: Sides) -> None:
    assert before.keys() & after.keys()
    assert {name: after[name] for name in before.keys() & after.keys()} == {
        name: before[name] for name in before.keys() & after.keys()
    }


# any sequence of additions and removals


def found(paths: Sequence[str]) -> FoundClips:
    clips = (
        Clip(
            name=path if path.endswith(".mp4") else without_video_suffix(path),
            path=path,
            class_name=path[0],
            group=group_of(path),
            size_bytes=hash_of(path),
            mtime_ns=hash_of(path),
        )
        for path in sorted(paths)
    )
    return FoundClips(clips=tuple(clips), issues=())


def hash_of(path: str) -> int:
    return zlib.crc32(without_video_suffix(path).encode())


some_paths = st.sets(
    st.builds(
        "{}/{}_p{}_{}.{}".format,
        st.sampled_from("ABC"),
        st.sampled_from(["g1", "v_g1", "v_g2", "v_g3", "v_g4", "loner"]),
        st.integers(0, 4),
        st.integers(0, 1),
        st.sampled_from(["avi", "mp4"]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scans=st.lists(some_paths, min_size=2, max_size=5), seed=st.integers(0, 3), grouped=st.booleans())
def test_no_clip_changes_sides_whatever_comes_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scans: list[set[str]], seed: int, grouped: bool
) -> None:
    shutil.rmtree(tmp_path / "work", ignore_errors=True)
    workspace = Workspace(tmp_path / "work")
    (tmp_path / "data").mkdir(exist_ok=True)
    ever: Sides = {}
    for number, paths in enumerate(scans):
        chosen = {*paths, "A/anchor_p8_0.avi", "B/anchor_p9_0.avi"}  # so that there are two groups at any time
        monkeypatch.setattr(init_module, "find_clips", lambda *_, chosen=chosen, **__: found(sorted(chosen)))
        first = {"dataset": tmp_path / "data", "seed": seed, "group_by": "_(p[0-9])" if grouped else None}
        report = init_workspace(workspace, **(first if number == 0 else {}))
        now = sides(workspace)
        assert len(now) == len({without_video_suffix(path) for path in chosen})
        assert count(report, IssueCode.SIDES_CHANGED) == 0
        assert {name: now[name] for name in ever.keys() & now.keys()} == {
            name: ever[name] for name in ever.keys() & now.keys()
        }
        assert all(side.count(2) <= 1 for side in now.values())
        of_group: dict[str, set[tuple[int, ...]]] = {}
        for name, side in now.items():
            with_group = name.partition("_p")[2][:1] if grouped else f"{name[0]}{group_of(name)}"
            if grouped or group_of(name) >= 0:
                of_group.setdefault(with_group, set()).add(side)
        assert all(len(each) == 1 for each in of_group.values())
        ever |= now


# each way in which a clip could change sides


def vanish_and_come_back(dataset: Path, workspace: Workspace) -> None:
    gone = [path for path in sorted(dataset.rglob("*.avi")) if "_g01_" in path.name or "_g02_" in path.name]
    kept = [(path, path.read_bytes()) for path in gone]
    for path in gone:
        path.unlink()
    init_workspace(workspace)
    add(dataset, (name_of("A", group, 1) for group in range(20, 30)))  # which take the places of the ones that are gone
    init_workspace(workspace)
    for path, content in kept:
        path.write_bytes(content)


def another_suffix(dataset: Path, workspace: Workspace) -> None:
    for path in sorted(dataset.rglob("*_c01.avi")):
        path.rename(path.with_suffix(".mp4"))


def fewer_groups_in_a_new_class(dataset: Path, workspace: Workspace) -> None:
    add(dataset, ["C/v_C_g01_c01.avi"])


def many_more_groups(dataset: Path, workspace: Workspace) -> None:
    add(dataset, (name_of("A", group, 1) for group in range(20, 60)))


def lists_and_back(dataset: Path, workspace: Workspace) -> None:
    csv = workspace.root.parent / "lists.csv"
    rows = (f"{path.relative_to(dataset).as_posix()},test\n" for path in sorted(dataset.rglob("*.avi"))[1:])
    csv.write_text("path,subset\nA/v_A_g01_c01.avi,train\n" + "".join(rows))
    init_workspace(workspace, splits=csv)
    without_lists(workspace)


def an_older_workspace(dataset: Path, workspace: Workspace) -> None:
    older(workspace, keys=("made_split",))
    add(dataset, (name_of("A", group, 1) for group in range(20, 30)))


def a_workspace_that_knows_no_seed(dataset: Path, workspace: Workspace) -> None:
    older(workspace, keys=("made_split", "split_seed"))
    add(dataset, (name_of("B", group, 1) for group in range(20, 30)))


def the_data_set_replaced_by_a_copy(dataset: Path, workspace: Workspace) -> None:
    other = dataset.with_name("transcoded")
    for path in dataset.rglob("*.avi"):
        add(other, [path.relative_to(dataset).as_posix()])
        (other / path.relative_to(dataset)).write_bytes(b"other bytes")
    add(other, (name_of("A", group, 1) for group in range(20, 30)))
    init_workspace(workspace, dataset=other, replace_dataset=True)


def the_data_set_moved(dataset: Path, workspace: Workspace) -> None:
    dataset.rename(dataset.with_name("elsewhere"))
    init_workspace(workspace, dataset=dataset.with_name("elsewhere"))


def without_lists(workspace: Workspace) -> None:
    text = workspace.settings_file.read_text()
    workspace.settings_file.write_text(
        "\n".join('splits = ""' if line.startswith("splits") else line for line in text.split("\n"))
    )


def older(workspace: Workspace, *, keys: Sequence[str]) -> None:
    """Take from a manifest what earlier versions of mocrop did not write."""
    with sqlite3.connect(workspace.manifest_file) as database:
        database.executemany("DELETE FROM facts WHERE key = ?", [(key,) for key in keys])
        database.execute("DROP TABLE made_sides")
        database.execute("DROP TABLE group_numbers")
    database.close()


@pytest.mark.parametrize(
    "happens",
    [
        vanish_and_come_back,
        another_suffix,
        fewer_groups_in_a_new_class,
        many_more_groups,
        lists_and_back,
        an_older_workspace,
        a_workspace_that_knows_no_seed,
        the_data_set_replaced_by_a_copy,
        the_data_set_moved,
    ],
)
def test_a_known_clip_stays_on_its_side(
    dataset: Path, workspace: Workspace, happens: Callable[[Path, Workspace], None]
) -> None:
    init_workspace(workspace, dataset=dataset, seed=3)
    before = sides(workspace)
    assert len(next(iter(before.values()))) == 3
    happens(dataset, workspace)
    init_workspace(workspace)
    after = sides(workspace)
    assert before.keys() <= after.keys()
    require_kept(before, after)


def test_a_renamed_class_or_file_keeps_its_sides(dataset: Path, workspace: Workspace) -> None:
    """Its name is new, but its file is the one that was there."""
    init_workspace(workspace, dataset=dataset)
    before = sides(workspace)
    (dataset / "A").rename(dataset / "Another")
    file = next(iter(sorted((dataset / "B").iterdir())))
    file.rename(file.with_name("renamed.avi"))
    report = init_workspace(workspace)
    after = sides(workspace)
    assert {f"A{name[7:]}": side for name, side in after.items() if name.startswith("Another/")} == {
        name: side for name, side in before.items() if name.startswith("A/")
    }
    assert after["B/renamed"] == before[f"B/{file.stem}"]
    assert count(report, IssueCode.SIDES_CHANGED) == 0


def test_a_class_that_is_renamed_twice_keeps_its_sides(dataset: Path, workspace: Workspace) -> None:
    init_workspace(workspace, dataset=dataset)
    before = sides(workspace)
    for old, new in (("A", "Bowling"), ("Bowling", "Bowl"), ("Bowl", "Zoo")):
        (dataset / old).rename(dataset / new)
        init_workspace(workspace)
    after = sides(workspace)
    assert after == {name.replace("A/", "Zoo/"): of_clip for name, of_clip in before.items()}


def test_a_clip_goes_where_its_group_is_even_if_all_others_of_it_are_gone(dataset: Path, workspace: Workspace) -> None:
    init_workspace(workspace, dataset=dataset)
    tested = next(name for name, side in sides(workspace).items() if side[0] == 2)
    group = tested[: tested.index("_c")]
    for path in dataset.glob(f"{group}_*"):
        path.unlink()
    init_workspace(workspace)
    add(dataset, [f"{group}_c09.avi"])
    init_workspace(workspace)
    assert sides(workspace)[f"{group}_c09"] == sides(workspace).get(tested, (2, 1, 1))


def test_a_group_that_a_table_puts_together_later_leaves_its_clips_where_they_are(tmp_path: Path) -> None:
    """Two people turn out to be one: both stay, and it is said that the group is on both sides."""
    dataset, workspace = tmp_path / "data", Workspace(tmp_path / "work")
    add(dataset, [f"A/{n}.avi" for n in range(10)])
    csv = tmp_path / "people.csv"

    def scan(person_of: Callable[[int], int]) -> DatasetReport:
        csv.write_text("path,person\n" + "".join(f"A/{n}.avi,{person_of(n)}\n" for n in range(10)))
        return init_workspace(workspace, dataset=dataset, splits=csv, group_by="person")

    assert count(scan(lambda n: n), IssueCode.GROUP_ON_BOTH_SIDES) == 0
    before = sides(workspace)
    tested = next(int(name[2:]) for name, side in before.items() if side == (2, 1, 1))
    trained = next(int(name[2:]) for name, side in before.items() if side == (1, 1, 1))
    report = scan(lambda n: trained if n == tested else n)
    assert sides(workspace) == before
    assert count(report, IssueCode.GROUP_ON_BOTH_SIDES) == 1


@pytest.mark.parametrize("kind", ["classes", "spanning"])
def test_shares_stay_near_seven_to_three_as_clips_come(tmp_path: Path, kind: str) -> None:
    dataset, workspace = tmp_path / "data", Workspace(tmp_path / "work")
    group_by = "_(g[0-9]+)_" if kind == "spanning" else None
    for groups in range(3, 30, 8):
        add(dataset, (name_of(label, group, c) for label in "AB" for group in range(groups) for c in (1, 2)))
        report = init_workspace(workspace, dataset=dataset, group_by=group_by)
        for split in report.splits.values():
            assert abs(split.test / (split.train + split.test) - 0.3) < 0.5 / groups + 0.035


# what is asked for


def test_another_seed_makes_another_split_and_says_how_many_clips_change_sides(
    dataset: Path, workspace: Workspace
) -> None:
    init_workspace(workspace, dataset=dataset)
    before = sides(workspace)
    report = init_workspace(workspace, seed=1)
    after = sides(workspace)
    changed = sum(before[name] != after[name] for name in before)
    assert changed > 0
    (issue,) = (each for each in report.issues if each.code is IssueCode.SIDES_CHANGED)
    assert issue.count == changed
    assert "by seed 1 instead of 0" in issue.sentence
    assert "runs that were trained before have seen what is tested now" in issue.sentence
    assert count(init_workspace(workspace, seed=1), IssueCode.SIDES_CHANGED) == 0  # as it is the split that is there
    assert sides(workspace) == after
    init_workspace(workspace, seed=0)
    assert sides(workspace) == before


def test_another_seed_in_mocrop_toml_is_said_as_well(dataset: Path, workspace: Workspace) -> None:
    init_workspace(workspace, dataset=dataset)
    text = workspace.settings_file.read_text()
    workspace.settings_file.write_text(text.replace("seed = 0", "seed = 7"))
    assert count(init_workspace(workspace), IssueCode.SIDES_CHANGED) > 0


def test_a_grouping_given_later_makes_another_split_and_says_so(dataset: Path, workspace: Workspace) -> None:
    init_workspace(workspace, dataset=dataset)
    before = sides(workspace)
    report = init_workspace(workspace, group_by="_(g[0-9]+)_")
    after = sides(workspace)
    (issue,) = (each for each in report.issues if each.code is IssueCode.SIDES_CHANGED)
    assert issue.count == sum(before[name] != after[name] for name in before)
    assert "by grouping by '_(g[0-9]+)_' instead of by file names" in issue.sentence
    assert read_settings(workspace)[0].group_by == "_(g[0-9]+)_"
    init_workspace(workspace)
    assert sides(workspace) == after
    init_workspace(workspace, group_by="")
    assert read_settings(workspace)[0].group_by is None
    assert sides(workspace) == before


def test_lists_that_put_clips_on_other_sides_are_said(dataset: Path, workspace: Workspace, tmp_path: Path) -> None:
    init_workspace(workspace, dataset=dataset)
    before = sides(workspace)
    csv = tmp_path / "lists.csv"
    csv.write_text(
        "path,subset\n"
        + "".join(f"{name}.avi,{'train' if side[0] == 2 else 'test'}\n" for name, side in before.items())
    )
    report = init_workspace(workspace, splits=csv)
    (issue,) = (each for each in report.issues if each.code is IssueCode.SIDES_CHANGED)
    assert (issue.count, issue.kinds) == (len(before), {"by their lists": len(before)})
    without_lists(workspace)
    (issue,) = (each for each in init_workspace(workspace).issues if each.code is IssueCode.SIDES_CHANGED)
    assert (issue.count, issue.kinds) == (len(before), {"by giving up the lists": len(before)})
    assert sides(workspace) == before


def test_a_data_set_that_has_nothing_in_common_is_split_afresh(
    dataset: Path, workspace: Workspace, tmp_path: Path
) -> None:
    init_workspace(workspace, dataset=dataset)
    other = tmp_path / "other"
    add(other, ["X/a.avi", "X/b.avi"])
    report = init_workspace(workspace, dataset=other, replace_dataset=True)
    assert report.splits == {"1": SubsetCounts(train=1, val=0, test=1, none=0)}


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE facts SET value = '{' WHERE key = 'made_split'",
        "UPDATE facts SET value = '[]' WHERE key = 'made_split'",
        "UPDATE made_sides SET subset = '12' WHERE clip = 'A/v_A_g01_c01'",
        "UPDATE made_sides SET subset = '1x1' WHERE clip = 'A/v_A_g01_c01'",
    ],
)
def test_a_damaged_memory_is_one_line_and_no_other_split(dataset: Path, workspace: Workspace, damage: str) -> None:
    init_workspace(workspace, dataset=dataset)
    before = sides(workspace)
    with sqlite3.connect(workspace.manifest_file) as database:
        database.execute(damage)
    database.close()
    with pytest.raises(WorkspaceError, match=r"manifest\.sqlite cannot be used"):
        init_workspace(workspace)
    assert sides(workspace) == before


@pytest.mark.parametrize("killed", ["remember", "replace_clips"])
def test_a_scan_that_is_killed_is_made_good_by_the_next_one(
    dataset: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    """Whether before the sides are remembered or after, the split is that of the new seed and is said to be."""
    init_workspace(workspace, dataset=dataset)

    def kill(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SplitMemory if killed == "remember" else Manifest, killed, kill)
        with pytest.raises(KeyboardInterrupt):
            init_workspace(workspace, seed=1)
    assert count(init_workspace(workspace), IssueCode.SIDES_CHANGED) > 0
    after = sides(workspace)
    fresh = Workspace(workspace.root.with_name("fresh"))
    init_workspace(fresh, dataset=dataset, seed=1)
    assert after == sides(fresh)
