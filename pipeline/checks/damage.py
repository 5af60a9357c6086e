"""Damage that `mocrop verify` finds, and the commands that repair it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mocrop.pipeline.names import shell_word


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One thing that is wrong with one clip, or with a whole part of a workspace.

    Where no command can repair it, ``fact`` says what to do instead.
    """

    part: str  # "h264", "motion.zarr", "cache motion-192"
    clip: str  # empty: the whole part
    fact: str
    repair: str = ""  # command that makes it again, once `mocrop verify --repair` has marked it; empty: none can
    stage: str = ""  # that makes it, as the manifest calls it: "transcode", "extract-mv", "precrop:motion-192"
    positions: tuple[int, int] = (0, 0)  # of the clips to mark as not done: the first, and the one after the last
    remove: str = ""  # file to delete when they are marked, as nothing may read it any more
    describe: bool = False  # the folder, the metadata or the table of the whole part are to be made again


def repair_commands(
    damage: Iterable[Damage], *, workspace: str = "", cache: str = "", marked: bool = False
) -> list[str]:
    """Shell commands that repair all of the damage, in its order; the first marks it as not done.

    Args:
        workspace: workspace to name in the commands; empty: they find it by default.
        cache: the cache that alone was checked; empty: everything was.
        marked: it is marked already.

    >>> lost = [Damage(part="h264", clip=clip, fact="gone", repair="mocrop transcode") for clip in ("A/b", "A/c")]
    >>> repair_commands(lost), repair_commands(lost, workspace="my work")[0]
    (['mocrop verify --repair', 'mocrop transcode'], "mocrop verify --repair -w 'my work'")
    """
    first = f"mocrop verify {shell_word(cache)} --repair" if cache else "mocrop verify --repair"
    commands = dict.fromkeys(each.repair for each in damage if each.repair)
    named = f" -w {shell_word(workspace)}" if workspace else ""
    return [f"{command}{named}" for command in ((first,) if commands and not marked else ()) + tuple(commands)]
