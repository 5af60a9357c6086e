"""The folder of an export: what may be written into, and the file in it that says how it was made and what it holds."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mocrop.pipeline.errors import NewerError, SettingsError
from mocrop.pipeline.export.base import ExportSettings, Written
from mocrop.pipeline.export.registry import settings_from_plain
from mocrop.pipeline.export.stage import PARTIAL, remove_files
from mocrop.pipeline.files import names_in, real_path, write_whole
from mocrop.pipeline.names import is_utf8
from mocrop.pipeline.settings import Plain, plain_settings
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.stages.registry import chain
from mocrop.pipeline.stages.stored_settings import differences
from mocrop.pipeline.strict_json import json_text, parsed_json
from mocrop.pipeline.versions import other_layout
from mocrop.pipeline.workspace.paths import Workspace

DESCRIPTION = "mocrop-export.json"
SCHEMA = 1
_KEY = "mocrop_export"  # of the schema
_SHOWN = 3  # names of what is in the way


@dataclass(frozen=True, kw_only=True)
class Described:
    """What the description of an export says."""

    settings: ExportSettings
    dataset: str
    complete: bool  # False: it was being written, or is still to be finished
    files: tuple[Written, ...]


def read_description(folder: Path) -> Described | None:
    """What the description in a folder says; None if there is none.

    Raises: NewerError if a newer mocrop wrote it; SettingsError if it is damaged; OSError if it cannot be read.
    """
    file = folder / DESCRIPTION
    try:
        plain = parsed_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise SettingsError(f"{file} is damaged: it is no JSON ({error})") from error
    if not isinstance(plain, dict) or not isinstance(plain.get(_KEY), int):
        raise SettingsError(f"{file} is damaged: it does not say what it is")
    if plain[_KEY] > SCHEMA:
        raise NewerError(other_layout(f"{file} has schema", plain[_KEY], reads=SCHEMA, older=""))
    try:
        files = tuple(_written(each) for each in plain["files"])
        settings = settings_from_plain({**plain["settings"], "folder": str(folder)}, where=str(file))
        return Described(
            settings=settings, dataset=str(plain["dataset"]), complete=bool(plain["complete"]), files=files
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{file} is damaged ({type(error).__name__}: {error})") from error


def _written(plain: Plain) -> Written:
    path = str(plain["path"])
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{path!r} leads out of the folder")
    return Written(
        path=path,
        size_bytes=int(plain["bytes"]),
        checksum=int(plain["crc32c"], 16),
        clips=tuple(map(int, plain.get("clips", ()))),
    )


def write_description(stage: Stage, *, dataset: Path, files: Iterable[Written], complete: bool, more: Plain) -> None:
    """Write the description of an export.

    Args:
        files: all that it consists of; while it is not ``complete``, those that it consisted of when it was last.

    Raises: DiskFullError, FileError.
    """
    import av

    settings: ExportSettings = stage.settings
    plain: dict[str, Any] = {
        _KEY: SCHEMA,
        "complete": complete,
        "dataset": str(dataset),
        **more,
        "settings": {key: value for key, value in plain_settings(settings).items() if key != "folder"},
        "version": stage.version,
        "stages": {  # before this one, whose hash depends on the folder
            one.name.partition(":")[0]: {"version": one.version, "settings_hash": one.settings_hash}
            for one in chain(stage)[:-1]
        },
        "software": {"mocrop": version("mocrop"), "av": version("av"), "ffmpeg": av.ffmpeg_version_info},
        "files": [_plain(each) for each in files],
    }
    write_whole(Path(settings.folder) / DESCRIPTION, f"{json_text(plain, indent=1)}\n".encode())


def _plain(written: Written) -> Plain:
    facts = {"path": written.path, "bytes": written.size_bytes, "crc32c": f"{written.checksum:08x}"}
    return {**facts, "clips": list(written.clips)} if written.clips else facts


def require_target(
    workspace: Workspace, dataset: Path, settings: ExportSettings, *, known: Plain | None, overwrite: bool
) -> None:
    """Check that a folder may be exported into, before anything is written.

    Args:
        overwrite: an earlier export that is there may be replaced, but nothing else.
        known: what the workspace remembers of the export into that folder; None: there is none.
    Raises: SettingsError naming what is in the way, or the settings that differ.
    """
    folder = Path(settings.folder)
    _require_place(workspace, dataset, folder)
    described = _readable(folder) if known is not None else read_description(folder)
    if described is None:
        _require_empty(folder, known)
    elif overwrite:
        return
    elif described.dataset != str(dataset):
        fact = f"holds an export of another data set, {described.dataset}"
        raise SettingsError(f"{folder} {fact}; name another folder, or pass --overwrite")
    elif known is None:
        fact = "holds an export that this workspace has not made there: it is of another one, or was moved"
        raise SettingsError(f"{folder} {fact}; name another folder, or pass --overwrite")
    if known is not None and described is not None and not overwrite:
        _require_same(settings_from_plain({**known, "folder": settings.folder}, where=str(folder)), settings)


def _require_place(workspace: Workspace, dataset: Path, folder: Path) -> None:
    if not is_utf8(str(folder)):
        raise SettingsError(f"the path of the folder {folder} is not UTF-8; rename it, or name another one")
    here = real_path(folder)
    for place, what in ((dataset, "the data set"), (workspace.root, "the workspace")):
        inside = real_path(place)
        if here == inside or here in inside.parents:
            raise SettingsError(f"{folder} is or holds {what} {place}; name a new folder for the export")
    if real_path(dataset) in here.parents:
        raise SettingsError(
            f"{folder} is inside the data set {dataset}, whose clips the exported ones would be; name another folder"
        )
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file; name a new folder for the export")


def _require_empty(folder: Path, known: Plain | None) -> None:
    """Nothing but what a killed run of this export may have left there."""
    there = [name for name in names_in(folder) if known is None or name != PARTIAL]
    if there and known is None:
        names = ", ".join(there[:_SHOWN]) + (", ..." if there[_SHOWN:] else "")
        raise SettingsError(f"{folder} holds something else ({names}); name a new or an empty folder for the export")


def _readable(folder: Path) -> Described | None:
    """The description of an export that the workspace knows; None if it is gone or damaged, and is written anew."""
    try:
        return read_description(folder)
    except SettingsError:
        return None


def _require_same(there: ExportSettings, asked: ExportSettings) -> None:
    """Raises: SettingsError naming each setting that differs; those of a cache are its own affair."""
    one, other = (_compared(each) for each in (there, asked))
    if found := list(differences(one, other)):
        raise SettingsError(
            f"{asked.folder} holds an export with other settings ({'; '.join(found)}); name another folder, or "
            "replace it with --overwrite"
        )


def _compared(settings: ExportSettings) -> Plain:
    plain = plain_settings(settings, keep_none=True, keep_added=True)
    form = {f"{settings.form} {key}": value for key, value in plain.pop("form_settings").items()}
    crop = plain.pop("crop")
    crop.pop("name")
    return {**plain, **form, **({} if settings.cache else crop)}


def files_before(folder: Path) -> tuple[Written, ...]:
    """The files of an export when it was last finished; none if its description is gone or damaged."""
    described = _readable(folder)
    return described.files if described else ()


def clear(folder: Path, more: Iterable[Written] = ()) -> None:
    """Delete what an earlier export has written into a folder, by its description and by ``more``; nothing else.

    Raises: NewerError if a newer mocrop wrote the description; SettingsError if it is damaged.
    """
    described = read_description(folder)
    files = [*(described.files if described else ()), *more]
    remove_files(folder, [*(each.path for each in files), DESCRIPTION])
    sweep(folder)


def sweep(folder: Path) -> None:
    """Delete what a killed run has left unfinished."""
    shutil.rmtree(folder / PARTIAL, ignore_errors=True)
