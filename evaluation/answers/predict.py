"""`mocrop.evaluation.predict`: answers for video files, by a run of a workspace or by any checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import overload

from mocrop.evaluation.answers.answers import Answers, OnFile, answers_for
from mocrop.evaluation.answers.predictor import Predictor, load_predictor
from mocrop.evaluation.answers.videos import Videos, find_videos
from mocrop.evaluation.answers.windows import OnTime, WindowAnswers, answers_for_windows
from mocrop.evaluation.scores.targets import target_name
from mocrop.evaluation.views import Views, require_views
from mocrop.pipeline.address import is_address
from mocrop.pipeline.cache.named import MirrorChoice, named_cache
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.policies.registry import draws_by_name
from mocrop.pipeline.stages.windows import WindowSettings
from mocrop.pipeline.terminal import count
from mocrop.pipeline.workspace.paths import Workspace, locate_workspace
from mocrop.training.commands import choose_run
from mocrop.training.loop.run_folder import weights_of

Paths = Sequence[str | Path] | str | Path


@dataclass(frozen=True, kw_only=True)
class Network:
    """Which network is to answer, and how; None: not given.

    Raises: SettingsError if both a run and a checkpoint are given.
    """

    run: str | None = None  # name of a run of the workspace; None: the only one, unless there is a checkpoint
    checkpoint: Path | None = None  # a file, instead of a run
    arch: str | None = None  # the backbone, if the checkpoint does not say
    cache: str | None = None  # a crop cache, by name or path: files are read as its clips were
    segments: int | None = None  # frames per clip
    views: Views | None = None  # windows of a clip, and crops of each
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.run and self.checkpoint:
            raise SettingsError("--run and --checkpoint both say what is to answer; pass one of them")

    def load(self, workspace: Workspace) -> Predictor:
        """Load it. The workspace need not be there for a checkpoint.

        Raises: WorkspaceError, TrainingError or CacheError if what is named is not there; what
            :func:`~mocrop.evaluation.answers.predictor.load_predictor` raises.
        """
        file = self.checkpoint or weights_of(choose_run(workspace.require(), self.run))
        return load_predictor(
            file,
            cache=self._cache(workspace),
            arch=self.arch,
            segments=self.segments,
            views=None if self.views is None else require_views(self.views),
            device=self.device,
        )

    def _cache(self, workspace: Workspace) -> Path | None:
        if self.cache is None:
            return None
        return Path(self.cache) if os.path.isdir(self.cache) else _named(workspace, self.cache)


def _named(workspace: Workspace, name: str) -> Path:
    """The folder of a cache; one at an address needs no workspace."""
    return named_cache(workspace if is_address(name) else workspace.require(), name, MirrorChoice())


@overload
def predict(
    paths: Paths,
    *,
    run: str | None = ...,
    checkpoint: str | Path | None = ...,
    workspace: Workspace | Path | str | None = ...,
    arch: str | None = ...,
    cache: str | None = ...,
    segments: int | None = ...,
    views: Views | None = ...,
    window: None = ...,
    stride: None = ...,
    device: str = ...,
    on_file: OnFile = ...,
) -> Answers: ...
@overload
def predict(
    paths: Paths,
    *,
    run: str | None = ...,
    checkpoint: str | Path | None = ...,
    workspace: Workspace | Path | str | None = ...,
    arch: str | None = ...,
    cache: str | None = ...,
    segments: int | None = ...,
    views: Views | None = ...,
    window: float,
    stride: float | None = ...,
    device: str = ...,
    on_file: OnFile = ...,
) -> WindowAnswers: ...
def predict(
    paths: Paths,
    *,
    run: str | None = None,
    checkpoint: str | Path | None = None,
    workspace: Workspace | Path | str | None = None,
    arch: str | None = None,
    cache: str | None = None,
    segments: int | None = None,
    views: Views | None = None,
    window: float | None = None,
    stride: float | None = None,
    device: str = "auto",
    on_file: OnFile = lambda done, total: None,
) -> Answers | WindowAnswers:
    """Let a trained network answer for video files: vectors, boxes, crops and network in memory; nothing is written.

    A clip of the data set gets the logits that ``evaluate`` has for it, on a CPU to the last bit.

    Args:
        paths: files, folders, or patterns such as ``clips/*.mp4``.
        run: name of a run of the workspace; None: the only one, unless there is a checkpoint.
        checkpoint: its file, instead of a run.
        workspace: as for the command line where None; a checkpoint needs none.
        arch: the backbone, if the checkpoint does not say.
        cache: a crop cache, by name or path: files are read as its clips were. None: as those that it was trained on.
        segments: frames per clip; None: 8, or as many as the clips of the cache have.
        views: windows of a clip, and crops of each, 1 or 3, e.g. (4, 3); None: all its windows, and one crop.
        window: seconds; an answer for each window of this length. None: one for the whole file.
        stride: seconds from the start of one window to that of the next; None: half a window.
        device: "auto", "cpu", "cuda", "cuda:1", ...
        on_file: called after each file with the number of files done, and of all.
    Returns: what `mocrop predict --json` prints: ``to_json(top=5)`` makes it.
    Raises: SettingsError, CheckpointError, CacheError, TrainingError, WorkspaceError or DatasetError for what is not
        there or does not fit. A file that cannot be read is an answer whose ``failed`` is True.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    where = Workspace(locate_workspace(None)) if workspace is None else Workspace.at(workspace)
    file = None if checkpoint is None else Path(checkpoint)
    windows = window_settings(window, stride)
    network = Network(run=run, checkpoint=file, arch=arch, cache=cache, segments=segments, views=views, device=device)
    predictor = network.load(where)
    found = videos_for(predictor, given, workspace=where)
    if windows is None:
        return answer_videos(predictor, found, on_file=on_file)
    return answer_windows(predictor, found, windows, on_file=on_file)


def window_settings(window: float | None, stride: float | None) -> WindowSettings | None:
    """The windows that are asked for; None if they are not. Raises: SettingsError."""
    if window is None and stride is not None:
        raise SettingsError("--stride is from one window to the next; pass --window, too")
    return None if window is None else WindowSettings(seconds=window, stride_seconds=stride)


def answer(
    predictor: Predictor,
    given: Sequence[str | Path],
    *,
    workspace: Workspace,
    listed: Iterable[str] = (),
    on_file: OnFile = lambda done, total: None,
) -> Answers:
    """As :func:`predict`, by a network that is loaded.

    Args:
        workspace, listed: as for :func:`videos_for`.
    """
    return answer_videos(predictor, videos_for(predictor, given, workspace=workspace, listed=listed), on_file=on_file)


def videos_for(
    predictor: Predictor, given: Sequence[str | Path], *, workspace: Workspace, listed: Iterable[str] = ()
) -> Videos:
    """The videos that are meant.

    Args:
        workspace: gives the names of its clips, if it is there; one that is damaged is an error, as names matter.
        listed: as for :func:`~mocrop.evaluation.answers.videos.find_videos`.
    """
    known = workspace if os.path.lexists(workspace.settings_file) else None
    return find_videos(given, listed=listed, class_names=predictor.class_names, workspace=known)


def answer_windows(
    predictor: Predictor,
    found: Videos,
    windows: WindowSettings,
    *,
    on_time: OnTime = lambda seconds: None,
    on_file: OnFile = lambda done, total: None,
) -> WindowAnswers:
    """Answer for each window of the videos, by a network that is loaded.

    Args:
        on_time: is called with the seconds of video that are done.
        on_file: is called after each file.
    """
    files = []
    for file in answers_for_windows(found.videos, predictor, windows, on_time=on_time):
        files.append(file)
        on_file(len(files), len(found.videos))
    return WindowAnswers(
        files=tuple(files),
        windows=windows,
        class_names=tuple(predictor.class_names),
        activation=predictor.activation,
        about=_about(predictor),
        remarks=(*found.remarks, *_names_remark(found, predictor)),
    )


def answer_videos(predictor: Predictor, found: Videos, *, on_file: OnFile = lambda done, total: None) -> Answers:
    """Answer for videos that are found, by a network that is loaded."""
    return Answers(
        files=tuple(answers_for(found.videos, predictor, on_file=on_file)),
        class_names=tuple(predictor.class_names),
        activation=predictor.activation,
        about=_about(predictor),
        remarks=(*found.remarks, *_names_remark(found, predictor)),
    )


def _about(predictor: Predictor) -> dict[str, object]:
    checkpoint, crop = predictor.checkpoint, predictor.reading.crop
    return {
        "network": target_name(predictor.source),
        "checkpoint": str(predictor.source),
        "arch": checkpoint.arch,
        "epoch": checkpoint.epoch,
        "input": checkpoint.input,
        "crops": {"as": crop.name, "policy": crop.policy, "size": crop.size, "source": crop.source},
        "segments": predictor.look.stored_frames,
        "look": asdict(predictor.look),
        "device": str(predictor.device),
    }


def _names_remark(found: Videos, predictor: Predictor) -> list[str]:
    """That boxes depend on names which are not those of a data set."""
    crop = predictor.reading.crop
    others = sum(video.named_by != "workspace" for video in found.videos)
    if not others or not draws_by_name(crop.policy):
        return []
    differ = "is no clip of a workspace at hand, and under another name its box may differ"
    if others > 1:
        differ = "are no clips of a workspace at hand, and under other names their boxes may differ"
    return [f"policy {crop.policy} draws vectors by the name of a clip; {count(others, 'file')} {differ}"]
