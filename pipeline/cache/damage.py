"""What `mocrop verify` finds wrong, as a value, and the commands that mend it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One thing that is wrong with one clip, or with all of a part."""

    part: str  # "h264", "motion.zarr", "cache motion-192"
    clip: str  # empty: all of the part
    fact: str
    remove: str = ""  # file or folder that must go first, so that the command makes it anew
    repair: str = ""  # command that mends it; empty: nothing in this workspace can


def repair_commands(damage: Iterable[Damage], *, workspace: str = "") -> list[str]:
    """Shell commands that mend all of some damage, in its order: files that must go are removed first.

    Args:
        workspace: to be named in them; empty: they find it by themselves.

    >>> files = ["a b.mp4", "c.mp4"]
    >>> repair_commands(Damage(part="h264", clip=f, fact="cut off", remove=f, repair="mocrop transcode") for f in files)
    ["rm -rf 'a b.mp4' c.mp4 && mocrop transcode"]
    """
    doomed: dict[str, dict[str, None]] = {}  # by command, each file once
    for each in damage:
        files = doomed.setdefault(each.repair, {})
        if each.remove:
            files[each.remove] = None
    named = f" -w {shlex.quote(workspace)}" if workspace else ""
    return [
        f"{shlex.join(['rm', '-rf', *files])} && {command}{named}" if files else f"{command}{named}"
        for command, files in doomed.items()
        if command
    ]
