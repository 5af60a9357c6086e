"""Small data sets in their official forms, with what each must be read as, written by hand.

``FIXTURES`` holds them by name; the part before "/" is the format. Its tests are in ``test_contract.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av

from mocrop.pipeline.dataset.formats.base import Annotations, Source
from mocrop.pipeline.dataset.formats.registry import source_of
from mocrop.pipeline.dataset.walk import VIDEO_SUFFIXES, VideoFile

Row = tuple[str, str, str, tuple[str, ...] | None, str]  # split, subset, path, labels, span ("" for the whole video)


@dataclass(frozen=True, kw_only=True)
class Fixture:
    """A data set on disk and what it must be read as."""

    dataset: Path
    annotations: Path | None
    rows: tuple[Row, ...]  # in any order
    split_names: tuple[str, ...] = ("1",)
    class_names: tuple[str, ...] | None = None
    has_subsets: bool = True


def lay(folder: Path, *videos: str) -> Path:
    """Make empty videos at paths under a folder."""
    for video in videos:
        (folder / video).parent.mkdir(parents=True, exist_ok=True)
        (folder / video).touch()
    return folder


def lay_seconds(file: Path, seconds: int) -> None:
    """Make a video of as many seconds, a frame each."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as output:
        stream = output.add_stream("mpeg4", rate=1)
        stream.width = stream.height = 16
        for _ in range(seconds):
            output.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        output.mux(stream.encode(None))


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write texts into a folder, byte for byte."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    return folder


def source(fixture: Fixture) -> Source:
    """What `mocrop init` would hand to the formats."""
    found = sorted(path.relative_to(fixture.dataset).as_posix() for path in fixture.dataset.rglob("*"))
    videos = [VideoFile(path, 0, 0) for path in found if path.lower().endswith(VIDEO_SUFFIXES)]
    return source_of(fixture.dataset, videos, fixture.annotations)


def rows_of(read: Annotations) -> list[Row]:
    """What was read, as a fixture states it, sorted."""
    rows = [
        (entry.split, str(entry.subset), entry.path, entry.labels, entry.span.text if entry.span else "")
        for entry in read.listed
    ]
    return sorted(rows, key=str)


def write_folders(folder: Path) -> Fixture:
    """Class folders, one of them with a folder inside; the folder of a clip is its class, so that there are no rows."""
    lay(folder / "videos", "Archery/v_Archery_g01_c01.avi", "Archery/deep/b.mp4", "train/c.webm")
    return Fixture(
        dataset=folder / "videos",
        annotations=None,
        rows=(),
        has_subsets=False,
    )


def write_subset_folders(folder: Path) -> Fixture:
    """Subset folders in mixed case, one class in one of them only."""
    lay(folder / "videos", "Train/1/a.mp4", "Train/2/deep/b.mp4", "val/1/c.mp4", "TEST/10/d.mp4")
    return Fixture(
        dataset=folder / "videos",
        annotations=None,
        rows=(
            ("1", "train", "Train/1/a.mp4", ("1",), ""),
            ("1", "train", "Train/2/deep/b.mp4", ("2",), ""),
            ("1", "val", "val/1/c.mp4", ("1",), ""),
            ("1", "test", "TEST/10/d.mp4", ("10",), ""),
        ),
    )


def write_subset_folders_below(folder: Path) -> Fixture:
    """Subset folders with a level above."""
    lay(folder, "all/videos/train/Archery/a.mp4", "all/videos/validation/Surfing/b.mp4")
    return Fixture(
        dataset=folder / "all",
        annotations=None,
        rows=(
            ("1", "train", "videos/train/Archery/a.mp4", ("Archery",), ""),
            ("1", "val", "videos/validation/Surfing/b.mp4", ("Surfing",), ""),
        ),
    )


def write_ucf101(folder: Path) -> Fixture:
    """UCF-101: two splits; test lists have no labels, lines end as on Windows."""
    archery, surfing = "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", "Surfing/v_Surfing_g01_c01.avi"
    lay(folder / "UCF-101", archery, surfing)
    lists = write(
        folder / "ucfTrainTestlist",
        {
            "classInd.txt": "1 ApplyEyeMakeup\r\n2 Surfing\r\n",
            "trainlist01.txt": f"{archery} 1\r\n",
            "testlist01.txt": f"{surfing}\r\n",
            "trainlist02.txt": f"{surfing} 2\r\n",
            "testlist02.txt": f"{archery}\r\n",
        },
    )
    return Fixture(
        dataset=folder / "UCF-101",
        annotations=lists,
        rows=(
            ("1", "train", archery, ("1",), ""),
            ("1", "test", surfing, None, ""),
            ("2", "train", surfing, ("2",), ""),
            ("2", "test", archery, None, ""),
        ),
        split_names=("1", "2"),
        class_names=("ApplyEyeMakeup", "Surfing"),
    )


def write_hmdb51(folder: Path) -> Fixture:
    """HMDB-51: a list for each class and split, spaces at the ends of lines, odd names."""
    april, clap = "April_09_brush_hair_u_nm_np1_ba_goo_0.avi", "#20_Rhythm_clap_u_nm_np1_fr_goo_0.avi"
    odd = "(HQ)_[a]&b!_clap_u_cm_np1_fr_med_1.avi"
    lay(folder / "hmdb51_org", f"brush_hair/{april}", f"clap/{clap}", f"clap/{odd}")
    lists = write(
        folder / "testTrainMulti_7030_splits",
        {
            "brush_hair_test_split1.txt": f"{april} 1 \n",
            "brush_hair_test_split2.txt": f"{april} 2 \n",
            "clap_test_split1.txt": f"{clap} 2 \n{odd} 1 \n",
            "clap_test_split2.txt": f"{clap} 1 \n{odd} 0 \n",
        },
    )
    return Fixture(
        dataset=folder / "hmdb51_org",
        annotations=lists,
        rows=(
            ("1", "train", f"brush_hair/{april}", ("brush_hair",), ""),
            ("2", "test", f"brush_hair/{april}", ("brush_hair",), ""),
            ("1", "test", f"clap/{clap}", ("clap",), ""),
            ("1", "train", f"clap/{odd}", ("clap",), ""),
            ("2", "train", f"clap/{clap}", ("clap",), ""),
            ("2", "none", f"clap/{odd}", ("clap",), ""),
        ),
        split_names=("1", "2"),
        class_names=("brush_hair", "clap"),
    )


def ssv2_entry(number: int, template: str, *things: str) -> dict[str, object]:
    """An entry of Something-Something v2."""
    label = template
    for thing in things:
        label = label.replace("[something]", thing, 1)
    return {"id": str(number), "label": label, "template": template, "placeholders": list(things)}


def write_ssv2(folder: Path, prefix: str = "something-something-v2-") -> Fixture:
    """Something-Something v2: the label map orders the classes, the test has ids only."""
    lay(folder / "20bn-something-something-v2", "78687.webm", "42326.webm", "100904.webm", "7.webm")
    holding, closing = "Holding [something] next to [something]", "Closing [something]"
    lists = write(
        folder / "labels",
        {
            f"{prefix}labels.json": json.dumps({"Holding something next to something": "0", "Closing something": "1"}),
            f"{prefix}train.json": json.dumps(
                [ssv2_entry(78687, holding, "potato", "vicks"), ssv2_entry(42326, closing, "a [box]")], indent=1
            ),
            f"{prefix}validation.json": json.dumps([ssv2_entry(100904, holding, "a", "b")]),
            f"{prefix}test.json": json.dumps([{"id": "7"}]),
        },
    )
    return Fixture(
        dataset=folder / "20bn-something-something-v2",
        annotations=lists,
        rows=(
            ("1", "train", "78687", ("Holding something next to something",), ""),
            ("1", "train", "42326", ("Closing something",), ""),
            ("1", "val", "100904", ("Holding something next to something",), ""),
            ("1", "test", "7", None, ""),
        ),
        class_names=("Holding something next to something", "Closing something"),
    )


def write_ssv2_newer_names(folder: Path) -> Fixture:
    """The same in files called train.json, validation.json, test.json and labels.json."""
    return write_ssv2(folder, prefix="")


def write_diving48(folder: Path) -> Fixture:
    """Diving48, with its vocabulary of dives in four words."""
    lay(folder / "rgb", "0aXF7nH5ZVg_00000.mp4", "-mnpQXmlmRc_00001.mp4")
    lists = write(
        folder / "lists",
        {
            "Diving48_vocab.json": json.dumps(
                [["Back", "15som", "05Twis", "FREE"], ["Inward", "Dive", "NoTwis", "PIKE"]]
            ),
            "Diving48_V2_train.json": json.dumps(
                [{"vid_name": "0aXF7nH5ZVg_00000", "label": 1, "start_frame": 0, "end_frame": 163}]
            ),
            "Diving48_V2_test.json": json.dumps(
                [{"vid_name": "-mnpQXmlmRc_00001", "label": 0, "start_frame": 0, "end_frame": 97}]
            ),
        },
    )
    return Fixture(
        dataset=folder / "rgb",
        annotations=lists,
        rows=(
            ("1", "train", "0aXF7nH5ZVg_00000", ("Inward Dive NoTwis PIKE",), ""),
            ("1", "test", "-mnpQXmlmRc_00001", ("Back 15som 05Twis FREE",), ""),
        ),
        class_names=("Back 15som 05Twis FREE", "Inward Dive NoTwis PIKE"),
    )


def write_activitynet(folder: Path) -> Fixture:
    """ActivityNet: overlapping segments, one beyond the end, one with two labels, and a test video without any."""
    lay(folder / "videos", "v_QOlSCBRmfWY.mp4", "v_--abc.mkv", "v_zzz.mp4")

    def segment(label: str, start: float, end: float) -> dict[str, object]:
        return {"label": label, "segment": [start, end]}

    database = {
        "QOlSCBRmfWY": {
            "subset": "training",
            "duration": 82.73,
            "url": "https://example.org/QOlSCBRmfWY",
            "annotations": [segment("Ballet", 0.83, 19.86), segment("Ballet", 17.5, 60.0), segment("Tango", 17.5, 60)],
        },
        "--abc": {"subset": "validation", "duration": 10.0, "annotations": [segment("Tango", 2, 10.5)]},
        "zzz": {"subset": "testing", "duration": 5.0, "annotations": []},
    }
    content = {"version": "VERSION 1.3", "taxonomy": [], "database": database}
    file = write(folder, {"activity_net.v1-3.min.json": json.dumps(content)}) / "activity_net.v1-3.min.json"
    return Fixture(
        dataset=folder / "videos",
        annotations=file,
        rows=(
            ("1", "train", "QOlSCBRmfWY", ("Ballet",), "0.83-19.86"),
            ("1", "train", "QOlSCBRmfWY", ("Ballet",), "17.5-60"),
            ("1", "train", "QOlSCBRmfWY", ("Tango",), "17.5-60"),
            ("1", "val", "--abc", ("Tango",), "2-10.5"),
        ),
        class_names=None,
    )


def write_kinetics(folder: Path) -> Fixture:
    """Kinetics: a CSV a subset, labels in quotes, an id that begins with a dash."""
    lay(folder / "k400", "abseiling/-abc_12345X_000003_000013.mp4", "tai chi/Zyx-_123456_000010_000020.mp4")
    header = "label,youtube_id,time_start,time_end,split\n"
    lists = write(
        folder / "annotations",
        {
            "train.csv": f'{header}"abseiling",-abc_12345X,3,13,train\n',
            "validate.csv": f'{header}"tai chi",Zyx-_123456,10,20,validate\n',
        },
    )
    return Fixture(
        dataset=folder / "k400",
        annotations=lists,
        rows=(
            ("1", "train", "-abc_12345X_000003_000013", ("abseiling",), ""),
            ("1", "val", "Zyx-_123456_000010_000020", ("tai chi",), ""),
        ),
    )


def write_csv(folder: Path) -> Fixture:
    """A CSV with its columns in another order, a quoted name with a comma, and a segment."""
    lay(folder / "own", "a, b.avi", "c.mp4")
    text = 'label,path,subset,start,end\n"Tai, chi","a, b.avi",train,,\nRun,c.mp4,validate,1.5,2\n'
    return Fixture(
        dataset=folder / "own",
        annotations=write(folder, {"own.csv": text}) / "own.csv",
        rows=(("1", "train", "a, b.avi", ("Tai, chi",), ""), ("1", "val", "c.mp4", ("Run",), "1.5-2")),
    )


def write_lists(folder: Path) -> Fixture:
    """Text lists: a tab before a label of two words, and blanks in a path whose suffix ends it."""
    lay(folder / "own", "A/my clip.avi", "b.mp4")
    lists = write(folder / "lists", {"train.txt": "A/my clip.avi\ttai chi\n", "test.txt": "b.mp4 running\n"})
    return Fixture(
        dataset=folder / "own",
        annotations=lists,
        rows=(("1", "train", "A/my clip.avi", ("tai chi",), ""), ("1", "test", "b.mp4", ("running",), "")),
    )


FIXTURES: dict[str, Callable[[Path], Fixture]] = {
    "folders": write_folders,
    "folders/subsets": write_subset_folders,
    "folders/subsets-below": write_subset_folders_below,
    "ucf101": write_ucf101,
    "hmdb51": write_hmdb51,
    "kinetics": write_kinetics,
    "ssv2": write_ssv2,
    "ssv2/newer-names": write_ssv2_newer_names,
    "diving48": write_diving48,
    "activitynet": write_activitynet,
    "csv": write_csv,
    "list": write_lists,
}
