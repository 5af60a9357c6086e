"""Options of the commands that ask a trained network: `mocrop eval`, `predict` and `export-model`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mocrop.evaluation.views import parse_views

if TYPE_CHECKING:
    from mocrop.evaluation.answers.drawn import Wishes
    from mocrop.pipeline.stages.windows import WindowSettings

RunOption = Annotated[str | None, typer.Option(help="Name of the run.", show_default="the only one")]
CheckpointOption = Annotated[
    Path | None,
    typer.Option(help="Checkpoint file instead of a run; it needs no workspace.", readable=False),
]
ArchOption = Annotated[str | None, typer.Option(help="Backbone, if the checkpoint does not name it.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]


ViewsOption = Annotated[
    Any,
    typer.Option(
        parser=parse_views,
        metavar="WINDOWS[xCROPS]",
        help="Average over so many windows of a clip, and 1 or 3 crops of each; needs train --clip, or --crop.",
        show_default="all windows, 1 crop",
    ),
]


@dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """Options of `mocrop predict` for long videos, and for pictures of what it says."""

    window: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Answer for each window of this length, instead of the whole video."),
    ] = None
    stride: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="From the start of one window to that of the next.", show_default="half a window"
        ),
    ] = None
    timeline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Draw the top classes over time; a folder for several videos.",
            readable=False,
        ),
    ] = None
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.mp4",
            help="Write the video with its boxes and top classes on it; a folder for several videos.",
            readable=False,
        ),
    ] = None

    @property
    def windows(self) -> WindowSettings | None:
        """The windows; None if they are not asked for. Raises: SettingsError."""
        from mocrop.evaluation.answers.predict import window_settings

        return window_settings(self.window, self.stride)

    @property
    def wishes(self) -> Wishes:
        """What is to be drawn."""
        from mocrop.evaluation.answers.drawn import Wishes

        return Wishes(timeline=self.timeline, video=self.video)
