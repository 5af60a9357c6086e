"""Check the exports of a workspace, or a copy of one, file by file by their checksums."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from mocrop.pipeline.checks.damage import Damage
from mocrop.pipeline.checks.manifest_rows import done_rows
from mocrop.pipeline.checks.parts import Check, guarded, unchecked
from mocrop.pipeline.checksums import file_checksum
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.export.base import Written
from mocrop.pipeline.export.records import Records
from mocrop.pipeline.export.stage import export_name
from mocrop.pipeline.export.target import DESCRIPTION, read_description
from mocrop.pipeline.names import shell_word
from mocrop.pipeline.run.progress import stage_progress
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace


def is_export(folder: Path) -> bool:
    """Whether a folder holds an export, by the description in it."""
    return (folder / DESCRIPTION).is_file()


def part_name(folder: str) -> str:
    """What an export is called as a part of a workspace."""
    return f"export {folder}"


def check_exports(workspace: Workspace, manifest: Manifest | None, console: Console) -> list[Check]:
    """Check every export that a workspace has made.

    Args:
        manifest: None: it cannot be read, and nothing is known of exports.
    """
    folders = [] if manifest is None else manifest.known_exports()
    return [check_export(workspace, folder, manifest, console) for folder in folders]


def check_export(workspace: Workspace, folder: str, manifest: Manifest | None, console: Console) -> Check:
    """Check one export of a workspace."""
    assert manifest is not None
    return guarded(part_name(folder), lambda: _check(workspace, folder, manifest, console))


def check_export_elsewhere(folder: Path, console: Console) -> Check:
    """Check a copy of an export, or one of another workspace, by its description."""
    return guarded(part_name(str(folder)), lambda: _check_copy(folder, console))


def _check(workspace: Workspace, folder: str, manifest: Manifest, console: Console) -> Check:
    target, stage = Path(folder), export_name(folder)
    names = {row.position: row.name for row in done_rows(manifest, stage)}
    known = Damage(part=part_name(folder), clip="", fact="", repair=f"mocrop export {shell_word(folder)}", stage=stage)
    if not target.is_dir():
        fact = f"it is gone, and {len(names):,} of its clips are done; if you have removed it, "
        fact += f"`mocrop verify {shell_word(folder)} --forget` says so"
        return Check(part=known.part, clips=0, damage=(replace(known, fact=fact, positions=_all(names)),))
    found = list(_of_clips(target, Records.of(workspace, folder), names, known, console))
    found += _of_the_whole(target, known)
    return Check(part=known.part, clips=len(names), damage=tuple(found))


def _all(names: dict[int, str]) -> tuple[int, int]:
    return (0, max(names, default=0) + 1)


def _of_clips(
    target: Path, records: Records, names: dict[int, str], known: Damage, console: Console
) -> Iterator[Damage]:
    """What is wrong with the files of clips or shards; one clip of a shard stands for all, which are made together."""
    missing = set(names)
    with stage_progress(console, f"verify {target.name}", total=len(names)) as progress:
        for number in sorted(records.numbers()):
            record = records.read(number)
            mine = sorted(names.keys() & record.facts.keys()) if record is not None else []
            if record is None or not mine:
                continue
            missing -= set(mine)
            positions, bad = (mine[0], mine[0] + 1), 0
            for file in record.files:
                if fact := _fault(target, file):
                    remove = os.fspath(target / file.path)
                    yield replace(known, clip=names[mine[0]], fact=fact, positions=positions, remove=remove)
                    bad = 1
            progress.advance(clips=len(mine), failed=bad)
    for position in sorted(missing):
        fact = "the record of its files is gone"
        yield replace(known, clip=names[position], fact=fact, positions=(position, position + 1))


def _of_the_whole(target: Path, known: Damage) -> Iterator[Damage]:
    """What is wrong with the description and the lists, which every run of the export writes anew."""
    try:
        described = read_description(target)
    except SettingsError as error:
        yield replace(known, fact=str(error))
        return
    if described is None:
        yield replace(known, fact=f"{DESCRIPTION} is gone")
        return
    for file in described.files if described.complete else ():
        if not file.clips and (fact := _fault(target, file)):
            yield replace(known, fact=fact)


def _check_copy(folder: Path, console: Console) -> Check:
    described = read_description(folder)
    damage = Damage(part=part_name(str(folder)), clip="", fact="")
    if described is None or not described.complete:
        fact = "it was not finished, and does not say what it holds" if described else f"{DESCRIPTION} is gone"
        return Check(part=damage.part, clips=0, damage=(replace(damage, fact=fact),), counted="file")
    found: list[Damage] = []
    with stage_progress(console, f"verify {folder.name}", total=len(described.files)) as progress:
        for file in described.files:
            fact = _fault(folder, file)
            found += [replace(damage, fact=fact)] if fact else []
            progress.advance(clips=1, failed=bool(fact))
    return Check(part=damage.part, clips=len(described.files), damage=tuple(found), counted="file")


def _fault(folder: Path, written: Written) -> str:
    """What is wrong with a file; empty: nothing."""
    file = folder / written.path
    try:
        if file.stat().st_size != written.size_bytes:
            return f"{written.path} has {file.stat().st_size:,} bytes in place of {written.size_bytes:,}"
        return "" if file_checksum(file) == written.checksum else f"the checksum of {written.path} differs"
    except FileNotFoundError:
        return f"{written.path} is gone"
    except OSError as error:
        return unchecked(error)
