"""Check the H.264 files by their checksums, and on request by decoding them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from mocrop.pipeline.bitstream.mp4 import mp4_fault
from mocrop.pipeline.checks.damage import Damage
from mocrop.pipeline.checks.parts import Check, unchecked
from mocrop.pipeline.checksums import file_checksum
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import ClipTask, clip_log
from mocrop.pipeline.run.progress import stage_progress
from mocrop.pipeline.video.decoder import FrameDamage, PlainDecode
from mocrop.pipeline.video.open import open_video
from mocrop.pipeline.video.whole import require_all_frames
from mocrop.pipeline.workspace.manifest import StageRow
from mocrop.pipeline.workspace.paths import Workspace

H264 = "h264"


@dataclass(frozen=True, kw_only=True)
class H264File:
    """An H.264 file that is said to be done."""

    clip: str
    file: Path
    position: int = -1  # of the clip; -1: not known
    checksum: int | None = None  # CRC-32C of its content; None: not known
    source: Path | None = None  # the data set's own file of the clip; None: not known


def made_files(workspace: Workspace, rows: Iterable[StageRow], *, dataset: Path) -> list[H264File]:
    """The files that ``transcode`` has written.

    Args:
        rows: clips that it has done.
        dataset: folder of the data set.
    """
    return [
        H264File(
            clip=row.name,
            file=workspace.h264_file(row.name),
            position=row.position,
            checksum=row.checksum,
            source=dataset / row.path,
        )
        for row in rows
        if Reason.OWN_FILE_SERVES not in row.reasons
    ]


def files_there(workspace: Workspace) -> Iterator[H264File]:
    """The files that are there, for a workspace whose manifest cannot be read. Raises: OSError."""
    for folder, _, names in sorted(os.walk(workspace.h264, onerror=_raise)):
        for name in sorted(names):
            file = Path(folder, name)
            if file.suffix == ".mp4":
                yield H264File(clip=file.relative_to(workspace.h264).with_suffix("").as_posix(), file=file)


def _raise(error: OSError) -> None:
    raise error


def check_h264(files: Iterable[H264File], console: Console, *, deep: bool, repair: str) -> Check:
    """Check H.264 files.

    Args:
        console: for progress.
        deep: also decode every file.
        repair: command that makes a file again; empty: none can.
    """
    files = list(files)
    found: list[Damage] = []
    with stage_progress(console, f"verify {H264}", total=len(files)) as progress:
        for each in files:
            damage = _damage(each, deep=deep, repair=repair)
            found += damage
            progress.advance(clips=1, failed=len(damage))
    unknown = sum(each.checksum is None for each in files)
    return Check(part=H264, clips=len(files), damage=tuple(found), without_checksum=0 if deep else unknown)


def _damage(made: H264File, *, deep: bool, repair: str) -> list[Damage]:
    """What is wrong with a file, if anything is. What may be sound, or would be made the same, gets no repair."""
    damage = Damage(part=H264, clip=made.clip, fact="")
    try:
        if fact := _fault(made):
            return [_repairable(replace(damage, fact=fact), made, repair)]
        fact = _decoding_fault(made.file, made.clip) if deep else ""
    except Exception as error:
        return [replace(damage, fact=unchecked(error))]
    if not fact:
        return []
    if made.checksum is None:
        return [_repairable(replace(damage, fact=fact), made, repair)]
    return [replace(damage, fact=f"{fact}; it is as transcode has written it, so look at the clip's own file")]


def _repairable(damage: Damage, made: H264File, repair: str) -> Damage:
    """The damage with its repair; nothing deletes the last copy of a clip."""
    if not repair:
        return damage
    if made.source is not None and not os.path.exists(made.source):
        return replace(damage, fact=f"{damage.fact}; {made.source}, which it was made from, is not there")
    positions = (made.position, made.position + 1)
    return replace(damage, repair=repair, stage="transcode", positions=positions, remove=os.fspath(made.file))


def _fault(made: H264File) -> str:
    """Describe what is wrong with the bytes of a file; empty if nothing is. Raises: OSError if it cannot be read."""
    try:
        changed = _checksum(made) != made.checksum
    except FileNotFoundError:
        return "the file is gone"
    return mp4_fault(made.file) or ("its checksum differs from that in the manifest" if changed else "")


def _checksum(made: H264File) -> int | None:
    """Checksum of a file, read only if there is one to compare it with. Raises: OSError."""
    if made.checksum is not None:
        return file_checksum(made.file)
    with made.file.open("rb"):
        return None


def _decoding_fault(file: Path, clip: str) -> str:
    """Decode every frame and describe the first fault; empty if there is none, or if damage left a valid stream."""
    damage = FrameDamage()
    with (
        clip_log(ClipTask(position=0, name=clip, path=os.fspath(file))) as log,
        open_video(file, clip=clip, log=log) as video,
    ):
        decode = PlainDecode(video, damage=damage)
        for _ in decode.frames():
            pass
        decode.finish(clip=clip, max_damaged=1, log=log)
        require_all_frames(clip, decoded=damage.frames, declared=decode.account.packets)
    if log.outcome is not None and log.failed:
        return log.outcome.message.removeprefix(f"{clip}: ")
    return str(damage)
