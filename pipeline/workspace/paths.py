"""The folder that holds everything mocrop makes for one data set, and its mocrop.toml."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mocrop.pipeline.errors import CacheError, SettingsError, WorkspaceError

SETTINGS_FILE = "mocrop.toml"
DEFAULT_FOLDER = "mocrop-work"
ENVIRONMENT_VARIABLE = "MOCROP_WORKSPACE"


def locate_workspace(option: Path | None, *, here: Path | None = None) -> Path:
    """Say which folder is the workspace: the option, the environment, the nearest parent, or ./mocrop-work.

    Nothing is created. ``here`` defaults to the current folder.
    """
    if option is not None:
        return option.absolute()
    if named := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(named).absolute()
    here = (here or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / SETTINGS_FILE).is_file():
            return folder
    return here / DEFAULT_FOLDER


@dataclass(frozen=True)
class Workspace:
    """Names of everything inside a workspace folder; touches no file."""

    root: Path

    @classmethod
    def at(cls, where: Workspace | Path | str) -> Workspace:
        """The workspace in a folder; one that is a workspace already stays itself."""
        return where if isinstance(where, Workspace) else cls(Path(where).absolute())

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
    def partial(self) -> Path:
        """Where files grow until they are whole; on the same file system as their final places."""
        return self.root / ".partial"

    def h264_file(self, clip: str) -> Path:
        """Where the transcoded form of a clip lies."""
        return self.h264 / f"{clip}.mp4"

    def cache(self, name: str) -> Path:
        """Where the crop cache of that name lies.

        Raises: SettingsError if it could not be found again under that name.
        """
        return self.caches / f"{_require_name(name)}.zarr"

    def run(self, name: str) -> Path:
        """Where the training run of that name lies.

        Raises: SettingsError if it could not be found again under that name.
        """
        return self.runs / _require_name(name)

    def cache_names(self) -> list[str]:
        """Names of the crop caches that are there, sorted."""
        return sorted(path.stem for path in self.caches.glob("[!.]*.zarr"))

    def choose_cache(self, name: str | None) -> Path:
        """The cache of that name, or without a name the only one there is.

        Raises: CacheError that lists the caches if the choice is not clear.
        """
        names = self.cache_names()
        if not names:
            raise CacheError(f"{self.root} has no crop cache yet; make one with `mocrop precrop --size 192`")
        if name is None and len(names) > 1:
            raise CacheError(f"there are {len(names)} crop caches; name one with --cache: {', '.join(names)}")
        if name is not None and name not in names:
            raise CacheError(f"there is no crop cache {name!r}; there is {', '.join(names)}")
        return self.cache(name or names[0])

    def require(self) -> Self:
        """Return self if a workspace is there.

        Raises: WorkspaceError naming the commands that make one.
        """
        if not self.settings_file.is_file():
            raise WorkspaceError(
                f"there is no mocrop workspace at {self.root}; make one with `mocrop init DATASET`, or name one with -w"
            )
        return self


def _require_name(name: str) -> str:
    if not name or name.startswith(".") or {"/", "\\", "\0"} & set(name):
        raise SettingsError(f"--name {name!r} is no name of a folder; leave out slashes and a dot at the start")
    return name
