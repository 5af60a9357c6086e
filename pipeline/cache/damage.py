"""Damage that `mocrop verify` finds, and the commands that repair it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mocrop.pipeline.names import shell_word


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One thing that is wrong with one clip, or with a whole part of a workspace."""

    part: str  # "h264", "motion.zarr", "cache motion-192"
    clip: str  # empty: the whole part
    fact: str
    remove: str = ""  # file or folder to remove first, so that the command makes it again
    repair: str = ""  # command that repairs it; empty: no command of this workspace can


def repair_commands(damage: Iterable[Damage], *, workspace: str = "") -> list[str]:
    """Shell commands that repair all of the damage, in its order; each removes files first where it must.

    Args:
        workspace: workspace to name in the commands; empty: they find it by default.

    >>> files = ["a b.mp4", "c.mp4"]
    >>> repair_commands(Damage(part="h264", clip=f, fact="cut off", remove=f, repair="mocrop transcode") for f in files)
    ["rm -rf 'a b.mp4' c.mp4 && mocrop transcode"]
    """
    to_remove: dict[str, dict[str, None]] = {}  # by command, each file once
    for each in damage:
        files = to_remove.setdefault(each.repair, {})
        if each.remove:
            files[each.remove] = None
    named = f" -w {shell_word(workspace)}" if workspace else ""
    return [
        f"rm -rf {' '.join(map(shell_word, files))} && {command}{named}" if files else f"{command}{named}"
        for command, files in to_remove.items()
        if command
    ]
