"""Policies: from a clip's motion to the box that all its frames are cropped to. A new one registers in POLICIES."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mocrop.pipeline.policies import adaptive, motion_v2
from mocrop.pipeline.policies import precomputed as maps
from mocrop.pipeline.policies.base import (
    GridBoxSettings,
    Policy,
    PolicySettings,
)
from mocrop.pipeline.policies.controls import CenterSettings, _center, _full, _random
from mocrop.pipeline.policies.motion_v1 import MotionSettings, _motion

POLICIES: Mapping[str, Policy] = MappingProxyType(
    {
        "full": Policy(settings=PolicySettings, decide=_full, needs_motion=False),
        "center": Policy(settings=CenterSettings, decide=_center, needs_motion=False),
        "random": Policy(settings=GridBoxSettings, decide=_random, needs_motion=False),
        "motion": Policy(settings=MotionSettings, decide=_motion, needs_motion=True),
        "motion-v2": Policy(settings=motion_v2.MotionV2Settings, decide=motion_v2.decide, needs_motion=True),
        "adaptive": Policy(settings=adaptive.AdaptiveSettings, decide=adaptive.decide, needs_motion=True),
        maps.POLICY: Policy(settings=maps.MapsSettings, decide=maps.decide, needs_motion=False),
    }
)
