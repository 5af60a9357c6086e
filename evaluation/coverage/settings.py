"""Settings of a coverage: policies with their settings, ratios and clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from mocrop.pipeline.choices import Bars, Camera, Spread, require_choice
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.limits import require_numbers, require_whole
from mocrop.pipeline.policies.adaptive import AdaptiveSettings
from mocrop.pipeline.policies.base import AreaSettings, PolicySettings, VectorSettings
from mocrop.pipeline.policies.controls import CenterSettings
from mocrop.pipeline.policies.registry import POLICIES

BASE = "center"  # what every policy is compared with, clip by clip, and must be measured
FRAME_CENTER = "center (frame's shape)"
BASES = (
    BASE,
    "picture",
    FRAME_CENTER,
    "motion",
    "adaptive",
)  # what policies are compared with, as far as it is measured
BEST_STATIC, BEST_MOVING = "best static box", "best moving box"  # of hindsight, of the frame's shape
CEILINGS = (BEST_STATIC, BEST_MOVING)
ALL = ("full", "picture", BASE, "random", "motion", "motion-v2", "adaptive", "follow")

Variants = Mapping[str, PolicySettings]  # by the name to show; a name begins with its policy's, then a blank
VARIANTS: Variants = MappingProxyType(
    {**{name: POLICIES[name].settings() for name in ALL}, FRAME_CENTER: CenterSettings(shape="frame")}
)


@dataclass(frozen=True, kw_only=True)
class CoverageSettings:
    """What to measure."""

    variants: Variants = field(default_factory=lambda: VARIANTS)  # their ratio is replaced by each of ``ratios``
    ratios: tuple[float, ...] = (0.75, 0.5, 0.25, 0.1)  # of the area of the box, fractions of the frame
    groups: range | None = None  # UCF groups of the clips to measure; None: all
    slots: int = 16  # most frames of a clip that have a slot, as `mocrop precrop --frames`
    select: Spread = "keyframes"  # which frames fill the slots, as `mocrop precrop --select`
    leave_out: bool = True  # policies for which the motion store is too old; False: they are an error

    def __post_init__(self) -> None:
        if BASE not in self.variants:
            raise ValueError(f"the variants must include {BASE!r}, which the others are compared with")
        if unknown := [name for name in self.variants if policy_of(name) not in POLICIES]:
            raise ValueError(f"there is no policy {unknown[0]!r}; there is {', '.join(POLICIES)}")
        if not self.ratios:
            raise ValueError("ratios must hold at least one value")
        require_numbers("ratios", self.ratios, above=0, most=1)
        require_whole("slots", self.slots, least=1)
        require_choice("select", self.select, Spread)


def coverage_settings(
    *,
    policies: Sequence[str] = (),
    ratios: Sequence[float] = (),
    camera: Camera | None = None,
    bars: Bars | None = None,
    groups: str | None = None,
    slots: int | None = None,
    select: Spread | None = None,
) -> CoverageSettings:
    """Settings from command-line options; what is empty or None keeps its default.

    Args:
        policies: names of variants; the centre crop is added if it is not among them. Those named here are never left
            out.
        camera: how policies that use motion treat the camera's; None: each by its default.
        bars: how policies that crop treat black bars; None: each by its default.
        groups: such as "13-25" or "7".
    Raises: SettingsError naming the value that is not allowed.
    """
    if unknown := [name for name in policies if name not in VARIANTS]:
        raise SettingsError(f"there is no policy {unknown[0]!r}; there is {', '.join(VARIANTS)}")
    chosen = {name: VARIANTS[name] for name in VARIANTS if not policies or name in policies or name == BASE}
    try:
        chosen = {name: _changed(settings, camera=camera, bars=bars) for name, settings in chosen.items()}
        given = {"ratios": tuple(ratios) or None, "slots": slots, "select": select}
        return CoverageSettings(
            variants=chosen,
            groups=_groups(groups),
            leave_out=not policies,
            **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _changed(settings: PolicySettings, *, camera: Camera | None, bars: Bars | None) -> PolicySettings:
    if camera is not None and isinstance(settings, VectorSettings | AdaptiveSettings):
        settings = dataclasses.replace(settings, camera=camera)
    if bars is not None and isinstance(settings, AreaSettings):
        settings = dataclasses.replace(settings, bars=bars)
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


def takes_ratio(variant: str, settings: CoverageSettings) -> bool:
    """Whether boxes of a variant, or a ceiling, are of the area that is asked for."""
    return variant in CEILINGS or isinstance(settings.variants[variant], AreaSettings)
