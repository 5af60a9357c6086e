"""The settings that a crop cache was made with, read from its attributes and compared with others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mocrop.pipeline.cache.description import read_attributes
from mocrop.pipeline.errors import CacheError, MocropError, SettingsError
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.policies.registry import POLICIES, policy_settings
from mocrop.pipeline.settings import Plain, plain_settings, unknown_settings
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.versions import not_known
from mocrop.pipeline.workspace.paths import Workspace


def read_precrop_settings(workspace: Workspace, name: str) -> PrecropSettings:
    """The settings that a cache was made with, from its attributes.

    Raises: CacheError if there is no such cache.
    """
    plain = stored_settings(workspace, name)
    if not plain:
        raise CacheError(f"there is no crop cache {name!r} in {workspace.caches}")
    return settings_of(plain, name)


def stored_settings(workspace: Workspace, name: str) -> Plain:
    """Settings of an existing cache, as they are stored; empty if there is none.

    Raises: CacheError naming a setting that this mocrop does not know, or if none are stored.
    """
    path = workspace.cache(name)
    if not path.exists():
        return {}
    stored = read_attributes(path)[0].get("settings")
    if not isinstance(stored, dict):
        raise CacheError(f"crop cache {name!r} does not say how it was made; move it out of {workspace.caches}")
    _require_known(stored, name)
    return dict(stored)


def settings_of(stored: Plain, name: str) -> PrecropSettings:
    """Settings from what is stored of them; what is missing did not exist when it was stored, and has its default.

    Raises: CacheError if they are not settings that this mocrop can have.
    """
    _require_known(stored, name)
    try:
        return parsed_settings(stored, name)
    except SettingsError as error:
        raise CacheError(f"{error}; use another --name") from error


def parsed_settings(stored: Plain, name: str) -> PrecropSettings:
    """As :func:`settings_of`, for what is stored elsewhere than in a cache. Raises: SettingsError."""
    for unknown in _unknown(stored):
        raise SettingsError(not_known(f"crop cache {name!r}", unknown))
    try:
        of_policy = policy_settings(stored["policy"], stored["policy_settings"])
        fields = MotionFieldSettings(**stored["motion_fields"]) if stored.get("motion_fields") else None
        own = {"policy_settings": of_policy, "motion_fields": fields, "name": name}  # its folder may have been renamed
        return PrecropSettings(**{**stored, **own})
    except (TypeError, ValueError, KeyError, MocropError) as error:
        raise SettingsError(f"crop cache {name!r} has settings that this mocrop cannot have ({error})") from error


def _require_known(stored: Plain, name: str) -> None:
    """Check that this mocrop has every setting that a cache says it was made with.

    Args:
        stored: the settings, as the attributes of the cache have them.
        name: of the cache.
    Raises: CacheError naming the first setting that only a newer mocrop has.
    """
    for unknown in _unknown(stored):
        raise CacheError(not_known(f"crop cache {name!r}", unknown) + ", or pass another --name")


def _unknown(stored: Plain) -> Iterator[str]:
    """Describe each stored setting that this mocrop does not have."""
    policy, fields = str(stored.get("policy")), stored.get("motion_fields") or {}
    for name in unknown_settings(PrecropSettings, stored):
        yield f"a setting {name!r}"
    for name in unknown_settings(MotionFieldSettings, fields):
        yield f"a setting {name!r} of motion fields"
    if policy not in POLICIES:
        yield f"the policy {policy!r}"
        return
    for name in unknown_settings(POLICIES[policy].settings, stored.get("policy_settings", {})):
        yield f"a setting {name!r} of policy {policy!r}"


def require_same_settings(workspace: Workspace, settings: PrecropSettings) -> None:
    """Raise CacheError naming what differs if there is a cache of that name with other settings."""
    if workspace.cache(settings.name).exists():
        _require_same(read_precrop_settings(workspace, settings.name), settings)


def _require_same(there: PrecropSettings, asked: PrecropSettings) -> None:
    """Raise CacheError naming each setting that differs between an existing cache and what is asked for."""
    pair = (plain_settings(each, keep_none=True, keep_added=True) for each in (there, asked))
    if found := list(differences(*pair)):
        raise CacheError(
            f"crop cache {asked.name!r} exists with other settings ({'; '.join(found)}); "
            "choose another --name, or replace it with --overwrite"
        )


def differences(there: Plain, asked: Plain) -> Iterator[str]:
    """Say in words of each setting that differs what it is there, and what is asked for."""
    for key in sorted(there.keys() | asked.keys()):
        before, now = there.get(key), asked.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from differences(before, now)
        elif before != now:
            yield f"{key}: {_shown(before)} there, {_shown(now)} asked"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {_shown(item)}" for key, item in value.items())
    return "x".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
