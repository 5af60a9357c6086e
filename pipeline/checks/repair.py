"""Mark what is damaged as not done, so that the stages make that again and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.checks.caches import knows_itself
from mocrop.pipeline.checks.damage import Damage
from mocrop.pipeline.checks.manifest_rows import done_rows
from mocrop.pipeline.errors import SettingsError, WorkspaceError
from mocrop.pipeline.export.records import Records
from mocrop.pipeline.export.stage import export_name
from mocrop.pipeline.motion.store import create_store
from mocrop.pipeline.stages.caches import prepare_cache, restore_cache
from mocrop.pipeline.stages.registry import TO_ADDRESS, Stages, cache_of, precrop_name
from mocrop.pipeline.stages.stored_settings import read_precrop_settings
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import read_settings


@dataclass(frozen=True, kw_only=True)
class Marked:
    """What is marked as not done in one stage."""

    stage: str  # "transcode", "extract-mv", "precrop:motion-192"
    clips: int  # that were done, and run again: those that are damaged, and those that share a shard with them


def describe(stage: str, workspace: Workspace, manifest: Manifest) -> Marked:
    """Make the folder and the metadata of a store again; what is there of its clips stays.

    Args:
        stage: that writes the store.
    Returns: clips that the stage must run on again because the folder was gone.
    Raises: CacheError, SettingsError, DiskFullError.
    """
    if not (name := cache_of(stage)):
        create_store(workspace.motion)
        return Marked(stage=stage, clips=0)
    path = workspace.cache(name)
    if path.exists():
        _describe_cache(path, workspace, manifest)
        return Marked(stage=stage, clips=0)
    clips = len(done_rows(manifest, stage))
    restore_cache(workspace, manifest, name)
    manifest.forget(stage)
    return Marked(stage=stage, clips=clips)


def _describe_cache(path: Path, workspace: Workspace, manifest: Manifest) -> None:
    """Make the metadata and the table of a cache again: by its own settings, or by those that the manifest remembers.

    Raises: CacheError, SettingsError, DiskFullError.
    """
    if not knows_itself(path):
        restore_cache(workspace, manifest, path.stem)
        return
    stages = Stages(workspace, read_settings(workspace)[1])
    stage = stages.precrop(read_precrop_settings(workspace, path.stem))
    prepare_cache(workspace, manifest, stage, overwrite=False)


def mark(damage: Iterable[Damage], manifest: Manifest) -> list[Marked]:
    """Delete the files that nothing may read any more, and forget that the stages are done with the clips.

    What is in shards stays until the stage replaces it, so that the clips beside the damaged ones can be read.

    Raises: WorkspaceError if a file cannot be deleted.
    """
    damage = [each for each in damage if each.repair and each.positions[1]]
    for each in damage:
        if each.remove:
            _delete(Path(each.remove))
    marked = []
    for stage in dict.fromkeys(each.stage for each in damage):
        positions = {at for each in damage if each.stage == stage for at in range(*each.positions)}
        clips = sum(row.position in positions for row in done_rows(manifest, stage))
        manifest.forget_outcomes(stage, sorted(positions))
        marked.append(Marked(stage=stage, clips=clips))
    return marked


def _delete(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise WorkspaceError(f"{file} is damaged and cannot be deleted ({error.strerror}); delete it") from error


def forget_removed(name: str, workspace: Workspace, manifest: Manifest) -> Marked:
    """Forget a crop cache whose folder the user has removed.

    Raises: SettingsError if it is there, or was never known.
    """
    if workspace.cache(name).exists():
        raise SettingsError(f"{workspace.cache(name)} is there; remove that folder first, then --forget the cache")
    stage = precrop_name(name)
    clips = len(done_rows(manifest, stage))
    if not clips and name not in manifest.known_caches():
        raise SettingsError(f"nothing is known of a crop cache {name!r}; `mocrop verify` names those that are missed")
    manifest.forget(stage)
    manifest.forget_cache(name)
    return Marked(stage=stage, clips=clips)


def forget_address(address: str, manifest: Manifest) -> Marked:
    """Forget a crop cache at an address; what is there stays. Raises: SettingsError if it was never known."""
    if address not in manifest.known_addresses():
        raise SettingsError(f"{address}: this workspace writes no crop cache there; see `mocrop status`")
    stage = f"{TO_ADDRESS}:{address}"
    clips = len(done_rows(manifest, stage))
    manifest.forget(stage)
    manifest.forget_address(address)
    return Marked(stage=stage, clips=clips)


def forget_export(folder: str, workspace: Workspace, manifest: Manifest) -> Marked:
    """Forget an export whose folder the user has removed. Raises: SettingsError if it is there."""
    if Path(folder).exists():
        raise SettingsError(f"{folder} is there; remove that folder first, then --forget the export")
    stage = export_name(folder)
    clips = len(done_rows(manifest, stage))
    manifest.forget(stage)
    manifest.forget_export(folder)
    Records.of(workspace, folder).remove_all()
    return Marked(stage=stage, clips=clips)
