"""Settings are frozen dataclasses: built from mocrop.toml and options, turned into plain values, hashed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from mocrop.pipeline.errors import SettingsError

Plain = dict[str, Any]  # settings as JSON holds them
Settings = TypeVar("Settings")


def settings_hash(settings: Any, *context: object) -> str:
    """Hash a settings dataclass and its context to 16 hex digits; equal values give equal hashes in any process.

    Settings that are None do not count, so that an optional one can be added without making older outputs stale.

    >>> from mocrop.pipeline.crop_box import WHOLE_FRAME
    >>> settings_hash(WHOLE_FRAME, "transcode") == settings_hash(WHOLE_FRAME, "transcode")
    True
    >>> settings_hash(WHOLE_FRAME, "transcode") == settings_hash(WHOLE_FRAME, "extract-mv")
    False
    """
    text = json.dumps([plain_settings(settings), *context], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def settings_from(
    kind: type[Settings], table: Mapping[str, Any], options: Mapping[str, Any], *, where: str
) -> Settings:
    """Make a settings dataclass from a table of mocrop.toml, overridden by the options that are not None.

    Args:
        kind: the dataclass.
        where: the table or command, for messages.

    >>> from mocrop.pipeline.crop_box import CropBox
    >>> edges = {"left": 0, "top": 0.5, "right": 1, "bottom": 1}
    >>> settings_from(CropBox, edges, {"right": None, "top": 0.25}, where="[box]")
    CropBox(left=0, top=0.25, right=1, bottom=1)

    Raises: SettingsError naming the setting that is unknown or invalid.
    """
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(table.keys() - known):
        raise SettingsError(f"{where} has no setting {unknown[0]!r}; it has {', '.join(sorted(known))}")
    try:
        return kind(**{**table, **{name: value for name, value in options.items() if value is not None}})
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{where}: {error}") from error


def plain_settings(settings: Any, *, keep_none: bool = False) -> Plain:
    """Turn a settings dataclass, and those inside it, into the values that JSON can hold: tuples become lists.

    Args:
        keep_none: keep settings that are None, as checkpoints do; caches, hashes and mocrop.toml leave them out.

    >>> tiny = dataclasses.make_dataclass("Tiny", ["grid", "seed"])((6, 8), None)
    >>> plain_settings(tiny), plain_settings(tiny, keep_none=True)
    ({'grid': [6, 8]}, {'grid': [6, 8], 'seed': None})
    """
    values = dataclasses.asdict(settings)
    return {name: _plain(value) for name, value in values.items() if keep_none or value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
