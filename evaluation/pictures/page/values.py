"""Clips as plain values for the page: a short entry of each for the list, and the rest for its own view."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from mocrop.evaluation.pictures.clip_boxes import ShowSettings
from mocrop.evaluation.pictures.colours import STYLES, style_of
from mocrop.evaluation.pictures.page.clips import PageClip, Source
from mocrop.evaluation.pictures.page.crops import Crops, off_centre
from mocrop.evaluation.pictures.page.motion_view import arrows_of, camera_curve, motion_facts
from mocrop.evaluation.pictures.page.sheet import Row, Sheet
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.names import printable
from mocrop.pipeline.policies.base import AreaSettings
from mocrop.pipeline.policies.registry import POLICIES

DIGITS = 4  # of fractions of the frame


def head(source: Source, *, clips: int) -> dict[str, Any]:
    """What the page says once: names of classes, splits and ways.

    Args:
        clips: that it shows.
    """
    policies = {name: name for name in source.ways} | {cache.name: cache.policy for cache in source.caches}
    words = {name: _area(name, source.settings.show) for name in source.ways if name in POLICIES}
    words |= {cache.name: cache.words for cache in source.caches}
    return {
        "title": printable(source.title),
        "clips": clips,
        "of": len(source.listed),
        "classes": [printable(name) for name in source.class_names],
        "splits": [printable(name) for name in source.split_names],
        "ways": [
            {
                "name": printable(name),
                "words": printable(words[name]),
                "colour": style_of(policy).colour if policy in STYLES else style_of(name).colour,
                "dashes": list(style_of(policy).dashes),
            }
            for name, policy in policies.items()
        ],
        "report": printable(source.answers.words) if source.answers else None,
    }


def _area(policy: str, settings: ShowSettings) -> str:
    """What area the boxes of a policy have; empty of one that has no such setting, as of the whole frame."""
    if not issubclass(POLICIES[policy].settings, AreaSettings):
        return ""
    return f"{100 * settings.ratio:.0f} % of the {'picture inside bars' if settings.bars == 'cut' else 'frame'}"


def entry(clip: PageClip, sheet: Sheet | None) -> dict[str, Any]:
    """What the list shows of a clip, and filters and sorts by."""
    facts = motion_facts(clip.motion) if clip.motion is not None and clip.motion.frames else None
    return {
        "name": printable(clip.listed.name),
        "labels": list(clip.listed.labels),
        "subsets": list(clip.listed.subsets),
        "size": list(clip.view.picture if clip.view else (4, 3)),
        "length": clip.view.frames if clip.view else None,
        "frames": list(clip.frames),
        "words": printable(clip.words),
        "reasons": sorted({reason.value for note in clip.notes for reason in note.reasons}),
        "still": facts.still if facts else None,
        "camera": round(facts.camera_px, 3) if facts else None,
        "motion": round(facts.own_px, 4) if facts else None,
        "crops": [_crops_entry(crops, clip.frames) for crops in clip.crops],
        "answer": [printable(clip.answer.label), round(clip.answer.confidence, DIGITS), clip.answer.right]
        if clip.answer
        else None,
        "sheet": _sheet_entry(sheet),
    }


def _crops_entry(crops: Crops, frames: tuple[int, ...]) -> dict[str, Any]:
    boxes = [_edges(box) for box in crops.boxes]
    mean = crops.mean_box
    return {
        "state": crops.state,
        "why": printable(crops.why or crops.words),
        "boxes": boxes if any(box != boxes[0] for box in boxes) else boxes[:1],
        "numbers": list(crops.numbers) if tuple(crops.numbers) != frames else None,
        "shape": list(crops.pictures[0].shape[1::-1]) if len(crops.pictures) else None,
        "area": round(mean.area, DIGITS) if mean else None,
        "off": round(off_centre(mean), DIGITS) if mean else None,
        "path": crops.path.centres.round(DIGITS).tolist() if crops.path else None,
    }


def _edges(box: CropBox) -> list[float]:
    return [round(float(edge), DIGITS) for edge in box.edges]


def _sheet_entry(sheet: Sheet | None) -> list[Any] | None:
    return [sheet.width, sheet.height, [_row(row) for row in sheet.rows]] if sheet else None


def _row(row: Row | None) -> list[int] | None:
    return [row.top, row.width, row.height] if row else None


def detail(clip: PageClip) -> dict[str, Any]:
    """What only the view of a clip shows."""
    return {
        "noMotion": printable(clip.view.no_motion) if clip.view else "",
        "notes": [
            {
                "stage": printable(note.stage),
                "reasons": [reason.value for reason in note.reasons],
                "message": printable(note.message),
                "failed": note.failed,
            }
            for note in clip.notes
        ],
        "density": [_density(crops) for crops in clip.crops],
        "arrows": arrows_of(clip.view, clip.frames) if clip.view else {"stretch": 1, "frames": []},
        "camera": camera_curve(clip.motion) if clip.motion is not None else None,
        "top": [[printable(name), round(share, DIGITS)] for name, share in clip.answer.top] if clip.answer else [],
    }


def _density(crops: Crops) -> dict[str, Any] | None:
    """A density map as bytes from 0 to 255, the largest value, row by row, in base64."""
    if crops.density is None:
        return None
    scaled = np.rint(crops.density / crops.density.max() * 255).astype(np.uint8)
    rows, cols = scaled.shape
    return {
        "rows": rows,
        "cols": cols,
        "spans": _edges(crops.spans),
        "values": base64.b64encode(scaled.tobytes()).decode(),
    }
