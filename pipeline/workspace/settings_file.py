"""mocrop.toml: where the data set is, how it is split, and the settings of each stage."""

from __future__ import annotations

import contextlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.pipeline.dataset_place import AddressPath, dataset_place
from mocrop.pipeline.errors import AddressError, SettingsError, WorkspaceError
from mocrop.pipeline.field_types import did_you_mean
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.limits import MAX_SEED, require_whole
from mocrop.pipeline.settings import plain_settings
from mocrop.pipeline.workspace.paths import Workspace

KEYS = {  # at the top of the file
    "dataset": str,
    "splits": str,
    "seed": int,
    "group_by": str,
    "format": str,
    "unlabelled": bool,
    "multi_label": bool,
    "label_separator": str,
}
TABLES = ("transcode", "extract-mv", "import-npy")
MOST_BYTES, MOST_LINE_BYTES = 64 << 10, 8 << 10  # the memory of a parser grows with the square of the parts of a key
_HEADER = """\
# A mocrop workspace. Edit freely: `mocrop status` shows what a change makes stale, and the next run redoes only that.
# Paths are absolute or relative to this file.
"""


@dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """Where the data set is and how it is split; the keys at the top of mocrop.toml."""

    dataset: Path
    splits: Path | None = None  # folder or file of split lists; None: a split is generated from `seed`
    seed: int = 0
    group_by: str | None = None  # expression on a clip's path, or column of a CSV, that names its group; None: _gNN_
    form: str | None = None  # of the annotations or folders, see dataset/formats; None: to be recognised
    unlabelled: bool = False  # whether videos are taken in without labels and splits
    multi_label: bool = False  # whether a clip may have several labels
    label_separator: str = ""  # between several labels in one cell, which a clip may have then; "": a cell has one

    @property
    def several_labels(self) -> bool:
        """Whether a clip may have several labels."""
        return self.multi_label or bool(self.label_separator)

    def __post_init__(self) -> None:
        require_whole("seed", self.seed, least=-MAX_SEED, most=MAX_SEED)


def read_settings(workspace: Workspace) -> tuple[DatasetSettings, dict[str, dict[str, Any]]]:
    """Read mocrop.toml: the data set's settings, and the tables of options by stage.

    What is in the tables is checked by whoever knows the stages; what the file may hold at all is checked here.
    Raises: WorkspaceError if the file is not TOML, names no data set, or has a key or table that mocrop does not know.
    """
    workspace.require()
    try:
        content = tomllib.loads(_text(workspace.settings_file))
        _require_known(content)
        splits = workspace.root / content["splits"] if content.get("splits") else None
        settings = DatasetSettings(
            dataset=_dataset(workspace, content["dataset"]),
            splits=splits,
            seed=content.get("seed", 0),
            group_by=content.get("group_by") or None,
            form=content.get("format") or None,
            unlabelled=content.get("unlabelled", False),
            multi_label=content.get("multi_label", False),
            label_separator=content.get("label_separator", ""),
        )
    except (ValueError, SettingsError, AddressError, RecursionError) as error:  # also of TOML and of UTF-8
        raise WorkspaceError(
            f"{workspace.settings_file}: {error}; correct it, or move it away and run `mocrop init DATASET`"
        ) from error
    return settings, {name: content[name] for name in TABLES if name in content}


def is_bare(workspace: Workspace) -> bool:
    """Whether a workspace holds pulled caches alone: it never had a data set, and no stage has run in it."""
    try:
        named = tomllib.loads(_text(workspace.settings_file)).get("dataset")
    except (OSError, ValueError, RecursionError):
        return False
    return not named and not workspace.manifest_file.exists()


def _dataset(workspace: Workspace, named: str) -> Path:
    place = dataset_place(named)
    return place if isinstance(place, AddressPath) else workspace.root / place


def _text(file: Path) -> str:
    """The text of the file. Raises: ValueError if it is no UTF-8, or so long that a parser might take all memory."""
    with file.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
    if max(map(len, content.splitlines()), default=0) > MOST_LINE_BYTES:
        raise ValueError(f"a line is longer than {MOST_LINE_BYTES:,} bytes")
    return content.decode()


def _require_known(content: Mapping[str, Any]) -> None:
    """Check names and types at the top of the file. Raises: ValueError naming the key or table, and the nearest one."""
    for name, value in content.items():
        if name not in (*KEYS, *TABLES):
            shown = f"table [{name}]" if isinstance(value, dict) else f"key {name!r}"
            meant = did_you_mean(name, TABLES if isinstance(value, dict) else KEYS)
            raise ValueError(f"it has the {shown}, which mocrop does not know{meant or _known()}")
        if name in TABLES and not isinstance(value, dict):
            raise ValueError(f"{name} must be a table [{name}], not {value!r}")
        if name in KEYS and (type(value) is not KEYS[name] or "\0" in str(value)):
            wanted = {int: "a whole number", bool: "true or false"}.get(KEYS[name], "text in quotes")
            raise ValueError(f"{name} must be {wanted}, not {value!r}")
    if not content.get("dataset"):
        raise ValueError("it names no data set: dataset = ... is missing")


def _known() -> str:
    return f"; it knows {', '.join(KEYS)} and the tables {', '.join(f'[{name}]' for name in TABLES)}"


def write_settings(workspace: Workspace, settings: DatasetSettings) -> None:
    """Write the data set's settings into mocrop.toml; comments and the tables of stages stay.

    Raises: SettingsError for a path that is not UTF-8.
    """
    with _edited(workspace) as document:
        document["dataset"] = os.fspath(settings.dataset.absolute())
        document["splits"] = os.fspath(settings.splits.absolute()) if settings.splits else ""
        document["seed"] = settings.seed
        later: dict[str, str | bool] = {  # what a new file does without until it is asked for
            "group_by": settings.group_by or "",
            "format": settings.form or "",
            "unlabelled": settings.unlabelled,
            "multi_label": settings.multi_label,
            "label_separator": settings.label_separator,
        }
        for key, value in later.items():
            if value or key in document:
                document[key] = value


def write_place(workspace: Workspace) -> None:
    """Make a folder a workspace that has no data set yet, unless it is one: `mocrop train` needs no more."""
    if not workspace.settings_file.exists():
        write_whole(workspace.settings_file, _HEADER.encode())


def write_stage_settings(workspace: Workspace, stage: str, settings: Any) -> None:
    """Write a settings dataclass as the table of one stage, so that later stages and runs use the same values.

    Raises: SettingsError for a path or name that is not UTF-8.
    """
    with _edited(workspace) as document:
        document[stage] = plain_settings(settings)


@contextlib.contextmanager
def _edited(workspace: Workspace) -> Iterator[Any]:
    import tomlkit  # keeps the file's comments and order

    file = workspace.settings_file
    text = _text(file) if file.exists() else _HEADER
    document = tomlkit.parse(text)
    yield document
    if (new := tomlkit.dumps(document)) != text or not file.exists():
        try:
            content = new.encode()
        except UnicodeEncodeError as error:
            line = new.count("\n", 0, error.start)
            raise SettingsError(
                f"{file} is UTF-8, and this is not: {new.splitlines()[line]}; rename the folder or file"
            ) from error
        write_whole(file, content)
