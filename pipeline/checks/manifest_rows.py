"""Check the manifest, and read from it what is done."""

from __future__ import annotations

import sqlite3

from mocrop.pipeline.checks.damage import Damage
from mocrop.pipeline.checks.parts import Check
from mocrop.pipeline.errors import WorkspaceError
from mocrop.pipeline.workspace.manifest import Manifest, StageRow
from mocrop.pipeline.workspace.manifest_file import IF_DAMAGED
from mocrop.pipeline.workspace.paths import Workspace

MANIFEST = "manifest.sqlite"
WAY_OUT = f"{IF_DAMAGED}; the other files were checked without it, and none of them can be marked"
IN_DOUBT = ""  # settings of outcomes that a killed run may have been replacing: of those nothing is known


def check_manifest(workspace: Workspace) -> Check:
    """Check the manifest as SQLite does it, without reading what it says.

    Raises: WorkspaceError if it is of a newer mocrop.
    """
    try:
        with Manifest(workspace.manifest_file, read_only=True) as manifest:
            facts = [f"{fact}; {WAY_OUT}" for fact in manifest.quick_check()]
    except WorkspaceError as error:
        if not isinstance(error.__cause__, sqlite3.Error):  # of a newer mocrop, and no damage
            raise
        facts = [str(error)]
    damage = (Damage(part=MANIFEST, clip="", fact=" ".join(fact.split())) for fact in facts)
    return Check(part=MANIFEST, clips=0, damage=tuple(damage))


def done_rows(manifest: Manifest, stage: str) -> list[StageRow]:
    """Clips that a stage has done, with whatever settings, by position."""
    rows = manifest.stage_rows(stage, IN_DOUBT, upstream=None)
    return [row for row in rows if row.status == "done" and not row.same_settings]
