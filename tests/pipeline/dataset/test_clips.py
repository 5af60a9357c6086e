"""Finding the clips of a data set: their names, their order, and the issues found."""

from __future__ import annotations

import hashlib
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.dataset.clips import FoundClips, find_clips, group_of
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.walk import VIDEO_SUFFIXES, without_video_suffix
from mocrop.pipeline.errors import DatasetError


def lay(folder: Path, *paths: str) -> Path:
    """Make empty files at ``paths``; a path that ends in "/" becomes an empty folder."""
    folder.mkdir(exist_ok=True)
    for path in paths:
        target = folder / path
        (target if path.endswith("/") else target.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            target.touch()
    return folder


def names(found: FoundClips) -> list[str]:
    return [clip.name for clip in found.clips]


def counts(found: FoundClips) -> dict[IssueCode, int]:
    return {issue.code: issue.count for issue in found.issues}


def test_a_clip_knows_its_class_group_size_and_time(tmp_path: Path) -> None:
    lay(tmp_path, "Surfing/v_Surfing_g07_c02.avi")
    file = tmp_path / "Surfing/v_Surfing_g07_c02.avi"
    file.write_bytes(b"12345")
    os.utime(file, ns=(1, 1_234_567_890))
    (clip,) = find_clips(tmp_path).clips
    assert (clip.name, clip.path) == ("Surfing/v_Surfing_g07_c02", "Surfing/v_Surfing_g07_c02.avi")
    assert (clip.class_name, clip.group, clip.size_bytes, clip.mtime_ns) == ("Surfing", 7, 5, 1_234_567_890)


def test_clips_are_sorted_by_name_and_not_by_file(tmp_path: Path) -> None:
    """A space comes before the dot of a suffix: `a b.avi` before `a.avi`, but `a` before `a b`."""
    assert names(find_clips(lay(tmp_path, "A/a b.avi", "A/a.avi", "A/a-b.avi"))) == ["A/a", "A/a b", "A/a-b"]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("A/v_A_g01_c02", 1),
        ("A/v_A_g25_c07", 25),
        ("A/v_my_g3_trick_g12_c01", 12),
        ("A/plain", -1),
        ("A/big_gun_c01", -1),
        ("v_A_g01_c02/clip", -1),
        ("A/x_g12345678901234567890_c01", -1),
    ],
)
def test_the_group_is_the_last_gNN_of_the_file_name(name: str, group: int) -> None:
    assert group_of(name) == group


def test_every_video_suffix_counts_in_any_case_and_at_any_depth(tmp_path: Path) -> None:
    paths = [f"A/sub/deep/{n}{suffix.upper() if n % 2 else suffix}" for n, suffix in enumerate(VIDEO_SUFFIXES)]
    found = find_clips(lay(tmp_path, "A/x.avi", *paths))
    assert names(found) == sorted([*(f"A/sub/deep/{n}" for n in range(16)), "A/x"])
    assert {clip.class_name for clip in found.clips} == {"A"}
    assert found.issues == ()


def test_a_flat_folder_is_refused_with_the_file_that_may_list_its_videos(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds 1 videos but no class folder with videos; put each video"):
        find_clips(lay(tmp_path, "a.avi"))
    with pytest.raises(DatasetError, match=r"with videos; if labels\.csv there lists them, pass it with --splits"):
        find_clips(lay(tmp_path, "labels.csv", ".a.csv", "z.json", "README.md"))


def test_names_with_spaces_quotes_other_alphabets_and_a_leading_dash_are_names_like_any_other(tmp_path: Path) -> None:
    odd = ["-rf.avi", "it's.avi", 'say "hi".avi', "日本 été.avi", "a,b;c.avi", "100%.avi", "a\nb.avi", "[red].avi"]
    found = find_clips(lay(tmp_path, *(f"My class/{name}" for name in odd)))
    assert sorted(clip.path for clip in found.clips) == sorted(f"My class/{name}" for name in odd)
    assert found.issues == ()


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    found = find_clips(lay(tmp_path, "A/x.avi", "A/._x.avi", ".trash/y.avi", "A/.cache/z.avi", ".DS_Store"))
    assert (names(found), found.issues) == (["A/x"], ())


def test_a_workspace_inside_the_data_set_is_not_a_class(tmp_path: Path) -> None:
    found = find_clips(lay(tmp_path, "A/x.avi", "mocrop-work/mocrop.toml", "mocrop-work/h264/A/x.mp4"))
    assert (names(found), found.issues) == (["A/x"], ())


def test_of_two_clips_with_one_name_the_first_keeps_it_and_the_other_its_suffix(tmp_path: Path) -> None:
    found = find_clips(lay(tmp_path, "A/a.mp4", "A/a.avi", "A/b.avi"))
    assert {clip.path: clip.name for clip in found.clips} == {
        "A/a.avi": "A/a",
        "A/a.mp4": "A/a.mp4",
        "A/b.avi": "A/b",
    }
    assert found.issues[0].sentence == (
        "1 clip differs from another in its suffix only and keeps the suffix in its name: A/a.mp4"
    )


def test_a_suffix_known_since_later_leaves_the_short_name_to_the_others(tmp_path: Path) -> None:
    """So that clips keep their names when a preview `a.gif`, not seen before, lies beside `a.mp4`."""
    found = find_clips(lay(tmp_path, "A/a.mp4", "A/a.gif", "A/b.gif"))
    assert {clip.path: clip.name for clip in found.clips} == {
        "A/a.gif": "A/a.gif",
        "A/a.mp4": "A/a",
        "A/b.gif": "A/b",
    }


def test_a_clip_whose_file_would_be_written_where_a_folder_goes_keeps_its_suffix(tmp_path: Path) -> None:
    """`h264/A/a.mp4` would have to be a file and a folder."""
    found = find_clips(lay(tmp_path, "A/a.avi", "A/a.mp4/b.avi", "A/c.avi", "A/c/d.avi"))
    assert names(found) == ["A/a.avi", "A/a.mp4/b", "A/c", "A/c/d"]
    assert found.issues[0].sentence == (
        "1 clip would be written where another clip or a folder goes and keeps the suffix in its name: A/a.avi"
    )


@pytest.mark.parametrize(
    ("paths", "apart", "together"),
    [
        (("A/b.avi", "A/B.avi"), {"A/B", "A/b"}, {"A/B", "A/b.avi"}),
        (("run/a.avi", "Run/a.avi"), {"Run/a", "run/a"}, {"Run/a", "run/a.avi"}),
        (("A/\u00e9.avi", "A/e\u0301.avi"), {"A/\u00e9", "A/e\u0301"}, {"A/e\u0301", "A/\u00e9.avi"}),
        (("A/x.avi", "A/X.MP4/y.avi"), {"A/x", "A/X.MP4/y"}, {"A/x.avi", "A/X.MP4/y"}),
        (("A/a.avi", "A/a.AVI"), {"A/a", "A/a.avi"}, {"A/a", "A/a.avi"}),
    ],
)
def test_names_that_the_disk_of_the_workspace_takes_for_one_are_told_apart(
    paths: tuple[str, ...], apart: set[str], together: set[str], tmp_path: Path
) -> None:
    lay(tmp_path, *paths)
    if {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} != set(paths):
        pytest.skip("this file system takes the names for one")
    assert set(names(find_clips(tmp_path, folds_names=lambda: False))) == apart
    assert set(names(find_clips(tmp_path, folds_names=lambda: True))) == together


def test_three_names_that_a_disk_takes_for_one_are_told_apart_by_a_hash(tmp_path: Path) -> None:
    lay(tmp_path, "A/a.AVI", "A/a.avi", "A/A.avi")
    if len(list((tmp_path / "A").iterdir())) < 3:
        pytest.skip("this file system takes the names for one")
    found = find_clips(tmp_path, folds_names=lambda: True)
    digest = hashlib.sha256(b"A/a.avi").hexdigest()[:8]
    assert {clip.path: clip.name for clip in found.clips} == {
        "A/A.avi": "A/A",
        "A/a.AVI": "A/a.AVI",
        "A/a.avi": f"A/a.avi~{digest}",
    }
    assert counts(found) == {IssueCode.SAME_FILE: 2}


def test_the_disk_is_asked_only_where_names_differ_in_case(tmp_path: Path) -> None:
    def asked() -> bool:
        raise AssertionError

    find_clips(lay(tmp_path, "A/a.avi", "A/a.mp4", "B/A.avi", "a/c.avi"), folds_names=asked)
    if not (lay(tmp_path, "A/A.AVI") / "A/a.AVI").exists():
        with pytest.raises(AssertionError):
            find_clips(tmp_path, folds_names=asked)


@given(
    st.sets(
        st.lists(st.sampled_from(["a", ".avi", ".mp4", ".AVI", ".gif"]), min_size=1, max_size=4).map("".join),
        min_size=1,
    ).filter(lambda files: any(not f.startswith(".") and without_video_suffix(f) != f for f in files))
)
def test_names_are_always_different_and_no_video_is_lost(
    tmp_path_factory: pytest.TempPathFactory, files: set[str]
) -> None:
    folder = lay(tmp_path_factory.mktemp("names"), *(f"A/{file}" for file in files))
    found = find_clips(folder)
    videos = {f"A/{file}" for file in files if not file.startswith(".") and without_video_suffix(file) != file}
    assert {clip.path for clip in found.clips} == videos
    assert len(set(names(found))) == len(videos)


def test_the_order_is_that_of_the_names_whatever_order_the_disk_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, "B/x.avi", "A/z.avi", "A/y.mp4", "A/y.avi", "A-/w.avi", "b.txt", "c.txt", "a.txt", "d.txt")
    expected = find_clips(tmp_path)
    assert names(expected) == sorted(names(expected))
    real = os.scandir

    class Shuffled:
        def __init__(self, path: Path) -> None:
            self.entries = list(real(path))
            random.Random(1).shuffle(self.entries)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("mocrop.pipeline.dataset.walk.os.scandir", Shuffled)
    assert find_clips(tmp_path) == expected


def test_empty_classes_videos_without_class_and_other_files_are_counted(tmp_path: Path) -> None:
    found = find_clips(lay(tmp_path, "A/x.avi", "Empty/", "Only text/notes.txt", "stray.avi", "A/Thumbs.db", "README"))
    assert names(found) == ["A/x"]
    assert counts(found) == {
        IssueCode.WITHOUT_CLASS: 1,
        IssueCode.EMPTY_CLASS: 2,
        IssueCode.OTHER_SUFFIX: 2,
    }


def test_what_is_left_out_is_listed_by_suffix_with_the_most_frequent_first(tmp_path: Path) -> None:
    left_out = ["A/a.SRT", "A/b.srt", "c.srt", "A/x.vob", "A/y.VOB", "README", "A/clip.0001"]
    found = find_clips(lay(tmp_path, "A/x.avi", *left_out, "A/desktop.ini", "A/.hidden.srt"))
    (issue,) = found.issues
    assert dict(issue.kinds) == {".srt": 3, ".vob": 2, "without a suffix": 2}
    assert issue.sentence == (
        "7 files have no suffix of a video and are left out: 3 .srt, 2 .vob, 2 without a suffix "
        "(README, c.srt, A/a.SRT, ...)"
    )


def test_split_lists_in_the_data_set_do_not_count_as_left_out(tmp_path: Path) -> None:
    lay(tmp_path, "A/x.avi", "lists/trainlist01.txt", "lists/classInd.txt", "notes.txt")
    assert counts(find_clips(tmp_path)) == {IssueCode.EMPTY_CLASS: 1, IssueCode.OTHER_SUFFIX: 3}
    assert counts(find_clips(tmp_path, lists=tmp_path / "lists")) == {IssueCode.OTHER_SUFFIX: 1}
    file = tmp_path / "lists/classInd.txt"
    assert counts(find_clips(tmp_path, lists=file)) == {IssueCode.EMPTY_CLASS: 1, IssueCode.OTHER_SUFFIX: 2}


def test_of_many_suffixes_the_sentence_names_eight_and_the_issue_has_all(tmp_path: Path) -> None:
    found = find_clips(lay(tmp_path, "A/x.avi", *(f"A/x.t{n}" for n in range(9))))
    assert len(found.issues[0].kinds) == 9
    listed = "1 .t0, 1 .t1, 1 .t2, 1 .t3, 1 .t4, 1 .t5, 1 .t6, 1 .t7, ..."
    assert found.issues[0].sentence.endswith(f": {listed} (A/x.t0, A/x.t1, A/x.t2, ...)")


def test_linked_files_and_folders_are_followed(tmp_path: Path) -> None:
    elsewhere = lay(tmp_path / "elsewhere", "clip.avi", "more/other.avi")
    dataset = lay(tmp_path / "dataset", "A/")
    (dataset / "A/x.avi").symlink_to(elsewhere / "clip.avi")
    (dataset / "B").symlink_to(elsewhere / "more", target_is_directory=True)
    found = find_clips(dataset)
    assert (names(found), found.issues) == (["A/x", "B/other"], ())


@pytest.mark.skipif(sys.platform == "win32", reason="a walk does not see the numbers of files there")
def test_one_file_under_two_names_is_two_clips_and_told(tmp_path: Path) -> None:
    dataset = tmp_path / "data"
    for folder in ("A", "B", "C"):
        (dataset / folder).mkdir(parents=True)
    (dataset / "A/a.avi").write_bytes(b"a")
    (dataset / "A/b.avi").write_bytes(b"b")
    (dataset / "B/c.avi").symlink_to(dataset / "A/a.avi")
    os.link(dataset / "A/a.avi", dataset / "B/d.avi")
    (dataset / "C/all").symlink_to(dataset / "A", target_is_directory=True)
    found = find_clips(dataset)
    assert len(found.clips) == 6
    (issue,) = (issue for issue in found.issues if issue.code is IssueCode.SAME_VIDEO)
    assert issue.count == 4
    pairs = [[dataset / name for name in example.split(" is ")] for example in issue.examples]
    assert all(one != other and one.samefile(other) for one, other in pairs)


def test_a_link_that_leads_upwards_is_not_followed(tmp_path: Path) -> None:
    dataset = lay(tmp_path / "dataset", "A/x.avi")
    (dataset / "A/up").symlink_to(dataset, target_is_directory=True)
    (dataset / "A/self").symlink_to(dataset / "A", target_is_directory=True)
    found = find_clips(dataset)
    assert (names(found), counts(found)) == (["A/x"], {IssueCode.FOLDER_LOOP: 2})


def test_broken_links_pipes_and_links_to_themselves_are_counted_and_left_out(tmp_path: Path) -> None:
    dataset = lay(tmp_path / "dataset", "A/x.avi", "A/folder.avi/y.avi")
    (dataset / "A/broken.avi").symlink_to(tmp_path / "gone.avi")
    (dataset / "A/circle.avi").symlink_to(dataset / "A/circle.avi")
    os.mkfifo(dataset / "A/pipe.avi")
    found = find_clips(dataset)
    assert names(found) == ["A/folder.avi/y", "A/x"]
    assert counts(found) == {IssueCode.NOT_A_FILE: 3}


def test_a_path_that_is_not_utf8_is_left_out_and_reported_in_printable_form(tmp_path: Path) -> None:
    lay(tmp_path, "A/x.avi")
    try:
        (tmp_path / os.fsdecode(b"A/caf\xe9.avi")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = find_clips(tmp_path)
    assert names(found) == ["A/x"]
    assert found.issues[0].sentence.endswith(r"rename it: A/caf\udce9.avi")


def test_an_unreadable_folder_is_reported_and_others_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, "A/x.avi", "A/locked/y.avi")
    real = os.scandir

    def scandir(path: Path) -> object:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("mocrop.pipeline.dataset.walk.os.scandir", scandir)
    found = find_clips(tmp_path)
    assert (names(found), counts(found)) == (["A/x"], {IssueCode.UNREADABLE_FOLDER: 1})


def test_a_data_set_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(path: Path) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("mocrop.pipeline.dataset.walk.os.scandir", scandir)
    with pytest.raises(DatasetError, match=r"cannot be read \(Permission denied\)"):
        find_clips(tmp_path)


def test_the_parent_of_the_data_set_is_refused_with_the_folder_to_pass(tmp_path: Path) -> None:
    lay(tmp_path, "lists/classInd.txt", "videos/A/x.avi", "videos/B/y.avi")
    with pytest.raises(DatasetError, match=rf"holds only folders \(A, B\).* pass {tmp_path}/videos$"):
        find_clips(tmp_path)
    assert names(find_clips(tmp_path / "videos")) == ["A/x", "B/y"]


def test_folders_of_class_folders_are_reported(tmp_path: Path) -> None:
    found = find_clips(lay(tmp_path, "outdoor/A/x.avi", "indoor/A/y.avi"))
    assert {clip.class_name for clip in found.clips} == {"outdoor", "indoor"}
    assert counts(found) == {IssueCode.DEEPER_CLASSES: 2}


def test_a_single_class_with_clips_of_its_own_is_a_data_set(tmp_path: Path) -> None:
    assert names(find_clips(lay(tmp_path, "A/x.avi", "A/sub/y.avi"))) == ["A/sub/y", "A/x"]


def test_no_clips_is_an_error_that_says_what_is_there_and_what_was_looked_for(tmp_path: Path) -> None:
    lay(tmp_path, "A/x.vob", "A/y.vob", "B/README")
    with pytest.raises(DatasetError) as caught:
        find_clips(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} holds no clips: 2 folders, 2 .vob, 1 without a suffix; looked for avi, mkv, mov, mp4, webm, "
        "3gp, flv, gif, m2ts, m4v, mpeg, mpg, mts, ogv, ts, wmv in class folders"
    )


def test_videos_without_any_class_folder_are_an_error_that_says_where_to_put_them(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds 2 videos but no class folder"):
        find_clips(lay(tmp_path, "x.avi", "y.avi"))


def test_a_file_and_a_missing_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        find_clips(tmp_path / "gone")
    with pytest.raises(DatasetError, match="is a file"):
        find_clips(lay(tmp_path, "x.avi") / "x.avi")


@pytest.mark.real
def test_the_real_clips_are_all_found(real_clips: Path) -> None:
    found = find_clips(real_clips / "videos")
    assert (len(found.clips), found.issues) == (300, ())
    assert {clip.group for clip in found.clips} == set(range(1, 26))
    with pytest.raises(DatasetError, match=r"pass .*ucf-mini/videos$"):
        find_clips(real_clips)
