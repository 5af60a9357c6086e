"""The table of all policies by name, where a new one is one entry, and the settings of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.policies import precomputed
from mocrop.pipeline.policies.adaptive import AdaptiveSettings, adaptive_box
from mocrop.pipeline.policies.base import GridBoxSettings, Policy, PolicySettings
from mocrop.pipeline.policies.controls import CenterSettings, center_box, full_box, random_box
from mocrop.pipeline.policies.motion_v1 import MotionSettings, motion_v1_box
from mocrop.pipeline.policies.motion_v2 import MotionV2Settings, motion_v2_box

POLICIES: Mapping[str, Policy] = MappingProxyType(
    {
        "full": Policy(settings=PolicySettings, decide=full_box, needs_motion=False),
        "center": Policy(settings=CenterSettings, decide=center_box, needs_motion=False),
        "random": Policy(settings=GridBoxSettings, decide=random_box, needs_motion=False),
        "motion": Policy(settings=MotionSettings, decide=motion_v1_box, needs_motion=True),
        "motion-v2": Policy(settings=MotionV2Settings, decide=motion_v2_box, needs_motion=True),
        "adaptive": Policy(settings=AdaptiveSettings, decide=adaptive_box, needs_motion=True),
        precomputed.POLICY: Policy(settings=precomputed.MapsSettings, decide=precomputed.map_box, needs_motion=False),
    }
)


def policy_settings(policy: str, values: Mapping[str, Any]) -> PolicySettings:
    """Make the settings of a policy, a key of POLICIES, from plain values.

    Raises: SettingsError naming a setting that it does not have; ValueError for an invalid value.
    """
    kind = POLICIES[policy].settings
    fields = {field.name for field in dataclasses.fields(kind)}
    if unknown := sorted(values.keys() - fields):
        raise SettingsError(f"policy {policy!r} has no setting {unknown[0]!r}; it has {', '.join(sorted(fields))}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
