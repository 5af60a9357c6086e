"""Reading MATLAB files: those that SciPy writes, and those to refuse."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from mocrop.evaluation.coverage.matlab_file import read_matlab
from mocrop.pipeline.errors import DatasetError, MocropError

TUBE = np.array([([[3.0]], [[1.0, 2.0, 3.0, 4.0]])], dtype=[("sf", object), ("boxes", object)])


@pytest.fixture
def mat(tmp_path: Path) -> Path:
    return tmp_path / "a.mat"


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_keep_their_shape_and_are_floats(mat: Path, compressed: bool) -> None:
    savemat(mat, {"x": [[1, 2, 3], [4, 5, 6]], "y": np.uint8([[7, 255]])}, do_compression=compressed)
    values = {name: np.asarray(value) for name, value in read_matlab(mat).items()}
    assert {name: value.tolist() for name, value in values.items()} == {"x": [[1, 2, 3], [4, 5, 6]], "y": [[7, 255]]}
    assert {value.dtype for value in values.values()} == {np.dtype(np.float64)}


def test_text_structures_and_cells_nest(mat: Path) -> None:
    cell = np.empty(2, object)
    cell[:] = ["a", 7.0]
    savemat(mat, {"annot": {"name": "Surfing/ä", "tubes": TUBE, "more": cell}})
    (annotation,) = read_matlab(mat)["annot"]
    assert isinstance(annotation, dict)
    assert annotation["name"] == "Surfing/ä"
    assert annotation["more"][0] == "a"
    (tube,) = annotation["tubes"]
    assert isinstance(tube, dict)
    assert np.asarray(tube["boxes"]).tolist() == [[1, 2, 3, 4]]


def test_structure_arrays_are_read_by_columns(mat: Path) -> None:
    array = np.array([[(1.0,), (2.0,)], [(3.0,), (4.0,)]], dtype=[("n", object)])
    savemat(mat, {"s": array})
    assert [float(np.asarray(entry["n"]).item()) for entry in read_matlab(mat)["s"]] == [1, 3, 2, 4]


def test_empty_text_and_empty_matrix(mat: Path) -> None:
    savemat(mat, {"s": "", "x": np.empty((0, 0))})
    assert read_matlab(mat)["s"] == ""
    assert np.asarray(read_matlab(mat)["x"]).shape == (0, 0)


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "cannot be read"),
        (b"frame,x,y\n1,2,3\n" * 20, "cannot be read"),
        (b"\x80\x04." + bytes(200), "cannot be read"),
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "cannot be read"),
        (b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\0\x02IM" + bytes(400), "7.3 .* -v7|-v7"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_its_name(mat: Path, content: bytes, fact: str) -> None:
    mat.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"a\.mat.*({fact})"):
        read_matlab(mat)


def test_a_file_that_is_cut_off_or_missing_is_refused(mat: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.mat: is no file"):
        read_matlab(mat)
    savemat(mat, {"x": np.arange(100.0)})
    mat.write_bytes(mat.read_bytes()[:-9])
    with pytest.raises(DatasetError, match="cannot be read"):
        read_matlab(mat)


def test_numbers_with_an_imaginary_part_are_refused(mat: Path) -> None:
    savemat(mat, {"x": np.array([[1 + 2j]])})
    with pytest.raises(DatasetError, match="complex128"):
        read_matlab(mat)


def test_without_scipy_the_error_says_what_to_install(mat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    savemat(mat, {"x": [[1]]})
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MocropError, match=r"pip install 'mocrop\[boxes\]'"):
        read_matlab(mat)


def test_a_file_cut_off_anywhere_is_read_or_refused(mat: Path) -> None:
    savemat(mat, {"annot": {"name": "Surfing/a", "tubes": TUBE}})
    whole = mat.read_bytes()
    for size in range(0, len(whole), 3):
        mat.write_bytes(whole[:size])
        with contextlib.suppress(DatasetError):  # and nothing else
            read_matlab(mat)
