"""The command `verify`: check that what the manifest lists as done is there, whole and readable, and mark what is not.

Clips that failed, are stale or still to do are not damage; `mocrop status` reports them. A part that cannot be checked
is damage, and keeps no other part from being checked.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mocrop.pipeline.address import Address, is_address
from mocrop.pipeline.checks.caches import caches_done, check_cache, check_cache_elsewhere, check_caches
from mocrop.pipeline.checks.damage import Damage, repair_commands
from mocrop.pipeline.checks.exports import check_export, check_export_elsewhere, check_exports, is_export
from mocrop.pipeline.checks.h264_files import H264, check_h264, files_there, made_files
from mocrop.pipeline.checks.manifest_rows import check_manifest, done_rows
from mocrop.pipeline.checks.motion_shards import MOTION, check_motion, clips_there
from mocrop.pipeline.checks.parts import Check, Noun, guarded, unchecked
from mocrop.pipeline.checks.repair import Marked, describe, forget_address, forget_export, forget_removed, mark
from mocrop.pipeline.checks.runs import FEATURES, RUNS, check_features, check_runs
from mocrop.pipeline.dataset.look import DatasetChanges, look_at
from mocrop.pipeline.errors import MocropError, SettingsError
from mocrop.pipeline.files import real_path
from mocrop.pipeline.stages.registry import Stages, cache_of
from mocrop.pipeline.workspace.lock import exclusive, exclusive_if_writable
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace, locate_workspace
from mocrop.pipeline.workspace.settings_file import is_bare, read_settings


@dataclass(frozen=True, kw_only=True)
class CheckedPart:
    """How many clips were checked in one part of a workspace."""

    part: str  # "h264", "motion.zarr", "cache motion-192"
    clips: int
    damaged: int  # clips with any damage; damage to the whole part counts as one
    counted: Noun = "clip"  # what the numbers count
    without_checksum: int = 0  # files of which only the structure could be checked


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What `mocrop verify` found, and with --repair what it marked as not done."""

    deep: bool
    parts: tuple[CheckedPart, ...]
    damage: tuple[Damage, ...]
    repair: tuple[str, ...]  # commands that repair the damage, in this order; after --repair those that remain
    changes: DatasetChanges | None = None  # in the data set, which are no damage; None: it was not looked at
    marked: tuple[Marked, ...] | None = None  # as not done; None: without --repair
    forgotten: Marked | None = None  # the crop cache that is missed no longer; nothing was checked then

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged, or all that is is marked as not done."""
        return not self.damage or (self.marked is not None and all(each.repair for each in self.damage))


def verify(
    workspace: Workspace,
    *,
    cache: str | None = None,
    deep: bool = False,
    repair: bool = False,
    forget: bool = False,
    console: Console,
) -> VerifyReport:
    """Check a workspace, or one crop cache or export in it or elsewhere.

    Args:
        cache: its name in the workspace, or its folder or that of an export anywhere; None: everything.
        deep: also decode every H.264 file.
        repair: mark what is damaged as not done.
        forget: check nothing; the folder of the cache was removed on purpose, and is missed no longer.
        console: for progress.
    Raises: WorkspaceError without a workspace, if another process is writing to it, or if it is of a newer mocrop;
        CacheError if there is no such cache; SettingsError for a repair of a cache elsewhere, if what is to be
        forgotten is there, or for settings that are wrong.
    """
    if forget:
        return _forget(workspace, cache)
    if is_address(cache):
        way_out = "`mocrop pull` checks a cache at an address as it copies it"
        raise SettingsError(f"{Address.parse(str(cache))}: verify checks what is on this disk; {way_out}")
    if cache is not None and not _is_made_here(workspace, cache) and _elsewhere(workspace, Path(cache)):
        if repair:
            raise SettingsError(f"--repair is for what is in a workspace, and {cache} is in none; copy it again")
        check = check_export_elsewhere if is_export(Path(cache)) else check_cache_elsewhere
        return _report([check(Path(cache), console)], workspace, deep=deep)
    workspace.require()
    if is_bare(workspace):
        return _verify_pulled(workspace, cache, repair, console)
    with exclusive(workspace) if repair else exclusive_if_writable(workspace):
        return _verify(workspace, cache, deep, repair, console)


def _verify(workspace: Workspace, cache: str | None, deep: bool, repair: bool, console: Console) -> VerifyReport:
    """Check a workspace that is locked."""
    of_manifest = check_manifest(workspace)
    if of_manifest.damage:
        work = _Verification(workspace, None, console, cache=cache, deep=deep)
        return _report([of_manifest, *work.checks()], workspace, deep=deep, marked=() if repair else None)
    with Manifest(workspace.manifest_file, read_only=not repair) as manifest:
        work = _Verification(workspace, manifest, console, cache=cache, deep=deep)
        checks = work.checks()
        changes = work.changes()
        marked = work.repair(checks) if repair else None
        return _report(
            checks, workspace, deep=deep, cache=work.export or work.cache_name, changes=changes, marked=marked
        )


def _verify_pulled(workspace: Workspace, cache: str | None, repair: bool, console: Console) -> VerifyReport:
    """Check caches that are in a workspace without having been made there. Raises: CacheError, SettingsError."""
    if repair:
        raise SettingsError(
            f"--repair is for what stages have made, and {workspace.root} has no data set; pull the cache again with "
            "--overwrite"
        )
    if cache is None:
        return _report(check_caches(workspace, None, console), workspace, deep=False)
    name = workspace.choose_cache(Path(cache).stem if os.path.isdir(cache) else cache).stem
    return _report([check_cache(workspace, name, None, console)], workspace, deep=False)


def _forget(workspace: Workspace, cache: str | None) -> VerifyReport:
    if cache is None:
        raise SettingsError("--forget is for one cache or export: name it, as in `mocrop verify motion-192 --forget`")
    workspace.require()
    with exclusive(workspace), Manifest(workspace.manifest_file) as manifest:
        if is_address(cache):
            forgotten = forget_address(str(Address.parse(cache)), manifest)
        elif folder := _export_of(manifest, cache):
            forgotten = forget_export(folder, workspace, manifest)
        else:
            forgotten = forget_removed(cache, workspace, manifest)
    return VerifyReport(deep=False, parts=(), damage=(), repair=(), forgotten=forgotten)


class _Verification:
    """One look at a workspace, or at one of its caches.

    Args:
        manifest: None: it is damaged.
    """

    def __init__(
        self, workspace: Workspace, manifest: Manifest | None, console: Console, *, cache: str | None, deep: bool
    ) -> None:
        self._workspace = workspace
        self._manifest = manifest
        self._console = console
        self._deep = deep
        source = Stages(workspace, read_settings(workspace)[1]).extract().settings.source
        self._transcoding = "mocrop extract-mv" if source == "auto" else "mocrop transcode"
        self.export = _export_of(manifest, cache)
        self.cache_name = "" if cache is None or self.export else self._choose(cache)  # empty: everything is checked

    def _choose(self, cache: str) -> str:
        """The name of a cache of this workspace that is there or should be. Raises: CacheError."""
        name = Path(cache).stem if os.path.isdir(cache) else cache
        if self._manifest is not None and name in caches_done(self._manifest):
            return name
        return self._workspace.choose_cache(name).stem

    def checks(self) -> list[Check]:
        """Check every part, each whatever is wrong with the others."""
        if self.export:
            return [check_export(self._workspace, self.export, self._manifest, self._console)]
        if self.cache_name:
            return [self._of_cache(self.cache_name)]
        return [
            guarded(H264, self._of_h264),
            guarded(MOTION, self._of_motion),
            *check_caches(self._workspace, self._manifest, self._console),
            guarded(FEATURES, lambda: check_features(self._workspace.caches)),
            guarded(RUNS, lambda: check_runs(self._workspace.runs)),
            *check_exports(self._workspace, self._manifest, self._console),
        ]

    def _of_cache(self, name: str) -> Check:
        return check_cache(self._workspace, name, self._manifest, self._console)

    def _of_h264(self) -> Check:
        if self._manifest is None:
            return check_h264(files_there(self._workspace), self._console, deep=self._deep, repair="")
        dataset = read_settings(self._workspace)[0].dataset
        files = made_files(self._workspace, done_rows(self._manifest, "transcode"), dataset=dataset)
        return check_h264(files, self._console, deep=self._deep, repair=self._transcoding)

    def _of_motion(self) -> Check:
        store = self._workspace.motion
        if self._manifest is None:
            return check_motion(store, clips_there(store), self._console, repair="", all_there=False)
        clips = ((row.position, row.name) for row in done_rows(self._manifest, "extract-mv"))
        return check_motion(store, clips, self._console, repair="mocrop extract-mv")

    def changes(self) -> DatasetChanges | None:
        """What has changed in the data set; None if that cannot be known."""
        assert self._manifest is not None
        try:
            return look_at(read_settings(self._workspace)[0].dataset, self._manifest.files)[0]
        except OSError as error:
            dataset = read_settings(self._workspace)[0].dataset
            return DatasetChanges(dataset=dataset, unavailable=unchecked(error))

    def repair(self, checks: list[Check]) -> tuple[Marked, ...]:
        """Mark what is damaged. A cache that is described again is then checked again, which adds to ``checks``."""
        assert self._manifest is not None
        described: list[Marked] = []
        for number, check in enumerate(checks):
            stages = (each.stage for each in check.damage if each.describe)
            for stage in dict.fromkeys(stages):
                checks[number] = self._described(stage, check, described)
        marked = mark((each for check in checks for each in check.damage), self._manifest)
        return tuple(each for each in (*marked, *described) if each.clips)

    def _described(self, stage: str, check: Check, described: list[Marked]) -> Check:
        """Describe a store again, and check a cache then: the damage to its description, and what is found now."""
        assert self._manifest is not None
        try:
            described.append(describe(stage, self._workspace, self._manifest))
        except Exception as error:  # one store that cannot be repaired keeps nothing else from it
            fact = str(error) if isinstance(error, MocropError) else unchecked(error)
            damage = (Damage(part=check.part, clip="", fact=f"it cannot be repaired: {fact}"),)
            return dataclasses.replace(check, damage=(*check.damage, *damage))
        if not (name := cache_of(stage)):
            return check
        again = self._of_cache(name)
        stuck = (dataclasses.replace(each, repair="") for each in again.damage if each.describe)
        fresh = (each for each in again.damage if not each.describe and each not in check.damage)
        return dataclasses.replace(again, damage=(*check.damage, *stuck, *fresh))


def _report(
    checks: Iterable[Check],
    workspace: Workspace,
    *,
    deep: bool,
    cache: str = "",
    changes: DatasetChanges | None = None,
    marked: tuple[Marked, ...] | None = None,
) -> VerifyReport:
    checks = [check for check in checks if check.clips or check.damage]
    damage = tuple(each for check in checks for each in check.damage)
    is_default = real_path(locate_workspace(None)) == real_path(workspace.root)
    named = "" if is_default else os.fspath(workspace.root)
    commands = repair_commands(damage, workspace=named, cache=cache, marked=marked is not None)
    return VerifyReport(
        deep=deep,
        parts=tuple(map(_part, checks)),
        damage=damage,
        repair=tuple(commands),
        changes=changes,
        marked=marked,
    )


def _part(check: Check) -> CheckedPart:
    return CheckedPart(
        part=check.part,
        clips=check.clips,
        damaged=len({each.clip for each in check.damage}),
        counted=check.counted,
        without_checksum=check.without_checksum,
    )


def _is_made_here(workspace: Workspace, name: str) -> bool:
    """Whether there is a workspace, and it has made an export into the folder of that name."""
    if not workspace.settings_file.is_file() or check_manifest(workspace).damage:
        return False
    with Manifest(workspace.manifest_file, read_only=True) as manifest:
        return bool(_export_of(manifest, name))


def _export_of(manifest: Manifest | None, name: str | None) -> str:
    """The folder of an export that a workspace has made, given its path; empty if it is none."""
    folder = "" if name is None else os.path.abspath(name)
    return folder if manifest is not None and folder in manifest.known_exports() else ""


def _elsewhere(workspace: Workspace, path: Path) -> bool:
    return os.path.isdir(path) and real_path(path).parent != real_path(workspace.caches)
