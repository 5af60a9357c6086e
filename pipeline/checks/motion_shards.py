"""Check motion.zarr: every clip is read, which compares the checksums, and its values are looked at."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
from rich.console import Console

from mocrop.pipeline.arrays import short
from mocrop.pipeline.checks.damage import Damage
from mocrop.pipeline.checks.parts import Check, unchecked
from mocrop.pipeline.errors import MotionStoreError
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.store import CLIPS_PER_SHARD, MotionReader, shard_folder
from mocrop.pipeline.motion.store_group import NewerSchemaError
from mocrop.pipeline.run.progress import stage_progress
from mocrop.pipeline.strict_json import parsed_json

MOTION = "motion.zarr"
EXTRACT = "extract-mv"  # the stage that writes it
Clip = tuple[int, str]  # position and name


def check_motion(store: Path, clips: Iterable[Clip], console: Console, *, repair: str, all_there: bool = True) -> Check:
    """Check the clips of a motion store that are said to be done.

    Args:
        store: the ``motion.zarr`` folder.
        clips: by position.
        console: for progress.
        repair: command that makes a group again; empty: none can.
        all_there: a clip that no group holds is damage.
    """
    clips = list(clips)
    reader = MotionReader(store)
    found = list(_root_damage(store, repair)) if clips else []
    with stage_progress(console, f"verify {MOTION}", total=len(clips)) as progress:
        for index, members in groupby(clips, key=lambda clip: clip[0] // CLIPS_PER_SHARD):
            of_group = list(members)
            damage = list(_group_damage(reader, shard_folder(store, index), index, of_group, all_there, repair))
            found += damage
            progress.advance(clips=len(of_group), failed=len(damage))
    return Check(part=MOTION, clips=len(clips), damage=tuple(found))


def _root_damage(store: Path, repair: str) -> Iterator[Damage]:
    """What is wrong with the metadata of the store itself."""
    damage = Damage(part=MOTION, clip="", fact="its zarr.json is damaged, or gone")
    try:
        root = parsed_json((store / "zarr.json").read_bytes())
        sound = isinstance(root, dict) and (root.get("zarr_format"), root.get("node_type")) == (3, "group")
    except (FileNotFoundError, ValueError):
        sound = False
    except OSError as error:
        yield replace(damage, fact=unchecked(error))
        return
    if not sound:
        yield replace(damage, repair=repair, stage=EXTRACT, describe=True) if repair else damage


def clips_there(store: Path) -> Iterator[Clip]:
    """Every clip that the groups of a store can hold, for a workspace whose manifest cannot be read."""
    numbers = (folder.name.removeprefix("shard-") for folder in store.glob("shard-*"))
    for index in sorted(int(number) for number in numbers if number.isdecimal()):
        first = index * CLIPS_PER_SHARD
        yield from ((position, f"position {position}") for position in range(first, first + CLIPS_PER_SHARD))


def _group_damage(
    reader: MotionReader, folder: Path, index: int, clips: list[Clip], all_there: bool, repair: str
) -> Iterator[Damage]:
    """What is wrong with the clips of one group. What cannot be read may be sound, and gets no repair."""
    span = (index * CLIPS_PER_SHARD, (index + 1) * CLIPS_PER_SHARD)
    for position, name in clips:
        damage = Damage(part=MOTION, clip=name, fact="")
        try:
            fact = _fault(reader, position, folder, all_there)
        except Exception as error:
            yield replace(damage, fact=str(error) if isinstance(error, MotionStoreError) else unchecked(error))
            continue
        if fact and repair:
            yield replace(damage, fact=fact, repair=repair, stage=EXTRACT, positions=span)
        elif fact:
            yield replace(damage, fact=fact)


def _fault(reader: MotionReader, position: int, folder: Path, all_there: bool) -> str:
    """What is wrong with the motion of one clip; empty: nothing.

    Raises: OSError or MotionStoreError if it cannot be read, and may be sound.
    """
    try:
        motion = reader.read(position)
    except MotionStoreError as error:
        if isinstance(error.__cause__, (NewerSchemaError, PermissionError)):
            raise  # it may be sound
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        fact = "a zarr.json in it is no JSON" if isinstance(cause, json.JSONDecodeError) else short(cause)
        return f"its shard {folder.name} is damaged ({fact})"
    if motion is not None:
        return "" if _plausible(motion) else f"its vectors in {folder.name} have impossible values"
    if not all_there:
        return ""
    there = folder.name in os.listdir(folder.parent) if folder.parent.exists() else False
    return f"{folder.name} does not contain it" if there else f"its shard is gone: {folder.name}"


def _plausible(motion: ClipMotion) -> bool:
    """Whether extract-mv can have written these vectors."""
    return bool(
        motion.vectors_per_frame.sum() == len(motion.x)
        and np.isin(motion.ref, (-1, 1)).all()
        and ((motion.dx != 0) | (motion.dy != 0)).all()
        and np.isin(motion.frame_type, list(FrameType)).all()
        and np.isfinite(motion.camera).all()
    )
