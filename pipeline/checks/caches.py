"""Check the crop caches of a workspace against its manifest: those that are there, and those that should be."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from mocrop.pipeline.cache.columns import Column, Fault
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.description import DamagedCacheError, NewerCacheError, read_attributes
from mocrop.pipeline.cache.layout import TABLE_COLUMNS, USABLE
from mocrop.pipeline.cache.table import clip_table
from mocrop.pipeline.checks.crop_cache import part_name, verify_cache, ways_out
from mocrop.pipeline.checks.damage import Damage
from mocrop.pipeline.checks.manifest_rows import done_rows
from mocrop.pipeline.checks.parts import Check, guarded, unchecked
from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.names import shell_word
from mocrop.pipeline.run.progress import stage_progress
from mocrop.pipeline.stages.registry import cache_of, precrop_name
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace

CACHES = "caches"


def check_caches(workspace: Workspace, manifest: Manifest | None, console: Console) -> list[Check]:
    """Check every crop cache that is in a workspace or, according to its manifest, was.

    Args:
        manifest: None: it cannot be read.
        console: for progress.
    """
    try:
        names = {name.removesuffix(".zarr") for name in os.listdir(workspace.caches) if _names_a_cache(name)}
    except FileNotFoundError:
        names = set()
    except OSError as error:
        return [Check(part=CACHES, clips=0, damage=(Damage(part=CACHES, clip="", fact=unchecked(error)),))]
    if manifest is not None:
        names |= caches_done(manifest)
    return [check_cache(workspace, name, manifest, console) for name in sorted(names)]


def _names_a_cache(name: str) -> bool:
    return name.endswith(".zarr") and not name.startswith(".")


def caches_done(manifest: Manifest) -> set[str]:
    """Names of the caches that the manifest lists clips of as done."""
    return {name for stage in manifest.stages_done() if (name := cache_of(stage))}


def check_cache(workspace: Workspace, name: str, manifest: Manifest | None, console: Console) -> Check:
    """Check one crop cache of a workspace."""
    path = workspace.caches / f"{name}.zarr"  # not all folders have names that mocrop gives
    return guarded(part_name(path), lambda: _check(path, manifest, console))


def check_cache_elsewhere(path: Path, console: Console) -> Check:
    """Check a crop cache that is in no workspace."""
    return guarded(part_name(path), lambda: _check(path, None, console))


def _check(path: Path, manifest: Manifest | None, console: Console) -> Check:
    if manifest is not None and not path.exists():
        return Check(part=part_name(path), clips=0, damage=(_gone(path, manifest),))
    try:
        clips = len(CropCache(path))
    except NewerCacheError as error:
        return Check(part=part_name(path), clips=0, damage=(Damage(part=part_name(path), clip="", fact=str(error)),))
    except CacheError as error:
        fact = error.fact if isinstance(error, DamagedCacheError) else str(error)
        return Check(part=part_name(path), clips=0, damage=(_undescribed(path, manifest, fact),))
    with stage_progress(console, f"verify {path.stem}", total=clips) as progress:

        def advance(count: int) -> None:
            progress.advance(clips=count, failed=0)

        if manifest is None:
            damage = verify_cache(path, on_clips=advance)
        else:
            more = _Expectation(manifest, path.stem).faults
            damage = verify_cache(path, ways_out(path.stem), more=more, on_clips=advance)
    anew = ways_out(path.stem)["cache"]
    if any(each.repair == anew for each in damage):  # of other clips: its frames may not get the names of these
        damage = [replace(each, repair=anew, positions=(0, 0), describe=False) for each in damage]
    stage = "" if manifest is None else precrop_name(path.stem)
    return Check(part=part_name(path), clips=clips, damage=tuple(_of_stage(each, stage) for each in damage))


def _of_stage(damage: Damage, stage: str) -> Damage:
    """Damage with the stage that repairs it; without one where permission is denied, as the file may be sound."""
    if "permission denied" in damage.fact.lower().replace("_", " "):
        return Damage(part=damage.part, clip=damage.clip, fact=damage.fact)
    return replace(damage, stage=stage)


def _gone(path: Path, manifest: Manifest) -> Damage:
    done = len(done_rows(manifest, precrop_name(path.stem)))
    fact = (
        f"{path} is gone, and {done:,} of its clips are done; if you have removed it, "
        f"`mocrop verify {shell_word(path.stem)} --forget` says so"
    )
    return _undescribed(path, manifest, fact)


def _undescribed(path: Path, manifest: Manifest | None, fact: str) -> Damage:
    """The damage to a cache whose folder or metadata are gone or damaged; its settings may be known all the same."""
    damage = Damage(part=part_name(path), clip="", fact=fact)
    name = path.stem
    if manifest is None:
        return damage
    if name in manifest.known_caches() or knows_itself(path):
        return replace(damage, describe=True, repair=ways_out(name)["table"], stage=precrop_name(name))
    way_out = f"make it again with `{ways_out(name)['cache']}` and the options that it was made with"
    return replace(damage, fact=f"{fact}; {way_out}")


def knows_itself(path: Path) -> bool:
    """Whether the attributes of a cache, its settings among them, can be read."""
    try:
        read_attributes(path)
    except CacheError:
        return False
    return True


class _Expectation:
    """What a cache must hold according to the manifest."""

    def __init__(self, manifest: Manifest, name: str) -> None:
        self._table = clip_table(manifest)
        self._done = [row.position for row in done_rows(manifest, precrop_name(name))]

    def faults(self, cache: CropCache, columns: Mapping[str, Column]) -> Iterator[Fault]:
        """Yield where a cache differs; clips that are new since it was written do not count."""
        known = min(len(cache), len(self._table.names))
        if self._done and self._done[-1] >= len(cache):
            fact = f"it has {len(cache)} rows, the manifest lists row {self._done[-1]} as done"
            yield Fault(fact=fact, scope="table")
        if "clip" in columns and columns["clip"][:known].tolist() != list(self._table.names[:known]):
            yield Fault(fact="its rows are other clips than those of the manifest", scope="cache")
        if "state" in columns:
            usable = np.isin(columns["state"], USABLE)
            for row in self._done:
                if row < len(cache) and not usable[row]:
                    fact = "the manifest lists it as done, its state does not"
                    yield Fault(fact=fact, scope="shard", row=row)
        for name in TABLE_COLUMNS:
            wanted = getattr(self._table, name)
            if (wanted is not None) != cache.has_column(name):
                yield Fault(fact=f"{'it lacks ' if wanted is not None else 'it has '}{name}", scope="table")
            elif name in columns and not np.array_equal(columns[name][:known], wanted[:known]):
                yield Fault(fact=f"{name} differs from that of the data set", scope="table")
