"""The progress of a workspace: clips done, stale, failed and to do in each stage, and the command to run next."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.commands.crop_to_address import stages_at_addresses
from mocrop.pipeline.dataset.look import DatasetChanges, look_at
from mocrop.pipeline.errors import Reason, SettingsError
from mocrop.pipeline.export.registry import settings_from_plain
from mocrop.pipeline.export.stage import export_folder, export_stage
from mocrop.pipeline.names import shell_word
from mocrop.pipeline.run.plan import has_another_input
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.stages.registry import Stages, address_of, chooses_files
from mocrop.pipeline.stages.stored_settings import read_precrop_settings
from mocrop.pipeline.workspace.manifest import Manifest, StageCounts
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.run_progress import UnfinishedRun, unfinished_runs
from mocrop.pipeline.workspace.settings_file import read_settings


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why one clip failed."""

    clip: str
    reasons: tuple[Reason, ...]
    message: str


@dataclass(frozen=True, kw_only=True)
class FailedClip:
    """One clip and one thing that is wrong with it, whichever stages go without it for that."""

    clip: str
    reasons: tuple[Reason, ...]
    message: str
    stages: tuple[str, ...]  # first the one that failed, then those that come after it and so failed too


@dataclass(frozen=True, kw_only=True)
class Noted:
    """What is notable about one clip that is done."""

    clip: str
    reasons: tuple[Reason, ...]
    message: str  # of those notes that say more than their code


@dataclass(frozen=True, kw_only=True)
class StageStatus:
    """How many clips of a workspace are done in one stage, and how many are not."""

    stage: str
    done: int
    to_do: int
    stale: int  # done or failed, but settings or source have changed since
    failed: dict[Reason, int]  # clips by first reason
    failures: tuple[Failure, ...]  # empty unless asked for
    notes: dict[Reason, int]  # clips that are done, by each of their notes; empty unless asked for
    noted: tuple[Noted, ...]  # empty unless asked for


@dataclass(frozen=True, kw_only=True)
class WorkspaceStatus:
    """The progress of a workspace."""

    workspace: Path
    dataset: Path
    clips: int
    stages: tuple[StageStatus, ...]
    next_command: str
    changes: DatasetChanges  # since the data set was last looked at; the counts take them into account
    failed_clips: tuple[FailedClip, ...] = ()  # the failures of all stages by clip; empty unless asked for
    unfinished: tuple[UnfinishedRun, ...] = ()  # training runs that have been stopped, or are under way
    faults: tuple[str, ...] = ()  # of exports of which nothing can be counted: folder, fact and way out


@dataclass(frozen=True, kw_only=True)
class KnownStages:
    """The stages of a workspace in order: transcode if vectors come from its files, extract-mv, caches, exports.

    Attributes:
        faults: why an export is not among them: folder, fact and way out.
    """

    stages: tuple[Stage, ...]
    faults: tuple[str, ...]


def known_stages(workspace: Workspace) -> KnownStages:
    """All stages that a workspace has had, but exports that cannot be as they were, as where their split is gone."""
    stages = Stages(workspace, read_settings(workspace)[1])
    extract = stages.extract()
    first = [extract.upstream] if extract.upstream else []
    caches = [stages.precrop(read_precrop_settings(workspace, name)) for name in workspace.cache_names()]
    with Manifest(workspace.manifest_file, read_only=True) as manifest:
        exports = manifest.known_exports()
        remote = list(stages_at_addresses(stages, manifest))
    made, faults = [], []
    for folder, plain in exports.items():
        try:
            settings = settings_from_plain({**plain, "folder": folder}, where=f"the export {folder}")
            made.append(export_stage(stages, settings))
        except SettingsError as error:
            faults.append(str(error))
    return KnownStages(stages=(*first, extract, *caches, *remote, *made), faults=tuple(faults))


def workspace_status(workspace: Workspace, *, failures: bool = False, notes: bool = False) -> WorkspaceStatus:
    """Look at the files of the data set, and count outcomes in the manifest; opens no video and writes nothing.

    Args:
        failures: also list every failed clip with its message.
        notes: also count the notes on clips that are done, and list those clips.
    Raises: WorkspaceError if there is no workspace.
    """
    workspace.require()
    settings = read_settings(workspace)[0]
    with Manifest(workspace.manifest_file, read_only=True) as manifest:
        changes, seen = look_at(settings.dataset, manifest.files)
        manifest.files.pretend(seen)
        known = known_stages(workspace)
        stages = tuple(_status(manifest, stage, failures=failures, notes=notes) for stage in known.stages)
        unfinished = tuple(unfinished_runs(workspace))
        auto = chooses_files(known.stages[0])
        return WorkspaceStatus(
            workspace=workspace.root,
            dataset=settings.dataset,
            clips=manifest.present_count(),
            stages=stages,
            next_command=_next_command(workspace, stages, unfinished, auto=auto, unlabelled=settings.unlabelled),
            changes=changes,
            failed_clips=tuple(_by_clip(stages)),
            unfinished=unfinished,
            faults=known.faults,
        )


def _status(manifest: Manifest, stage: Stage, *, failures: bool, notes: bool) -> StageStatus:
    counts = _counts(manifest, stage)
    listed = manifest.failures(stage.name) if failures else ()
    noted = manifest.notes(stage.name, stage.settings_hash) if notes else ()
    note_counts = manifest.note_counts(stage.name, stage.settings_hash) if notes else {}
    return StageStatus(
        stage=stage.name,
        done=counts.done,
        to_do=counts.missing,
        stale=counts.stale,
        failed=counts.failed,
        failures=tuple(Failure(clip=clip, reasons=reasons, message=text) for clip, reasons, text in listed),
        notes=dict(note_counts),
        noted=tuple(Noted(clip=clip, reasons=reasons, message=text) for clip, reasons, text in noted),
    )


def _counts(manifest: Manifest, stage: Stage) -> StageCounts:
    """What the manifest counts, with clips as stale whose density map has changed: it does not know of these."""
    counts = manifest.counts(stage.name, stage.settings_hash)
    if stage.input_changed is None:
        return counts
    rows = manifest.stage_rows(stage.name, stage.settings_hash, upstream=None)
    current = (row for row in rows if row.present and row.status and row.same_settings and row.same_source)
    changed = [row for row in current if has_another_input(row, stage)]
    failed = Counter(counts.failed) - Counter(row.reasons[0] for row in changed if row.status == "failed")
    return dataclasses.replace(
        counts,
        done=counts.done - sum(row.status == "done" for row in changed),
        stale=counts.stale + len(changed),
        failed=dict(failed),
    )


def _by_clip(stages: Iterable[StageStatus]) -> Iterator[FailedClip]:
    """The failures of all stages, one for each clip and fault: stages after the one that failed only repeat it."""
    found: dict[str, list[FailedClip]] = {}
    for stage in stages:
        for failure in stage.failures:
            of_clip = found.setdefault(failure.clip, [])
            place = next((n for n, known in enumerate(of_clip) if _repeats(failure, known)), None)
            if place is None:
                of_clip.append(FailedClip(**vars(failure), stages=(stage.stage,)))
            else:
                of_clip[place] = dataclasses.replace(of_clip[place], stages=(*of_clip[place].stages, stage.stage))
    for of_clip in found.values():
        yield from of_clip


def _repeats(failure: Failure, known: FailedClip) -> bool:
    if failure.reasons[:1] == (Reason.EARLIER_STAGE_FAILED,):
        return True
    return failure.reasons[:1] == known.reasons[:1] and failure.message == known.message


def _next_command(
    workspace: Workspace,
    stages: tuple[StageStatus, ...],
    unfinished: tuple[UnfinishedRun, ...],
    *,
    auto: bool,
    unlabelled: bool,
) -> str:
    elsewhere = [address for stage in stages if (address := address_of(stage.stage))]
    for stage in stages:
        if elsewhere and stage.stage in ("transcode", "extract-mv") and not (stage.done or stage.failed):
            continue  # a cache at an address needs no stage before its own
        if stage.to_do or stage.stale:
            if folder := export_folder(stage.stage):
                return f"mocrop export {shell_word(folder)}"
            if address := address_of(stage.stage):
                return f"mocrop precrop --to {shell_word(address)}"
            command, _, cache = stage.stage.partition(":")
            if command == "transcode" and auto:
                return "mocrop extract-mv"  # `mocrop transcode` transcodes every clip
            return f"mocrop {command} --name {shell_word(cache)}" if cache else f"mocrop {command}"
    if not workspace.cache_names() and not elsewhere:
        return "mocrop precrop --size 192"
    if unlabelled:
        return "mocrop gallery"
    if unfinished:
        return f"mocrop train --name {shell_word(unfinished[0].name)}"
    if not workspace.trained_runs():
        cache = "" if workspace.cache_names() else f" --cache {shell_word(elsewhere[0])}"
        return f"mocrop train --arch resnet50{cache}"
    return "mocrop eval"
