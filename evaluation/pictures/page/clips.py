"""Collect what a page shows of each clip, from the manifest, the videos, the motion store, caches and predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mocrop.evaluation.pictures.clip_view import ClipView, ClipViewer, Picture
from mocrop.evaluation.pictures.gallery import choose_clips
from mocrop.evaluation.pictures.page.answers import Answer, Answers, read_answers
from mocrop.evaluation.pictures.page.cached_crops import CachedCrops
from mocrop.evaluation.pictures.page.crops import FAILED, Crops, crops_of_policy
from mocrop.evaluation.pictures.page.notes import Note, notes_by_clip
from mocrop.evaluation.pictures.page.settings import FRAMES, PageSettings
from mocrop.pipeline.errors import ClipError, PredictionsError, SettingsError, WorkspaceError
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.workspace.manifest import Manifest
from mocrop.pipeline.workspace.paths import Workspace


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A clip as it is listed, before anything of it is read."""

    name: str
    labels: tuple[int, ...]  # numbers of its classes
    subsets: tuple[int, ...]  # of each split: 0 in no list, 1 train, 2 test, 3 validation
    position: int | None = None  # in the workspace; None: there is none


@dataclass(frozen=True, kw_only=True, eq=False)
class PageClip:
    """Everything that a page shows of one clip."""

    listed: Listed
    crops: tuple[Crops, ...]  # of each way
    frames: tuple[int, ...] = ()  # numbers of those shown, ascending
    pictures: tuple[Picture, ...] = ()  # of these frames; empty where they cannot be decoded
    words: str = ""  # why there are no pictures; empty also where nothing was to be decoded
    view: ClipView | None = None  # None: the video cannot be read
    motion: ClipMotion | None = None
    notes: tuple[Note, ...] = ()
    answer: Answer | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Where the clips of a page come from."""

    title: str
    class_names: list[str]
    split_names: list[str]
    listed: list[Listed]
    settings: PageSettings
    viewer: ClipViewer | None = None  # None: caches without a workspace
    caches: tuple[CachedCrops, ...] = ()  # empty: policies decide
    notes: Mapping[str, tuple[Note, ...]] = field(default_factory=dict)
    answers: Answers | None = None

    @property
    def ways(self) -> list[str]:
        """Names of the ways that stand side by side."""
        return [cache.name for cache in self.caches] or list(self.settings.show.policies)

    def chosen(self) -> list[Listed]:
        """The clips to show: evenly over the classes, in the order of classes and names."""
        first = [listed.labels[0] if listed.labels else -1 for listed in self.listed]
        return [self.listed[place] for place in choose_clips(first, count=self.settings.most_clips)]

    def clips(self) -> Iterator[PageClip]:
        """Everything of each chosen clip. Raises: MotionStoreError, CacheError where these are damaged."""
        for listed in self.chosen():
            yield self._clip(listed)

    def _clip(self, listed: Listed) -> PageClip:
        view, words = self._view(listed)
        motion = view.motion if view else self._motion(listed)
        frames = self._frames(listed.name, view)
        pictures, undecoded = _decoded(view, frames)
        crops = self._crops(listed.name, view, frames, pictures)
        return PageClip(
            listed=listed,
            crops=crops,
            frames=tuple(frames),
            pictures=tuple(pictures.values()),
            words=words or undecoded,
            view=view,
            motion=motion,
            notes=self.notes.get(listed.name, ()),
            answer=self.answers.by_clip.get(listed.name) if self.answers else None,
        )

    def _view(self, listed: Listed) -> tuple[ClipView | None, str]:
        """The clip's video; None, and why, where it cannot be read; of caches without a workspace there is none."""
        if self.viewer is None or listed.position is None:
            return None, ""
        try:
            return self.viewer.view(listed.position, None if self.caches else self.settings.show), ""
        except ClipError as error:
            return None, str(error).removeprefix(f"{listed.name}: ")

    def _motion(self, listed: Listed) -> ClipMotion | None:
        if self.viewer is None or listed.position is None:
            return None
        return self.viewer.motion(listed.position)

    def _frames(self, clip: str, view: ClipView | None) -> list[int]:
        """Numbers of the frames to show: those of the first cache that has the clip, else some key frames."""
        for cache in self.caches:
            if frames := cache.frames_of(clip, most=FRAMES):
                return frames
        return list(view.key_frames(FRAMES)) if view else []

    def _crops(
        self, clip: str, view: ClipView | None, frames: Sequence[int], pictures: Mapping[int, Picture]
    ) -> tuple[Crops, ...]:
        if self.caches:
            return tuple(cache.of(clip, frames) for cache in self.caches)
        if view is None:
            return tuple(Crops(state=FAILED) for _ in self.ways)
        return tuple(crops_of_policy(view, name, pictures) for name in self.ways)


def _decoded(view: ClipView | None, frames: Sequence[int]) -> tuple[dict[int, Picture], str]:
    """Frames by number: all of them, or none and why."""
    if view is None:
        return {}, ""
    try:
        found = dict(view.pictures(frames))
    except ClipError as error:
        return {}, str(error).removeprefix(f"{view.name}: ")
    if len(found) < len(frames):
        return {}, "not all of its frames can be decoded"
    return found, ""


def workspace_source(workspace: Workspace, settings: PageSettings) -> Source:
    """Look at what there is of a workspace, or of caches without one.

    Raises: SettingsError, WorkspaceError, CacheError or PredictionsError if what is asked for is not there.
    """
    bare = not workspace.settings_file.is_file() and all(Path(name).is_dir() for name in settings.caches)
    if bare and settings.caches:
        return _bare(settings)
    viewer = ClipViewer(workspace.require())
    names = settings.caches or (() if settings.by_policies else tuple(workspace.cache_names()))
    caches = tuple(
        CachedCrops(Path(name) if Path(name).is_dir() else workspace.choose_cache(name))
        for name in dict.fromkeys(names)
    )
    with Manifest(workspace.manifest_file, read_only=True) as manifest:
        listed = [
            Listed(
                name=row.name,
                labels=tuple(label for label in row.labels or (row.label,) if label >= 0),
                subsets=row.subset,
                position=position,
            )
            for position, row in enumerate(manifest.clips())
        ]
        splits = manifest.names("split_names")
        notes = notes_by_clip(workspace, manifest)
    if not listed:
        raise WorkspaceError(f"{workspace.manifest_file} lists no clips; run `mocrop init` again")
    _require_common(caches, listed)
    return Source(
        title=viewer.dataset.name,
        class_names=viewer.class_names,
        split_names=splits,
        listed=listed,
        settings=settings,
        viewer=viewer,
        caches=caches,
        notes=notes,
        answers=_answers(settings, listed),
    )


def _bare(settings: PageSettings) -> Source:
    """The clips of the first of some caches, without videos."""
    caches = tuple(CachedCrops(Path(name)) for name in dict.fromkeys(settings.caches))
    first = caches[0].cache
    several = first.labels
    listed = [
        Listed(
            name=name,
            labels=tuple(
                label
                for label in ([int(first.label[row])] if several is None else several[row].nonzero()[0].tolist())
                if label >= 0
            ),
            subsets=tuple(first.subset[row].tolist()),
        )
        for row, name in enumerate(first.clip)
    ]
    _require_common(caches, listed)
    return Source(
        title=caches[0].name,
        class_names=first.class_names,
        split_names=first.split_names,
        listed=listed,
        settings=settings,
        caches=caches,
        answers=_answers(settings, listed),
    )


def _require_common(caches: Sequence[CachedCrops], listed: Sequence[Listed]) -> None:
    """Raises: SettingsError if a cache has none of the clips: it is of another data set."""
    for cache in caches:
        if not any(clip.name in cache for clip in listed):
            raise SettingsError(
                f"cache {cache.cache.path} has none of the {len(listed):,} clips; it is of another data set"
            )


def _answers(settings: PageSettings, listed: Sequence[Listed]) -> Answers | None:
    """Raises: PredictionsError if they are of none of the clips."""
    if settings.report is None:
        return None
    answers = read_answers(settings.report)
    if not any(clip.name in answers.by_clip for clip in listed):
        raise PredictionsError(f"{settings.report}: it has answers on none of these clips; it is of another data set")
    return answers
