"""Video networks by name: which clips each takes, and its head, normalisation and Kinetics weights of torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torchvision  # type: ignore[import-untyped]
from torch import nn

from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import SettingsError
from mocrop.training.recipe import VIDEO, VIDEO_FRAMES

USUAL_SIZE = 224  # side of the frames of caches that all of them take, pixels


@dataclass(frozen=True, kw_only=True)
class VideoNetwork:
    """What is known of a network before it is built."""

    head: str  # name of the layer whose outputs are the classes
    least_frames: int = 1  # of a clip
    least_size: int = 1  # side of a frame, pixels
    exact: bool = False  # whether it takes nothing but clips of these frames and this size

    @property
    def takes(self) -> str:
        """In words, for the middle of a sentence."""
        at_least = "" if self.exact else "at least "
        return f"clips of {at_least}{self.least_frames} frames of {at_least}{self.least_size} px"


VIDEO_NETWORKS: Mapping[str, VideoNetwork] = MappingProxyType(
    {
        "video/r3d_18": VideoNetwork(head="fc"),
        "video/mc3_18": VideoNetwork(head="fc"),
        "video/r2plus1d_18": VideoNetwork(head="fc"),
        # after strides of 2, its last pooling takes 2 frames of 7 x 7
        "video/s3d": VideoNetwork(head="classifier.1", least_frames=13, least_size=209),
        # torchvision's builders pass this size of their position embeddings themselves, and take no other
        "video/mvit_v1_b": VideoNetwork(head="head.1", least_frames=16, least_size=224, exact=True),
        "video/mvit_v2_s": VideoNetwork(head="head.1", least_frames=16, least_size=224, exact=True),
        # frames and sides are padded to whole patches and windows
        "video/swin3d_t": VideoNetwork(head="head"),
        "video/swin3d_s": VideoNetwork(head="head"),
        "video/swin3d_b": VideoNetwork(head="head"),
    }
)


def is_video(arch: str) -> bool:
    """Whether an architecture takes clips rather than frames; it may be one that there is not."""
    return arch.startswith(VIDEO)


def torchvision_name(arch: str) -> str:
    """The name by which torchvision knows an architecture.

    >>> torchvision_name("video/r3d_18"), torchvision_name("resnet50")
    ('r3d_18', 'resnet50')
    """
    return arch.removeprefix(VIDEO)


def video_model(arch: str, *, classes: int) -> nn.Module:
    """Build one of ``VIDEO_NETWORKS`` with random weights."""
    model: nn.Module = torchvision.models.get_model(torchvision_name(arch), weights=None, num_classes=classes)
    return model


def kinetics_normalisation(arch: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of frames in [0, 1] that the network's Kinetics weights expect."""
    transforms = torchvision.models.get_model_weights(torchvision_name(arch)).KINETICS400_V1.transforms()
    return tuple(transforms.mean), tuple(transforms.std)


def require_clips(arch: str, *, size: int, frames: int | None, input: Stream = "frames") -> None:
    """Check that a network takes clips of a size.

    Args:
        arch: one of ``VIDEO_NETWORKS``.
        size: side of the frames or fields, pixels.
        frames: of a clip; None: not known yet.
    Raises: SettingsError that says which it takes.
    """
    network = VIDEO_NETWORKS[arch]
    of_frames = network.least_frames if frames is None else frames
    wrong_frames = _is_wrong(of_frames, network.least_frames, exact=network.exact)
    wrong_size = _is_wrong(size, network.least_size, exact=network.exact)
    if not wrong_frames and not wrong_size:
        return
    ways = []
    if wrong_frames:
        ways.append(f"pass --segments {VIDEO_FRAMES} (mocrop ablate: --frames {VIDEO_FRAMES})")
    if wrong_size and input == "frames":
        ways.append(f"take a cache of `mocrop precrop --size {USUAL_SIZE}` (mocrop ablate: --sizes {USUAL_SIZE})")
    way_out = f"{' and '.join(ways)}, or pass another --arch" if input == "frames" else "pass another --arch"
    kind = "frames" if input == "frames" else "motion fields"
    clip = f"{kind} of {size} px" if frames is None else f"{frames} {kind} of {size} px"
    raise SettingsError(f"--arch {arch} takes {network.takes}, not {clip}; {way_out}")


def takes_clips(arch: str, *, size: int, frames: int) -> bool:
    """Whether a network takes clips of a size, see :func:`require_clips`."""
    network = VIDEO_NETWORKS[arch]
    wrong_frames = _is_wrong(frames, network.least_frames, exact=network.exact)
    return not wrong_frames and not _is_wrong(size, network.least_size, exact=network.exact)


def require_slots(arch: str, *, frames: int, slots: int, option: str, cache: Path | str) -> None:
    """Check that the clips of a cache have as many frames as a video network is to see of each.

    A clip with fewer frames in use than slots gives some of them several times, in their order.

    Args:
        option: that asks for the frames.
        cache: for messages.
    Raises: SettingsError.
    """
    if frames <= slots:
        return
    fewer = f"pass {option} {slots} or fewer, or " if VIDEO_NETWORKS[arch].least_frames <= slots else ""
    raise SettingsError(
        f"{cache} has {slots} frames per clip, fewer than the {frames} that {arch} is to see at once ({option}); "
        f"{fewer}take a cache of `mocrop precrop --frames {frames}`"
    )


def _is_wrong(value: int, least: int, *, exact: bool) -> bool:
    return value != least if exact else value < least
