"""The storms: what is harmed, how, and what must hold. A storm is one round, run for as long as there is time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.cloud import can_serve_s3
from tests.reliability import (
    address_kills,
    cache_flips,
    cache_growth,
    cells,
    full_disk,
    interruptions,
    kills,
    mirror_flips,
    motion_flips,
    mutated_videos,
    outside_kills,
)
from tests.reliability.checkpoint_flips import flip_checkpoint
from tests.reliability.commands import make_dataset
from tests.reliability.feature_flips import flip_features
from tests.reliability.h264_flips import flip_h264, transcoded

Round = Callable[[Path, int], Counter[str]]  # folder of the storm, seed -> what became of what was tried


@dataclass(frozen=True, kw_only=True)
class Storm:
    """One row of the table."""

    name: str  # what is harmed
    harm: str  # what is done to it
    must: str  # what must hold; a round raises AssertionError where it does not
    round: Round
    possible: Callable[[], bool] = lambda: True  # on this machine


def _growth(folder: Path, seed: int) -> Counter[str]:
    storm = cache_growth.grow_under_kills(folder, kills=2, seed=seed)
    return Counter({"refused, completed later": storm.refused, "whole": storm.whole})


def _cache_damage(folder: Path, seed: int) -> Counter[str]:
    path = folder / "c.zarr"
    if not path.exists():
        cache_growth.make_cache(path, cache_growth.FIRST)
    return cache_flips.flip_bits(path, flips=60, seed=seed).ended()


def _cache_deletions(folder: Path, seed: int) -> Counter[str]:
    path = folder / f"{seed}.zarr"
    cache_growth.make_cache(path, int(np.random.default_rng(seed).integers(1, 7)))
    return cache_flips.delete_files(path).ended()


def _mirror_damage(folder: Path, seed: int) -> Counter[str]:
    return mirror_flips.flip_mirror(folder, flips=60, seed=seed).ended()


def _mirror_deletions(folder: Path, _: int) -> Counter[str]:
    return mirror_flips.delete_mirrored(folder).ended()


def _address_damage(folder: Path, seed: int) -> Counter[str]:
    return mirror_flips.flip_address(folder, flips=60, seed=seed).ended()


def _motion_damage(folder: Path, seed: int) -> Counter[str]:
    return motion_flips.flip_motion(_motion_store(folder), flips=60, seed=seed).ended()


def _motion_deletions(folder: Path, seed: int) -> Counter[str]:
    return motion_flips.delete_motion(_motion_store(folder, seed)).ended()


def _motion_store(folder: Path, seed: int = 0) -> Path:
    store = folder / f"{seed}/motion.zarr"
    if not store.exists():
        motion_flips.make_store(store, seed=seed)
    return store


def _h264_damage(folder: Path, seed: int) -> Counter[str]:
    clips = transcoded(sorted(make_dataset(folder / "data").rglob("*.avi")), folder)
    return flip_h264(clips, folder, flips=600, seed=seed).ended()


def _checkpoint_damage(folder: Path, seed: int) -> Counter[str]:
    return flip_checkpoint(folder, flips=200, seed=seed).ended()


def _feature_damage(folder: Path, seed: int) -> Counter[str]:
    return flip_features(folder, flips=200, seed=seed).ended()


def _outside_kills(folder: Path, seed: int) -> Counter[str]:
    place = folder / str(seed)
    place.mkdir()
    storm = outside_kills.storm_of_kills(place, kills=60, clips=200, killer=101, seed=seed)
    assert list(storm.failed) == [101], f"failed: {storm.failed}"
    assert storm.done == 199, f"{storm.done} done"
    return Counter({"no clip blamed": storm.kills})


STORMS = (
    Storm(
        name="all stages",
        harm="SIGKILL of `mocrop run`, alone or with its workers",
        must="the same command completes it, to the same bytes",
        round=kills.kill_stages,
    ),
    Storm(
        name="all stages",
        harm="Ctrl-C or SIGTERM, once or twice",
        must="one line, exit 130 or 143, no process left; the same command completes it, to the same bytes",
        round=interruptions.interrupt_stages,
    ),
    Storm(
        name="a stage of 200 clips",
        harm="SIGKILL of its workers from outside",
        must="no clip is blamed but the one that kills its worker itself",
        round=_outside_kills,
    ),
    Storm(
        name="training",
        harm="SIGKILL of `mocrop train`",
        must="the same command completes it, to the same weights",
        round=kills.kill_training,
    ),
    Storm(
        name="a crop cache that grows",
        harm="SIGKILL",
        must="old, new, or refused; completed to the same bytes",
        round=_growth,
    ),
    Storm(
        name="all stages",
        harm="a full disk",
        must="one line, exit 1; completed to the same bytes once there is room",
        round=full_disk.fill_disk,
        possible=full_disk.can_mount,
    ),
    Storm(
        name="crop caches",
        harm="a flipped bit",
        must="readers refuse it and `verify` finds it, or nothing that is read has changed",
        round=_cache_damage,
    ),
    Storm(
        name="crop caches",
        harm="a deleted file",
        must="readers refuse it and `verify` finds it",
        round=_cache_deletions,
    ),
    Storm(
        name="the mirror of a cache at an address",
        harm="a flipped bit",
        must="what is damaged is fetched anew, and what is read is as it was",
        round=_mirror_damage,
    ),
    Storm(
        name="the mirror of a cache at an address",
        harm="a deleted file",
        must="it is fetched anew, and what is read is as it was",
        round=_mirror_deletions,
    ),
    Storm(
        name="a crop cache at an address",
        harm="a flipped bit",
        must="readers refuse it, or nothing that is read has changed",
        round=_address_damage,
    ),
    Storm(
        name="push, pull and precrop --to",
        harm="SIGKILL, alone or with its workers",
        must="no cache there, or all of it; the same command completes it, to the same bytes",
        round=address_kills.kill_transfers,
        possible=can_serve_s3,
    ),
    Storm(
        name="motion.zarr",
        harm="a flipped bit",
        must="readers refuse it, or nothing that is read has changed",
        round=_motion_damage,
    ),
    Storm(
        name="motion.zarr",
        harm="a deleted file",
        must="readers refuse it, or nothing that is read has changed",
        round=_motion_deletions,
    ),
    Storm(
        name="H.264 files",
        harm="a flipped bit",
        must="the stages refuse the file",
        round=_h264_damage,
    ),
    Storm(
        name="checkpoints",
        harm="a flipped bit",
        must="refused, or nothing that is read has changed",
        round=_checkpoint_damage,
    ),
    Storm(
        name="files of features",
        harm="a flipped bit",
        must="refused or computed again, or nothing that is read has changed",
        round=_feature_damage,
    ),
    Storm(
        name="videos",
        harm="damage of every kind of `benchmarks/mutate.py`",
        must="each clip is done or failed for a reason; no process dies, nothing hangs",
        round=mutated_videos.mutate_videos,
    ),
    Storm(
        name="all commands",
        harm="broken, forbidden, read-only and full places, and a system that refuses",
        must="one line and exit code 1, or the work is done",
        round=cells.try_cells,
    ),
)
