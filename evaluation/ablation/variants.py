"""What an ablation compares: policies at areas of the crop, and what each is compared with."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

FULL, PICTURE = "full", "picture"  # no crop; the whole picture without black bars
CENTER = "center"  # the plain crop of the same area
FRAME_CENTER = "center-frame"  # the centre crop of the frame's own shape, which is that of `adaptive` and `follow`
POLICIES = (FULL, PICTURE, CENTER, FRAME_CENTER, "random", "motion", "motion-v2", "adaptive", "follow")
FIELDS = "fields"  # motion fields of the whole frame instead of its pixels
BASES = (FULL, PICTURE, CENTER, FRAME_CENTER, "adaptive")  # in the order of tables
REQUIRED = (FULL, CENTER)
WHOLE = (FULL, PICTURE, FIELDS)  # have no area to choose


@dataclass(frozen=True, kw_only=True, order=True)
class Variant:
    """A policy at one area of the crop."""

    policy: str  # one of POLICIES, or FIELDS
    ratio: float = 1.0  # area as a fraction of the frame; 1 for the whole of it

    @property
    def name(self) -> str:
        """The policy and its area, as tables show them.

        >>> Variant(policy="motion", ratio=0.5).name, Variant(policy="full").name
        ('motion 0.5', 'full')
        """
        return f"{self.policy} {self.ratio:g}" if self.crops else self.policy

    @property
    def crops(self) -> bool:
        """Whether it takes a part of the frame of a chosen area."""
        return self.policy not in WHOLE

    @property
    def file_name(self) -> str:
        """The same, as part of file names.

        >>> Variant(policy="motion-v2", ratio=0.75).file_name
        'motion-v2-0.75'
        """
        return self.name.replace(" ", "-")

    def cache_name(self, size: int) -> str:
        """Name of its crop cache of frames of ``size`` pixels."""
        return f"{self.file_name}-{size}"

    def precrop_options(self, *, size: int, slots: int) -> dict[str, Any]:
        """Options of `mocrop precrop` that make that cache."""
        options: dict[str, Any] = {"policy": self.policy, "size": size, "frames": slots, "name": self.cache_name(size)}
        if self.crops:
            options["ratio"] = self.ratio
        if self.policy == FRAME_CENTER:
            options |= {"policy": "center", "shape": "frame"}
        if self.policy == FIELDS:
            options |= {"policy": "full", "motion_fields": True}
        return options


def bases_of(variant: Variant, policies: Collection[str]) -> Iterator[Variant]:
    """What a variant is compared with, of the policies that there are.

    Everything is compared with the whole frame and with the whole picture; a crop with the centre crop of its area, and
    with that of its own shape; a moving box with the box that stands still.

    >>> [base.name for base in bases_of(Variant(policy="follow", ratio=0.5), POLICIES)]
    ['full', 'picture', 'center 0.5', 'center-frame 0.5', 'adaptive 0.5']
    >>> [base.name for base in bases_of(Variant(policy="center", ratio=0.5), POLICIES)]
    ['full', 'picture']
    """
    for base in BASES:
        if base in policies and _is_base(base, variant.policy):
            yield base_of(variant, base)


def _is_base(base: str, policy: str) -> bool:
    if base == FULL:
        return policy != FULL
    if base == PICTURE:
        return policy not in WHOLE
    if base == CENTER:
        return policy not in (*WHOLE, CENTER)
    return policy == "follow" or (base == FRAME_CENTER and policy == "adaptive")


def base_of(variant: Variant, base: str) -> Variant:
    """The policy ``base``, at the area of a variant if it crops.

    >>> base_of(Variant(policy="motion", ratio=0.5), "center").name
    'center 0.5'
    """
    return Variant(policy=base) if base in WHOLE else Variant(policy=base, ratio=variant.ratio)
