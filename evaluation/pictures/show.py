"""`mocrop show`: the contact sheet or the overlay video of one clip of a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mocrop.evaluation.pictures.clip_boxes import ShowSettings
from mocrop.evaluation.pictures.clip_view import view_clip
from mocrop.evaluation.pictures.contact_sheet import draw_contact_sheet
from mocrop.evaluation.pictures.crop_rows import draw_crop_rows
from mocrop.evaluation.pictures.overlay_video import write_overlay
from mocrop.pipeline.choices import Bars
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.files import fitting_name
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.report.figure_file import PICTURES, require_kind


def show_in_workspace(
    workspace: Workspace,
    clip: str,
    *,
    policies: Sequence[str] = (),
    ratio: float = 0.75,
    bars: Bars = "keep",
    frames: int = 6,
    crops: bool = False,
    video: bool = False,
    output: Path | None = None,
) -> Path:
    """Draw one clip of a workspace.

    Args:
        clip: its name, the path of its file, or an ending that no other clip's name has.
        policies: whose boxes to draw; empty: of all that can decide on the clip.
        ratio: area of the boxes as a fraction of the frame.
        bars: cut: as a fraction of the picture inside black bars, in which the boxes then lie.
        frames: how many to show on the contact sheet, at most.
        crops: for each policy a row of frames and the crops below it, instead of the contact sheet.
        video: write an MP4 of all frames instead of the contact sheet.
        output: the file to write, a PNG or JPEG as its suffix says, or for a video an MP4; or a folder to write
            ``<clip>.png`` or ``.mp4`` into; None: ``reports/show``.
    Returns: the file.
    Raises: SettingsError for a value that is not allowed, or both a video and crops; what
        :func:`~mocrop.evaluation.pictures.clip_view.view_clip` raises.
    """
    if crops and video:
        raise SettingsError("--video shows frames with boxes; leave out either --video or --crops")
    try:
        settings = ShowSettings(policies=tuple(policies), ratio=ratio, bars=bars, frames=frames, every_frame=video)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    require_kind(output, kinds=(".mp4",) if video else PICTURES)
    view = view_clip(workspace.require(), clip, settings)
    name = fitting_name(view.name.replace("/", "__"), ".mp4" if video else ".png")
    output = output or workspace.reports / "show" / name
    file = output / name if output.is_dir() else output
    if video:
        write_overlay(view, file)
    elif crops:
        draw_crop_rows(view, file)
    else:
        draw_contact_sheet(view, file)
    return file
