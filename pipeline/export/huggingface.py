"""The form `huggingface`: a folder that ``load_dataset("videofolder")`` of the library `datasets` reads, with a card.

``train/<Class>/<clip>.mp4`` and so on, and in each of these folders ``metadata.csv``, a row a clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.export.base import ClipInfo, Export, ExportedClip
from mocrop.pipeline.export.card import HUB_NAMES, CardSettings, write_card
from mocrop.pipeline.export.form import Form
from mocrop.pipeline.export.mp4 import Mp4Settings, write_boxes, write_mp4
from mocrop.pipeline.export.subsets import split_index, subset_counts, subset_of

HUGGINGFACE_VERSION = 1
METADATA = "metadata.csv"
SEPARATOR = "|"  # between the classes of a clip that has several
_HEAD = ("file_name", "label", "class", "left", "top", "right", "bottom", "moves", "source_width", "source_height")
_HOW = """With the library `datasets`; a row has the video, and what `metadata.csv` says of it:

```python
from datasets import load_dataset

clips = load_dataset("videofolder", data_dir="this folder")
```

`left`, `top`, `right` and `bottom` are the crop of the first frame, in pixels of the source; where the crop `moves`,
`boxes.csv` has the others."""


@dataclass(frozen=True, kw_only=True)
class HuggingfaceSettings(Mp4Settings, CardSettings):
    """How the files are encoded, and what the card says."""

    def __post_init__(self) -> None:
        Mp4Settings.__post_init__(self)
        CardSettings.__post_init__(self)


def places(clips: Sequence[ClipInfo], settings: HuggingfaceSettings, split_names: Sequence[str]) -> list[str]:
    """``<subset>/<Class>/<clip>`` of each clip. Raises: SettingsError if there is no such split."""
    split = split_index(split_names, settings.split)
    return [f"{_folder(clip, split)}/{clip.place}" for clip in clips]


def _folder(clip: ClipInfo, split: int | None) -> str:
    subset = subset_of(clip, split)
    return HUB_NAMES.get(subset, subset)


def finish_huggingface(export: Export) -> list[Path]:
    """Write what is known of the clips, their boxes, the card and the classes."""
    split = split_index(export.split_names, export.settings.form_settings.split)
    files = [write_boxes(export)]
    clips = sorted(export.clips(), key=lambda clip: (_folder(clip.info, split), clip.position))
    for folder, members in groupby(clips, key=lambda clip: _folder(clip.info, split)):
        files.append(export.folder / folder / METADATA)
        write_csv(_HEAD, _rows(members, folder), files[-1])
    counts = subset_counts((clip.info for clip in clips), split)
    files += write_card(export, counts, {name: f"{HUB_NAMES.get(name, name)}/**" for name in counts}, _HOW)
    return files


def _rows(clips: Iterator[ExportedClip], folder: str) -> Iterator[tuple[object, ...]]:
    for clip in clips:
        first, info = clip.facts["boxes"][0], clip.info
        labels = SEPARATOR.join(map(str, info.label_numbers)), SEPARATOR.join(info.labels)
        moves = str(len(clip.facts["boxes"]) > 1).lower()
        yield clip.path.removeprefix(f"{folder}/"), *labels, *first[1:5], moves, *clip.facts["source"]


HUGGINGFACE = Form(
    settings=HuggingfaceSettings,
    version=HUGGINGFACE_VERSION,
    suffix=lambda _: ".mp4",
    write=write_mp4,
    finish=finish_huggingface,
    own_files=lambda _: True,
    places=places,
)
