"""Flip single bits of transcoded files: the stages that read them refuse each."""

from __future__ import annotations

import dataclasses
import random
from functools import partial
from pathlib import Path

from mocrop.pipeline.checksums import file_checksum
from mocrop.pipeline.errors import ClipError
from mocrop.pipeline.outcome import ClipLog, ClipTask
from mocrop.pipeline.stages.contract import WorkUnit, file_to_read
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.workspace.paths import Workspace
from tests.reliability.flips import Count, bits_of, flipped


def transcoded(videos: list[Path], workspace: Path) -> list[ClipTask]:
    """Transcode videos. Returns: a task for each with the checksum of its file, as the next stage gets it."""
    tasks = [ClipTask(position=n, name=f"A/{n}", path=str(video)) for n, video in enumerate(videos)]
    outcomes = transcode_unit(WorkUnit(index=0, clips=tuple(tasks)), TranscodeSettings(), str(workspace))
    return [dataclasses.replace(tasks[each.position], h264_checksum=each.checksum) for each in outcomes]


def flip_h264(tasks: list[ClipTask], workspace: Path, *, flips: int, seed: int = 0) -> Count:
    """Flip single bits, one at a time, in the transcoded files of clips, and open them as a stage does."""
    drawn, count = random.Random(seed), Count()
    for task in drawn.choices(tasks, k=flips):
        file = Workspace(workspace).h264_file(task.name)
        bit = drawn.randrange(bits_of(file))
        with flipped(file, bit):
            read_as_it_was = partial(_is_as_it_was, task, Workspace(workspace))
            count.judge(f"bit {bit} of {file.name}", read_as_it_was, refusal=ClipError)
    return count


def _is_as_it_was(task: ClipTask, workspace: Workspace) -> bool:
    """Whether the file that a stage is given to read has its checksum. Raises: ClipError if it is refused."""
    return file_checksum(file_to_read(task, "h264", workspace, ClipLog(task.position))) == task.h264_checksum
