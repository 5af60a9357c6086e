"""Check the checkpoints of training runs by the checksums in them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from mocrop.pipeline.cache.damage import Damage
from mocrop.pipeline.checks.parts import Check, unchecked

RUNS = "runs"


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
    for run in runs.iterdir() if runs.exists() else ():
        if run.is_dir():
            yield from (file for file in run.iterdir() if file.suffix == ".pt" and not file.name.startswith("."))


def _damage(file: Path, runs: Path) -> Iterator[Damage]:
    try:
        with zipfile.ZipFile(file) as archive:
            broken = archive.testzip()
        fact = f"the checksum of {broken} in it differs" if broken else ""
    except FileNotFoundError:  # a training has just replaced it
        return
    except zipfile.BadZipFile as error:
        fact = f"it is damaged or cut off ({error})"
    except Exception as error:
        fact = unchecked(error)
    if fact:
        name = file.relative_to(runs).as_posix()
        way_out = f"copy it again from where it is sound, or delete the folder {file.parent} and train again"
        yield Damage(part=RUNS, clip=name, fact=f"{fact}; {way_out}")
