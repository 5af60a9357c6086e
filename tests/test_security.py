"""What comes from elsewhere costs little memory, runs no code, and is written nowhere else: docs/security.md."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mocrop.evaluation.coverage.actor_boxes import read_actor_boxes
from mocrop.evaluation.scores.predictions import read_predictions
from mocrop.pipeline.bitstream.bits import BitReader
from mocrop.pipeline.bitstream.container_crop import container_crop
from mocrop.pipeline.bitstream.h264 import sequence_parameters
from mocrop.pipeline.bitstream.matroska import ends_early
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.errors import CacheError, DatasetError, PredictionsError, WorkspaceError
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.strict_json import parsed_json
from mocrop.pipeline.video.decoder import PlainDecode
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import MOST_BYTES, MOST_LINE_BYTES, read_settings
from tests.conftest import MakeCache, MakeVideo, mocrop
from tests.hostile_files import PACKETS, avi, png, write_hostile_files
from tests.pipeline.bitstream.bit_writer import Bits

ROOT = Path(__file__).resolve().parents[1]
MIB = 1 << 20

# video files that claim much

READ = """
import json, sys
from pathlib import Path
from mocrop.pipeline.motion.vectors import read_motion
from mocrop.pipeline.outcome import ClipTask, clip_log
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings

def peak():
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10

def motion(task):
    with clip_log(task) as log:
        read_motion(Path(task.path), clip=task.name, log=log)
    return log.outcome

work, *files = sys.argv[1:]
for file in files:
    task = ClipTask(position=0, name="A/a", path=file)
    before = peak()
    outcomes = [*transcode_unit(WorkUnit(index=0, clips=(task,)), TranscodeSettings(), work), motion(task)]
    print(json.dumps([Path(file).name, peak() - before, *([each.reasons, each.message] for each in outcomes)]))
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, list[str], list[str]]]:
    """By name of a file: bytes of memory that reading it took, and what became of it in transcode and extract-mv."""
    folder = tmp_path_factory.mktemp("hostile")
    files = write_hostile_files(folder / "videos")
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells the most memory that a process has had")
    command = [sys.executable, "-c", READ, str(folder / "work"), *map(str, files.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = map(json.loads, done.stdout.splitlines())
    found = {name: (peak, transcode, motion) for name, peak, transcode, motion in told}
    assert found.keys() == files.keys()
    return found


@pytest.mark.parametrize(
    "name", ["canvas.gif", "largest-canvas.gif", "picture.avi", "said-to-be-small.avi", "headers.avi", "headers.h264"]
)
def test_a_small_file_of_huge_pictures_is_refused_without_memory_for_them(
    name: str, hostile: dict[str, tuple[int, list[str], list[str]]]
) -> None:
    """They have 256 million pixels and more, of which FFmpeg would make 256 MB and more each."""
    peak, *outcomes = hostile[name]
    assert [reasons for reasons, _ in outcomes] == [["damaged"], ["damaged"]]
    assert peak < 100 * MIB


@pytest.mark.parametrize("name", ["table.mp4", "fragment.mp4"])
def test_an_index_of_more_packets_than_the_file_has_bytes_is_refused(
    name: str, hostile: dict[str, tuple[int, list[str], list[str]]]
) -> None:
    """FFmpeg alone keeps 24 bytes of each packet, or 36, and refuses an index of over 2 GiB; Python would need more."""
    peak, *outcomes = hostile[name]
    for reasons, message in outcomes:
        if reasons != ["truncated"]:  # the FFmpeg of PyAV 19 refuses such a fragment itself
            assert reasons == ["damaged"]
            assert f"its index lists {PACKETS:,} packets" in message
    assert peak < 60 * PACKETS


def test_deep_nesting_and_a_header_of_a_thousand_million_frames_cost_nothing(
    hostile: dict[str, tuple[int, list[str], list[str]]],
) -> None:
    assert hostile["nested.mp4"][1][0] == ["no-video-stream"]
    assert hostile["frames.avi"][1][0] == ["pixel-format-converted"]  # the three that are there are taken
    assert max(hostile[name][0] for name in ("nested.mp4", "frames.avi")) < 100 * MIB


@pytest.mark.parametrize(("side", "taken"), [(8192, True), (8200, False)])
def test_pictures_of_the_largest_size_are_decoded_and_no_larger_ones(side: int, taken: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(avi(b"MPNG", [png(side)] * 3, side=side))
    with open_video(path, clip="A/a", log=ClipLog(0)) as video:
        decode = PlainDecode(video)
        sizes = [(frame.width, frame.height) for frame in decode.frames()]
    assert sizes == ([(side, side)] * 3 if taken else [])
    assert decode.damage.refused == (0 if taken else 3)


# our own parsers


def test_a_number_longer_than_any_is_no_number() -> None:
    """31 zeros begin the largest of H.264 and H.265; a megabyte of zeros would be a number of a million digits."""
    assert BitReader(Bits().unsigned(2**32 - 2).bytes()).unsigned() == 2**32 - 2
    with pytest.raises(IndexError):
        BitReader(bytes(4) + b"\xff" * 8).unsigned()


@pytest.mark.parametrize(
    "claim",
    [
        Bits().unsigned(0, 0, 1).fixed(0, 1).unsigned(0, 0, 256),  # pictures in a cycle of order type 1
        Bits().unsigned(0, 2**31, 0),  # bits of frame_num
        Bits().unsigned(0, 0, 0, 2**31),  # bits of pic_order_cnt_lsb
    ],
    ids=["cycle", "frame-number", "order"],
)
def test_claims_of_a_sequence_parameter_set_are_limited(claim: Bits) -> None:
    """Behind each claim are eight million numbers to be read, one bit each."""
    head = Bits().fixed(66, 8).fixed(0, 16)
    head.text += claim.text
    assert sequence_parameters(b"\0\0\1\x67" + head.bytes() + b"\xff" * MIB) is None


@pytest.mark.parametrize("size", [2**64 - 1, 2**63 - 1, 2**56])
def test_boxes_and_elements_of_impossible_sizes_end_the_reading(size: int, tmp_path: Path) -> None:
    box = tmp_path / "a.mp4"
    box.write_bytes(b"\0\0\0\1free" + size.to_bytes(8) + bytes(100))
    assert container_crop(box, "mov,mp4,m4a") == ""
    element = tmp_path / "a.mkv"
    for length in (b"\0", b"\1"):  # of eight bytes, of seven
        element.write_bytes(b"\xec" + length + (size % 2**64).to_bytes(8) + bytes(100))
        assert container_crop(element, "matroska,webm") == ""
        assert not ends_early(element)
    element.write_bytes(b"\xec")
    assert not ends_early(element)


# texts


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("a" + ".a" * MOST_BYTES + " = 1", "larger than"),
        ("a" + ".a" * MOST_LINE_BYTES + " = 1", "a line is longer than"),
        ("a = " + "[" * 2000 + "]" * 2000, "mocrop.toml: "),
    ],
    ids=["large", "long line", "deep"],
)
def test_settings_that_would_take_all_memory_are_refused(text: str, fact: str, tmp_path: Path) -> None:
    """A parser remembers all beginnings of a name: a name of 200,000 parts took over 20 GB."""
    (tmp_path / "mocrop.toml").write_text(text)
    with pytest.raises(WorkspaceError, match=fact):
        read_settings(Workspace(tmp_path))


def test_json_nested_without_end_is_damage_wherever_it_is(make_cache: MakeCache, tmp_path: Path) -> None:
    deep = "[" * 200_000
    with pytest.raises(ValueError, match="nested too deeply"):
        parsed_json(deep)
    boxes = tmp_path / "boxes.json"
    boxes.write_text(deep)
    with pytest.raises(DatasetError, match="nested too deeply"):
        read_actor_boxes(boxes)
    cache = make_cache(tmp_path / "c.zarr", label=[0, 1])
    for file in (cache / "frames/zarr.json", cache / "zarr.json"):
        file.write_text(deep)
        with pytest.raises(CacheError, match=r"c\.zarr is damaged"):
            CropCache(cache)


def test_only_one_place_parses_json_of_files() -> None:
    """The others would end in a traceback over what is nested deeply."""
    found = {path.name for path, call in _calls() if _name(call) == "json.loads"}
    assert found == {"strict_json.py"}


# predictions


def test_predictions_that_are_compressed_or_claim_too_much_are_refused(tmp_path: Path) -> None:
    """A million times 2^20 numbers, of which the file holds none, and a file that would grow when it is read."""
    file = tmp_path / "p.npz"
    np.savez_compressed(file, about=np.zeros(MIB))
    with pytest.raises(PredictionsError, match="it is compressed"):
        read_predictions(file)
    header = b"{'descr': '<U1048576', 'fortran_order': False, 'shape': (1048576,), }"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("about.npy", b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(PredictionsError, match="cannot be read as predictions"):
        read_predictions(file)


# what the code calls

_RUNS_CODE = {"pickle.load", "pickle.loads", "marshal.loads", "dill.load", "joblib.load", "eval", "exec", "os.system"}
_TALKS = {
    *("http", "urllib.request", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "xmlrpc", "huggingface_hub"),
    *("fsspec", "s3fs", "gcsfs", "botocore", "boto3"),
}
_OPENS_ADDRESSES = "pipeline/file_systems.py"  # the one module that speaks to the servers of addresses that people name


@cache
def _trees() -> list[tuple[Path, ast.Module]]:
    files = [
        ROOT / "cli.py",
        *(file for room in ("pipeline", "training", "evaluation") for file in (ROOT / room).rglob("*.py")),
    ]
    return [(file, ast.parse(file.read_text("utf-8"))) for file in files]


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    for file, tree in _trees():
        yield from ((file, node) for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _argument(call: ast.Call, name: str) -> str:
    return next((ast.unparse(each.value) for each in call.keywords if each.arg == name), "")


def test_nothing_that_is_read_is_run() -> None:
    """Each kind of file that can hold code is opened by a call that does not run it."""
    loads: set[str] = set()
    for file, call in _calls():
        name = _name(call)
        own = name == "pickle.loads" and ast.unparse(call.args[0]).startswith("pickle.dumps(")
        assert own or name not in _RUNS_CODE, f"{file}: {name}"
        assert not name.startswith("subprocess."), file
        if name in ("np.load", "numpy.load"):
            assert _argument(call, "allow_pickle") == "False", file
        elif name in ("torch.load", "torch.hub.load_state_dict_from_url"):
            assert _argument(call, "weights_only") == "True", file
        loads.add(name)
    assert {"np.load", "torch.load"} <= loads


def test_only_weights_and_what_is_at_an_address_are_fetched() -> None:
    """Weights by torchvision, whose file is held to the hash in its name, and by timm."""
    fetching: set[tuple[str, str]] = set()
    for file, tree in _trees():
        for node in ast.walk(tree):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            talks = [name for name in names for other in _TALKS if name == other or name.startswith(f"{other}.")]
            assert not talks or file.as_posix().endswith(_OPENS_ADDRESSES), f"{file}: {talks}"
            if isinstance(node, ast.Call):
                if _name(node).endswith("get_state_dict"):
                    assert _argument(node, "check_hash") == "True"
                    fetching.add((file.name, "torchvision"))
                if _argument(node, "pretrained") == "True":
                    fetching.add((file.name, _name(node)))
    assert fetching == {("weights.py", "torchvision"), ("backbones.py", "timm.create_model")}


# what is written where


def test_all_stages_leave_the_data_set_as_it_is_and_write_into_the_workspace_alone(
    make_video: MakeVideo, here: Path
) -> None:
    for name in ("A/a_g01_c01", "A/a_g02_c01", "B/b_g01_c01"):
        make_video(here / f"data/{name}.avi")
    (here / "data/A/damaged.avi").write_bytes(b"no video")
    before = _content(here)
    for command in (("run", "data", "--size", "8", "--workers", "0"), ("retry", "--workers", "0")):
        assert mocrop(*command) == 3  # one clip is damaged
    assert mocrop("gallery") == 3
    after = _content(here)
    assert {name for name in after.keys() - before.keys() if not name.startswith("mocrop-work/")} == set()
    assert {name: after[name] for name in before} == before


def _content(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): (file.stat().st_mtime_ns, file.read_bytes()) for file in files}
