"""Settings of an ablation: its variants, the views of a clip, the caches that both need and the cells to run.

A cell is one checkpoint: a variant, the size that it is trained at, how its head pools, a split and a seed. It is
tested on the same variant with every number of frames, at its own size or at every one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mocrop.evaluation.ablation.few_shot import FewShotSettings
from mocrop.evaluation.ablation.variants import FIELDS, POLICIES, REQUIRED, WHOLE, Variant
from mocrop.pipeline.choices import require_choice
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.files import file_stem
from mocrop.pipeline.limits import MAX_SEED, MAX_SIDE_PX, require_numbers, require_whole
from mocrop.training.model.video import is_video
from mocrop.training.recipe import FRAMES_WITH_SPREAD, Pool, TrainSettings

Lists = Literal["all", "main"]


@dataclass(frozen=True, kw_only=True, order=True)
class View:
    """How a network looks at a clip."""

    size: int  # of the frames, pixels
    frames: int  # middle ones of as many equal parts of the clip
    pool: Pool = "mean"  # of their features

    @property
    def name(self) -> str:
        """The view in words.

        >>> View(size=160, frames=1).name, View(size=224, frames=4, pool="mean-std").name
        ('160 px, 1 frame', '224 px, 4 frames, mean-std')
        """
        pool = "" if self.pool == "mean" else f", {self.pool}"
        return f"{self.size} px, {self.frames} frame{'' if self.frames == 1 else 's'}{pool}"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One checkpoint of an ablation."""

    variant: Variant
    train_size: int  # pixels
    split: str
    seed: int
    pool: Pool = "mean"  # of the features of a clip's frames

    @property
    def name(self) -> str:
        """Name of its run.

        >>> Cell(variant=Variant(policy="motion", ratio=0.5), train_size=192, split="1", seed=0).name
        'motion-0.5-192-split1-seed0'
        """
        pool = "" if self.pool == "mean" else f"-{self.pool}"
        name = f"{self.variant.cache_name(self.train_size)}-split{self.split}-seed{self.seed}{pool}"
        return file_stem(name, suffix="-on-00000-00000-frames.npz")

    def tested_name(self, view: View) -> str:
        """Name of its predictions in one view; what an older mocrop wrote does not say the frames.

        >>> cell = Cell(variant=Variant(policy="full"), train_size=192, split="1", seed=0)
        >>> cell.tested_name(View(size=224, frames=4))
        'full-192-split1-seed0-on-224-4-frames'
        """
        return f"{self.name}-on-{view.size}-{view.frames}-frames"


@dataclass(frozen=True, kw_only=True)
class AblationSettings:
    """Everything that an ablation depends on besides the clips."""

    policies: tuple[str, ...] = POLICIES
    ratios: tuple[float, ...] = (0.75,)  # areas of the crop, fractions of the frame
    sizes: tuple[int, ...] = (192, 224)  # trained and tested at; pixels
    splits: tuple[str, ...] = ("1",)  # names
    seeds: tuple[int, ...] = (0,)
    frames: tuple[int, ...] = (8,)  # tested per clip; each number of them is a setting of its own
    slots: int | None = None  # per clip of the caches; None: as many as the most frames
    pools: tuple[Pool, ...] = ("mean",)
    cross_sizes: bool = False  # test networks at the sizes that they were not trained at, too
    lists: Lists = "all"  # where networks are trained on whole lists; main: at the size and pool of the main view
    training: TrainSettings = field(default_factory=TrainSettings)  # split and seed are each cell's own
    stream: TrainSettings | None = None  # of networks on motion fields; None: there are none
    few_shot: FewShotSettings | None = None

    def __post_init__(self) -> None:
        if unknown := [name for name in self.policies if name not in POLICIES]:
            raise ValueError(f"there is no policy {unknown[0]!r} to compare; there is {', '.join(POLICIES)}")
        if missing := [name for name in REQUIRED if name not in self.policies]:
            raise ValueError(f"the policies must include {missing[0]!r}, which the others are compared with")
        for name in ("policies", "ratios", "sizes", "splits", "seeds", "frames", "pools"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must hold at least one value, and none twice, not {values}")
        require_numbers("ratios (`full` is always there)", self.ratios, above=0, below=1)
        for size in self.sizes:
            require_whole("sizes", size, least=1, most=MAX_SIDE_PX)
        for seed in self.seeds:
            require_whole("seeds", seed, most=MAX_SEED)
        for count in self.frames:
            require_whole("frames", count, least=1)
        if self.slots is not None:
            require_whole("slots", self.slots, least=1)
            if self.slots < max(self.frames):
                raise ValueError(f"{max(self.frames)} frames of a clip need as many slots, not {self.slots} (--slots)")
        self._check_pools()
        require_choice("lists", self.lists, Lists)
        if self.lists == "main" and self.cross_sizes:
            raise ValueError("--cross-sizes needs networks of all sizes; leave it out, or pass --lists all")
        if self.few_shot and is_video(self.training.arch):
            raise ValueError(
                f"--few-shot trains heads on features of frames, and {self.training.arch} has features of a clip as a "
                "whole; leave it out"
            )
        if self.stream and self.stream.input != "motion":
            raise ValueError(f"the second stream must take motion, not {self.stream.input}")

    def _check_pools(self) -> None:
        for pool in self.pools:
            require_choice("pool", pool, Pool)
            if not self.frames_of(pool):
                raise ValueError(f"pool {pool} needs {FRAMES_WITH_SPREAD} frames a clip; pass a larger --frames")
            if pool != "mean" and not self.training.freeze_backbone:
                raise ValueError(f"pool {pool} is for heads alone; pass --freeze-backbone, or leave --pool out")
        if self.training.pool != "mean":
            raise ValueError("the pool of a cell is that of the ablation, which has a list of them")

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Variants of frames, in the order of tables: those without an area, then all policies, area by area."""
        cropping = [policy for policy in POLICIES if policy in self.policies and policy not in WHOLE]
        return (
            *(Variant(policy=policy) for policy in WHOLE if policy in self.policies),
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
            Cell(variant=variant, train_size=size, split=split, seed=seed, pool=pool)
            for seed in self.seeds
            for split in self.splits
            for pool in self.list_pools
            for size in self.list_sizes
            for variant in (*self.variants, *(self.streams if pool == self.pools[0] else ()))
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
        if self.stream and cell.variant in self.streams:
            return replace(self.stream, split=cell.split, seed=cell.seed)
        return replace(self.training, split=cell.split, seed=cell.seed, pool=cell.pool)

    def frames_of(self, pool: Pool) -> tuple[int, ...]:
        """Numbers of frames that are tested with a pool: one frame has no spread."""
        return tuple(count for count in self.frames if pool == "mean" or count >= FRAMES_WITH_SPREAD)

    @property
    def cache_slots(self) -> int:
        """Slots per clip of the caches."""
        return self.slots or max(self.frames)

    @property
    def views(self) -> tuple[View, ...]:
        """All views, in the order of tables."""
        return tuple(
            View(size=size, frames=frames, pool=pool)
            for pool in self.pools
            for size in self.sizes
            for frames in self.frames_of(pool)
        )

    @property
    def list_sizes(self) -> tuple[int, ...]:
        """Sizes that networks are trained at on whole lists."""
        return (self.main.size,) if self.lists == "main" else self.sizes

    @property
    def list_pools(self) -> tuple[Pool, ...]:
        """Pools of the heads that are trained on whole lists."""
        return self.pools[:1] if self.lists == "main" else self.pools

    @property
    def list_views(self) -> tuple[View, ...]:
        """The views that networks of whole lists are tested in, in the order of tables."""
        return tuple(view for view in self.views if view.size in self.list_sizes and view.pool in self.list_pools)

    @property
    def main(self) -> View:
        """The view whose comparisons are tested: the middle size, the most frames, the first pool."""
        return View(size=self.sizes[len(self.sizes) // 2], frames=max(self.frames), pool=self.pools[0])

    def views_of(self, cell: Cell) -> tuple[View, ...]:
        """The views that a cell is tested in."""
        sizes = self.sizes if self.cross_sizes else (cell.train_size,)
        return tuple(view for view in self.views if view.pool == cell.pool and view.size in sizes)


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
