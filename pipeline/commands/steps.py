"""The steps of the commands that prepare a data set: one stage each, with what must happen before it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mocrop.pipeline.choices import Source
from mocrop.pipeline.commands.crop_to_address import crop_to_address, stage_to_address
from mocrop.pipeline.errors import Reason, SettingsError
from mocrop.pipeline.export.base import Export, ExportSettings
from mocrop.pipeline.export.finish import cache_facts, finish_export, leave_old_places
from mocrop.pipeline.export.measure import clips_to_measure, is_to_be_measured, measure_unit, with_clip_bytes
from mocrop.pipeline.export.records import Records
from mocrop.pipeline.export.resolve import resolve_export
from mocrop.pipeline.export.stage import export_stage
from mocrop.pipeline.export.target import clear, files_before, require_target, sweep, write_description
from mocrop.pipeline.run.session import FilesRead, Session, StageReport
from mocrop.pipeline.settings import Plain, plain_settings
from mocrop.pipeline.stages.cache_settings import resolve_precrop
from mocrop.pipeline.stages.caches import prepare_cache, require_motion
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.stages.extract_mv import ExtractSettings
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.registry import chooses_files
from mocrop.pipeline.stages.stored_settings import require_same_settings
from mocrop.pipeline.stages.to_address import ToAddressSettings
from mocrop.pipeline.strict_json import json_text
from mocrop.pipeline.workspace.settings_file import read_settings, write_stage_settings

Options = Mapping[str, Any]  # settings of one stage by name; None: as the workspace has them


def stage_of(session: Session, name: str, options: Options) -> Stage:
    """The stage that a command runs. Raises: SettingsError."""
    if name == "export":
        own = {name: value for name, value in options.items() if name != "into"}
        return export_stage_of(session, options["into"], own)
    if name == "precrop" and options.get("to") is not None:
        return stage_to_address(session, options)
    if name == "precrop":
        options = {name: value for name, value in options.items() if name not in ("to", "scratch")}
        return session.stages.precrop(resolve_precrop(session.workspace, session.stages, options))
    if name == "transcode":
        return session.stages.transcode(options)
    stage = session.stages.extract(options)
    if options.get("key_frames") is not None and stage.settings.source != "auto":
        raise SettingsError(f"--key-frames goes with --source auto, not with --source {stage.settings.source}")
    return stage


def encoding_of(options: Options, *, source: Source) -> dict[str, Any]:
    """The options of `mocrop run` that are given for the files that it transcodes.

    Raises: SettingsError if it transcodes none.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if given and source == "original":
        named = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise SettingsError(f"{named}: with --source original nothing is transcoded; leave it out")
    return given


def transcode_all(session: Session, options: Options) -> StageReport:
    """Transcode every clip; what comes after reads these files, and no longer of some clips their own."""
    stage = session.stages.transcode(options)
    session.look_again(stage)
    write_stage_settings(session.workspace, stage.name, stage.settings)
    if session.stages.extract().settings.source == "auto":
        write_stage_settings(session.workspace, "extract-mv", ExtractSettings())
    return session.run(stage)


def extract_from(session: Session, stage: Stage) -> Iterator[StageReport]:
    """Extract motion vectors, with source auto after the files to read were chosen."""
    yield from choose_files(session, stage)
    session.look_again(stage)
    session.require_upstream(stage)
    write_stage_settings(session.workspace, stage.name, stage.settings)
    yield session.run(stage)


def precrop_into(session: Session, options: Options, overwrite: bool, *, chosen: bool = False) -> Iterator[StageReport]:
    """Crop; with source auto and no need for motion, choose the files first unless that is done (``chosen``)."""
    stage = stage_of(session, "precrop", options)
    if not overwrite:
        require_same_settings(session.workspace, stage.settings)
    if not chosen and stage_that_chooses(stage) is not None:
        damage = {"max_damaged": options.get("max_damaged")}
        yield from choose_files(session, session.stages.extract_for(stage.settings, damage))
        stage = stage_of(session, "precrop", options)  # mocrop.toml has changed
    require_motion(session.workspace, stage.settings)
    session.look_again(stage, anew=overwrite)
    session.require_upstream(stage)
    yield crop(session, stage, overwrite=overwrite)


def crop(session: Session, stage: Stage, *, overwrite: bool = False) -> StageReport:
    """Bring the cache up to date with the clips of the manifest, then run the stage on them: it needs a row of each."""
    prepare_cache(session.workspace, session.manifest, stage, overwrite=overwrite)
    return session.run(stage)  # plans after prepare_cache, which forgets all outcomes when it makes the cache anew


def export_stage_of(session: Session, folder: Path, options: Options) -> Stage:
    """The stage that exports into a folder. Raises: SettingsError, CacheError."""
    known = session.manifest.known_exports().get(os.path.abspath(folder))
    return export_stage(session.stages, resolve_export(session.workspace, session.stages, folder, options, known=known))


def export_into(session: Session, stage: Stage, *, overwrite: bool = False) -> tuple[StageReport, Export]:
    """Export what is to be exported, then write what belongs to the whole."""
    workspace, manifest, settings = session.workspace, session.manifest, stage.settings
    dataset, folder = read_settings(workspace)[0], Path(stage.settings.folder)
    known = manifest.known_exports().get(settings.folder)
    require_target(workspace, dataset.dataset, settings, known=known, overwrite=overwrite)
    if not settings.cache:
        require_motion(workspace, settings.crop)
    session.look_again(stage, anew=overwrite)
    session.require_upstream(stage)
    source = cache_facts(workspace, settings)  # before anything is written: the cache may be damaged
    records = Records.of(workspace, settings.folder)
    if overwrite:
        clear(folder, records.files())
        records.remove_all()
        manifest.forget(stage.name)
    sweep(folder)
    _begin(session, stage, dataset.dataset, source)
    if is_to_be_measured(settings, anew=overwrite):
        stage = _measured(session, stage)
        _begin(session, stage, dataset.dataset, source)
    leave_old_places(workspace, manifest, stage)
    report = session.run(stage)
    made = finish_export(workspace, manifest, stage, dataset, source)
    sweep(folder)
    return report, made


def _begin(session: Session, stage: Stage, dataset: Path, source: Plain) -> None:
    """Say in the workspace and in the folder that there is an export, which is not finished; or in neither."""
    manifest, folder = session.manifest, stage.settings.folder
    is_new = folder not in manifest.known_exports()
    manifest.remember_export(folder, json_text(plain_settings(stage.settings)))
    try:
        write_description(stage, dataset=dataset, files=files_before(Path(folder)), complete=False, more=source)
    except BaseException:
        if is_new:
            manifest.forget_export(folder)
        raise


def _measured(session: Session, stage: Stage) -> Stage:
    """The same stage, knowing what a clip takes in a shard: measured on a few, and from then on remembered."""
    tasks = clips_to_measure((task for unit in session.plan(stage).units for task in unit.clips), stage.settings)
    outcomes = session.ask(dataclasses.replace(stage, function=measure_unit), tasks) if tasks else None
    return export_stage(session.stages, with_clip_bytes(stage.settings, outcomes))


def stage_that_chooses(stage: Stage) -> Stage | None:
    """The stage before, if it is the one that decides for source auto which files are read."""
    before = stage.upstream
    return before if before is not None and chooses_files(before) else None


def choose_files(session: Session, extract: Stage) -> Iterator[StageReport]:
    """With source auto, transcode the clips whose own files do not serve.

    The workspace then has source auto: the files that the vectors were read from before may be gone.
    """
    if (first := stage_that_chooses(extract)) is not None:
        session.look_again(first)
        every = dataclasses.replace(first.settings, own_key_frames=None)
        write_stage_settings(session.workspace, first.name, every)
        write_stage_settings(session.workspace, extract.name, extract.settings)
        yield run_stage(session, first)


def run_stage(session: Session, stage: Stage) -> StageReport:
    """Run a stage as its command would; if it decides which files are read, count those of both kinds."""
    if isinstance(stage.settings, PrecropSettings):
        return crop(session, stage)
    if isinstance(stage.settings, ToAddressSettings):
        return crop_to_address(session, stage)
    if isinstance(stage.settings, ExportSettings):
        return export_into(session, stage)[0]
    report = session.run(stage)
    if not chooses_files(stage):
        return report
    notes = session.manifest.note_counts(stage.name, stage.settings_hash)
    kept, transcoded = notes[Reason.OWN_FILE_SERVES], notes[Reason.OWN_FILE_FALLS_SHORT]
    return dataclasses.replace(report, files=FilesRead(as_they_are=kept, transcoded=transcoded))
