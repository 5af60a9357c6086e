"""Build the stages of a workspace, each with its settings and the stage that it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mocrop.pipeline.cache.layout import shard_file
from mocrop.pipeline.motion.store import CLIPS_PER_SHARD, shard_folder
from mocrop.pipeline.policies.registry import POLICIES
from mocrop.pipeline.settings import Settings, settings_from
from mocrop.pipeline.stages.contract import Stage
from mocrop.pipeline.stages.extract_mv import EXTRACT_VERSION, ExtractSettings, extract_unit
from mocrop.pipeline.stages.precrop import PRECROP_VERSION, PrecropSettings, precrop_unit
from mocrop.pipeline.stages.transcode import TRANSCODE_VERSION, TranscodeSettings, transcode_unit
from mocrop.pipeline.workspace.paths import Workspace

CLIPS_PER_TRANSCODE_UNIT = 4  # a clip takes about a third of a second; a Dask task costs a few milliseconds


@dataclass(frozen=True)
class Stages:
    """The stages of one workspace with the settings of its mocrop.toml."""

    workspace: Workspace
    tables: Mapping[str, Mapping[str, Any]]  # of mocrop.toml, by name

    def transcode(self, options: Mapping[str, Any] | None = None) -> Stage:
        """The stage that writes h264/ from the data set's own files; ``options`` replace what mocrop.toml has."""
        return Stage(
            name="transcode",
            function=transcode_unit,
            settings=self._settings("transcode", TranscodeSettings, options),
            version=TRANSCODE_VERSION,
            clips_per_unit=CLIPS_PER_TRANSCODE_UNIT,
            writes_shards=False,
            output=lambda _, name: self.workspace.h264_file(name),
            reads_dataset=True,
        )

    def extract(self, options: Mapping[str, Any] | None = None) -> Stage:
        """The stage that writes motion.zarr from h264/ or the data set's own files."""
        settings = self._settings("extract-mv", ExtractSettings, options)
        return Stage(
            name="extract-mv",
            function=extract_unit,
            settings=settings,
            version=EXTRACT_VERSION,
            clips_per_unit=CLIPS_PER_SHARD,
            writes_shards=True,
            output=lambda position, _: shard_folder(self.workspace.motion, position // CLIPS_PER_SHARD),
            upstream=self.transcode() if settings.source == "h264" else None,
            reads_dataset=settings.source != "h264",
        )

    def precrop(self, settings: PrecropSettings) -> Stage:
        """The stage that writes one crop cache from video files and, if needed, motion.zarr."""
        needs_motion = POLICIES[settings.policy].needs_motion or settings.motion_fields is not None
        from_files = self.transcode() if settings.source == "h264" else None
        cache = self.workspace.cache(settings.name)
        return Stage(
            name=precrop_name(settings.name),
            function=precrop_unit,
            settings=settings,
            version=PRECROP_VERSION,
            clips_per_unit=settings.clips_per_shard,
            writes_shards=True,
            output=lambda position, _: shard_file(cache, position // settings.clips_per_shard),
            upstream=self.extract() if needs_motion else from_files,
            reads_dataset=settings.source != "h264",
            takes_vectorless=needs_motion,
        )

    def _settings(self, stage: str, kind: type[Settings], options: Mapping[str, Any] | None) -> Settings:
        return settings_from(kind, self.tables.get(stage, {}), options or {}, where=f"[{stage}]")


def precrop_name(cache: str) -> str:
    """Name of the precrop stage of one cache in the manifest.

    >>> precrop_name("motion-192")
    'precrop:motion-192'
    """
    return f"precrop:{cache}"


def chain(stage: Stage) -> list[Stage]:
    """A stage and all stages that it depends on, first to last."""
    return [*(chain(stage.upstream) if stage.upstream else []), stage]
