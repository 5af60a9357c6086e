"""The stage `export`: write the clips of a unit, each or all of them as a file of the target folder."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import shutil
import uuid
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mocrop.pipeline.errors import CacheError, SettingsError
from mocrop.pipeline.export.base import ClipInfo, ExportClip, ExportSettings, Written
from mocrop.pipeline.export.form import Form
from mocrop.pipeline.export.places import clip_infos
from mocrop.pipeline.export.records import Record, Records
from mocrop.pipeline.export.registry import FORMS
from mocrop.pipeline.export.work import ExportWork
from mocrop.pipeline.outcome import ClipTask, Outcome, clip_log
from mocrop.pipeline.platform_calls import sync, sync_all
from mocrop.pipeline.settings import Plain
from mocrop.pipeline.stages.contract import Stage, WorkUnit
from mocrop.pipeline.stages.originals import with_originals
from mocrop.pipeline.stages.registry import Stages
from mocrop.pipeline.stages.stored_settings import read_precrop_settings
from mocrop.pipeline.strict_json import json_text, parsed_json
from mocrop.pipeline.system_errors import errors_that_travel
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace

PREFIX = "export:"  # before the folder, the name of the stage
CLIPS_PER_UNIT = 4
PARTIAL = ".partial"  # folder in the target, of what is not whole yet


def export_name(folder: str) -> str:
    """Name of the stage that exports into a folder, in the manifest."""
    return f"{PREFIX}{folder}"


def export_folder(stage: str) -> str:
    """The folder that a stage of the manifest exports into; empty if it is none of these.

    >>> export_folder("export:/data/crops"), export_folder("transcode")
    ('/data/crops', '')
    """
    return stage.removeprefix(PREFIX) if stage.startswith(PREFIX) else ""


class Clips:
    """What the manifest says of all clips, by position; read once it is asked for."""

    def __init__(self, workspace: Workspace, settings: ExportSettings) -> None:
        self._workspace, self._settings = workspace, settings

    @cached_property
    def infos(self) -> list[ClipInfo]:
        """What is known of each."""
        form = FORMS[self._settings.form]
        with Manifest(self._workspace.manifest_file, read_only=True) as manifest:
            several = manifest.label_kind() == "several"
            infos = clip_infos(manifest.clips(), manifest.names("class_names"), several=several)
            split_names = manifest.names("split_names")
        if form.places is None:
            return infos
        try:
            places = form.places(infos, self._settings.form_settings, split_names)
        except SettingsError as error:
            way_out = "pass another --split, and --overwrite if the export is there already"
            raise SettingsError(f"{self._settings.folder}: {error}; {way_out}") from error
        return [dataclasses.replace(info, place=place) for info, place in zip(infos, places, strict=True)]

    def unit_of(self, position: int) -> int:
        """Number of the shard of a clip.

        It follows from the shard's name alone: were shards counted, a record of an earlier plan could name the file of
        another shard of this one, which would then be deleted with the record.
        """
        return int.from_bytes(hashlib.sha256(self.infos[position].place.encode()).digest()[:7])

    def told(self, position: int) -> str:
        """What a worker is told of a clip."""
        return json_text(dataclasses.asdict(self.infos[position]))

    def path(self, position: int) -> str:
        """Of the file, folder or shard of a clip, under the target."""
        suffix = FORMS[self._settings.form].suffix(self._settings.form_settings)
        return f"{self.infos[position].place}{suffix}"

    @cached_property
    def digest(self) -> str:
        """Hash of all that is known of all clips, to 16 hex digits."""
        return hashlib.sha256(json_text([dataclasses.asdict(info) for info in self.infos]).encode()).hexdigest()[:16]


def export_stage(stages: Stages, settings: ExportSettings) -> Stage:
    """The stage that writes an export, and what it depends on.

    With a cache that is the cache as it is now, else what its policy needs.
    """
    workspace, form = stages.workspace, FORMS[settings.form]
    if settings.cache:
        with contextlib.suppress(CacheError):  # gone or damaged: what needs it says so
            settings = dataclasses.replace(settings, crop=read_precrop_settings(workspace, settings.cache))
        upstream: Stage | None = stages.precrop(settings.crop)
    elif form.own_files(settings.form_settings):
        upstream = stages.extract_for(settings.crop) if settings.crop.needs_motion else None
    else:
        upstream = stages.precrop(settings.crop).upstream
    clips = Clips(workspace, settings)
    version = f"{form.version} {clips.digest}" if form.join else form.version
    folder = Path(settings.folder)
    return Stage(
        name=export_name(settings.folder),
        function=export_unit,
        settings=settings,
        version=version,
        clips_per_unit=CLIPS_PER_UNIT,
        writes_shards=form.join is not None,
        output=lambda position, _: folder / clips.path(position),
        upstream=upstream,
        reads_dataset=True,
        tells=clips.told,
        unit_of=clips.unit_of if form.join else None,
    )


@errors_that_travel
@with_originals
def export_unit(unit: WorkUnit, settings: ExportSettings, workspace: str) -> list[Outcome]:
    """Write the clips of a unit into the target, and a record of them. A probe does all the work and publishes nothing.

    Args:
        workspace: root folder of the workspace.
    Returns: one outcome per clip, in order.
    Raises: DiskFullError; FileError where the target or the workspace cannot be written; what the form's sources raise
        for which no clip is to blame.
    """
    place, form = Workspace(Path(workspace)), FORMS[settings.form]
    writer = _Writer(settings, place, form, probe=unit.probe)
    return writer.shard(unit) if form.join is not None else [writer.clip(task) for task in unit.clips]


class _Writer:
    """Writes clips of a unit."""

    def __init__(self, settings: ExportSettings, workspace: Workspace, form: Form, *, probe: bool) -> None:
        self._form, self._probe = form, probe
        self._suffix = form.suffix(settings.form_settings)
        self._work = ExportWork(settings, workspace)
        self._folder = self._work.folder
        self._partial = self._folder / PARTIAL
        self._partial.mkdir(parents=True, exist_ok=True)
        self._records = Records.of(workspace, settings.folder)

    def clip(self, task: ClipTask) -> Outcome:
        """Write a clip as a file or folder of its own."""
        partial, clip = self._new(task), clip_of(task)
        with clip_log(task) as log:
            task.require_accepted()
            facts = self._form.write(clip, partial, self._work, log)
            if not self._probe:
                log.checksum = self._publish(partial, clip.info, task.position, {task.position: facts})
        _remove(partial)
        assert log.outcome is not None
        return log.outcome

    def shard(self, unit: WorkUnit) -> list[Outcome]:
        """Write clips and join them to one file; a shard of which all clips have failed is not there."""
        pieces: list[tuple[ExportClip, Path]] = []
        facts: dict[int, Plain] = {}
        outcomes: list[Outcome] = []
        try:
            for task in unit.clips:
                clip, piece = clip_of(task), self._new(task)
                pieces.append((clip, piece))
                with clip_log(task) as log:
                    task.require_accepted()
                    facts[task.position] = self._form.write(clip, piece, self._work, log)
                assert log.outcome is not None
                outcomes.append(log.outcome)
                if log.failed:
                    pieces.pop()
                    _remove(piece)
            if not self._probe:
                self._join(unit, pieces, {o.position: facts[o.position] for o in outcomes if o.status == "done"})
        finally:
            for _, piece in pieces:
                _remove(piece)
        return outcomes

    def _join(self, unit: WorkUnit, pieces: Sequence[tuple[ExportClip, Path]], facts: dict[int, Plain]) -> None:
        assert self._form.join is not None
        shard = self._new(unit.clips[0])
        if not facts:
            self._forget(unit.index, keep=())
            self._records.remove(unit.index)
            return
        self._form.join(pieces, shard, self._work.settings.form_settings)
        self._publish(shard, clip_of(unit.clips[0]).info, unit.index, facts)

    def _new(self, task: ClipTask) -> Path:
        """A path for something that is not whole yet; a worker thought lost may be writing too."""
        return self._partial / f"{task.position}-{uuid.uuid4().hex}{self._suffix}"

    def _publish(self, partial: Path, info: ClipInfo, number: int, facts: dict[int, Plain]) -> int | None:
        """Give what is whole its name, and keep a record of it.

        Returns: the checksum of a file; None for a folder.
        """
        final = self._folder / f"{info.place}{self._suffix}"
        folder = partial.is_dir()
        files = [file for file in sorted(partial.rglob("*")) if file.is_file()] if folder else [partial]
        sync_all(files)
        if folder:
            sync(partial)
        prefix = final.relative_to(self._folder).as_posix()
        written = []
        for file in files:
            of = Written.of(file, partial if folder else partial.parent, sorted(facts))
            written.append(dataclasses.replace(of, path=f"{prefix}/{of.path}" if folder else prefix))
        self._forget(number, keep=() if folder else (prefix,))
        final.parent.mkdir(parents=True, exist_ok=True)
        if folder:  # whose record is lost, as no folder takes the place of one that holds files
            shutil.rmtree(final, ignore_errors=True)
        os.replace(partial, final)
        self._records.write(Record(number=number, files=tuple(written), facts=facts))
        return None if folder else written[0].checksum

    def _forget(self, number: int, *, keep: Sequence[str]) -> None:
        """Delete what an earlier run has written for a clip or shard: at another place, or as a folder."""
        if (before := self._records.read(number)) is not None:
            remove_files(self._folder, [each.path for each in before.files if each.path not in keep])


def remove_files(folder: Path, paths: Sequence[str]) -> None:
    """Delete files under a folder that mocrop has written there, and the folders that are empty then."""
    for path in paths:
        file = folder / path
        file.unlink(missing_ok=True)
        for above in file.relative_to(folder).parents[:-1]:
            try:
                (folder / above).rmdir()
            except OSError:  # it is not empty, or gone already
                break


def clip_of(task: ClipTask) -> ExportClip:
    """A clip with what the client has told of it."""
    told: Plain = parsed_json(task.told)
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
    info = ClipInfo(**values)
    return ExportClip(task=task, info=info)


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)
