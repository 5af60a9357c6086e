"""The settings of the stage `precrop`."""

from __future__ import annotations

from dataclasses import dataclass, field

from mocrop.pipeline.cache.dense import MOST_SLOTS, DenseWindows
from mocrop.pipeline.cache.layout import CacheLayout
from mocrop.pipeline.choices import At, Compression, Fit, Select, Source, require_choice
from mocrop.pipeline.limits import MAX_SIDE_PX, require_whole
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.policies.base import PolicySettings
from mocrop.pipeline.policies.motion_v1 import MotionSettings
from mocrop.pipeline.policies.registry import POLICIES, needs_motion
from mocrop.pipeline.settings import added
from mocrop.pipeline.video.decoder import MAX_DAMAGED, require_share

CLIPS_PER_SHARD = 16
MAX_SHARD_BYTES = 64 << 20  # a worker holds about twice this while it writes: the crops and the encoded shard


def fitting_clips_per_shard(*, size: int, frames: int) -> int:
    """Number of clips in a shard: 16, or as many as fit into 64 MiB, but at least one.

    >>> fitting_clips_per_shard(size=192, frames=16), fitting_clips_per_shard(size=448, frames=16)
    (16, 6)
    """
    return max(1, min(CLIPS_PER_SHARD, MAX_SHARD_BYTES // (frames * 3 * size * size)))


@dataclass(frozen=True, kw_only=True)
class PrecropSettings:
    """How a crop cache is made."""

    name: str  # of the cache: caches/<name>.zarr
    size: int  # both sides of the stored frames, pixels
    source: Source = "h264"  # decode the transcoded files, the data set's own, or of each clip its own if that serves
    policy: str = "motion"  # a key of POLICIES
    policy_settings: PolicySettings = field(default_factory=MotionSettings)  # of the class that the policy names
    frames: int = 16  # slots per clip; of each window, where these are chosen
    select: Select = "keyframes"  # which frames fill them
    clips_per_shard: int = 0  # also the clips of a work unit; 0: as many as fit, see fitting_clips_per_shard
    compression: Compression = "none"  # of the frames inside their shards
    motion_fields: MotionFieldSettings | None = None  # stored beside the frames; None: no fields
    max_damaged: float = MAX_DAMAGED  # largest share of decoded frames that may be damaged, 0 to 1
    fit: Fit = added("squash")  # whether crops are stretched to squares, or keep their shape with padding beside them
    clips: int = added(4)  # windows per clip, with select dense; as are the next two
    stride: int = added(2)  # frames of the video from one frame of a window to the next
    at: At = added("even")  # where the windows are

    def __post_init__(self) -> None:
        require_whole("size", self.size, least=1, most=MAX_SIDE_PX)
        require_whole("frames", self.frames, least=1)
        require_choice("at", self.at, At)
        for name in ("clips", "stride"):
            require_whole(name, getattr(self, name), least=1, most=MOST_SLOTS)
        _ = self.dense  # checks them together
        require_share(self.max_damaged)
        require_choice("source", self.source, Source)
        require_choice("select", self.select, Select)
        require_choice("compression", self.compression, Compression)
        require_choice("fit", self.fit, Fit)
        if self.policy not in POLICIES:
            raise ValueError(f"there is no policy {self.policy!r}; the policies are {', '.join(POLICIES)}")
        if type(self.policy_settings) is not POLICIES[self.policy].settings:
            raise ValueError(f"policy {self.policy!r} takes {POLICIES[self.policy].settings.__name__}")
        require_whole("clips_per_shard", self.clips_per_shard)
        if self.clips_per_shard == 0:
            fitting = fitting_clips_per_shard(size=self.size, frames=self.slots)
            object.__setattr__(self, "clips_per_shard", fitting)

    @property
    def dense(self) -> DenseWindows | None:
        """The windows of neighbouring frames that are chosen of each clip; None unless such are.

        Raises: ValueError for numbers that cannot be.
        """
        if self.select != "dense":
            return None
        return DenseWindows(windows=self.clips, frames=self.frames, stride=self.stride)

    @property
    def slots(self) -> int:
        """Most frames that are stored of a clip."""
        return self.frames if self.dense is None else self.dense.slots

    @property
    def key_frames(self) -> int:
        """Number of key frames that a clip needs to fill its slots."""
        return self.frames if self.select == "keyframes" else 0

    @property
    def needs_motion(self) -> bool:
        """Whether a clip without motion vectors has no place in the cache."""
        at_motion = self.dense is not None and self.at == "motion"
        return at_motion or self.motion_fields is not None or needs_motion(self.policy, self.policy_settings)

    @property
    def layout(self) -> CacheLayout:
        """Shapes and codecs of the cache."""
        return CacheLayout(
            frames=self.slots,
            size=self.size,
            grid=self.policy_settings.grid,
            clips_per_shard=self.clips_per_shard,
            compression=self.compression,
            motion_side=self.motion_fields.side if self.motion_fields else 0,
            padded=self.fit == "pad",
            dense=self.dense,
        )
