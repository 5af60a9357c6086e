"""What `mocrop gallery --html` is asked for, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mocrop.evaluation.pictures.clip_boxes import ShowSettings
from mocrop.pipeline.choices import Bars
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.limits import require_whole

MOST_CLIPS = 3000  # of a page in a folder: about 60 kB of pictures a clip and 20 kB of curves and arrows
MOST_IN_ONE_FILE = 200  # of a page in one file, which a browser reads whole: about 20 MB
FRAMES = 6  # key frames of each clip, at most
USUAL_POLICY, USUAL_RATIO = "motion", 0.75


@dataclass(frozen=True, kw_only=True)
class PageSettings:
    """What to show of many clips; caches or policies, or neither: all caches of the workspace."""

    caches: tuple[str, ...] = ()  # names in the workspace, or folders anywhere
    policies: tuple[str, ...] = ()  # keys of POLICIES
    ratio: float | None = None  # area of the boxes of policies, a share of the frame; None: 0.75
    bars: Bars | None = None  # of policies; cut: as a fraction of the picture inside black bars; None: keep
    report: Path | None = None  # predictions that `mocrop eval` has written, .npz or the .json beside it
    clips: int | None = None  # at most, evenly over the classes; None: as many as a page is for
    single_file: bool = False  # one file that holds everything, instead of a folder

    def __post_init__(self) -> None:
        """Raises: SettingsError naming the option whose value is not allowed."""
        if self.caches and (self.policies or self.ratio is not None or self.bars is not None):
            raise SettingsError(
                "the boxes of a cache are what they are; leave out either --cache or --policy, --ratio, --bars"
            )
        try:
            require_whole("clips", self.most_clips, least=1)
            self.show  # noqa: B018  checks the rest
        except ValueError as error:
            raise SettingsError(str(error)) from error

    @property
    def most_clips(self) -> int:
        """How many clips to show, at most."""
        return self.clips if self.clips is not None else MOST_IN_ONE_FILE if self.single_file else MOST_CLIPS

    @property
    def by_policies(self) -> bool:
        """Whether boxes are asked of policies, and not of caches."""
        return bool(self.policies) or self.ratio is not None or self.bars is not None

    @property
    def show(self) -> ShowSettings:
        """What to show of each clip where policies decide."""
        return ShowSettings(
            policies=tuple(dict.fromkeys(self.policies)) or (USUAL_POLICY,),
            ratio=USUAL_RATIO if self.ratio is None else self.ratio,
            bars=self.bars or "keep",
            frames=FRAMES,
        )
