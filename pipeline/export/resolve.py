"""Resolve the options of `mocrop export` to the settings of an export."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mocrop.pipeline.choices import Audio, Picture, Sample
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.export.base import ExportSettings
from mocrop.pipeline.export.registry import FORMS, form_settings, options_of_forms, settings_from_plain
from mocrop.pipeline.settings import Plain
from mocrop.pipeline.stages.cache_settings import CropOptions, resolve_precrop
from mocrop.pipeline.stages.registry import Stages
from mocrop.pipeline.stages.stored_settings import read_precrop_settings
from mocrop.pipeline.workspace.paths import Workspace

_NO_CACHE = "export"  # name in the settings of crops that are in no cache
_BOTH = ("size",)  # options of a form that also say how crops are made where there is no cache


class ExportOptions(CropOptions, total=False):
    """Options of an export, as `mocrop export` takes them: those of crops, and these; None means not given."""

    to: str | None  # the form, a key of FORMS
    cache: str | None  # name of the crop cache whose boxes are taken
    density_from: Path | str | None  # folder of density maps, for policy `maps`
    fps: float | None  # mp4: frames a second
    crf: int | None  # mp4: x264's constant quality
    preset: str | None  # mp4: x264's preset
    audio: Audio | None  # mp4: the sound of the clips
    image: Picture | None  # frames: what a file of a frame is
    quality: int | None  # frames: of JPEG, 1 to 100
    sample: Sample | None  # webdataset: what a sample holds
    shard_mb: float | None  # webdataset: size of a tar file on average, millions of bytes
    shuffle_seed: int | None  # webdataset: of the order of the clips
    split: str | None  # webdataset, huggingface: name or number of the split that says the subsets
    licence: str | None  # webdataset, huggingface: of the videos, for the card
    source_url: str | None  # webdataset, huggingface: where the videos are from, for the card


def resolve_export(
    workspace: Workspace, stages: Stages, folder: Path, options: Mapping[str, Any], *, known: Plain | None
) -> ExportSettings:
    """Resolve options: what is given, else the defaults; without any, what the export in the folder has.

    Args:
        folder: of the export.
        options: ``to``, the form; ``cache``; fields of the settings of any form; else as :func:`resolve_precrop` takes
            them. None: not given.
        known: settings of an export that is in the folder, as the workspace remembers them; None: there is none.
    Raises: SettingsError naming the option; CacheError if there is no such cache, or several and none is named.
    """
    path = os.path.abspath(folder)
    given = {name: value for name, value in options.items() if value is not None}
    if "density_from" in given:
        given["folder"] = given.pop("density_from")
    if not given:
        if known is None:
            raise SettingsError(f"--to says in which form to export; pass one of {', '.join(FORMS)}")
        return settings_from_plain({**known, "folder": path}, where=path)
    form = str(given.pop("to", "" if known is None else known["form"]))
    if form not in FORMS:
        wanted = f"there is no form {form!r}" if form else "--to says in which form to export"
        raise SettingsError(f"{wanted}; the forms are {', '.join(FORMS)}")
    cache = given.pop("cache", None)
    of_form = {name: given.pop(name) for name in sorted(options_of_forms() & given.keys())}
    own_size = {name: of_form[name] for name in _BOTH if of_form.get(name)}
    if cache is not None and given:
        option = sorted(given)[0].replace("_", "-")
        raise SettingsError(f"--{option} makes other crops than those of --cache {cache}; pass one of both")
    if given:
        crop = resolve_precrop(workspace, stages, {**given, **own_size, "name": _NO_CACHE}, inherit=False)
        cache = ""
    else:
        cache = workspace.choose_cache(cache).stem
        crop = read_precrop_settings(workspace, cache)
    settings = form_settings(form, of_form, defaults={"size": crop.size, **_measured(form, known)})
    if not FORMS[form].own_files(settings) and settings.size != crop.size:
        way_out = f"as it is, or --cache with another one than {cache}" if cache else "of at least 1"
        raise SettingsError(
            f"--to {form} takes frames of {crop.size} pixels, not {settings.size}; pass --size {way_out}"
        )
    return ExportSettings(folder=path, form=form, form_settings=settings, crop=crop, cache=cache)


def _measured(form: str, known: Plain | None) -> Plain:
    """What was measured for the export that is there, so that its shards stay the same."""
    if known is None or known["form"] != form or "clip_bytes" not in known["form_settings"]:
        return {}
    return {"clip_bytes": known["form_settings"]["clip_bytes"]}
