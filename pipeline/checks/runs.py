"""Check by the checksums in them what training has written: the checkpoints of runs, and features beside caches."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from mocrop.pipeline.array_file import array_fault
from mocrop.pipeline.checks.damage import Damage
from mocrop.pipeline.checks.parts import Check, unchecked
from mocrop.pipeline.files import names_in

RUNS, FEATURES = "runs", "features"


def check_runs(runs: Path) -> Check:
    """Check every checkpoint, which is a zip file with the checksum of each part.

    Args:
        runs: folder with a folder for each run.
    Raises: OSError if it cannot be read.
    """
    files = sorted(_checkpoints(runs))
    found = tuple(damage for file in files for damage in _damage(file, runs))
    return Check(part=RUNS, clips=len(files), damage=found, counted="file")


def _checkpoints(runs: Path) -> Iterator[Path]:
    for run in (runs / name for name in names_in(runs)):
        if _leads_nowhere(run):
            yield run
        elif run.is_dir():
            yield from (file for file in run.iterdir() if file.suffix == ".pt" and not file.name.startswith("."))


def _damage(file: Path, runs: Path) -> Iterator[Damage]:
    try:
        with zipfile.ZipFile(file) as archive:
            broken = archive.testzip()
        fact = f"the checksum of {broken} in it differs" if broken else ""
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not file.is_symlink():  # a training has just replaced it
            return
        fact = "it is a link that leads nowhere" if _leads_nowhere(file) else unchecked(error)
    except zipfile.BadZipFile as error:
        fact = f"it is damaged or cut off ({error})"
    except Exception as error:
        fact = unchecked(error)
    if fact:
        name = file.relative_to(runs).as_posix()
        way_out = f"copy it again from where it is sound, or delete the folder {file.parent} and train again"
        yield Damage(part=RUNS, clip=name, fact=f"{fact}; {way_out}")


def _leads_nowhere(file: Path) -> bool:
    return file.is_symlink() and not file.exists()


def check_features(caches: Path) -> Check:
    """Check every file of features of a frozen backbone.

    Args:
        caches: folder of the crop caches, beside which they are.
    Raises: OSError if it cannot be read.
    """
    files = sorted(file for folder in _feature_folders(caches) for file in folder.iterdir() if file.suffix == ".npy")
    faults = {file: _fault_of_features(file) for file in files}
    found = (
        Damage(
            part=FEATURES,
            clip=file.relative_to(caches).as_posix(),
            fact=f"{fact}; delete it, to have it computed again",
        )
        for file, fact in faults.items()
        if fact
    )
    unknown = sum(fact is None for fact in faults.values())
    return Check(part=FEATURES, clips=len(files), damage=tuple(found), counted="file", without_checksum=unknown)


def _feature_folders(caches: Path) -> Iterator[Path]:
    for folder in caches.iterdir() if caches.exists() else ():
        if folder.suffix == ".features" and folder.is_dir():
            yield folder


def _fault_of_features(file: Path) -> str | None:
    try:
        return array_fault(file)
    except FileNotFoundError:  # a training has just removed it
        return ""
    except Exception as error:
        return unchecked(error)
