"""Settings of a coverage: policies with their settings, ratios and clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from mocrop.pipeline.choices import Camera
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.limits import MAX_SEED, require_numbers, require_whole
from mocrop.pipeline.policies.adaptive import AdaptiveSettings
from mocrop.pipeline.policies.base import PolicySettings, VectorSettings
from mocrop.pipeline.policies.controls import CenterSettings
from mocrop.pipeline.policies.registry import POLICIES

BASE = "center"  # what every policy is compared with, clip by clip

Variants = Mapping[str, PolicySettings]  # by the name to show; a name begins with its policy's, then a blank
VARIANTS: Variants = MappingProxyType(
    {
        **{name: POLICIES[name].settings() for name in ("full", BASE, "random", "motion", "motion-v2", "adaptive")},
        "center (frame's shape)": CenterSettings(shape="frame"),
    }
)


@dataclass(frozen=True, kw_only=True)
class CoverageSettings:
    """What to measure."""

    variants: Variants = field(default_factory=lambda: VARIANTS)  # their ratio is replaced by each of ``ratios``
    ratios: tuple[float, ...] = (0.75, 0.5, 0.25)  # of the area of the box, fractions of the frame
    groups: range | None = None  # UCF groups of the clips to measure; None: all
    seed: int = 0  # of the bootstrap

    def __post_init__(self) -> None:
        if BASE not in self.variants:
            raise ValueError(f"the variants must include {BASE!r}, which the others are compared with")
        if unknown := [name for name in self.variants if policy_of(name) not in POLICIES]:
            raise ValueError(f"there is no policy {unknown[0]!r}; there is {', '.join(POLICIES)}")
        if not self.ratios:
            raise ValueError("ratios must hold at least one value")
        require_numbers("ratios", self.ratios, above=0, most=1)
        require_whole("seed", self.seed, most=MAX_SEED)


def coverage_settings(
    *,
    policies: Sequence[str] = (),
    camera: Camera | None = None,
    ratios: Sequence[float] = (),
    groups: str | None = None,
    seed: int = 0,
) -> CoverageSettings:
    """Settings from command-line options; what is empty or None keeps its default.

    Args:
        policies: names of variants; the centre crop is added if it is not among them.
        camera: how policies that use motion treat the camera's; None: each by its default.
        groups: such as "13-25" or "7".
    Raises: SettingsError naming the value that is not allowed.
    """
    if unknown := [name for name in policies if name not in VARIANTS]:
        raise SettingsError(f"there is no policy {unknown[0]!r}; there is {', '.join(VARIANTS)}")
    chosen = {name: VARIANTS[name] for name in VARIANTS if not policies or name in policies or name == BASE}
    try:
        if camera is not None:
            chosen = {name: _with_camera(settings, camera) for name, settings in chosen.items()}
        given = {"ratios": tuple(ratios)} if ratios else {}
        return CoverageSettings(variants=chosen, groups=_groups(groups), seed=seed, **given)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _with_camera(settings: PolicySettings, camera: Camera) -> PolicySettings:
    if isinstance(settings, VectorSettings | AdaptiveSettings):
        return dataclasses.replace(settings, camera=camera)
    return settings


def _groups(text: str | None) -> range | None:
    if text is None:
        return None
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal() or int(last or first) < int(first):
        raise ValueError(f"groups must be a number or a range such as 13-25, not {text!r}")
    return range(int(first), int(last or first) + 1)


def policy_of(variant: str) -> str:
    """The policy that a variant's name begins with.

    >>> policy_of("center (frame's shape)")
    'center'
    """
    return variant.split(" ", 1)[0]
