"""Choose the frames of a clip that fill its slots."""

from __future__ import annotations

from collections.abc import Sequence

from mocrop.pipeline.choices import Spread

UNUSED = -1  # frame number of a slot that holds no frame


def evenly(count: int, *, slots: int) -> list[int]:
    """Pick at most ``slots`` of ``count`` indices: all, or the middle one of each of ``slots`` equal parts.

    >>> evenly(3, slots=4)
    [0, 1, 2]
    >>> evenly(12, slots=4)
    [1, 4, 7, 10]
    """
    if count <= slots:
        return list(range(count))
    return [(2 * slot + 1) * count // (2 * slots) for slot in range(slots)]


def chosen_frames(select: Spread, *, key_frames: Sequence[int], frames: int, slots: int) -> list[int]:
    """Choose frames by number: ``keyframes`` thins the key frames evenly, ``uniform`` all frames.

    Args:
        key_frames: numbers of the key frames, ascending, 0-based in order of presentation.
        frames: number of frames of the clip.
        slots: most frames to choose.
    Returns: at most ``slots`` numbers, ascending, each once.
    """
    candidates = key_frames if select == "keyframes" else range(frames)
    return [candidates[index] for index in evenly(len(candidates), slots=slots)]
