"""Create the crop caches of a workspace, bring them up to date, and make them again as the manifest remembers them."""

from __future__ import annotations

import json
from importlib.metadata import version

from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.description import read_attributes
from mocrop.pipeline.cache.table import clip_table, update_cache
from mocrop.pipeline.errors import CacheError, LackingMotionError
from mocrop.pipeline.motion.store import has_older_groups
from mocrop.pipeline.names import shell_word
from mocrop.pipeline.policies.registry import needs_times_or_bars
from mocrop.pipeline.settings import Plain, plain_settings
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.registry import chain
from mocrop.pipeline.stages.stored_settings import require_same_settings, settings_of
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace


def prepare_cache(workspace: Workspace, manifest: Manifest, stage: Stage, *, overwrite: bool) -> None:
    """Create the cache of a precrop stage, or check its settings and bring its table of clips up to date.

    The manifest remembers its attributes, so that :func:`restore_cache` can make it again.

    Args:
        overwrite: delete an existing cache, and its outcomes in the manifest, and create it anew.
    Raises: CacheError naming what differs, if the cache has other settings and may not be overwritten.
    """
    settings: PrecropSettings = stage.settings
    path = workspace.cache(settings.name)
    table = clip_table(manifest)
    if path.exists() and not overwrite:
        require_same_settings(workspace, settings)
        update_cache(path, settings.layout, table, attributes=description(stage))
    else:
        manifest.forget(stage.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        create_cache(path, settings.layout, table, attributes=description(stage), replace=True)
    manifest.remember_cache(settings.name, json.dumps(read_attributes(path)[0]))


def require_motion(workspace: Workspace, settings: PrecropSettings) -> None:
    """Refuse a policy that needs what motion.zarr does not tell, before a cache that is there is replaced.

    Raises: LackingMotionError.
    """
    if needs_times_or_bars(settings.policy, settings.policy_settings) and has_older_groups(workspace.motion):
        raise LackingMotionError(
            f"policy {settings.policy!r}: an older mocrop wrote {workspace.motion}, without the times of frames and "
            "without black bars; remove the folder motion.zarr and run `mocrop extract-mv` again"
        )


def restore_cache(workspace: Workspace, manifest: Manifest, name: str) -> None:
    """Put a cache back whose folder is gone or whose attributes are damaged, as the manifest remembers it.

    What is there of frames stays; of a cache that is gone all states are 0, and `mocrop precrop` fills it again.

    Raises: CacheError if the manifest does not remember such a cache.
    """
    attributes = manifest.known_caches().get(name)
    if attributes is None:
        raise CacheError(
            f"crop cache {name!r}: how it was made is not known any more; write it again with "
            f"`mocrop precrop --overwrite --name {shell_word(name)}` and its options"
        )
    path, layout, table = workspace.cache(name), settings_of(attributes["settings"], name).layout, clip_table(manifest)
    own = {key: value for key, value in attributes.items() if key in ("settings", "stages", "software")}
    path.mkdir(parents=True, exist_ok=True)
    update_cache(path, layout, table, attributes=own, schema=attributes["schema"])


def description(stage: Stage) -> Plain:
    """The attributes that tell how a cache is made: its settings, those of every stage before it, and the software."""
    import av

    return {
        "settings": plain_settings(stage.settings),
        "stages": {
            one.name.partition(":")[0]: {
                "version": one.version,
                "settings": plain_settings(one.settings),
                "settings_hash": one.settings_hash,
            }
            for one in chain(stage)
        },
        "software": {"mocrop": version("mocrop"), "av": version("av"), "ffmpeg": av.ffmpeg_version_info},
    }
