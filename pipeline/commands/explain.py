"""What `--dry-run` prints: the clips that a command would run a stage on, and why. Nothing is run or written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mocrop.pipeline.commands.steps import Options, encoding_of, stage_of, stage_that_chooses
from mocrop.pipeline.dataset.look import DatasetChanges, look_at
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.files import real_path
from mocrop.pipeline.run.plan import as_if_done, plan_decisions
from mocrop.pipeline.run.session import RunOptions, Session, open_session
from mocrop.pipeline.settings import plain_settings
from mocrop.pipeline.stages.cache_settings import resolve_precrop
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.pipeline.workspace.settings_file import read_settings

ENCODING = ("crf", "key_interval")  # options of `mocrop run` for the files that it transcodes
Line = tuple[str, str, str]  # stage, clip and reason; the last line of a stage has neither clip nor reason


def require_scanned(
    workspace: Workspace, dataset: Path | None = None, splits: Path | None = None, group_by: str | None = None
) -> None:
    """Refuse to plan for a data set that nobody has looked through yet, or for other lists: nothing is written.

    Raises: SettingsError, WorkspaceError.
    """
    if all(each is None for each in (dataset, splits, group_by)):
        return
    alone = dataset if splits is None and group_by is None else None
    if alone is not None and workspace.settings_file.is_file():
        known = read_settings(workspace)[0].dataset
        if real_path(known) == real_path(alone):
            return
    raise SettingsError(
        "--dry-run plans for what is in the workspace, and looks through no data set or lists; give them to "
        "`mocrop init` first, and leave them out here"
    )


def explain(
    workspace: Workspace,
    command: str,
    *,
    options: Options,
    on_changes: Callable[[DatasetChanges], None] = lambda _: None,
) -> Iterator[Line]:
    """Yield stage, clip and reason for each clip that a command would run a stage on, then each of its stages alone.

    A stage that comes after others in the command is planned as if those had done what they are to do.

    Args:
        command: ``transcode``, ``extract-mv``, ``precrop``, ``run`` or ``export``.
        options: settings, as the command takes them.
        on_changes: called with what has changed in the data set. Only a stage that reads it takes that into account.
    Raises: SettingsError, WorkspaceError, CacheError.
    """
    with open_session(workspace, RunOptions(), read_only=True) as session:
        stages = _stages(session, command, options)
        changes, seen = look_at(read_settings(workspace)[0].dataset, session.manifest.files)
        on_changes(changes)
        if any(stage.reads_dataset for stage in stages):
            session.manifest.files.pretend(seen)
        if len(stages) == 1:
            session.require_upstream(stages[0])
        ahead: set[int] = set()  # positions of clips that an earlier stage would run on
        for stage in stages:
            name = stage.name.partition(":")[0]
            rows = (as_if_done(row) if row.position in ahead else row for row in session.rows(stage))
            would = [each for each in plan_decisions(rows, stage) if each.why is not None]
            yield from ((name, each.row.name, each.why) for each in would if each.why is not None)
            if command == "run" or stage is stages[-1]:
                yield name, "", ""
            ahead |= {each.row.position for each in would}


def _stages(session: Session, command: str, options: Options) -> Sequence[Stage]:
    """The stages that a command runs, in order."""
    if command != "run":
        stage = stage_of(session, command, options)
        first = stage_that_chooses(stage)
        return [stage] if first is None else [first, stage]
    crop = {name: value for name, value in options.items() if name not in ENCODING}
    settings = resolve_precrop(session.workspace, session.stages, crop)
    damage = {"max_damaged": options.get("max_damaged")}
    encoding = encoding_of({name: options.get(name) for name in ENCODING}, source=settings.source)
    # As mocrop.toml will be when the first stage has written its settings.
    first = session.stages.transcode({**encoding, **(damage if settings.source == "h264" else {})})
    table = plain_settings(dataclasses.replace(first.settings, own_key_frames=None))
    stages = dataclasses.replace(session.stages, tables={**session.stages.tables, "transcode": table})
    extract = stages.extract_for(settings, damage)
    before = [] if extract.upstream is None else [extract.upstream]
    return [*before, extract, stages.precrop(settings)]
