"""The crops of a cache, by the names of its clips."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from mocrop.evaluation.pictures.box_path import BoxPath
from mocrop.evaluation.pictures.clip_view import Picture
from mocrop.evaluation.pictures.gallery import box_of
from mocrop.evaluation.pictures.page.crops import CROPPED, FAILED, NOT_WRITTEN, WHOLE, Crops
from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.layout import ClipState
from mocrop.pipeline.cache.slots import evenly

_STATES = {
    ClipState.CROPPED: CROPPED,
    ClipState.WHOLE_FRAME: WHOLE,
    ClipState.FAILED: FAILED,
    ClipState.NOT_WRITTEN: NOT_WRITTEN,
}


class CachedCrops:
    """Crops that training sees.

    Args:
        path: the ``.zarr`` folder.
    Raises: CacheError if it is no crop cache, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.cache = CropCache(path)
        self._rows = {name: row for row, name in enumerate(self.cache.clip)}
        self._missing = set(self.cache.missing_shards())

    @property
    def policy(self) -> str:
        """The policy that has chosen the boxes; the name of the cache where it does not say."""
        return str(self.cache.attributes.get("settings", self.cache.attributes).get("policy", self.name))

    @property
    def words(self) -> str:
        """What the cache is, in a few words."""
        settings = self.cache.attributes.get("settings", {})
        ratio = settings.get("policy_settings", {}).get("ratio")
        area = [f"{100 * ratio:.0f} % of the frame"] if isinstance(ratio, float) else []
        return ", ".join([self.policy, *area, f"{self.cache.size} px"])

    def __contains__(self, clip: str) -> bool:
        return clip in self._rows

    @cached_property
    def _frames(self) -> object:
        return self.cache.open_frames()

    def frames_of(self, clip: str, *, most: int) -> list[int]:
        """Numbers of the frames that the cache has of a clip, thinned evenly; empty if it has none."""
        row = self._rows.get(clip)
        if row is None or not self.cache.usable[row]:
            return []
        numbers = self.cache.frame_index[row, : self.cache.frame_counts[row]].tolist()
        return [numbers[place] for place in evenly(len(numbers), slots=most)]

    def of(self, clip: str, shown: Sequence[int]) -> Crops:
        """The crops of a clip nearest in time to the frames that are shown; all its frames are read.

        Args:
            shown: numbers of frames, ascending.
        """
        row = self._rows.get(clip)
        if row is None:
            return Crops(state=NOT_WRITTEN, why="the cache does not have the clip")
        state = _STATES.get(ClipState(int(self.cache.state[row])), NOT_WRITTEN)
        count = int(self.cache.frame_counts[row])
        if state not in (CROPPED, WHOLE) or not count:
            return Crops(state=state)
        numbers = self.cache.frame_index[row, :count]
        boxes = [box_of(edges) for edges in self.cache.slot_box[row, :count]]
        slots = [int(np.abs(numbers - number).argmin()) for number in shown]
        pictures, words = self._pictures(row, slots)
        density = self.cache.density[row]
        return Crops(
            state=state,
            why="no usable motion" if state == WHOLE else "",
            numbers=[int(numbers[slot]) for slot in slots],
            boxes=[boxes[slot] for slot in slots],
            pictures=pictures,
            density=density if density.any() else None,
            spans=box_of(self.cache.picture[row]),
            path=BoxPath.of(numbers.tolist(), boxes) if len(set(boxes)) > 1 else None,
            words=words,
        )

    def _pictures(self, row: int, slots: Sequence[int]) -> tuple[list[Picture], str]:
        """Read crops of a clip; where that is not possible, none and why."""
        if row // self.cache.clips_per_shard in self._missing:
            return [], "the file of its crops is gone; see `mocrop verify`"
        try:
            frames = np.asarray(self._frames[row, : max(slots) + 1].read().result())  # type: ignore[index]
        except ValueError:  # what TensorStore raises for a damaged file
            return [], "its crops are damaged; see `mocrop verify`"
        return [frames[slot].transpose(1, 2, 0) for slot in slots], ""
