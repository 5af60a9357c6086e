"""Settings of an ablation: its variants, the caches that they need and the cells to run.

A variant is a policy at one area of the crop, or the motion fields of the whole frame. A cell is one checkpoint: a
variant, the size that it is trained at, a split and a seed; it is tested at every testing size on the same variant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mocrop.evaluation.ablation.few_shot import FewShotSettings
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.files import file_stem
from mocrop.pipeline.limits import MAX_SEED, MAX_SIDE_PX, require_numbers, require_whole
from mocrop.training.recipe import TrainSettings

BASES = ("full", "center")  # what every variant is compared with: no crop, and the plain crop of the same area
FRAME_CENTER = "center-frame"  # the centre crop of the frame's own shape, which is that of `adaptive`
POLICIES = ("full", "center", FRAME_CENTER, "random", "motion", "motion-v2", "adaptive")
FIELDS = "fields"  # motion fields of the whole frame instead of its pixels


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
        """Whether it leaves out part of the frame."""
        return self.policy not in ("full", FIELDS)

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

    def precrop_options(self, *, size: int, frames: int) -> dict[str, Any]:
        """Options of `mocrop precrop` that make that cache."""
        options: dict[str, Any] = {"policy": self.policy, "size": size, "frames": frames, "name": self.cache_name(size)}
        if self.crops:
            options["ratio"] = self.ratio
        if self.policy == FRAME_CENTER:
            options |= {"policy": "center", "shape": "frame"}
        if self.policy == FIELDS:
            options |= {"policy": "full", "motion_fields": True}
        return options


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One checkpoint of an ablation."""

    variant: Variant
    train_size: int  # pixels
    split: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its run.

        >>> Cell(variant=Variant(policy="motion", ratio=0.5), train_size=192, split="1", seed=0).name
        'motion-0.5-192-split1-seed0'
        """
        name = f"{self.variant.cache_name(self.train_size)}-split{self.split}-seed{self.seed}"
        return file_stem(name, suffix="-on-00000.npz")

    def tested_name(self, test_size: int) -> str:
        """Name of its predictions at one testing size."""
        return f"{self.name}-on-{test_size}"


@dataclass(frozen=True, kw_only=True)
class AblationSettings:
    """Everything that an ablation depends on besides the clips."""

    policies: tuple[str, ...] = POLICIES
    ratios: tuple[float, ...] = (0.75,)  # areas of the crop, fractions of the frame
    sizes: tuple[int, ...] = (192, 224)  # trained at, and tested at; pixels
    splits: tuple[str, ...] = ("1",)  # names
    seeds: tuple[int, ...] = (0,)
    frames: int = 16  # slots per clip of the caches
    segments: int = 8  # middle frames per clip in testing
    training: TrainSettings = field(default_factory=TrainSettings)  # split and seed are each cell's own
    stream: TrainSettings | None = None  # of networks on motion fields; None: there are none
    few_shot: FewShotSettings | None = None

    def __post_init__(self) -> None:
        if unknown := [name for name in self.policies if name not in POLICIES]:
            raise ValueError(f"there is no policy {unknown[0]!r} to compare; there is {', '.join(POLICIES)}")
        if missing := [name for name in BASES if name not in self.policies]:
            raise ValueError(f"the policies must include {missing[0]!r}, which the others are compared with")
        for name in ("policies", "ratios", "sizes", "splits", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must hold at least one value, and none twice, not {values}")
        require_numbers("ratios (`full` is always there)", self.ratios, above=0, below=1)
        for size in self.sizes:
            require_whole("sizes", size, least=1, most=MAX_SIDE_PX)
        for seed in self.seeds:
            require_whole("seeds", seed, most=MAX_SEED)
        require_whole("frames", self.frames, least=1)
        require_whole("segments", self.segments, least=1)
        if self.segments > self.frames:
            raise ValueError(f"segments must be from 1 to the {self.frames} frames of a clip, not {self.segments}")
        if self.stream and self.stream.input != "motion":
            raise ValueError(f"the second stream must take motion, not {self.stream.input}")

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Variants of frames, in the order of tables: `full`, then all policies, area by area."""
        cropping = [policy for policy in POLICIES if policy in self.policies and policy != "full"]
        return (
            Variant(policy="full"),
            *(Variant(policy=policy, ratio=ratio) for ratio in self.ratios for policy in cropping),
        )

    @property
    def streams(self) -> tuple[Variant, ...]:
        """Variants of motion fields: one, or none without a second stream."""
        return (Variant(policy=FIELDS),) if self.stream else ()

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells in the order of work: those that can be compared first come first."""
        return tuple(
            Cell(variant=variant, train_size=size, split=split, seed=seed)
            for seed in self.seeds
            for split in self.splits
            for size in self.sizes
            for variant in (*self.variants, *self.streams)
        )

    @property
    def trainings(self) -> tuple[TrainSettings, ...]:
        """Training settings of frames, and of motion fields if there are any; splits and seeds are the cells'."""
        return (self.training, self.stream) if self.stream else (self.training,)

    @property
    def needs_features(self) -> bool:
        """Whether anything uses features of a frozen backbone."""
        return self.training.freeze_backbone or self.few_shot is not None

    def caches(self) -> Iterator[tuple[Variant, int]]:
        """Variants and sizes whose crop caches are needed."""
        yield from ((variant, size) for size in self.sizes for variant in (*self.variants, *self.streams))

    def training_of(self, cell: Cell) -> TrainSettings:
        """Training settings of one cell."""
        training = self.stream if self.stream and cell.variant in self.streams else self.training
        return replace(training, split=cell.split, seed=cell.seed)


def base_of(variant: Variant, base: str) -> Variant:
    """What a variant is compared with: no crop, or the plain crop of the same area.

    >>> base_of(Variant(policy="motion", ratio=0.5), "center").name
    'center 0.5'
    """
    return Variant(policy=base) if base == "full" else Variant(policy=base, ratio=variant.ratio)


def numbers(text: str, *, option: str, kind: type[int] | type[float]) -> tuple[Any, ...]:
    """Read numbers separated by commas or blanks.

    >>> numbers("192,224", option="--sizes", kind=int), numbers("0.75 0.5", option="--ratio", kind=float)
    ((192, 224), (0.75, 0.5))

    Raises: SettingsError if one is not a finite number of that kind.
    """
    try:
        values = tuple(kind(part) for part in words(text))
    except ValueError as error:
        raise SettingsError(f"{option} takes numbers such as 1,2,4, not {text!r}") from error
    if not values or not all(math.isfinite(value) for value in values):
        raise SettingsError(f"{option} takes numbers such as 1,2,4, not {text!r}")
    return values


def words(text: str) -> Sequence[str]:
    """Split a text at commas and blanks.

    >>> words("full, center")
    ['full', 'center']
    """
    return text.replace(",", " ").split()
