"""The card of an export, ``README.md``: for people, and in its head for the library `datasets` and its hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.export.base import Export
from mocrop.pipeline.export.subsets import FIRST_SPLIT
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.settings import plain_settings
from mocrop.pipeline.strict_json import json_text

CARD = "README.md"
CLASSES = "classes.csv"
HUB_NAMES = {"val": "validation"}  # of subsets, where the hub has other words
_UNKNOWN = "unknown"
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]*", re.ASCII)
_ADDRESS = re.compile(r"https?://[!#-;=?-Z_a-z~%\[\]@&'()*+,$]+", re.ASCII)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True, kw_only=True)
class CardSettings:
    """What only who exports can know, and the split by which clips are sorted."""

    split: str = FIRST_SPLIT  # its name, or its number from 1
    licence: str = _UNKNOWN  # of the source, as the hub of `datasets` calls it, such as cc-by-4.0
    source_url: str = ""  # where the videos are from; empty: not known

    def __post_init__(self) -> None:
        if not _LICENCE.fullmatch(self.licence):
            raise ValueError(f"licence must be an identifier such as cc-by-4.0, not {self.licence!r}")
        if self.source_url and not _ADDRESS.fullmatch(self.source_url):
            raise ValueError(f"source_url must be an address such as https://example.org, not {self.source_url!r}")


def size_category(clips: int) -> str:
    """The hub's word for a number of clips.

    >>> size_category(999), size_category(1000), size_category(5_000_000)
    ('n<1K', '1K<n<10K', '1M<n<10M')
    """
    return next((word for limit, word in _SIZES if clips < limit), "1M<n<10M")


def write_card(export: Export, counts: Mapping[str, int], paths: Mapping[str, str], how: str) -> list[Path]:
    """Write the card, and the classes by their numbers where there are any.

    Args:
        counts: clips by subset.
        paths: pattern of the files of each subset, under the folder; empty if `datasets` does not read them.
        how: how to read the folder, in Markdown.
    Returns: the files.
    """
    card = export.folder / CARD
    write_whole(card, f"{_head(export.settings.form_settings, counts, paths)}\n{_text(export, counts, how)}".encode())
    if not export.class_names:
        return [card]
    classes = export.folder / CLASSES
    write_csv(("label", "class"), enumerate(export.class_names), classes)
    return [card, classes]


def _head(settings: CardSettings, counts: Mapping[str, int], paths: Mapping[str, str]) -> str:
    """YAML between lines of hyphens; nothing in it needs quotes but the patterns."""
    files = [
        line
        for subset in counts
        if subset in paths
        for line in (f"  - split: {HUB_NAMES.get(subset, subset)}", f'    path: "{paths[subset]}"')
    ]
    lines = [
        "---",
        f"license: {settings.licence}",
        "task_categories:",
        "- video-classification",
        "size_categories:",
        f"- {size_category(sum(counts.values()))}",
        *(["configs:", "- config_name: default", "  data_files:", *files] if files else []),
        "---",
    ]
    return "\n".join(lines) + "\n"


def _text(export: Export, counts: Mapping[str, int], how: str) -> str:
    settings, crop = export.settings.form_settings, export.settings.crop
    ratio = getattr(crop.policy_settings, "ratio", None)
    share = "" if ratio is None else f", ratio {ratio:g} (the crop's share of the frame's area)"
    licence = "unknown: ask whoever made the videos before you pass them on" if settings.licence == _UNKNOWN else ""
    rows = [f"| {HUB_NAMES.get(subset, subset)} | {count:,} |" for subset, count in counts.items()]
    left = f"\n{export.counts['left_out']:,} clips of the data set are not in here.\n"
    cache = f", crop cache `{export.settings.cache}`" if _is_plain(export.settings.cache) else ""
    return f"""# Motion-guided crops of videos

Made by mocrop {version("mocrop")} with `mocrop export`: each clip is cropped as the policy says.

- Source of the videos: {f"<{settings.source_url}>" if settings.source_url else _UNKNOWN}
- Licence of the source: {licence or f"`{settings.licence}`"}
- Policy: `{crop.policy}`{share}{cache}
- Classes: {len(export.class_names):,}{f", in `{CLASSES}`" if export.class_names else ""}{
        "; a clip may have several" if export.several_labels else ""
    }

| split {_split(export, settings)}| clips |
|---|---|
{chr(10).join(rows)}
{left if export.counts["left_out"] else ""}
## How to read it
{how}

## Settings
```json
{json_text({"form": plain_settings(settings), "crop": plain_settings(crop)}, indent=2)}
```
"""


def _split(export: Export, settings: CardSettings) -> str:
    return f"{settings.split} " if export.split_names and _is_plain(settings.split) else ""


def _is_plain(name: str) -> bool:
    """Whether a name is no Markdown."""
    return bool(re.fullmatch(r"[A-Za-z0-9._-]+", name, re.ASCII))
