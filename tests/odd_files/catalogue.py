"""All odd files that these tests and the benchmark know."""

from __future__ import annotations

from tests.odd_files.codec_files import codec_files
from tests.odd_files.container_files import container_files, edit_list_files, key_flag_files
from tests.odd_files.h264_files import h264_files
from tests.odd_files.odd_file import OddFile
from tests.odd_files.picture_files import (
    colour_files,
    geometry_files,
    orientation_files,
    refused_files,
    stream_files,
)


def all_files() -> list[OddFile]:
    """Every file, by kind."""
    return [
        *codec_files(),
        *h264_files(),
        *key_flag_files(),
        *edit_list_files(),
        *container_files(),
        *orientation_files(),
        *geometry_files(),
        *colour_files(),
        *stream_files(),
        *refused_files(),
    ]
