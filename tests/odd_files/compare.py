"""Run mocrop on files and compare what it caches with an independent decode, frame number by frame number."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import av
import av.error
import numpy as np
from av.codec.context import Flags
from av.video.frame import VideoFrame

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.dense import DenseWindows, even_starts
from mocrop.pipeline.cache.slots import evenly
from mocrop.pipeline.choices import Select, Source
from mocrop.pipeline.commands.preprocess import precrop, run_all
from mocrop.pipeline.dataset.walk import VIDEO_SUFFIXES
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.stages.cache_settings import CropOptions
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from tests.odd_files.odd_file import OddFile, make_files
from tests.odd_files.picture import Pixels, Seen, read
from tests.odd_files.program import SIDE_PX, Decode, decode, decoded

SLOTS = 12
SOURCES: tuple[Source, ...] = ("h264", "original")
SELECTIONS: tuple[Select, ...] = ("keyframes", "uniform", "dense")
DENSE = DenseWindows(windows=3, frames=4, stride=2)  # as many slots
FAR: Mapping[Source, float] = {"original": 10.0, "h264": 20.0}  # mean difference, of 255, of crops of something else
CLASS = "Odd"
Found = Literal["right", "refused", "wrong"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What mocrop made of one file in one way."""

    file: str
    source: Source
    select: Select
    found: Found
    what: str = ""  # the reason code of a refusal that is right, or what is wrong
    notes: tuple[str, ...] = ()  # reason codes of all stages


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredClip:
    """What mocrop has stored of one clip."""

    numbers: list[int]
    crops: Pixels  # (used slots, side, side, 3)
    motion_frames: int | None  # None: no motion was extracted
    failed: tuple[str, str] | None  # stage and reason code
    notes: tuple[str, ...]


def compare(files: Sequence[OddFile], scratch: Path) -> list[Verdict]:
    """Make the files, run all stages on them, with both sources and all selections, and compare with the programs.

    Files that the ffmpeg program cannot make are left out.
    """
    return compare_paths(make_files(files, scratch / "made"), scratch, {file.name: file for file in files})


def compare_paths(files: Mapping[str, Path], scratch: Path, known: Mapping[str, OddFile]) -> list[Verdict]:
    """As :func:`compare`, of files that are there; ``known`` says what is to come of them, by name."""
    dataset, clips = _dataset(files, scratch / "data")
    references = {name: reference(path, stream=known[name].stream) for name, path in files.items()}
    verdicts: list[Verdict] = []
    for source in SOURCES:
        workspace = Workspace(scratch / source)
        for select in SELECTIONS:
            _run(workspace, dataset, source, select)
        stored = {select: stored_clips(workspace, select) for select in SELECTIONS}
        for name, wanted in references.items():
            transcoded = workspace.h264_file(clips[name])
            if transcoded.is_file():
                keys = tuple(n for n, frame in enumerate(_plain_decode(transcoded, "v:0")) if frame.key_frame)
                wanted = replace(wanted, key_frames=(keys,))
            for select, rows in stored.items():
                verdicts.append(_verdict(known[name], source, select, rows[clips[name]], wanted))
    return verdicts


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """What must come of a file."""

    decode: Decode
    key_frames: tuple[tuple[int, ...], ...]  # what decoders call key frames: versions of FFmpeg differ


def reference(path: Path, *, stream: str = "V:0") -> Reference:
    """Decode a file with the ffmpeg program and with PyAV.

    The program's frames count, but where its version of FFmpeg returns another number of them than PyAV's, as of
    streams that begin without a key frame, those that PyAV returns.
    """
    theirs = decode(path, stream=stream)
    flags = [frame.key_frame for frame in _plain_decode(path, stream)]
    keys = tuple(number for number, key in enumerate(flags) if key)
    if len(flags) == len(theirs.pictures):
        return Reference(decode=theirs, key_frames=(theirs.key_frames, keys))
    ours = [frame.to_ndarray(format="rgb24", width=SIDE_PX, height=SIDE_PX) for frame in _plain_decode(path, stream)]
    pictures = np.array(ours, np.uint8).reshape(-1, SIDE_PX, SIDE_PX, 3)
    return Reference(decode=decoded(pictures, keys), key_frames=(keys,))


def _plain_decode(path: Path, stream: str) -> Iterator[VideoFrame]:
    """All frames as PyAV returns them."""
    with contextlib.suppress(av.error.FFmpegError, IndexError), av.open(str(path)) as container:
        videos = container.streams.video
        if stream[0] == "V":
            videos = tuple(video for video in videos if not video.disposition & video.disposition.attached_pic)
        video = videos[int(stream[2:])]
        video.codec_context.flags |= Flags.unaligned
        for packet in container.demux(video):
            with contextlib.suppress(av.error.FFmpegError):
                yield from packet.decode()


def _dataset(files: Mapping[str, Path], folder: Path) -> tuple[Path, dict[str, str]]:
    """Link the files into a data set; those with a suffix that mocrop does not look for get one more."""
    (folder / CLASS).mkdir(parents=True)
    clips = {}
    for name, path in files.items():
        known = path.suffix.lower() in VIDEO_SUFFIXES
        target = folder / CLASS / f"{name.replace('.', '_')}{path.suffix if known else path.suffix + '.mkv'}"
        os.link(path, target)
        clips[name] = f"{CLASS}/{target.stem}"
    return folder, clips


def _run(workspace: Workspace, dataset: Path, source: Source, select: Select) -> None:
    options = RunOptions(workers=0)
    if select == SELECTIONS[0]:
        run_all(
            workspace,
            dataset,
            source=source,
            run=options,
            policy="full",
            size=SIDE_PX,
            frames=SLOTS,
            select=select,
            name=select,
        )
    else:
        how: CropOptions = {"policy": "full", "size": SIDE_PX, "frames": SLOTS, "select": select, "name": select}
        if select == "dense":
            how |= {"clips": DENSE.windows, "frames": DENSE.frames, "stride": DENSE.stride}
        precrop(workspace, run=options, **how)


def stored_clips(workspace: Workspace, select: Select) -> dict[str, StoredClip]:
    """What a workspace holds of each clip, by name."""
    cache = CropCache(workspace.cache(select))
    frames = np.moveaxis(np.asarray(cache.open_frames().read().result()), 2, -1)
    motion = MotionReader(workspace.motion)
    with Manifest(workspace.manifest_file) as manifest:
        clips = list(manifest.clips())
        stages = {
            stage: list(manifest.stage_rows(stage, "", upstream=None))
            for stage in ("transcode", "extract-mv", f"precrop:{select}")
        }
    rows = {}
    for position, clip in enumerate(clips):
        outcomes = {stage: found[position] for stage, found in stages.items()}
        failed = [(stage, str(row.reasons[0])) for stage, row in outcomes.items() if row.status == "failed"]
        stored = motion.read(position) if outcomes["extract-mv"].status == "done" else None
        index = cache.frame_index[position]
        used = int((index >= 0).sum())
        fatal = [each for each in failed if each[0] != "extract-mv" or each[1] != "codec-without-vectors"]
        rows[clip.name] = StoredClip(
            numbers=index[:used].tolist(),
            crops=frames[position, :used],
            motion_frames=None if stored is None else stored.frames,
            failed=fatal[0] if fatal else None,
            notes=tuple(sorted({str(reason) for row in outcomes.values() for reason in row.reasons})),
        )
    return rows


def _verdict(file: OddFile, source: Source, select: Select, row: StoredClip, wanted: Reference) -> Verdict:
    found: Found
    if row.failed is not None:
        stage, reason = row.failed
        fine = reason in (file.refused, file.may_be_refused)
        found, what = "refused" if fine else "wrong", reason if fine else f"refused by {stage}: {reason}"
    elif file.refused:
        found, what = "wrong", f"not refused as {file.refused}"
    else:
        what = "; ".join(faults(row, wanted, source=source, select=select))
        found = "wrong" if what else "right"
    return Verdict(file=file.name, source=source, select=select, found=found, what=what, notes=row.notes)


def faults(stored: StoredClip, wanted: Reference, *, source: Source, select: Select) -> Iterator[str]:
    """Everything in which the stored crops and motion differ from the decode."""
    count = len(wanted.decode.pictures)
    if stored.motion_frames is not None and stored.motion_frames != count:
        yield f"motion of {stored.motion_frames} frames, {count} are shown"
    by_keys = select == "keyframes" and Reason.NO_KEY_FRAMES not in stored.notes
    choices = [keys or range(count) for keys in wanted.key_frames] if by_keys else [range(count)]
    lists = [[choice[index] for index in evenly(len(choice), slots=SLOTS)] for choice in choices]
    if select == "dense":
        lists = [DENSE.numbers(even_starts(count, DENSE), frames=count)]
    if stored.numbers not in lists:
        yield f"frames {_listed(stored.numbers)} instead of {_listed(lists[0])}"
    decoded = wanted.decode
    wrong = [
        _shown(number, crop, decoded, far=FAR[source])
        for number, crop in zip(stored.numbers, stored.crops, strict=True)
    ]
    if said := [words for words in wrong if words]:
        yield f"{len(said)} of {len(wrong)} crops: {', '.join(said[:3])}"


def _shown(number: int, crop: Pixels, decoded: Decode, *, far: float) -> str:
    """How a crop differs from the decoded frame of its number; empty if it does not."""
    if number >= len(decoded.pictures):
        return f"frame {number} does not exist"
    wanted, seen = decoded.numbers[number], read(crop)
    difference = float(np.abs(crop.astype(float) - decoded.pictures[number]).mean())
    if wanted is not None and seen != Seen(wanted, 0):
        return f"frame {number} ({wanted}) shows {_said(seen)}"
    return f"frame {number} differs by {difference:.0f}" if difference > far else ""


def _said(seen: Seen | None) -> str:
    if seen is None:
        return "garbage"
    return f"{seen.number} in orientation {seen.orientation}" if seen.orientation else str(seen.number)


def _listed(numbers: Iterable[int]) -> str:
    return " ".join(map(str, numbers)) or "none"
