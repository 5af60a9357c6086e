"""Hold what a crop cache says it was made with against what this mocrop knows, and against what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mocrop.pipeline.errors import CacheError
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.policies.registry import POLICIES
from mocrop.pipeline.settings import Plain, plain_settings, unknown_settings
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.versions import not_known


def require_known(stored: Plain, name: str) -> None:
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


def require_same(there: PrecropSettings, asked: PrecropSettings) -> None:
    """Raise CacheError naming each setting that differs between an existing cache and what is asked for."""
    pair = (plain_settings(each, keep_none=True, keep_added=True) for each in (there, asked))
    if differences := list(_differences(*pair)):
        raise CacheError(
            f"crop cache {asked.name!r} exists with other settings ({'; '.join(differences)}); "
            "choose another --name, or replace it with --overwrite"
        )


def _differences(there: Plain, asked: Plain) -> Iterator[str]:
    for key in sorted(there.keys() | asked.keys()):
        before, now = there.get(key), asked.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _differences(before, now)
        elif before != now:
            yield f"{key}: {_shown(before)} there, {_shown(now)} asked"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {_shown(item)}" for key, item in value.items())
    return "x".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
