"""The folder that holds everything mocrop makes for one data set, and its mocrop.toml."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from mocrop.pipeline.errors import CacheError, SettingsError, WorkspaceError
from mocrop.pipeline.stage import raise_if_disk_full

SETTINGS_FILE = "mocrop.toml"
DEFAULT_FOLDER = "mocrop-work"
ENVIRONMENT_VARIABLE = "MOCROP_WORKSPACE"

_HEADER = """\
# A mocrop workspace. Edit freely: `mocrop status` says what a change makes stale, and the next run redoes just that.
# Paths are absolute or relative to this file.
"""


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


@dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """Where the data set is and how it is split; the top part of mocrop.toml."""

    dataset: Path
    splits: Path | None = None  # folder or file of split lists; None: a split of our own, from `seed`
    seed: int = 0


def read_settings(workspace: Workspace) -> tuple[DatasetSettings, dict[str, dict[str, Any]]]:
    """Read mocrop.toml: the data set's settings, and one table of options a stage.

    Raises: WorkspaceError if the file is not TOML or names no data set.
    """
    workspace.require()
    try:
        content = tomllib.loads(workspace.settings_file.read_text(encoding="utf-8"))
        dataset = workspace.root / content["dataset"]
        splits = workspace.root / content["splits"] if content.get("splits") else None
        settings = DatasetSettings(dataset=dataset, splits=splits, seed=int(content.get("seed", 0)))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise WorkspaceError(f"{workspace.settings_file}: {error}; mend it or run `mocrop init` again") from error
    return settings, {name: table for name, table in content.items() if isinstance(table, dict)}


def write_settings(workspace: Workspace, settings: DatasetSettings) -> None:
    """Write the data set's part of mocrop.toml; comments and stage tables that are there stay."""
    with _edited(workspace) as document:
        document["dataset"] = os.fspath(settings.dataset.absolute())
        document["splits"] = os.fspath(settings.splits.absolute()) if settings.splits else ""
        document["seed"] = settings.seed


def write_stage_settings(workspace: Workspace, stage: str, settings: Any) -> None:
    """Write a frozen dataclass as the table of one stage, so that later stages and runs see the same values."""
    with _edited(workspace) as document:
        document[stage] = {key: value for key, value in dataclasses.asdict(settings).items() if value is not None}


@contextlib.contextmanager
def _edited(workspace: Workspace) -> Iterator[Any]:
    import tomlkit  # keeps the comments and the order that people gave the file

    file = workspace.settings_file
    text = file.read_text(encoding="utf-8") if file.exists() else _HEADER
    document = tomlkit.parse(text)
    yield document
    if (new := tomlkit.dumps(document)) != text or not file.exists():
        write_whole(file, new.encode())


def write_whole(file: Path, content: bytes) -> None:
    """Write a file that appears under its name only when it is whole and on the disk.

    Raises: DiskFullError.
    """
    with whole_file(file) as stream:
        stream.write(content)


@contextlib.contextmanager
def whole_file(file: Path, *, writer: str = "") -> Iterator[BinaryIO]:
    """Open a file that appears under its name, in a folder made where missing, when the body is done and it is on the
    disk; if the body fails, or a signal ends it, nothing is left of it.

    Args:
        writer: joins the name under which it grows, where several processes may write the same file at once.
    Raises: DiskFullError.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{writer}.partial" if writer else f".{file.name}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, file)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        raise_if_disk_full(error)
        raise


@contextlib.contextmanager
def exclusive(workspace: Workspace) -> Iterator[None]:
    """Keep other mocrop runs out of the workspace, and sweep what a killed one left behind.

    Raises: WorkspaceError if another run holds it.
    """
    workspace.root.mkdir(parents=True, exist_ok=True)
    with (workspace.root / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise WorkspaceError(
                f"another mocrop (process {holder}) is writing {workspace.root}; wait for it or stop it"
            ) from error
        lock.seek(0)
        if lock.read():  # the last holder did not get to empty it
            sweep(workspace)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield  # an error leaves the process number behind, so that the next run sweeps
        lock.truncate(0)


def sweep(workspace: Workspace) -> None:
    """Remove everything unfinished that a killed stage can have left in the workspace.

    What training writes, runs and the features beside a cache, is left alone: a training may be going on.
    """
    shutil.rmtree(workspace.partial, ignore_errors=True)
    for cache in workspace.caches.glob(".*"):
        shutil.rmtree(cache, ignore_errors=True)
    for group in workspace.motion.glob(".*"):
        shutil.rmtree(group, ignore_errors=True)
    for litter in workspace.motion.glob("*.partial"):
        litter.unlink(missing_ok=True)
    for name in workspace.cache_names():
        cache = workspace.cache(name)
        for litter in (*cache.rglob("*.partial"), *cache.rglob("*.__lock")):
            litter.unlink(missing_ok=True)
