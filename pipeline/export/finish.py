"""The end of every run of an export: what is done gets its lists and its description, what is not is left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.cache.identity import cache_identity
from mocrop.pipeline.dataset.formats.text_lists import is_ucf101
from mocrop.pipeline.export.base import Export, ExportedClip, ExportSettings, Written
from mocrop.pipeline.export.records import Record, Records
from mocrop.pipeline.export.registry import FORMS
from mocrop.pipeline.export.stage import Clips, remove_files
from mocrop.pipeline.export.target import files_before, write_description
from mocrop.pipeline.settings import Plain
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import DatasetSettings


def cache_facts(workspace: Workspace, settings: ExportSettings) -> Plain:
    """What the description says of the cache of an export; nothing if it has none. Raises: CacheError."""
    if not settings.cache:
        return {}
    identity = cache_identity(CropCache(workspace.cache(settings.cache)))
    return {"cache": {"name": settings.cache, "identity": identity}}


def leave_old_places(workspace: Workspace, manifest: Manifest, stage: Stage) -> None:
    """Delete the files of clips that go elsewhere now, as their labels have changed, and have them written again.

    That comes before anything is written: the old place of one clip may be the new one of another, whose file would
    else be taken for the other's, or be deleted as what the first has left behind. What is in shards is told apart by
    the name of the shard.
    """
    settings: ExportSettings = stage.settings
    if FORMS[settings.form].join is not None:
        return
    records, clips = Records.of(workspace, settings.folder), Clips(workspace, settings)
    moved = [
        record
        for number in records.numbers()
        if (record := records.read(number)) is not None and not _is_in_place(record, clips)
    ]
    manifest.forget_outcomes(stage.name, [record.number for record in moved if record.number < len(clips.infos)])
    for record in moved:
        remove_files(Path(settings.folder), [each.path for each in record.files])
        records.remove(record.number)


def _is_in_place(record: Record, clips: Clips) -> bool:
    if record.number >= len(clips.infos):  # of a data set before this one
        return False
    place = clips.path(record.number)
    return all(each.path == place or each.path.startswith(f"{place}/") for each in record.files)


def finish_export(
    workspace: Workspace, manifest: Manifest, stage: Stage, dataset: DatasetSettings, source: Plain
) -> Export:
    """Remove what is left of clips that are not done, write what belongs to the whole, and describe all files.

    Args:
        source: see :func:`cache_facts`.
    Returns: the export.
    Raises: DiskFullError, FileError, CacheError.
    """
    settings: ExportSettings = stage.settings
    done = _Done(workspace, manifest, stage)
    done.remove_others()
    export = Export(
        folder=Path(settings.folder),
        settings=settings,
        class_names=tuple(manifest.names("class_names")),
        split_names=tuple(manifest.names("split_names")),
        several_labels=manifest.label_kind() == "several",
        like_ucf101=is_ucf101(dataset.splits) and all(each.isdecimal() for each in manifest.names("split_names")),
        clips=done.clips,
        dataset=dataset.dataset,
        counts={"done": len(done.positions), "left_out": manifest.present_count() - len(done.positions)},
    )
    before = {each.path for each in files_before(export.folder) if not each.clips}
    of_the_whole = FORMS[settings.form].finish(export)
    files = [*done.files(), *(Written.of(file, export.folder) for file in of_the_whole)]
    remove_files(export.folder, sorted(before - {each.path for each in files}))
    write_description(
        stage, dataset=dataset.dataset, files=files, complete=True, more={"clips": export.counts, **source}
    )
    return export


class _Done:
    """The clips of an export that are done, and their records."""

    def __init__(self, workspace: Workspace, manifest: Manifest, stage: Stage) -> None:
        settings: ExportSettings = stage.settings
        self._folder = Path(settings.folder)
        self._records = Records.of(workspace, settings.folder)
        self._clips = Clips(workspace, settings)
        self._unit_of = stage.unit_of or (lambda position: position)
        rows = manifest.stage_rows(stage.name, stage.settings_hash, upstream=None)
        self.positions = {
            row.position: row.name
            for row in rows
            if row.present and row.status == "done" and row.same_settings and row.same_source
        }

    def remove_others(self) -> None:
        """Delete the files and records of clips or shards none of which is done."""
        numbers = {self._unit_of(position) for position in self.positions}
        for number in self._records.numbers():
            if number not in numbers:
                if (record := self._records.read(number)) is not None:
                    remove_files(self._folder, [each.path for each in record.files])
                self._records.remove(number)

    def clips(self) -> Iterator[ExportedClip]:
        """All that are done, by position."""
        record: Record | None = None
        for position, name in self.positions.items():
            number = self._unit_of(position)
            if record is None or record.number != number:
                record = self._records.read(number)
            facts = record.facts.get(position, {}) if record else {}
            info, path = self._clips.infos[position], self._clips.path(position)
            yield ExportedClip(position=position, name=name, info=info, facts=facts, path=path)

    def files(self) -> Iterator[Written]:
        """The files of all that are done."""
        for number in sorted({self._unit_of(position) for position in self.positions}):
            if (record := self._records.read(number)) is not None:
                yield from record.files
