"""The form `frames`: a folder for each clip, ``<Class>/<clip>/``, with a JPEG or PNG file for each slot, and lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.export.base import Export, ExportClip
from mocrop.pipeline.export.form import Form
from mocrop.pipeline.export.lists import write_lists
from mocrop.pipeline.export.mp4 import BOXES
from mocrop.pipeline.export.pictures import PictureSettings, encode_picture, picture_name
from mocrop.pipeline.export.slot_facts import slot_facts
from mocrop.pipeline.export.work import ExportWork
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.settings import Plain

FRAMES_VERSION = 1
WINDOWS = "windows.csv"
_HEAD_OF_WINDOWS = ("file", "window", "place")
_HEAD = ("file", "frame", "left", "top", "right", "bottom", "seconds")


@dataclass(frozen=True, kw_only=True)
class FramesSettings(PictureSettings):
    """How frames become files."""

    size: int = 0  # side of the frames, pixels: that of the crops


def write_frames(clip: ExportClip, folder: Path, work: ExportWork, log: ClipLog) -> Plain:
    """Write the slots of a clip as ``00000.jpg`` and so on, in order of time. Returns: its :func:`slot_facts`.

    Raises: ClipError.
    """
    settings: FramesSettings = work.settings.form_settings
    crops = work.crops(clip, log)
    facts = slot_facts(clip, crops, log)
    folder.mkdir()
    for slot, frame in enumerate(crops.frames):
        (folder / picture_name(slot, settings)).write_bytes(encode_picture(frame, settings))
    return facts


def finish_frames(export: Export) -> list[Path]:
    """Write the lists of labels and subsets, whose paths are folders, the box of each file, and windows if any."""
    write_csv(_HEAD, _rows(export), export.folder / BOXES)
    lists = [*write_lists(export), export.folder / BOXES]
    if any("windows" in clip.facts for clip in export.clips()):
        write_csv(_HEAD_OF_WINDOWS, _window_rows(export), export.folder / WINDOWS)
        lists.append(export.folder / WINDOWS)
    return lists


def _rows(export: Export) -> Iterator[tuple[object, ...]]:
    for clip in export.clips():
        slots = zip(clip.facts["frames"], clip.facts["boxes"], clip.facts["seconds"], strict=True)
        for slot, (number, box, seconds) in enumerate(slots):
            name = picture_name(slot, export.settings.form_settings)
            yield f"{clip.path}/{name}", number, *box, seconds


def _window_rows(export: Export) -> Iterator[tuple[object, ...]]:
    """The file of each frame of each window; one that several windows have, or that pads one, comes several times."""
    for clip in export.clips():
        for number, slots in enumerate(clip.facts["windows"]):
            for place, slot in enumerate(slots):
                yield f"{clip.path}/{picture_name(slot, export.settings.form_settings)}", number, place


FRAMES = Form(
    settings=FramesSettings,
    version=FRAMES_VERSION,
    suffix=lambda _: "",
    write=write_frames,
    finish=finish_frames,
    own_files=lambda _: False,
)
