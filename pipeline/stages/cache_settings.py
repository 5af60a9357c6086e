"""The crop caches of a workspace: resolve the settings of one, and create it or bring it up to date."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.description import read_attributes
from mocrop.pipeline.cache.table import clip_table, update_cache
from mocrop.pipeline.choices import Camera, Compression, Select, Source
from mocrop.pipeline.errors import CacheError, MocropError, SettingsError
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.names import shell_word
from mocrop.pipeline.policies.base import PolicySettings
from mocrop.pipeline.policies.precomputed import POLICY as MAPS
from mocrop.pipeline.policies.precomputed import settle_maps
from mocrop.pipeline.policies.registry import POLICIES
from mocrop.pipeline.settings import Plain, plain_settings
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.registry import Stages, chain
from mocrop.pipeline.stages.stored_settings import require_known, require_same
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace

DEFAULT_POLICY, DEFAULT_SIZE = "motion", 192


class CropOptions(TypedDict, total=False):
    """Settings of a crop cache, as `mocrop precrop` takes them; None means not given."""

    size: int | None  # side of the stored frames, pixels
    source: Source | None  # the files to read; not given: those that extract-mv has read
    policy: str | None  # a key of POLICIES
    ratio: float | None  # area of the box, as a share of the frame
    grid: str | tuple[int, int] | None  # rows and cols of the density map, e.g. "6x8"
    frames: int | None  # slots per clip
    select: Select | None  # which frames fill them
    seed: int | None  # of the policy's sampling
    eps_px: float | None  # shorter vectors are noise, pixels
    samples: int | None  # vectors drawn per clip, by policy motion
    camera: Camera | None  # the camera's motion: left in the vectors, or subtracted
    motion_fields: bool | None  # whether to store motion fields beside the frames
    field_side: int | None  # side of the motion fields, cells
    field_span: int | None  # frames that a field is the mean of, at most
    field_camera: Camera | None  # as camera, for the motion fields
    compression: Compression | None  # of the frames
    max_damaged: float | None  # largest share of decoded frames that may be damaged, 0 to 1
    name: str | None  # of the cache; not given: <policy>-<size>
    folder: Path | str | None  # of density maps, for policy `maps`
    shape: str | None  # of the centred box: "square" or "frame"


FIELD_OPTIONS = ("motion_fields", "field_side", "field_span", "field_camera")


def resolve_precrop(workspace: Workspace, stages: Stages, options: Mapping[str, Any]) -> PrecropSettings:
    """Resolve options to the settings of a cache: what is given, else what an existing cache has, else the defaults.

    Args:
        options: fields of PrecropSettings or of the policy's settings by name; None: not given. ``grid`` may be "6x8".
            A ``folder`` implies policy `maps`. ``motion_fields`` is True or False here; ``field_side``, ``field_span``
            and ``field_camera`` are their settings.
    Raises: SettingsError naming the option that is invalid; CacheError if the existing cache cannot be read.
    """
    given = {name: value for name, value in options.items() if value is not None}
    asked_fields = {name: given.pop(name) for name in FIELD_OPTIONS if name in given}
    if isinstance(given.get("grid"), str):
        given["grid"] = parse_grid(given["grid"])
    if "folder" in given:
        given = {"policy": MAPS, **given, "folder": os.path.abspath(given["folder"])}
    policy, size = given.get("policy", DEFAULT_POLICY), given.get("size", DEFAULT_SIZE)
    name = given.get("name") or f"{policy}-{size}"
    known = _known(workspace, name)
    policy = str(given.get("policy", known.get("policy", DEFAULT_POLICY)))
    if policy not in POLICIES:
        raise SettingsError(f"there is no policy {policy!r}; the policies are {', '.join(POLICIES)}")
    inherited = known.pop("policy_settings", {})
    if policy != known.get("policy", policy):
        inherited = {}
    if any(name in given and given[name] != known.get(name) for name in ("size", "frames")):
        known.pop("clips_per_shard", None)  # follows from size and frames
    own_fields = {field.name for field in dataclasses.fields(PrecropSettings)}
    start = {"size": size, "source": stages.extract().settings.source, **known}
    own = {**start, **{key: value for key, value in given.items() if key in own_fields}}
    extra = {key: value for key, value in given.items() if key not in own_fields}
    if policy == MAPS:
        extra = settle_maps(extra, inherited, imported=stages.imported_maps(), root=workspace.root)
    elif "folder" in extra:
        raise SettingsError(f"--density-from implies policy {MAPS!r}; leave out --policy {policy}")
    try:
        fields = resolve_fields(asked_fields, known=own.pop("motion_fields", None))
        settings = {**own, "name": name, "policy": policy, "motion_fields": fields}
        return PrecropSettings(**settings, policy_settings=_policy_settings(policy, {**inherited, **extra}))
    except (ValueError, MocropError) as error:
        raise SettingsError(str(error)) from error


def read_precrop_settings(workspace: Workspace, name: str) -> PrecropSettings:
    """The settings that a cache was made with, from its attributes.

    Raises: CacheError if there is no such cache.
    """
    plain = _known(workspace, name)
    if not plain:
        raise CacheError(f"there is no crop cache {name!r} in {workspace.caches}")
    return _settings_of(plain, name)


def resolve_fields(asked: Mapping[str, Any], *, known: Plain | None) -> MotionFieldSettings | None:
    """Resolve options to the settings of motion fields; None: no fields.

    Args:
        asked: the given ones of FIELD_OPTIONS.
        known: settings of the fields of an existing cache, which apply where nothing is given; None: it has none.

    >>> resolve_fields({"field_side": 28}, known=None)
    MotionFieldSettings(side=28, span=12, camera='ignore')
    >>> resolve_fields({"motion_fields": False}, known={"side": 28})

    Raises: ValueError for an invalid setting.
    """
    if not asked.get("motion_fields", bool(asked or known)):
        return None
    own = {name.removeprefix("field_"): value for name, value in asked.items() if name != "motion_fields"}
    return MotionFieldSettings(**{**(known or {}), **own})


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
        update_cache(path, settings.layout, table, attributes=_description(stage))
    else:
        manifest.forget(stage.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        create_cache(path, settings.layout, table, attributes=_description(stage), replace=True)
    manifest.remember_cache(settings.name, json.dumps(read_attributes(path)[0]))


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
    path, layout, table = workspace.cache(name), _settings_of(attributes["settings"], name).layout, clip_table(manifest)
    own = {key: value for key, value in attributes.items() if key in ("settings", "stages", "software")}
    path.mkdir(parents=True, exist_ok=True)
    update_cache(path, layout, table, attributes=own, schema=attributes["schema"])


def require_same_settings(workspace: Workspace, settings: PrecropSettings) -> None:
    """Raise CacheError naming what differs if there is a cache of that name with other settings."""
    if workspace.cache(settings.name).exists():
        require_same(read_precrop_settings(workspace, settings.name), settings)


def parse_grid(text: str) -> tuple[int, int]:
    """Read rows and columns from text.

    >>> parse_grid("6x8")
    (6, 8)

    Raises: SettingsError if the text is anything else.
    """
    rows, _, cols = text.lower().partition("x")
    if not (rows.isdecimal() and cols.isdecimal()):
        raise SettingsError(f"--grid takes rows and columns such as 6x8, not {text!r}")
    return int(rows), int(cols)


def _policy_settings(policy: str, values: Mapping[str, Any]) -> PolicySettings:
    kind = POLICIES[policy].settings
    fields = {field.name for field in dataclasses.fields(kind)}
    if unknown := sorted(values.keys() - fields):
        raise SettingsError(f"policy {policy!r} has no setting {unknown[0]!r}; it has {', '.join(sorted(fields))}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def _known(workspace: Workspace, name: str) -> Plain:
    """Settings of an existing cache, as they are stored; empty if there is none.

    Raises: CacheError naming a setting that this mocrop does not know, or if none are stored.
    """
    path = workspace.cache(name)
    if not path.exists():
        return {}
    stored = read_attributes(path)[0].get("settings")
    if not isinstance(stored, dict):
        raise CacheError(f"crop cache {name!r} does not say how it was made; move it out of {workspace.caches}")
    require_known(stored, name)
    return dict(stored)


def _settings_of(stored: Plain, name: str) -> PrecropSettings:
    """Settings from what is stored of them; what is missing did not exist when it was stored, and has its default.

    Raises: CacheError if they are not settings that this mocrop can have.
    """
    require_known(stored, name)
    try:
        policy_settings = _policy_settings(stored["policy"], stored["policy_settings"])
        fields = resolve_fields({}, known=stored.get("motion_fields"))
        parts = {"policy_settings": policy_settings, "motion_fields": fields}
        return PrecropSettings(**{**stored, **parts})
    except (TypeError, ValueError, KeyError, MocropError) as error:
        raise CacheError(
            f"crop cache {name!r} has settings that this mocrop cannot have ({error}); use another --name"
        ) from error


def _description(stage: Stage) -> Plain:
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
