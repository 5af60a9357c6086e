"""Reading MATLAB 5 files: what a small writer of the published format puts in, and what must be refused."""

from __future__ import annotations

import contextlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mocrop.evaluation.coverage.matlab_file import read_matlab
from mocrop.pipeline.errors import DatasetError

INT8, UINT8, UINT16, INT32, UINT32, DOUBLE, MATRIX, COMPRESSED, UTF8 = 1, 2, 4, 5, 6, 9, 14, 15, 16


def element(kind: int, content: bytes, order: str = "<") -> bytes:
    if 0 < len(content) <= 4 and kind != MATRIX:
        return struct.pack(order + "I", len(content) << 16 | kind) + content.ljust(4, b"\0")
    return struct.pack(order + "II", kind, len(content)) + content + b"\0" * (-len(content) % 8)


def matrix(kind: int, shape: tuple[int, ...], body: bytes, name: str = "", order: str = "<", flags: int = 0) -> bytes:
    head = element(UINT32, struct.pack(order + "II", kind | flags, 0), order)
    head += element(INT32, struct.pack(f"{order}{len(shape)}i", *shape), order) + element(INT8, name.encode(), order)
    return element(MATRIX, head + body, order)


def numbers(values: object, name: str = "", order: str = "<") -> bytes:
    array = np.asarray(values, np.float64)
    return matrix(6, array.shape, element(DOUBLE, array.astype(order + "f8").tobytes("F"), order), name, order)


def text(value: str, name: str = "") -> bytes:
    return matrix(4, (1, len(value)), element(UINT16, value.encode("utf-16-le")), name)


def structure(entries: list[dict[str, bytes]], name: str = "") -> bytes:
    fields = list(entries[0])
    body = element(INT32, struct.pack("<i", 8)) + element(INT8, b"".join(f.encode().ljust(8, b"\0") for f in fields))
    return matrix(2, (1, len(entries)), body + b"".join(entry[field] for entry in entries for field in fields), name)


def file_of(*variables: bytes, order: str = "<") -> bytes:
    mark = b"\0\x01IM" if order == "<" else b"\x01\0MI"
    return b"MATLAB 5.0 MAT-file".ljust(124) + mark + b"".join(variables)


def compressed(variable: bytes) -> bytes:
    content = zlib.compress(variable)
    return struct.pack("<II", COMPRESSED, len(content)) + content


@pytest.fixture
def mat(tmp_path: Path) -> Path:
    return tmp_path / "a.mat"


def test_numbers_keep_their_shape_though_columns_come_first(mat: Path) -> None:
    mat.write_bytes(file_of(numbers([[1, 2, 3], [4, 5, 6]], "x")))
    value = read_matlab(mat)["x"]
    assert isinstance(value, np.ndarray)
    assert value.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_numbers_stored_in_few_bytes_are_numbers(mat: Path) -> None:
    mat.write_bytes(file_of(matrix(6, (1, 3), element(UINT8, bytes([1, 2, 255])), "x")))
    assert np.asarray(read_matlab(mat)["x"]).tolist() == [[1, 2, 255]]


def test_text_structures_and_cells_nest(mat: Path) -> None:
    inner = structure([{"sf": numbers([[3]]), "boxes": numbers([[1, 2, 3, 4]])}])
    cell = matrix(1, (1, 2), text("a") + numbers([[7]]))
    mat.write_bytes(file_of(structure([{"name": text("Surfing/ä"), "tubes": inner, "more": cell}], "annot")))
    annotation = read_matlab(mat)["annot"][0]
    assert isinstance(annotation, dict)
    assert annotation["name"] == "Surfing/ä"
    assert annotation["more"][0] == "a"
    tube = annotation["tubes"][0]
    assert isinstance(tube, dict)
    assert np.asarray(tube["boxes"]).tolist() == [[1, 2, 3, 4]]


def test_compressed_and_plain_variables_follow_each_other(mat: Path) -> None:
    mat.write_bytes(file_of(compressed(numbers([[1]], "x")), text("hello", "s"), compressed(numbers([[2]], "y"))))
    assert {name: str(value) for name, value in read_matlab(mat).items()} == {
        "x": "[[1.]]",
        "s": "hello",
        "y": "[[2.]]",
    }


def test_big_endian_files_are_read(mat: Path) -> None:
    mat.write_bytes(file_of(numbers([[1, 2]], "x", ">"), order=">"))
    assert np.asarray(read_matlab(mat)["x"]).tolist() == [[1, 2]]


def test_empty_text_and_empty_matrix(mat: Path) -> None:
    mat.write_bytes(
        file_of(text("", "s"), numbers(np.empty((0, 0)), "x"), matrix(1, (1, 1), element(MATRIX, b""), "c"))
    )
    values = read_matlab(mat)
    assert values["s"] == ""
    assert np.asarray(values["x"]).shape == (0, 0)
    assert np.asarray(values["c"][0]).shape == (0, 0)


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "no MATLAB 5 file"),
        (b"\x80\x04." + bytes(200), "no MATLAB 5 file"),
        (b"MATLAB 7.3 MAT-file".ljust(600), "-v7"),
        (file_of(matrix(3, (1, 1), b"", "o")), "class 3"),
        (file_of(matrix(6, (1, 1), element(DOUBLE, bytes(8)) * 2, "z", flags=0x0800)), "class 6"),
        (file_of(numbers([[1, 2, 3]], "x"))[:-9], "no whole"),
        (file_of(compressed(numbers([[1]], "x"))[:-3]), "no whole|cut off"),
        (file_of(matrix(1, (1 << 30, 1 << 30), b"", "c")), "do not fit"),
        (file_of(matrix(4, (2, 2), element(UINT16, bytes(8)), "s")), "several lines"),
    ],
)
def test_what_is_no_such_file_is_refused_with_the_fact(mat: Path, content: bytes, fact: str) -> None:
    mat.write_bytes(content)
    with pytest.raises(DatasetError, match=fact):
        read_matlab(mat)


def test_a_variable_that_swells_beyond_the_limit_is_refused(mat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mat.write_bytes(file_of(compressed(numbers(np.zeros((1, 10_000)), "x"))))
    monkeypatch.setattr("mocrop.evaluation.coverage.matlab_file.LARGEST_BYTES", 1000)
    with pytest.raises(DatasetError, match="larger than"):
        read_matlab(mat)


def test_endless_nesting_is_refused(mat: Path) -> None:
    value = numbers([[1]])
    for _ in range(40):
        value = matrix(1, (1, 1), value)
    mat.write_bytes(file_of(value))
    with pytest.raises(DatasetError, match="deep"):
        read_matlab(mat)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_read_or_refused(mat: Path, data: st.DataObject) -> None:
    inner = structure([{"sf": numbers([[3]]), "boxes": numbers([[1, 2, 3, 4]])}])
    whole = bytearray(file_of(structure([{"name": text("Surfing/a"), "tubes": inner}], "annot")))
    for at in data.draw(st.lists(st.integers(128, len(whole) - 1), max_size=4)):
        whole[at] = data.draw(st.integers(0, 255))
    mat.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    with contextlib.suppress(DatasetError):  # and nothing else
        read_matlab(mat)
