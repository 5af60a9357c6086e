"""Reading split lists in their three forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from mocrop.pipeline.dataset.formats.base import Annotations, Listed, ListedSubset
from mocrop.pipeline.dataset.formats.registry import recognised, source_of
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import IssueLog
from mocrop.pipeline.errors import DatasetError
from mocrop.pipeline.span import Span


def read_lists(path: Path, log: IssueLog) -> Annotations:
    source = source_of(Path("data"), [], path)
    return recognised(source).format.read(source, log)


def label_of(entry: Listed) -> str | None:
    """The only label of an entry."""
    return None if entry.labels is None else "".join(entry.labels)


def entries(listed: tuple[Listed, ...]) -> list[tuple[str, str, str, str | None]]:
    return [(entry.split, str(entry.subset), entry.path, label_of(entry)) for entry in listed]


def write(folder: Path, **files: str) -> Path:
    """Write ``trainlist01="..."`` to trainlist01.txt, byte for byte."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.txt").write_bytes(text.encode())
    return folder


def csv_file(folder: Path, text: str) -> Path:
    (folder / "splits.csv").write_bytes(text.encode())
    return folder / "splits.csv"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_official_form_is_read_with_either_line_ending_and_a_byte_order_mark(
    tmp_path: Path, ending: str, mark: str
) -> None:
    def text(*lines: str) -> str:
        return mark + ending.join(lines) + ending

    write(
        tmp_path,
        classInd=text("1 Archery", "", "2 Surfing"),
        trainlist01=text("Archery/a.avi 1", "", "  Surfing/my wave.avi 2  "),
        testlist01=text("Surfing/b.avi"),
    )
    log = IssueLog()
    lists = read_lists(tmp_path, log)
    assert lists.class_names == ("Archery", "Surfing")
    assert lists.split_names == ("1",)
    assert sorted(entries(lists.listed)) == [
        ("1", "test", "Surfing/b.avi", None),
        ("1", "train", "Archery/a.avi", "1"),
        ("1", "train", "Surfing/my wave.avi", "2"),
    ]
    assert log.issues == ()


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (["trainlist01", "testlist01", "trainlist02", "testlist02", "trainlist10"], ("1", "2", "10")),
        (["train", "test"], ("1",)),
        (["hmdb51_train_split_1_videos", "hmdb51_test_split_1_videos", "hmdb51_test_split_2_videos"], ("1", "2")),
        (["train_easy", "val_easy", "train_hard"], ("easy", "hard")),
        (["Training", "Validation", "Testing"], ("1",)),
    ],
)
def test_lists_that_differ_in_train_test_or_val_only_make_one_split(
    tmp_path: Path, files: list[str], splits: tuple[str, ...]
) -> None:
    write(tmp_path, **dict.fromkeys(files, "A/a.avi 0\n"))
    assert read_lists(tmp_path, IssueLog()).split_names == splits


def test_one_list_brings_its_counterpart_and_no_other_split(tmp_path: Path) -> None:
    write(tmp_path, **dict.fromkeys(["trainlist01", "testlist01", "trainlist02", "testlist02"], "A/a.avi 0\n"))
    lists = read_lists(tmp_path / "testlist02.txt", IssueLog())
    assert lists.split_names == ("2",)
    assert {entry.subset for entry in lists.listed} == {ListedSubset.TRAIN, ListedSubset.TEST}


def test_a_column_split_without_a_column_subset_says_the_subset(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,label,split\na,A,train\nb,B,test\nc,B,1\n")
    log = IssueLog()
    lists = read_lists(path, log)
    assert lists.has_subsets
    assert entries(lists.listed) == [("1", "train", "a", "A"), ("1", "test", "b", "B")]
    assert log.issues[0].sentence.endswith("1 with the subset '1', which is not known (splits.csv:4)")
    why = recognised(source_of(Path("data"), [], path)).why
    assert why == "splits.csv has the columns path, label, subset, and its split is the subset"


@pytest.mark.parametrize("name", ["set", "fold", "partition"])
def test_subsets_in_a_column_of_another_name_are_not_passed_over(tmp_path: Path, name: str) -> None:
    path = csv_file(tmp_path, f"path,label,{name},person\na,A,train,x\nb,B,val,y\nc,B,,test\n")
    with pytest.raises(DatasetError, match=f"the column {name} holds subsets; call it subset in the first line"):
        read_lists(path, IssueLog())
    path.write_text(f"path,label,{name}\na,A,1\nb,B,2\nc,B,\n")
    assert not read_lists(path, IssueLog()).has_subsets


@pytest.mark.parametrize("line", ["A/a.avi\tArchery\ttrain", "A/a.avi\t3\t4"])
def test_several_cells_behind_a_path_are_not_taken_for_one_label(tmp_path: Path, line: str) -> None:
    write(tmp_path, train=f"{line}\nA/b.avi 3\n")
    log = IssueLog()
    assert entries(read_lists(tmp_path, log).listed) == [("1", "train", "A/b.avi", "3")]
    assert log.issues[0].kinds == {"with several cells behind the path": 1}


@pytest.mark.parametrize("line", ["A/a.avi 120 3", "A/a.avi 120  3"])
def test_a_count_of_frames_between_path_and_label_is_not_taken_for_a_label(tmp_path: Path, line: str) -> None:
    write(tmp_path, train=f"{line}\nA/b.avi 3\n")
    log = IssueLog()
    assert entries(read_lists(tmp_path, log).listed) == [("1", "train", "A/b.avi", "3")]
    assert log.issues[0].sentence == (
        "1 line cannot be read and is skipped: 1 with several numbers behind the path (train.txt:1)"
    )


def test_counts_of_frames_of_folders_are_no_part_of_their_paths(tmp_path: Path) -> None:
    write(tmp_path, train="A/a 120 3\nA/b 90 0\n")
    with pytest.raises(DatasetError, match="lists no clip"):
        read_lists(tmp_path, IssueLog())
    write(tmp_path, train="A/a 120 3\nA/b 0\n")  # not in every line: files may be called so
    assert [entry.path for entry in read_lists(tmp_path, IssueLog()).listed] == ["A/a 120", "A/b"]


@pytest.mark.parametrize("separator", [",", ";", ", "])
def test_a_comma_or_semicolon_in_every_line_parts_path_and_label(tmp_path: Path, separator: str) -> None:
    write(tmp_path, train=f"a.mp4{separator}3\nA/b c{separator}12\n", test=f'"d{separator}e.mp4"{separator}4.0\n')
    assert [entry[2:] for entry in sorted(entries(read_lists(tmp_path, IssueLog()).listed))] == [
        (f"d{separator}e.mp4", "4"),
        ("A/b c", "12"),
        ("a.mp4", "3"),
    ]


def test_commas_in_names_part_nothing(tmp_path: Path) -> None:
    write(tmp_path, train="a, b.mp4 3\nc, d.mp4 4\ne.mp4 4\n")
    assert [entry.path for entry in read_lists(tmp_path, IssueLog()).listed] == ["a, b.mp4", "c, d.mp4", "e.mp4"]


@pytest.mark.parametrize("label", ["1,2", "1 2", "3; 4", "1.0 2.0"])
def test_several_numbers_are_no_label(tmp_path: Path, label: str) -> None:
    write(tmp_path, train=f"a.mp4 {label}\nb.mp4 5\n")
    assert [entry.path for entry in read_lists(tmp_path, IssueLog()).listed] == ["b.mp4"]


def test_quotes_around_a_path_or_a_label_are_no_part_of_it(tmp_path: Path) -> None:
    write(tmp_path, train='"my clip" 3\n"b c.avi"\td\ne.avi\t"tai chi"\n"f g.avi"\n')
    assert [entry[2:] for entry in entries(read_lists(tmp_path, IssueLog()).listed)] == [
        ("my clip", "3"),
        ("b c.avi", "d"),
        ("e.avi", "tai chi"),
        ("f g.avi", None),
    ]


@pytest.mark.parametrize(
    "header", ["path,label", "video_name label", "File name\tclass_id\tframes", "clip;label;subset"]
)
def test_a_text_file_with_names_of_columns_is_no_list(tmp_path: Path, header: str) -> None:
    write(tmp_path, train=f"{header}\na.mp4,3\n")
    with pytest.raises(DatasetError, match=r"names columns, as a CSV does; rename it to train\.csv"):
        read_lists(tmp_path, IssueLog())


@pytest.mark.parametrize("name", ["latest", "contest", "values", "strain"])
def test_a_word_that_holds_train_test_or_val_does_not_say_the_subset(tmp_path: Path, name: str) -> None:
    write(tmp_path, **{name: "A/a.avi 0\n"})
    with pytest.raises(DatasetError, match="names say train, test or val"):
        read_lists(tmp_path / f"{name}.txt", IssueLog())


@pytest.mark.parametrize("name", ["train_test_split", "test_train", "valTest"])
def test_a_list_for_test_and_another_subset_is_not_taken_for_one_of_them(tmp_path: Path, name: str) -> None:
    write(tmp_path, **{name: "A/a.avi 1\n"})
    with pytest.raises(DatasetError, match="in no form that mocrop knows"):
        read_lists(tmp_path, IssueLog())


def test_the_reasons_are_told_where_no_row_can_be_read(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,label,subset\na.avi,A,tr\nb.avi,A,tr\nc.avi,A,te\n,A,train\n")
    with pytest.raises(DatasetError, match="lists no clip that can be read, of 2 with the subset 'tr', which is not"):
        read_lists(path, IssueLog())
    write(tmp_path / "lists", train="A/a 120 3\nB/b 90 4\n")
    with pytest.raises(DatasetError, match="can be read, of 2 with several numbers behind the path; expected lines"):
        read_lists(tmp_path / "lists", IssueLog())


def test_a_label_that_is_not_a_number_as_pandas_writes_it_is_no_class(tmp_path: Path) -> None:
    log = IssueLog()
    lists = read_lists(csv_file(tmp_path, "path,label,subset\na,nan,train\nb,3.0,train\n"), log)
    assert entries(lists.listed) == [("1", "train", "b", "3")]
    assert log.issues[0].examples == ("splits.csv:2",)


def test_backslashes_become_slashes(tmp_path: Path) -> None:
    write(tmp_path, train="A\\a.avi 0\n")
    assert read_lists(tmp_path, IssueLog()).listed[0].path == "A/a.avi"


def test_a_label_may_be_a_name(tmp_path: Path) -> None:
    write(tmp_path, train="a.avi Archery\nb 3\n")
    assert [label_of(entry) for entry in read_lists(tmp_path, IssueLog()).listed] == ["Archery", "3"]


def test_a_line_with_an_impossible_number_is_noted_by_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, train="a.avi 99999\n\nb.avi -1\nc.avi 100000\n")
    log = IssueLog()
    assert [label_of(entry) for entry in read_lists(tmp_path, log).listed] == ["99999"]
    kind = "2 with a label that cannot be the number of a class"
    assert log.issues[0].sentence == f"2 lines cannot be read and are skipped: {kind} (train.txt:3, train.txt:4)"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1 A\n3 C\n", "numbered from 1 without gaps"),
        ("1 A\n2 A\n", "different"),
        ("1 A\n1 B\n", r"classInd.txt:2: expected a new number"),
        ("A 1\n", r"classInd.txt:1: expected a new number"),
        ("1\n", r"classInd.txt:1: expected a new number"),
    ],
)
def test_a_class_index_of_another_form_is_an_error(tmp_path: Path, text: str, complaint: str) -> None:
    write(tmp_path, classInd=text, trainlist01="A/a.avi 1\n")
    with pytest.raises(DatasetError, match=complaint):
        read_lists(tmp_path, IssueLog())


def test_a_class_name_may_hold_spaces(tmp_path: Path) -> None:
    write(tmp_path, classInd="1 riding a bike\n", train="a.avi 1\n")
    assert read_lists(tmp_path, IssueLog()).class_names == ("riding a bike",)


def test_what_is_no_list_is_an_error_that_says_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="do not exist"):
        read_lists(tmp_path / "gone", IssueLog())
    with pytest.raises(DatasetError, match=r"holds no file; accepted: .*trainlist01\.txt"):
        read_lists(tmp_path, IssueLog())
    write(tmp_path, all="A/a.avi 0\n")
    with pytest.raises(DatasetError, match="names say train, test or val"):
        read_lists(tmp_path / "all.txt", IssueLog())
    write(tmp_path, train="\n\n")
    with pytest.raises(DatasetError, match="lists no clip"):
        read_lists(tmp_path, IssueLog())


def test_a_list_that_is_not_utf8_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes("caf\xe9.avi 0\n".encode("latin-1"))
    with pytest.raises(DatasetError, match=r"train.txt is not UTF-8 \(byte 3\)"):
        read_lists(tmp_path, IssueLog())


def test_a_csv_names_its_columns_in_any_order_and_case(tmp_path: Path) -> None:
    path = csv_file(tmp_path, '\ufeffSubset, Path ,LABEL\r\ntrain,"A/a, b.avi",Archery\r\n\r\nTest,A\\c.avi,3\r\n')
    assert entries(read_lists(path, IssueLog()).listed) == [
        ("1", "train", "A/a, b.avi", "Archery"),
        ("1", "test", "A/c.avi", "3"),
    ]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_csv_may_use_semicolons_or_tabs(tmp_path: Path, delimiter: str) -> None:
    path = csv_file(tmp_path, "path,subset\nA/a.avi,train\n".replace(",", delimiter))
    assert entries(read_lists(path, IssueLog()).listed) == [("1", "train", "A/a.avi", None)]


def test_a_csv_may_hold_several_splits(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "path,subset,split\na,train,b\na,test,a\na,val,\n")
    lists = read_lists(path, IssueLog())
    assert lists.split_names == ("1", "a", "b")
    assert [(entry.split, entry.subset) for entry in lists.listed] == [("b", "train"), ("a", "test"), ("1", "val")]


@pytest.mark.parametrize(
    ("word", "subset"),
    [("train", "train"), ("Training", "train"), ("TEST", "test"), ("val", "val"), ("validation", "val"), ("", "none")],
)
def test_a_subset_has_more_than_one_spelling(tmp_path: Path, word: str, subset: str) -> None:
    (entry,) = read_lists(csv_file(tmp_path, f"path,subset\na,{word}\n"), IssueLog()).listed
    assert entry.subset == subset


def test_invalid_rows_are_noted_by_line(tmp_path: Path) -> None:
    rows = ["a.avi,0,train", "b.avi,0", "c.avi,0,train,more", ",0,train", "d.avi,0,sideways", "e.avi,-2,train"]
    log = IssueLog()
    lists = read_lists(csv_file(tmp_path, "path,label,subset\n" + "\n".join(rows)), log)
    assert [entry.path for entry in lists.listed] == ["a.avi"]
    (issue,) = log.issues
    assert (issue.code, issue.count) == (IssueCode.MALFORMED_LINE, 5)
    assert issue.examples == ("splits.csv:3", "splits.csv:4", "splits.csv:5")


def test_a_csv_without_the_needed_columns_is_an_error_that_names_those_it_has(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"columns path and label or subset .*it names label, youtube_id, split"):
        read_lists(csv_file(tmp_path, "label,youtube_id,split\nx,y,train\n"), IssueLog())
    with pytest.raises(DatasetError, match="it names none"):
        read_lists(csv_file(tmp_path, ""), IssueLog())


def test_a_quotation_mark_that_is_never_closed_does_not_swallow_the_rest(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"splits.csv:2: .*quotation marks"):
        read_lists(csv_file(tmp_path, 'path,subset\n"a.avi,train\nb.avi,test\n'), IssueLog())


def why_of(path: Path) -> str:
    return recognised(source_of(Path("data"), [], path)).why


@pytest.mark.parametrize("name", ["filename", "file", "video_path", "Clip"])
def test_columns_may_be_called_otherwise_and_that_is_said(tmp_path: Path, name: str) -> None:
    path = csv_file(tmp_path, f"{name},class,start_time,end_time,subset\na,A,0,1.5,train\n")
    (entry,) = read_lists(path, IssueLog()).listed
    assert (entry.path, entry.labels, entry.span) == ("a", ("A",), Span(0, 1_500_000))
    called = "its class is the label, and its end_time is the end, and its start_time is the start"
    assert sorted(why_of(path).split(", and its ")[1:]) == sorted(
        [*called.removeprefix("its ").split(", and its "), f"{name.lower()} is the path"]
    )


def test_a_column_of_the_right_name_counts_before_another(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "video,path,class,label,class_id\nv,a,A,B,7\n")
    assert entries(read_lists(path, IssueLog()).listed) == [("1", "none", "a", "B")]


def test_a_number_of_a_class_is_read_where_there_is_no_name(tmp_path: Path) -> None:
    assert label_of(read_lists(csv_file(tmp_path, "path,class_id\na,7\n"), IssueLog()).listed[0]) == "7"
    assert label_of(read_lists(csv_file(tmp_path, "path,class_id,class\na,7,A\n"), IssueLog()).listed[0]) == "A"


@pytest.mark.parametrize("names", ["video,clip,label", "path,class,category", "video,video,label"])
def test_columns_of_which_each_may_be_meant_are_refused(tmp_path: Path, names: str) -> None:
    with pytest.raises(DatasetError, match=r"may each be the (path|label); call the one that is meant"):
        read_lists(csv_file(tmp_path, f"{names}\na,b,c\n"), IssueLog())


def test_segments_in_frames_are_refused_not_taken_for_whole_files(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="the column start_frame counts frames; write the seconds"):
        read_lists(csv_file(tmp_path, "path,label,start_frame,end_frame\na,A,0,30\n"), IssueLog())
    path = csv_file(tmp_path, "path,label,start_frame,end_frame,start,end\na,A,0,30,0,1\n")
    assert read_lists(path, IssueLog()).listed[0].span == Span(0, 1_000_000)


def test_a_quotation_mark_that_another_row_closes_does_not_make_one_row_of_two(tmp_path: Path) -> None:
    path = csv_file(tmp_path, 'path,label,subset\n"a.mp4,A,train\nb.mp4",B,train\n')
    with pytest.raises(DatasetError, match=r"splits\.csv:3: the path runs over several lines"):
        read_lists(path, IssueLog())
    path = csv_file(tmp_path, 'path,label,subset,note\na.mp4,A,train,"one\ntwo"\nb.mp4,B,test,\n')
    assert [entry.path for entry in read_lists(path, IssueLog()).listed] == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize("given", ["", "train.csv"])
def test_the_names_of_csvs_say_the_subset_where_no_column_does(tmp_path: Path, given: str) -> None:
    for subset, name in (("train", "a"), ("val", "b"), ("test", "c")):
        (tmp_path / f"{subset}.csv").write_text(f"path,label\n{name}.avi,A\n")
    lists = read_lists(tmp_path / given, IssueLog())
    assert lists.has_subsets
    assert sorted(entries(lists.listed)) == [
        ("1", "test", "c.avi", "A"),
        ("1", "train", "a.avi", "A"),
        ("1", "val", "b.avi", "A"),
    ]
    assert ", and train.csv is for train" in why_of(tmp_path / given)


def test_a_csv_with_subsets_is_read_alone_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text("path,label\nb.avi,A\n")
    (tmp_path / "train.csv").write_text("path,label,subset\na.avi,A,test\n")
    assert entries(read_lists(tmp_path / "train.csv", IssueLog()).listed) == [("1", "test", "a.avi", "A")]


def test_several_csvs_that_say_no_subsets_are_refused(tmp_path: Path) -> None:
    for name in ("train", "rest"):
        (tmp_path / f"{name}.csv").write_text(f"path,label\n{name}.avi,A\n")
    with pytest.raises(DatasetError, match=r"holds 2 CSVs, and neither name nor columns of rest\.csv say"):
        read_lists(tmp_path, IssueLog())


@pytest.mark.parametrize(
    ("rows", "way_out"),
    [
        ("a.avi,3\nb.avi,4\n", "put a line such as path,label above it"),
        ("a.avi,3,test\nb.avi,4,train\n", "put a line such as path,label,subset above it"),
        ("34870;Drumming Fingers\n", "put a line such as path;label above it"),  # Jester
        ("a.avi\t3\n", r"put a line such as path \(tab\) label above it"),
        ("a b.avi 3\n", r"rename the file to train\.txt, and it is read as a list of `path label` lines"),  # SlowFast
    ],
)
@pytest.mark.parametrize("folder", [False, True])
def test_the_first_row_of_a_csv_without_a_header_is_not_lost(
    tmp_path: Path, rows: str, way_out: str, folder: bool
) -> None:
    path = csv_file(tmp_path, rows)
    with pytest.raises(DatasetError, match=f"it names (a|34870).*{way_out}$"):
        read_lists(tmp_path if folder else path, IssueLog())


def test_a_csv_without_a_header_in_a_folder_of_lists_is_passed_over(tmp_path: Path) -> None:
    csv_file(tmp_path, "0,A\n")  # names of classes
    assert read_lists(write(tmp_path, train="a.avi 0\n"), IssueLog()).listed[0].path == "a.avi"


@pytest.mark.parametrize(
    "names", ["start_timestamp,stop_timestamp", "Begin,End of clip", "from,to", "t_start,duration", "onset,offset"]
)
def test_times_in_columns_of_other_names_are_not_passed_over(tmp_path: Path, names: str) -> None:
    """The whole video would get the label of its segment, as in the lists of EPIC-KITCHENS."""
    with pytest.raises(DatasetError, match="may be the times of segments; call them start and end and write seconds"):
        read_lists(csv_file(tmp_path, f"path,label,{names}\na,A,00:00:01.5,00:00:02\n"), IssueLog())
    path = csv_file(tmp_path, f"path,label,start,end,{names}\na,A,1,2,00:00:01.5,00:00:02\n")
    assert read_lists(path, IssueLog()).listed[0].span == Span(1_000_000, 2_000_000)


def test_blanks_in_the_names_of_columns_are_read(tmp_path: Path) -> None:
    """As in the table of MSR-VTT."""
    path = csv_file(tmp_path, "Video ID,category,start time,end time,split\nvideo0,9,1.5,2,train\n")
    (entry,) = read_lists(path, IssueLog()).listed
    assert (entry.path, entry.labels, entry.subset, entry.span) == (
        "video0",
        ("9",),
        ListedSubset.TRAIN,
        Span(1_500_000, 2_000_000),
    )


def test_two_columns_of_classes_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    """In the list of HACS the label is 1 where the class is seen, and -1 where it is not."""
    path = csv_file(tmp_path, "classname,path,subset,label\nArchery,a,train,1\nSurf,b,train,1\nSurf,c,test,-1\n")
    message = "the columns label and classname may each be the class, and label 1 is Archery in one row and Surf in"
    with pytest.raises(DatasetError, match=message):
        read_lists(path, IssueLog())
    path.write_text("path,label,category,class_id\na,run,sport,3\nb,jump,sport,4\nc,run,,3\nd,,x,\ne,,y,\n")
    assert [label_of(entry) for entry in read_lists(path, IssueLog()).listed] == ["run", "jump", "run", None, None]


@pytest.mark.parametrize(
    "rows",
    [
        "set\na,A,train\nb,B,test\nc,B,holdout\nd,B,",  # most cells say it
        "is_test\na,A,0\nb,B,1\n",
        "train\na,A,True\nb,B,False\n",
        "in test set\na,A,\nb,B,x\n",
    ],
)
def test_columns_that_say_subsets_in_another_way_are_not_passed_over(tmp_path: Path, rows: str) -> None:
    with pytest.raises(DatasetError, match="holds subsets; call it subset in the first line"):
        read_lists(csv_file(tmp_path, f"path,label,{rows}"), IssueLog())


def test_columns_that_do_not_say_subsets_are_passed_over(tmp_path: Path) -> None:
    text = "path,label,test_score,word,note\na,A,0.5,train,\nb,B,0.25,bus,\nc,B,1,tram,\n"
    assert not read_lists(csv_file(tmp_path, text), IssueLog()).has_subsets
    text = "path,label,subset,is_test,word\na,A,train,0,train\nb,B,test,1,test\n"
    assert [entry.subset for entry in read_lists(csv_file(tmp_path, text), IssueLog()).listed] == ["train", "test"]


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        ("5", "3", "with a start and an end between which there is no time"),
        ("3", "3", "with a start and an end between which there is no time"),
        ("-1", "3", "with a start and an end between which there is no time"),
        ("inf", "nan", "with a start and an end between which there is no time"),
        ("12,5", "14", "with too many cells"),
        ("1", "", "with a start and no end"),
        ("", "1", "with an end and no start"),
    ],
)
def test_times_that_are_none_are_named_with_the_reason(tmp_path: Path, start: str, end: str, reason: str) -> None:
    log = IssueLog()
    read_lists(csv_file(tmp_path, f"path,label,start,end\na,A,{start},{end}\nb,A,,\n"), log)
    assert log.issues[0].kinds == {reason: 1}
    assert log.issues[0].examples == ("splits.csv:2",)
