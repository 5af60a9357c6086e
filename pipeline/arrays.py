"""TensorStore and Zarr calls that the crop cache and the motion store share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorstore as ts
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from mocrop.pipeline.files import real_path


def write_names(group: zarr.Group, names: Sequence[str], *, checked: bool = False) -> None:
    """Write the string array ``clip`` of a group, one name per row.

    Args:
        checked: with a CRC-32C behind its bytes.
    """
    with warnings.catch_warnings():  # zarr warns that the string type has no final specification yet
        warnings.simplefilter("ignore")
        array = group.create_array(
            "clip",
            shape=(len(names),),
            chunks=(max(1, len(names)),),
            dtype="string",
            compressors=[ZstdCodec(), Crc32cCodec()] if checked else "auto",
            config={"write_empty_chunks": True},
        )
        array[:] = np.array(list(names), dtype=np.dtypes.StringDType())


def worker_context(*, cache_bytes: int = 0) -> ts.Context:
    """Make a TensorStore context for a worker process.

    Args:
        cache_bytes: limit of the chunk cache, bytes; 0: no cache.
    """
    # There is a worker process per core already: a thread pool in each would only compete for the cores.
    limits = {"data_copy_concurrency": {"limit": 1}, "file_io_concurrency": {"limit": 1}}
    return ts.Context({**limits, "cache_pool": {"total_bytes_limit": cache_bytes}})


def open_array(
    path: Path,
    name: str,
    *,
    context: ts.Context | None = None,
    store_data_equal_to_fill_value: bool = False,
    must_be_there: bool = False,
) -> ts.TensorStore:
    """Open one array of a Zarr v3 group with TensorStore.

    Args:
        path: folder of the group.
        name: of the array.
        context: see :func:`worker_context`; None: TensorStore's default.
        store_data_equal_to_fill_value: also write chunks that hold nothing but the fill value.
        must_be_there: reading a chunk that is missing raises ValueError; else it reads as the fill value.
    """
    spec = {
        "driver": "zarr3",
        "kvstore": kvstore(path / name),
        "recheck_cached_data": False,
        "store_data_equal_to_fill_value": store_data_equal_to_fill_value,
        "fill_missing_data_reads": not must_be_there,
    }
    return ts.open(spec, context=context, open=True).result()


def kvstore(path: Path) -> dict[str, str]:
    """Where TensorStore keeps an array; it takes no path with ``..`` in it, as of ``-w ../work``."""
    return {"driver": "file", "path": real_path(path).as_posix()}


def short(error: Exception) -> str:
    """Cut a message of TensorStore down to what is wrong, without the place that it names first.

    >>> short(ValueError('DATA_LOSS: Error reading local file "/box/c/0": Digest mismatch, stored is 0x8ad22b'))
    'checksum differs'
    """
    fact = str(error).partition("\n")[0].rpartition('": ')[2].partition("; at ")[0]
    return "checksum differs" if fact.startswith("Digest mismatch") else fact
