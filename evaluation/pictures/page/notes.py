"""What the stages have said of each clip: why they failed, and what is notable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mocrop.pipeline.commands.status import known_stages
from mocrop.pipeline.errors import Reason
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace


@dataclass(frozen=True, kw_only=True)
class Note:
    """One outcome of a stage that says more than "done"."""

    stage: str
    reasons: tuple[Reason, ...]
    message: str
    failed: bool


def notes_by_clip(workspace: Workspace, manifest: Manifest) -> dict[str, tuple[Note, ...]]:
    """All outcomes that say more than "done", by the name of the clip, in the order of the stages."""
    found: dict[str, tuple[Note, ...]] = {}
    for clip, note in _notes(workspace, manifest):
        found[clip] = (*found.get(clip, ()), note)
    return found


def _notes(workspace: Workspace, manifest: Manifest) -> Iterator[tuple[str, Note]]:
    for stage in known_stages(workspace).stages:
        for failed, told in (
            (True, manifest.failures(stage.name)),
            (False, manifest.notes(stage.name, stage.settings_hash)),
        ):
            for clip, reasons, message in told:
                words = message.removeprefix(f"{clip}: ")
                yield clip, Note(stage=stage.name, reasons=reasons, message=words, failed=failed)
