"""Settings are frozen dataclasses: built from mocrop.toml and options, turned into plain values, hashed, compared.

What is stored outlives the version that wrote it. So a setting that comes later is declared with :func:`added`, and
has its default in everything that was stored without it; and what a newer version has stored with a setting that this
one does not know is refused, never read without it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.field_types import did_you_mean, require_types

Plain = dict[str, Any]  # settings as JSON holds them
Settings = TypeVar("Settings")
Value = TypeVar("Value")

_ADDED = "added"  # key in the metadata of a field


def added(default: Value) -> Value:
    """Declare a setting that came after the first version of its dataclass; the default must never change.

    While it has its default, it does not count in hashes and is not written: outputs made before it existed stay
    current, and an older mocrop reads what does not use it.

    >>> @dataclasses.dataclass(frozen=True, kw_only=True)
    ... class Later:
    ...     crf: int = 23
    ...     denoise: bool = added(False)
    >>> plain_settings(Later()), plain_settings(Later(denoise=True))
    ({'crf': 23}, {'crf': 23, 'denoise': True})
    """
    field: Value = dataclasses.field(default=default, metadata={_ADDED: True})  # as typeshed has it
    return field


def settings_hash(settings: Any, *context: object) -> str:
    """Hash a settings dataclass and its context to 16 hex digits; equal values give equal hashes in any process.

    Settings that are None, and those :func:`added` that have their default, do not count.

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
    known = {field.name for field in dataclasses.fields(cast(Any, kind))}
    if unknown := unknown_settings(kind, table):
        meant = did_you_mean(unknown[0], known) or f" (a newer mocrop may have one); it has {', '.join(sorted(known))}"
        raise SettingsError(f"{where} has no setting {unknown[0]!r}{meant}")
    try:
        require_types(kind, table)
        return kind(**{**table, **{name: value for name, value in options.items() if value is not None}})
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{where}: {error}") from error


def plain_settings(settings: Any, *, keep_none: bool = False, keep_added: bool = False) -> Plain:
    """Turn a settings dataclass, and those inside it, into the values that JSON can hold: tuples become lists.

    Args:
        keep_none: keep settings that are None, as checkpoints do; caches, hashes and mocrop.toml leave them out.
        keep_added: keep settings :func:`added` that have their default, to be compared; nothing stored has them.

    >>> tiny = dataclasses.make_dataclass("Tiny", ["grid", "seed"])((6, 8), None)
    >>> plain_settings(tiny), plain_settings(tiny, keep_none=True)
    ({'grid': [6, 8]}, {'grid': [6, 8], 'seed': None})
    """
    values = _plain(settings, whole=keep_added)
    return {name: value for name, value in values.items() if keep_none or value is not None}


def unknown_settings(kind: Any, stored: Mapping[str, Any]) -> list[str]:
    """Names of stored settings that the dataclass ``kind`` does not have, as a newer mocrop may have stored; sorted."""
    return sorted(stored.keys() - {field.name for field in dataclasses.fields(kind)}, key=str)


def with_defaults(kind: Any, stored: Mapping[str, Any]) -> Plain:
    """Add to stored settings those that the dataclass ``kind`` has since got, with their defaults.

    >>> from mocrop.pipeline.motion.fields import MotionFieldSettings
    >>> with_defaults(MotionFieldSettings, {"side": 28})
    {'side': 28, 'span': 12, 'camera': 'ignore'}
    """
    fields = (field for field in dataclasses.fields(kind) if _has_default(field))
    return {**{field.name: _plain(_default(field), whole=True) for field in fields}, **stored}


def _plain(value: Any, *, whole: bool) -> Any:
    """The plain form of a value. Not ``whole``: without the settings added that have their default, at any depth."""
    if dataclasses.is_dataclass(value):
        kept = (each for each in dataclasses.fields(value) if whole or not _is_added_default(each, value))
        return {each.name: _plain(getattr(value, each.name), whole=whole) for each in kept}
    if isinstance(value, Mapping):
        return {key: _plain(item, whole=whole) for key, item in value.items()}
    return [_plain(item, whole=whole) for item in value] if isinstance(value, list | tuple) else value


def _is_added_default(field: dataclasses.Field[Any], settings: Any) -> bool:
    return bool(field.metadata.get(_ADDED)) and getattr(settings, field.name) == field.default


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return not (field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING)


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
