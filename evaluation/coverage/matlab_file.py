"""Read a MATLAB file up to version 7 with SciPy: numbers, texts, structures and cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.errors import DatasetError, MocropError

Matrix = npt.NDArray[np.float64]
MatlabValue: TypeAlias = "str | Matrix | list[MatlabValue] | list[dict[str, MatlabValue]]"


def read_matlab(path: Path) -> dict[str, MatlabValue]:
    """Read all variables of a file.

    Returns: by name: text as str, numbers as float64 of their shape, a structure array as a list of dicts and a cell
        array as a list, both in column order.
    Raises: DatasetError if the file is missing or damaged, is no MATLAB file, or holds another type of value;
        MocropError without SciPy.
    """
    try:
        from scipy.io import loadmat  # type: ignore[import-untyped]
    except ImportError as error:
        raise MocropError(f"{path}: MATLAB files need SciPy: pip install 'mocrop[boxes]'") from error
    if not path.is_file():
        raise DatasetError(f"{path}: is no file")
    try:
        variables = loadmat(path, struct_as_record=True, verify_compressed_data_integrity=True)
        return {name: _value(array) for name, array in variables.items() if not name.startswith("__")}
    except NotImplementedError as error:
        raise DatasetError(f"{path}: is a MATLAB 7.3 file; save it again with `save(..., '-v7')`") from error
    except Exception as error:  # SciPy raises nearly anything over a damaged file
        raise DatasetError(f"{path}: cannot be read as a MATLAB file ({type(error).__name__}: {error})") from error


def _value(array: Any) -> MatlabValue:
    if array.dtype.names is not None:
        entries = array.ravel(order="F")
        return [{field: _value(entry[field]) for field in array.dtype.names} for entry in entries]
    if array.dtype == object:
        return [_value(entry) for entry in array.ravel(order="F")]
    if array.dtype.kind == "U":
        return str(array.item()) if array.size else ""
    if array.dtype.kind not in "buif":
        raise TypeError(f"a value of type {array.dtype}")
    return np.asarray(array, np.float64)
