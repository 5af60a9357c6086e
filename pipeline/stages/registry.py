"""Build the stages of a workspace, each with its settings and the stage that it depends on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mocrop.pipeline.cache.layout import shard_file
from mocrop.pipeline.motion.store import CLIPS_PER_SHARD, create_store, shard_folder
from mocrop.pipeline.names import shell_word
from mocrop.pipeline.policies.precomputed import IMPORT_TABLE, ImportedMaps, MapsSettings, map_has_changed
from mocrop.pipeline.settings import Settings, settings_from
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.stages.extract_mv import EXTRACT_VERSION, ExtractSettings, extract_unit
from mocrop.pipeline.stages.own_file import keep_or_transcode_unit
from mocrop.pipeline.stages.precrop import PRECROP_VERSION, precrop_unit
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.to_address import ToAddressSettings, crop_to_address
from mocrop.pipeline.stages.transcode import TRANSCODE_VERSION, transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.workspace.paths import Workspace

_TRANSCODE_FIRST = (
    "run `mocrop transcode` first, or take vectors from the original files with `mocrop extract-mv --source original`"
)
_WITHOUT_MOTION = "crop without motion, e.g. `--policy center` and none of --motion-fields, --bars cut and --at motion"
TO_ADDRESS = "precrop-to"  # before the address, the name of a stage
CLIPS_PER_TRANSCODE_UNIT = 4  # a clip takes about a third of a second; a Dask task costs a few milliseconds


@dataclass(frozen=True)
class Stages:
    """The stages of one workspace with the settings of its mocrop.toml."""

    workspace: Workspace
    tables: Mapping[str, Mapping[str, Any]]  # of mocrop.toml, by name

    def __post_init__(self) -> None:
        """Refuse a bad value of any table, so that no clip runs before it is mended. Raises: SettingsError."""
        self._settings("transcode", TranscodeSettings, None)
        self._settings("extract-mv", ExtractSettings, None)
        self.imported_maps()

    def transcode(self, options: Mapping[str, Any] | None = None, *, own_key_frames: int | None = None) -> Stage:
        """The stage that writes h264/ from the data set's own files; ``options`` replace what mocrop.toml has.

        Args:
            own_key_frames: for source auto, see TranscodeSettings; None: every clip is transcoded.
        """
        settings = self._settings("transcode", TranscodeSettings, options)
        return Stage(
            name="transcode",
            function=transcode_unit if own_key_frames is None else keep_or_transcode_unit,
            settings=dataclasses.replace(settings, own_key_frames=own_key_frames),
            version=TRANSCODE_VERSION,
            clips_per_unit=CLIPS_PER_TRANSCODE_UNIT,
            writes_shards=False,
            output=lambda _, name: self.workspace.h264_file(name),
            reads_dataset=True,
            way_out=_TRANSCODE_FIRST if own_key_frames is None else "run `mocrop extract-mv --source auto` first",
        )

    def extract(self, options: Mapping[str, Any] | None = None) -> Stage:
        """The stage that writes motion.zarr from h264/ or the data set's own files."""
        settings = self._settings("extract-mv", ExtractSettings, options)
        of_auto = {"max_damaged": (options or {}).get("max_damaged")}  # there the same command transcodes
        before = self.transcode(of_auto if settings.source == "auto" else {}, own_key_frames=settings.key_frames)
        return Stage(
            name="extract-mv",
            function=extract_unit,
            settings=settings,
            version=EXTRACT_VERSION,
            clips_per_unit=CLIPS_PER_SHARD,
            writes_shards=True,
            output=lambda position, _: shard_folder(self.workspace.motion, position // CLIPS_PER_SHARD),
            upstream=None if settings.source == "original" else before,
            reads_dataset=settings.source != "h264",
            prepare=lambda: create_store(self.workspace.motion),
            way_out=f"run `{self._extract_command(settings)}` first, or {_WITHOUT_MOTION}",
        )

    def _extract_command(self, settings: ExtractSettings) -> str:
        """The command that extracts with these settings; options only where mocrop.toml has other ones."""
        if settings == self._settings("extract-mv", ExtractSettings, None):
            return "mocrop extract-mv"
        key_frames = "" if settings.key_frames is None else f" --key-frames {settings.key_frames}"
        return f"mocrop extract-mv --source {settings.source}{key_frames}"

    def extract_for(self, settings: PrecropSettings, options: Mapping[str, Any] | None = None) -> Stage:
        """The stage that writes the vectors which a crop cache of these settings needs, from the files that it reads.

        With source auto, no fewer key frames are asked of own files than by mocrop.toml, so that a second cache with
        fewer slots takes each clip from the same file.
        """
        known = self.extract().settings.key_frames or 0
        return self.extract(
            {**(options or {}), "source": settings.source, "key_frames": max(known, settings.key_frames)}
        )

    def precrop(self, settings: PrecropSettings) -> Stage:
        """The stage that writes one crop cache from video files and, if needed, motion.zarr."""
        extract = self.extract_for(settings)
        cache, policy = self.workspace.cache(settings.name), settings.policy_settings
        return Stage(
            name=precrop_name(settings.name),
            function=precrop_unit,
            settings=settings,
            version=PRECROP_VERSION,
            clips_per_unit=settings.clips_per_shard,
            writes_shards=True,
            output=lambda position, _: shard_file(cache, position // settings.clips_per_shard),
            upstream=extract if settings.needs_motion else extract.upstream,
            reads_dataset=settings.source != "h264",
            way_out=f"run `mocrop precrop --name {shell_word(settings.name)}` first",
            input_changed=partial(map_has_changed, settings=policy) if isinstance(policy, MapsSettings) else None,
        )

    def precrop_to(
        self, settings: PrecropSettings, address: str, *, clips: int = 0, token: str = "", scratch: str = ""
    ) -> Stage:
        """The stage that writes one crop cache at an address, by workers that share no disk.

        Args:
            clips, token, scratch: see :func:`crop_to_address`; none of them matters where the stage does not run.
        """
        of_stage = {stage.name: stage.settings for stage in chain(self.precrop(settings))}
        versions = (TRANSCODE_VERSION, EXTRACT_VERSION, PRECROP_VERSION)
        policy = settings.policy_settings
        return Stage(
            name=f"{TO_ADDRESS}:{address}",
            function=partial(crop_to_address, clips=clips, token=token, scratch=scratch),
            settings=ToAddressSettings(
                to=address,
                crop=settings,
                extract=of_stage.get("extract-mv"),
                transcode=of_stage.get("transcode"),
            ),
            version=".".join(map(str, versions)),
            clips_per_unit=settings.clips_per_shard,
            writes_shards=True,
            output=lambda *_: self.workspace.root,  # the address itself is looked at before the stage runs
            reads_dataset=True,
            in_workspace=False,
            input_changed=partial(map_has_changed, settings=policy) if isinstance(policy, MapsSettings) else None,
        )

    def imported_maps(self) -> ImportedMaps | None:
        """The folder of maps that `mocrop import-npy` has written to mocrop.toml."""
        return self._settings(IMPORT_TABLE, ImportedMaps, None) if IMPORT_TABLE in self.tables else None

    def _settings(self, stage: str, kind: type[Settings], options: Mapping[str, Any] | None) -> Settings:
        return settings_from(kind, self.tables.get(stage, {}), options or {}, where=f"[{stage}]")


def precrop_name(cache: str) -> str:
    """Name of the precrop stage of one cache in the manifest.

    >>> precrop_name("motion-192")
    'precrop:motion-192'
    """
    return f"precrop:{cache}"


def cache_of(stage: str) -> str:
    """Name of the cache that a stage of the manifest writes; empty if it writes none.

    >>> cache_of("precrop:motion-192"), cache_of("transcode")
    ('motion-192', '')
    """
    prefix = precrop_name("")
    return stage.removeprefix(prefix) if stage.startswith(prefix) else ""


def address_of(stage: str) -> str:
    """The address to which a stage of the manifest writes a cache; empty if it writes to none.

    >>> address_of("precrop-to:s3://bucket/a.zarr"), address_of("precrop:a")
    ('s3://bucket/a.zarr', '')
    """
    prefix = f"{TO_ADDRESS}:"
    return stage.removeprefix(prefix) if stage.startswith(prefix) else ""


def chooses_files(stage: Stage) -> bool:
    """Whether a stage decides for source auto which clips are read from their own files."""
    return isinstance(stage.settings, TranscodeSettings) and stage.settings.own_key_frames is not None


def chain(stage: Stage) -> list[Stage]:
    """A stage and all stages that it depends on, first to last."""
    return [*(chain(stage.upstream) if stage.upstream else []), stage]
