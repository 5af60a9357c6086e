"""A gallery: many clips of a workspace or a cache, a tile with a picture and boxes each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.pictures.box_path import BoxPath
from mocrop.evaluation.pictures.clip_boxes import ShowSettings
from mocrop.evaluation.pictures.clip_view import ClipViewer, Picture, class_of
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.cache.slots import evenly
from mocrop.pipeline.choices import Bars
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import CacheError, ClipError, SettingsError, WorkspaceError
from mocrop.pipeline.limits import require_whole
from mocrop.pipeline.policies.base import PictureSize
from mocrop.pipeline.terminal import count as count_of
from mocrop.pipeline.workspace.paths import Workspace


@dataclass(frozen=True, kw_only=True)
class GallerySettings:
    """What to show of many clips."""

    policies: tuple[str, ...] = ("motion",)  # keys of POLICIES
    ratio: float = 0.75  # area of the boxes as a fraction of the frame
    bars: Bars = "keep"  # cut: as a fraction of the picture inside black bars
    clips: int = 48  # at most, spread evenly over the classes

    def __post_init__(self) -> None:
        require_whole("clips", self.clips, least=1)
        if not self.policies:
            raise ValueError("a gallery needs at least one policy")
        self.show  # noqa: B018  checks the rest

    @property
    def show(self) -> ShowSettings:
        """What to show of each clip."""
        return ShowSettings(policies=self.policies, ratio=self.ratio, bars=self.bars, frames=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """One clip of the gallery."""

    clip: str
    label: str  # its class
    picture: Picture | None  # None: it cannot be read
    size: PictureSize  # of the picture, pixels
    words: str = ""  # a remark, or why there is no picture
    number: int = 0  # of the frame in its clip
    boxes: Mapping[str, CropBox] = field(default_factory=dict)  # to draw on the picture, by policy
    paths: Mapping[str, BoxPath] = field(default_factory=dict)  # of those that move
    inside_bars: CropBox = WHOLE_FRAME  # the picture inside black bars
    place: CropBox | None = None  # part of the frame that the picture shows, if it is a crop
    path: BoxPath | None = None  # of that part, if it moves


@dataclass(frozen=True, kw_only=True, eq=False)
class Gallery:
    """A title, and tiles sorted by class."""

    title: str
    tiles: Sequence[Tile]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A gallery that is written."""

    file: Path  # to open
    unread: tuple[str, ...]  # clips of it whose video or crops cannot be read

    @property
    def failed(self) -> int:
        """Number of clips that cannot be read."""
        return len(self.unread)

    @property
    def words(self) -> str:
        """What there is to say of those clips; empty if there are none."""
        if not self.unread:
            return ""
        some = ", ".join(self.unread[:3]) + ", ..." * (len(self.unread) > 3)
        return f"{count_of(self.failed, 'clip')} could not be read, and the page says why: {some}"


def workspace_gallery(workspace: Workspace, settings: GallerySettings) -> Gallery:
    """The middle key frame of clips of a workspace, with the box of each policy.

    Raises: WorkspaceError without a workspace; SettingsError or CropBoxError if a policy can decide on no clip.
    """
    viewer = ClipViewer(workspace.require())
    if not viewer.rows:
        raise WorkspaceError(f"{workspace.manifest_file} lists no clips; run `mocrop init` again")
    chosen = choose_clips([row.label for row in viewer.rows], count=settings.clips)
    tiles = [_workspace_tile(viewer, position, settings) for position in chosen]
    shown = f"{len(tiles)} of {len(viewer.rows):,} clips   ·   middle key frame"
    return Gallery(title=f"{shown}   ·   boxes of area {settings.ratio:g}", tiles=tiles)


def _workspace_tile(viewer: ClipViewer, position: int, settings: GallerySettings) -> Tile:
    clip = viewer.rows[position].name
    label = class_of(viewer.rows[position], viewer.class_names)
    try:
        view = viewer.view(position, settings.show)
        number, picture = next(view.pictures(view.shown), (0, None))
    except ClipError as error:
        return Tile(clip=clip, label=label, picture=None, size=(4, 3), words=str(error).removeprefix(f"{clip}: "))
    whole = [name for name, result in view.results.items() if not result.usable]
    words = f"not cropped: {view.no_motion or 'nothing moves'}" if whole else ""
    return Tile(
        clip=clip,
        label=label,
        picture=picture,
        size=view.picture,
        words=words,
        number=number,
        boxes=view.boxes.at(number),
        paths=view.boxes.paths,
        inside_bars=view.inside_bars,
    )


def cache_gallery(path: Path, *, clips: int) -> Gallery:
    """The middle frame of clips of a crop cache, as training sees it, and the part of the whole frame that it shows.

    Raises: CacheError if ``path`` is no crop cache, or has no frames yet.
    """
    cache = CropCache(path)
    rows = np.flatnonzero(cache.usable & (cache.frame_counts > 0))
    if not rows.size:
        raise CacheError(f"{path} has no frames yet; write them with `mocrop precrop`")
    chosen = rows[choose_clips(cache.label[rows].tolist(), count=clips)].tolist()
    title = f"{len(chosen)} of {len(rows):,} clips   ·   middle frame of each   ·   cache {path.stem}, {cache.size} px"
    return Gallery(title=title, tiles=list(_cache_tiles(cache, chosen)))


def _cache_tiles(cache: CropCache, rows: Sequence[int]) -> Iterator[Tile]:
    frames = cache.open_frames()
    missing = set(cache.missing_shards())
    for row in rows:
        slot, picture, words = int(cache.frame_counts[row]) // 2, None, ""
        if row // cache.clips_per_shard in missing:
            words = "the file of its frames is gone; see `mocrop verify`"
        else:
            try:
                picture = np.asarray(frames[row, slot].read().result()).transpose(1, 2, 0)
            except ValueError:  # what TensorStore raises for a damaged file
                words = "its frames are damaged; see `mocrop verify`"
        if cache.state[row] == ClipState.WHOLE_FRAME:
            words = words or "whole frame: no usable motion"
        boxes = [box_of(edges) for edges in cache.slot_box[row, : cache.frame_counts[row]]]
        numbers = cache.frame_index[row, : cache.frame_counts[row]].tolist()
        yield Tile(
            clip=cache.clip[row],
            label=_classes_of(cache, row),
            picture=picture,
            size=(cache.size, cache.size),
            words=words,
            number=numbers[slot],
            inside_bars=box_of(cache.picture[row]),
            place=boxes[slot],
            path=BoxPath.of(numbers, boxes) if len(set(boxes)) > 1 else None,
        )


def box_of(edges: npt.NDArray[np.float32]) -> CropBox:
    """The box of a row of a cache's column: left, top, right, bottom."""
    left, top, right, bottom = edges.tolist()
    return CropBox(left=left, top=top, right=right, bottom=bottom)


def _classes_of(cache: CropCache, row: int) -> str:
    """Names of the classes of a clip."""
    label = int(cache.label[row])
    several = [label] if cache.labels is None else np.flatnonzero(cache.labels[row]).tolist()
    return ", ".join(cache.class_names[number] for number in several if number >= 0) or "no class"


def choose_clips(labels: Sequence[int], *, count: int) -> list[int]:
    """Choose clips evenly: as far as possible the same number of each class, spread over the clips of a class.

    Args:
        labels: class of each clip.
        count: how many to choose, at most; if there are more classes than that, some get no clip.
    Returns: positions in ``labels``, by class, ascending within a class.

    >>> choose_clips([1, 0, 0, 0, 1, 0], count=4)
    [2, 5, 0, 4]
    """
    members: dict[int, list[int]] = {}
    for position, label in enumerate(labels):
        members.setdefault(label, []).append(position)
    classes = sorted(members)
    classes = [classes[place] for place in evenly(len(classes), slots=count)]
    shares = share_out([len(members[label]) for label in classes], total=count)
    return [
        members[label][place]
        for label, share in zip(classes, shares, strict=True)
        for place in evenly(len(members[label]), slots=share)
    ]


def share_out(most: Sequence[int], *, total: int) -> list[int]:
    """Share a number out evenly, to each at most its limit in ``most``; the first ones get the remainder.

    >>> share_out([5, 1, 5], total=6)
    [3, 1, 2]
    """
    shares = [0] * len(most)
    while total and (open_ends := [place for place, share in enumerate(shares) if share < most[place]]):
        for place in open_ends[:total]:
            shares[place] += 1
        total -= min(total, len(open_ends))
    return shares


def gallery_settings(
    policies: Sequence[str], ratio: float | None, clips: int, *, bars: Bars = "keep"
) -> GallerySettings:
    """Settings from command-line options; what is empty or None keeps its default.

    Raises: SettingsError naming the value that is not allowed.
    """
    usual = GallerySettings()
    chosen = tuple(dict.fromkeys(policies)) or usual.policies
    try:
        return GallerySettings(policies=chosen, ratio=usual.ratio if ratio is None else ratio, bars=bars, clips=clips)
    except ValueError as error:
        raise SettingsError(str(error)) from error
