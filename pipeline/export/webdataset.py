"""The form `webdataset`: tar shards for each subset, ``train-000000.tar``, of samples in random order.

A sample is a clip: ``<key>.00000.jpg`` and so on for its slots, or ``<key>.mp4``; ``<key>.cls``, the index of its
class, in data sets with one label a clip; and ``<key>.json``, what is known of it. The library `webdataset` reads the
shards, and so does ``load_dataset("webdataset")`` of `datasets`, for which there is a card.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.choices import Sample, require_choice
from mocrop.pipeline.export.base import ClipInfo, Export, ExportClip
from mocrop.pipeline.export.card import CardSettings, write_card
from mocrop.pipeline.export.form import Form
from mocrop.pipeline.export.mp4 import Mp4Settings, encode_mp4
from mocrop.pipeline.export.pictures import PictureSettings, encode_picture, picture_name
from mocrop.pipeline.export.sample_keys import sample_key
from mocrop.pipeline.export.shard_plan import rank, shard_count, shard_spans
from mocrop.pipeline.export.slot_facts import slot_facts
from mocrop.pipeline.export.subsets import split_index, subset_counts, subset_of
from mocrop.pipeline.export.tar_shard import Member, join_tar, tar_members
from mocrop.pipeline.export.work import ExportWork
from mocrop.pipeline.limits import MAX_SEED, require_number, require_whole
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.settings import Plain
from mocrop.pipeline.strict_json import json_text

WEBDATASET_VERSION = 1
_MOST_MB = 1_000_000
_HOW = "With the library `webdataset`: each clip is one sample."
_HOW_ALIKE = """With the library `webdataset`, each clip is one sample; with `datasets`:

```python
from datasets import load_dataset

clips = load_dataset("webdataset", data_dir="this folder")
```"""
_NOT_ALIKE = """

The library `datasets` does not read these shards: it wants every sample to have the same files, and these clips differ
in their number of frames. `mocrop export --to webdataset --sample mp4` and `--to huggingface` make what it reads."""


@dataclass(frozen=True, kw_only=True)
class WebdatasetSettings(Mp4Settings, PictureSettings, CardSettings):
    """What a sample holds, and how samples are spread over shards."""

    sample: Sample = "frames"  # the frames of the slots as pictures, or the whole clip as one video
    shuffle_seed: int = 0  # of the order of the clips
    shard_mb: float = 256  # size of a shard on average, millions of bytes
    clip_bytes: int = 0  # what a clip takes in a shard, on average, as measured on a few; 0: not measured yet

    def __post_init__(self) -> None:
        for kind in (Mp4Settings, PictureSettings, CardSettings):
            kind.__post_init__(self)
        require_choice("sample", self.sample, Sample)
        require_whole("shuffle_seed", self.shuffle_seed, most=MAX_SEED)
        require_number("shard_mb", self.shard_mb, above=0, most=_MOST_MB)
        of_others = PictureSettings if self.sample == "mp4" else Mp4Settings
        for field in dataclasses.fields(of_others):
            if field.name != "size" and getattr(self, field.name) != field.default:
                raise ValueError(f"{field.name} does not go with --sample {self.sample}")


def places(clips: Sequence[ClipInfo], settings: WebdatasetSettings, split_names: Sequence[str]) -> list[str]:
    """The shard of each clip, such as ``train-000003``. Raises: SettingsError if there is no such split."""
    split = split_index(split_names, settings.split)
    shards = [""] * len(clips)
    for subset in subset_counts(clips, split):
        members = [position for position, clip in enumerate(clips) if subset_of(clip, split) == subset]
        members.sort(key=lambda position: rank(clips[position].place, settings.shuffle_seed))
        count = shard_count(len(members), clip_bytes=settings.clip_bytes, shard_mb=settings.shard_mb)
        for number, span in enumerate(shard_spans(len(members), shards=count)):
            for position in members[span.start : span.stop]:
                shards[position] = f"{subset}-{number:06d}"
    return shards


def write_sample(clip: ExportClip, piece: Path, work: ExportWork, log: ClipLog) -> Plain:
    """Write the members of a clip. Returns: ``fields``, how many there are, for the card. Raises: ClipError."""
    settings: WebdatasetSettings = work.settings.form_settings
    key = sample_key(clip.task.position, clip.task.name)
    if settings.sample == "mp4":
        encoded = encode_mp4(clip, piece, work, log)
        facts = {**encoded.facts, "frames": encoded.frames, "seconds": encoded.seconds}
        members = [(f"{key}.mp4", piece.read_bytes())]
    else:
        crops = work.crops(clip, log)
        facts = slot_facts(clip, crops, log)
        members = [
            (f"{key}.{picture_name(slot, settings)}", encode_picture(frame, settings))
            for slot, frame in enumerate(crops.frames)
        ]
    members += _labels(clip, facts, key)
    piece.write_bytes(tar_members(members))
    return {"fields": len(members)}


def _labels(clip: ExportClip, facts: Plain, key: str) -> list[Member]:
    """``.cls``, unless a clip of the data set may have several labels or this one has none, and ``.json``."""
    info = clip.info
    label = next(iter(info.label_numbers), None)
    one = {"label": label, "class": next(iter(info.labels), None)}
    all_labels = {"labels": list(info.label_numbers), "classes": list(info.labels)}
    about = {"clip": clip.task.name, **(all_labels if info.several else one), **facts}
    number = [] if info.several or label is None else [(f"{key}.cls", str(label).encode())]
    return [*number, (f"{key}.json", json_text(about).encode())]


def join_shard(pieces: Sequence[tuple[ExportClip, Path]], file: Path, settings: WebdatasetSettings) -> None:
    """Write a shard of the samples of its clips, in random order."""
    ordered = sorted(pieces, key=lambda pair: rank(pair[0].task.name, settings.shuffle_seed))
    join_tar([piece for _, piece in ordered], file)


def finish_webdataset(export: Export) -> list[Path]:
    """Write the card and the classes."""
    split = split_index(export.split_names, export.settings.form_settings.split)
    counts = subset_counts((clip.info for clip in export.clips()), split)
    alike = len({clip.facts["fields"] for clip in export.clips()}) == 1
    paths = {subset: f"{subset}-*.tar" for subset in counts} if alike else {}
    return write_card(export, counts, paths, _HOW_ALIKE if alike else _HOW + _NOT_ALIKE)


WEBDATASET = Form(
    settings=WebdatasetSettings,
    version=WEBDATASET_VERSION,
    suffix=lambda _: ".tar",
    write=write_sample,
    finish=finish_webdataset,
    own_files=lambda settings: settings.sample == "mp4",
    places=places,
    join=join_shard,
)
