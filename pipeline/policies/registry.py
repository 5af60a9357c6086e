"""The table of all policies by name, where a new one is one entry, the settings of each, and the way to call them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.policies import precomputed
from mocrop.pipeline.policies.adaptive import AdaptiveSettings, adaptive_box
from mocrop.pipeline.policies.bars import decide_in_picture
from mocrop.pipeline.policies.base import AreaSettings, ClipFacts, GridBoxSettings, Policy, PolicyResult, PolicySettings
from mocrop.pipeline.policies.controls import CenterSettings, center_box, full_box, picture_box, random_box
from mocrop.pipeline.policies.follow import FollowSettings, follow_boxes
from mocrop.pipeline.policies.motion_v1 import MotionSettings, motion_v1_box
from mocrop.pipeline.policies.motion_v2 import MotionV2Settings, motion_v2_box

POLICIES: Mapping[str, Policy] = MappingProxyType(
    {
        "full": Policy(settings=PolicySettings, box=full_box, needs_motion=False),
        "picture": Policy(settings=PolicySettings, box=picture_box, needs_motion=True, needs_times_or_bars=True),
        "center": Policy(settings=CenterSettings, box=center_box, needs_motion=False),
        "random": Policy(settings=GridBoxSettings, box=random_box, needs_motion=False),
        "motion": Policy(settings=MotionSettings, box=motion_v1_box, needs_motion=True),
        "motion-v2": Policy(settings=MotionV2Settings, box=motion_v2_box, needs_motion=True),
        "adaptive": Policy(settings=AdaptiveSettings, box=adaptive_box, needs_motion=True),
        "follow": Policy(settings=FollowSettings, box=follow_boxes, needs_motion=True, needs_times_or_bars=True),
        precomputed.POLICY: Policy(settings=precomputed.MapsSettings, box=precomputed.map_box, needs_motion=False),
    }
)


def decide(policy: str, clip: ClipFacts, settings: PolicySettings) -> PolicyResult:
    """Let a policy choose the box of a clip, or one for each of its slots.

    Args:
        policy: a key of POLICIES.
        clip: its motion may be None if :func:`needs_motion` says so.
        settings: of the class that the policy names.
    Raises: ClipError for what is wrong with the clip; LackingMotionError if the store is too old to tell what is
        needed.
    """
    box = POLICIES[policy].box
    if not needs_motion(policy, settings):
        clip = dataclasses.replace(clip, motion=None)  # so that the result cannot depend on whether it is there
    return decide_in_picture(clip, settings, box=box) if _cuts_bars(settings) else box(clip, settings)


def needs_motion(policy: str, settings: PolicySettings) -> bool:
    """Whether a policy with these settings needs what `extract-mv` stores of a clip."""
    return POLICIES[policy].needs_motion or _cuts_bars(settings)


def draws_by_name(policy: str) -> bool:
    """Whether a policy draws at random, by its seed and the name of the clip."""
    return any(field.name == "seed" for field in dataclasses.fields(POLICIES[policy].settings))


def needs_times_or_bars(policy: str, settings: PolicySettings) -> bool:
    """Whether a policy with these settings needs what stores of an older mocrop lack."""
    return POLICIES[policy].needs_times_or_bars or _cuts_bars(settings)


def needs_bars(policy: str, settings: PolicySettings) -> bool:
    """Whether a policy with these settings looks at the picture inside black bars."""
    return _cuts_bars(settings) or POLICIES[policy].box is picture_box


def _cuts_bars(settings: PolicySettings) -> bool:
    return isinstance(settings, AreaSettings) and settings.bars == "cut"


def policy_settings(policy: str, values: Mapping[str, Any]) -> PolicySettings:
    """Make the settings of a policy, a key of POLICIES, from plain values.

    Raises: SettingsError naming a setting that it does not have; ValueError for an invalid value.
    """
    kind = POLICIES[policy].settings
    fields = {field.name for field in dataclasses.fields(kind)}
    if unknown := sorted(values.keys() - fields):
        raise SettingsError(f"policy {policy!r} has no setting {unknown[0]!r}; it has {', '.join(sorted(fields))}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
