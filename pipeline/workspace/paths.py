"""The workspace: the folder that holds everything mocrop makes for one data set, and the paths in it."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mocrop.pipeline.address import Address, is_address, require_no_address
from mocrop.pipeline.errors import CacheError, SettingsError, WorkspaceError
from mocrop.pipeline.files import fitting_name, is_there, names_in
from mocrop.pipeline.names import is_utf8

SETTINGS_FILE = "mocrop.toml"
DEFAULT_FOLDER = "mocrop-work"
MAX_NAME_BYTES = 200  # of a new cache or run, in UTF-8; what is made of it has suffixes, and folders allow 255
ENVIRONMENT_VARIABLE = "MOCROP_WORKSPACE"


def locate_workspace(option: Path | None, *, here: Path | None = None) -> Path:
    """Find the workspace folder. Nothing is created.

    That is, in this order: the option; the environment variable MOCROP_WORKSPACE; the nearest folder from ``here``
    upwards that holds a mocrop.toml; ./mocrop-work.

    Args:
        option: the value of --workspace.
        here: None: the current folder.
    Raises: AddressError for an address.
    """
    if named := option or os.environ.get(ENVIRONMENT_VARIABLE):
        return Workspace.at(named).root
    here = (here or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / SETTINGS_FILE).is_file():
            return folder
    return here / DEFAULT_FOLDER


@dataclass(frozen=True)
class Workspace:
    """The paths of everything in a workspace folder."""

    root: Path

    @classmethod
    def at(cls, where: Workspace | Path | str) -> Workspace:
        """The workspace in a folder; a Workspace is returned as it is. Raises: AddressError for an address."""
        if isinstance(where, Workspace):
            return where
        require_no_address(where, "a workspace")
        return cls(Path(where).absolute())

    @property
    def settings_file(self) -> Path:
        return self.root / SETTINGS_FILE

    @property
    def manifest_file(self) -> Path:
        return self.root / "manifest.sqlite"

    @property
    def h264(self) -> Path:
        return self.root / "h264"

    @property
    def motion(self) -> Path:
        return self.root / "motion.zarr"

    @property
    def caches(self) -> Path:
        return self.root / "caches"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def exports(self) -> Path:
        """Folder of what is remembered of exports, whose own folders are elsewhere."""
        return self.root / "exports"

    @property
    def partial(self) -> Path:
        """Folder of unfinished files; on the same file system as their final places."""
        return self.root / ".partial"

    def h264_file(self, clip: str) -> Path:
        """Path of the transcoded file of a clip; a name too long for a file is cut and marked with a hash."""
        folder, _, name = clip.rpartition("/")
        return self.h264 / folder / fitting_name(name, ".mp4")

    def cache(self, name: str) -> Path:
        """Path of the crop cache of that name.

        Raises: SettingsError if the name cannot be that of a folder, or is new and long or holds a control character.
        """
        return _named(self.caches, name, ".zarr")

    def run(self, name: str) -> Path:
        """Path of the training run of that name.

        Raises: SettingsError if the name cannot be that of a folder, or is new and long or holds a control character.
        """
        return _named(self.runs, name)

    def cache_names(self) -> list[str]:
        """Names of the crop caches in the workspace, sorted. Raises: OSError if their folder cannot be read."""
        return [Path(name).stem for name in names_in(self.caches) if name.endswith(".zarr") and name[0] != "."]

    def trained_runs(self) -> list[str]:
        """Names of the runs that have a checkpoint, sorted. Raises: OSError if a folder cannot be read."""
        runs = [self.runs / name for name in names_in(self.runs)]
        return [run.name for run in runs if is_there(run / "best.pt") or is_there(run / "last.pt")]

    def choose_cache(self, name: str | None) -> Path:
        """Path of the cache of that name; None: of the only cache.

        Raises: CacheError that lists the caches if there is none of that name, or several to choose from; AddressError
            for an address with credentials in it.
        """
        if name is not None and is_address(name):
            raise CacheError(
                f"{Address.parse(name)} is an address, which only train, eval and predict read; fetch the cache with "
                "`mocrop pull`, and name it then"
            )
        names = self.cache_names()
        if not names:
            raise CacheError(f"{self.root} has no crop cache yet; make one with `mocrop precrop --size 192`")
        if name is None and len(names) > 1:
            raise CacheError(f"there are {len(names)} crop caches; name one with --cache: {', '.join(names)}")
        if name is not None and name not in names:
            raise CacheError(f"there is no crop cache {name!r}; the caches are {', '.join(names)}")
        return self.cache(name or names[0])

    def require(self) -> Self:
        """Return self if there is a workspace.

        Raises: WorkspaceError naming the command that makes one, or if its path is not UTF-8.
        """
        self.require_utf8()
        if not self.settings_file.is_file():
            raise WorkspaceError(
                f"there is no mocrop workspace at {self.root}; make one with `mocrop init DATASET`, or name one with -w"
            )
        return self

    def require_utf8(self) -> None:
        """Raises: WorkspaceError if the path is not UTF-8, as TensorStore wants the paths of its files."""
        if not is_utf8(os.fspath(self.root)):
            raise WorkspaceError(f"the path of the workspace {self.root} is not UTF-8; rename the folder, or pass -w")


def _named(folder: Path, name: str, suffix: str = "") -> Path:
    """Path of a cache or run. One that is there has been given its name by an earlier mocrop, or in a file manager."""
    _require_name(name)
    path = folder / f"{name}{suffix}"
    if not os.path.lexists(path):
        _require_new_name(name)
    return path


def _require_name(name: str) -> None:
    if not name or name.startswith(".") or {"/", "\\", ":", "\0"} & set(name):
        raise SettingsError(f"--name {name!r} cannot name a folder; use no slash or colon, and no dot at the start")
    if not is_utf8(name):  # bytes that are not UTF-8 are lone surrogates
        raise SettingsError(f"--name {name} is not UTF-8, which JSON and the caches are; use another name")


def _require_new_name(name: str) -> None:
    if (size := len(name.encode())) > MAX_NAME_BYTES:
        raise SettingsError(
            f"names of caches and runs have at most {MAX_NAME_BYTES} bytes in UTF-8, {name[:20]}... has {size}; pass a "
            "shorter --name"
        )
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in name):
        raise SettingsError(f"--name {name!r} holds a line break or another control character; use letters alone")
