"""`mocrop precrop --to`: crop the clips of a workspace into a cache at an address, by workers that share no disk.

The client keeps the manifest, and puts the table of clips and what describes the cache. Workers put the shards.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.pipeline.address import require_no_address
from mocrop.pipeline.arrays import open_array
from mocrop.pipeline.cache.at_address import MARK, CacheAtAddress, Found
from mocrop.pipeline.cache.create import create_cache
from mocrop.pipeline.cache.description import GROUP_FILE
from mocrop.pipeline.cache.layout import SHARD_COLUMNS, STREAMS, USABLE, ClipState, has_column
from mocrop.pipeline.cache.table import clip_table
from mocrop.pipeline.checksums import digest
from mocrop.pipeline.errors import CacheError, SettingsError
from mocrop.pipeline.run.session import Session, StageReport
from mocrop.pipeline.settings import plain_settings
from mocrop.pipeline.stages.cache_settings import resolve_precrop
from mocrop.pipeline.stages.caches import description
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.stored_settings import differences, settings_of
from mocrop.pipeline.strict_json import json_text
from mocrop.pipeline.terminal import count
from mocrop.pipeline.transfer.at_once import at_once
from mocrop.pipeline.transfer.contents import Comparison, local_names
from mocrop.pipeline.workspace.manifest import Manifest

NAMES = "clip/c/0"  # object with the names of the clips


def stage_to_address(session: Session, options: Mapping[str, Any], *, overwrite: bool = False) -> Stage:
    """The stage that writes a cache at an address.

    Args:
        options: as `mocrop precrop` takes them, with ``to`` and ``scratch``.
        overwrite: what is not given is the default, whatever is there.
    Raises: SettingsError; AddressError for an address that cannot be that of a cache, or one as the scratch folder.
    """
    own = {name: value for name, value in options.items() if name not in ("to", "scratch")}
    remote, scratch = CacheAtAddress(options["to"]), options.get("scratch")
    if own.get("name") not in (None, remote.name):
        raise SettingsError(
            f"--name {own['name']}: with --to a cache has the name of its address, {remote.name}; leave out --name"
        )
    if scratch is not None:
        require_no_address(scratch, "--scratch")
    known = session.manifest.known_addresses().get(str(remote.address), {})
    stored = {} if overwrite else known.get("settings", {})
    settings = resolve_precrop(session.workspace, session.stages, {**own, "name": remote.name}, stored=stored)
    return session.stages.precrop_to(
        settings,
        str(remote.address),
        clips=session.manifest.clip_count(),
        scratch="" if scratch is None else str(Path(scratch).absolute()),
    )


def stages_at_addresses(stages: Any, manifest: Manifest) -> Iterator[Stage]:
    """The stage of every cache that is written at an address, as the manifest remembers it. Raises: CacheError."""
    for address, known in manifest.known_addresses().items():
        settings = settings_of(known["settings"], CacheAtAddress(address).name)
        yield stages.precrop_to(settings, address)


def crop_to_address(session: Session, stage: Stage, *, overwrite: bool = False) -> StageReport:
    """Write what of the cache at the address is not there or not current, and let readers take it once all is there.

    Raises: CacheError if another cache is there, or one with other settings; AddressError; what
        :meth:`~mocrop.pipeline.run.session.Session.run` raises.
    """
    remote = CacheAtAddress(stage.settings.to)
    found = remote.look()
    known = session.manifest.known_addresses().get(str(remote.address))
    if not overwrite:
        _require_ours(remote, found, known, stage.settings.crop)
    session.look_again(stage, anew=overwrite)
    is_new = overwrite or known is None or not found.sizes
    token = uuid.uuid4().hex  # of this run: a worker of an earlier one, that was cut off, puts nothing any more
    stage = session.stages.precrop_to(
        stage.settings.crop,
        str(remote.address),
        clips=session.manifest.clip_count(),
        token=token,
        scratch=stage.function.keywords["scratch"],  # type: ignore[attr-defined]  # a partial, as precrop_to makes it
    )
    if is_new:
        session.manifest.forget(stage.name)
    with tempfile.TemporaryDirectory(prefix="mocrop-") as folder:
        made = Path(folder, f"{remote.name}.zarr")
        local = session.stages.precrop(stage.settings.crop)
        create_cache(made, stage.settings.crop.layout, clip_table(session.manifest), attributes=description(local))
        settings = plain_settings(stage.settings.crop)
        facts = {"token": token, "before": "", "settings": settings, "described": _described(made)}
        place = _Place(remote, found, made, stage, session.manifest, facts)
        if not is_new:
            place.forget_lost()
        return place.write(session, known or {}, anew=is_new)


def _require_ours(
    remote: CacheAtAddress, found: Found, known: Mapping[str, Any] | None, asked: PrecropSettings
) -> None:
    """Raises: CacheError if what is at the address is not this workspace's, or has other settings."""
    if not found.sizes:
        return
    if known is None or not _is_ours(remote, found, known):
        what = "other objects" if found.group is None else "a cache that this workspace has not written there"
        raise CacheError(f"{remote.address} holds {what}; name another address, or replace it with --overwrite")
    pair = (
        plain_settings(one, keep_none=True, keep_added=True)
        for one in (settings_of(known["settings"], remote.name), asked)
    )
    if differing := list(differences(*pair)):
        raise CacheError(
            f"{remote.address} holds a cache with other settings ({'; '.join(differing)}); name another address, or "
            "replace it with --overwrite"
        )


def _described(made: Path) -> str:
    """Digest of what a cache says of itself and of the names of its clips."""
    return digest((made / GROUP_FILE).read_bytes(), (made / NAMES).read_bytes())


def _is_ours(remote: CacheAtAddress, found: Found, known: Mapping[str, Any]) -> bool:
    """Whether this workspace has begun to write what is there, or has written it."""
    if found.group is None:
        return found.token in (known["token"], known["before"])
    return NAMES in found.sizes and digest(found.group, remote.files.read(NAMES)) == known["described"]


@dataclass(frozen=True)
class _Place:
    """A cache at an address, what was found there, and how the cache is described now.

    Attributes:
        made: an empty cache on this machine, with the description and the table of clips.
        facts: what the manifest is to remember.
    """

    remote: CacheAtAddress
    found: Found
    made: Path
    stage: Stage
    manifest: Manifest
    facts: Mapping[str, Any]

    def forget_lost(self) -> None:
        """Let the stage run again on the clips of shards of which an object is gone."""
        lost = [position for position, name in self._missing(self.found.sizes)]
        self.manifest.forget_outcomes(self.stage.name, dict.fromkeys(lost))

    def write(self, session: Session, known: Mapping[str, Any], *, anew: bool) -> StageReport:
        """Put what differs, run the stage, and end with what lets readers take it for a cache.

        Args:
            known: what the manifest remembers up to now; empty: nothing.
            anew: everything, whatever is there.
        """
        group = (self.made / GROUP_FILE).read_bytes()
        changed = self._changed(anew=anew)
        if self.found.group == group and not changed and not session.plan(self.stage).units and not anew:
            if MARK in self.found.sizes:  # of a run that was killed when it had done everything
                self.remote.discard(MARK)
            return session.run(self.stage)  # which has nothing to do, and says so
        # Whatever kills this process, what is there then is known: as it was, or as this run leaves it.
        self._remember({**self.facts, "before": self.found.token or "", "described": known.get("described", 0)})
        self.remote.begin(self.facts["token"])
        self._remember(self.facts)
        if anew:
            self.remote.clear(self.found)
        for name in changed:
            self.remote.files.put(self.made / name, name)
        report = session.run(self.stage)
        if gone := [name for _, name in self._missing(self.remote.files.list())]:
            raise CacheError(f"{self.remote.address / gone[0]} is gone; run the same command again: it is written anew")
        self._require_described()
        self._require_states()
        self.remote.require_token(self.facts["token"])
        self.remote.finish(group)
        return report

    def _require_described(self) -> None:
        """Raises: CacheError if what describes the clips is not as it was put: somebody else writes there, too."""
        there, compare = self.remote.files.entries(), Comparison(self.made, self.remote.files)
        for name in local_names(self.made):
            if name != GROUP_FILE and not compare.same(name, there.get(name)):
                raise CacheError(f"{self.remote.address / name} is not what was put there; run the same command again")

    def _require_states(self) -> None:
        """Check that the states at the address are those that the manifest has of the clips.

        A worker that was taken for lost may have put a shard after the one that got it next, with another outcome: in
        its place a clip took too long, say. The stage then runs again on what differs.

        Raises: CacheError if any differs.
        """
        names = [name for name in self.remote.files.list() if name.startswith("state/c/")]
        at_once(lambda name: self.remote.files.fetch(name, self.made / name), names)
        state = open_array(self.made, "state").read().result()
        rows = self.manifest.stage_rows(self.stage.name, self.stage.settings_hash, upstream=None)
        wanted = {"done": USABLE, "failed": (ClipState.FAILED,)}
        differing = [row.position for row in rows if row.status and state[row.position] not in wanted[row.status]]
        if differing:
            self.manifest.forget_outcomes(self.stage.name, differing)
            raise CacheError(
                f"{self.remote.address}: a worker that was taken for lost has put {count(len(differing), 'clip')} "
                "anew, with another outcome; run the same command again, which makes them again"
            )

    def _remember(self, facts: Mapping[str, Any]) -> None:
        self.manifest.remember_address(str(self.remote.address), json_text(facts))

    def _changed(self, *, anew: bool) -> list[str]:
        """Names of the objects that are not there as they are in ``made``; but for the last one to be put."""
        names = sorted(local_names(self.made))
        return [name for name in names if name != GROUP_FILE and (anew or not self._same(name))]

    def _same(self, name: str) -> bool:
        content = (self.made / name).read_bytes()
        return self.found.sizes.get(name) == len(content) and self.remote.files.read(name) == content

    def _missing(self, sizes: Mapping[str, int]) -> Iterator[tuple[int, str]]:
        """Positions of clips that the stage has an outcome of, and the first object of their shard that is gone."""
        there = set(sizes)
        columns = [name for name in SHARD_COLUMNS if has_column(self.made, name)]
        streams = [name for name in STREAMS if has_column(self.made, name)]
        begun = {tuple(name.split("/")[::2][:2]) for name in there if name != MARK and "/c/" in name}
        per_shard = self.stage.clips_per_unit
        for row in self.manifest.stage_rows(self.stage.name, self.stage.settings_hash, upstream=None):
            if row.status is None:
                continue
            shard = str(row.position // per_shard)
            for name in (*columns, *(streams if row.status == "done" else ())):
                if (name, shard) not in begun:
                    yield row.position, f"{name}/c/{shard}"
                    break
