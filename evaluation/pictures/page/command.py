"""`mocrop gallery --html`: many clips as a page for a browser."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mocrop.evaluation.pictures.gallery import Drawn
from mocrop.evaluation.pictures.gallery_page import gallery_in_workspace
from mocrop.evaluation.pictures.page.clips import PageClip, Source, workspace_source
from mocrop.evaluation.pictures.page.settings import PageSettings
from mocrop.evaluation.pictures.page.sheet import make_sheet
from mocrop.evaluation.pictures.page.values import detail, entry, head
from mocrop.evaluation.pictures.page.write import INDEX, ONE_FILE, Content, require_free, write_file, write_folder
from mocrop.pipeline.choices import Bars
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.terminal import LineConsole, count
from mocrop.pipeline.workspace.paths import Workspace

PNG_CLIPS = 48


def draw_gallery_or_page(
    workspace: Workspace,
    *,
    caches: Sequence[str],
    policies: Sequence[str],
    ratio: float | None,
    bars: Bars | None,
    clips: int | None,
    output: Path | None,
    html: bool,
    single_file: bool,
    report: Path | None,
    overwrite: bool,
    console: LineConsole,
) -> Drawn:
    """Do what the options of `mocrop gallery` ask for: a picture, or with ``html`` a page.

    Raises: SettingsError for options that do not go together; what the two raise.
    """
    if html:
        settings = PageSettings(
            caches=tuple(caches),
            policies=tuple(policies),
            ratio=ratio,
            bars=bars,
            report=report,
            clips=clips,
            single_file=single_file,
        )
        return page_in_workspace(workspace, settings, output=output, overwrite=overwrite, console=console)
    if single_file or report or overwrite:
        raise SettingsError("--single-file, --report and --overwrite are of a page; pass --html with them")
    if len(caches) > 1:
        raise SettingsError("a picture shows one cache; pass --html to see several side by side")
    drawn = gallery_in_workspace(
        workspace,
        cache=caches[0] if caches else None,
        policies=policies,
        ratio=ratio,
        bars=bars,
        clips=PNG_CLIPS if clips is None else clips,
        output=output,
    )
    if drawn.unread:
        console.say(drawn.words)
    return drawn


def page_in_workspace(
    workspace: Workspace,
    settings: PageSettings,
    *,
    output: Path | None = None,
    overwrite: bool = False,
    console: LineConsole,
) -> Drawn:
    """Write a page of many clips.

    Args:
        output: the folder, or with ``single_file`` the file, to write; None: ``reports/gallery``, or
            ``reports/gallery/gallery.html``.
        overwrite: replace a gallery that is there.
        console: where progress, and what is left out, is shown.
    Raises: SettingsError if something else is in its place; what
        :func:`~mocrop.evaluation.pictures.page.clips.workspace_source` raises.
    """
    usual = workspace.reports / "gallery"
    target = output or (usual / ONE_FILE if settings.single_file else usual)
    if output is not None and output.suffix in (".html", ".htm") and not settings.single_file and not output.is_dir():
        raise SettingsError(f"{output} would be a folder; pass --single-file, or name a folder")
    require_free(target, single_file=settings.single_file, overwrite=overwrite)
    source = workspace_source(workspace, settings)
    write = write_file if settings.single_file else write_folder
    unread: list[str] = []
    with page_progress(console, len(source.chosen())) as on_clip:
        written = write(target, _contents(source, unread, on_clip), lambda clips: head(source, clips=clips))
    drawn = Drawn(file=target if settings.single_file else target / INDEX, unread=tuple(unread))
    _say(console, source, drawn, written)
    return drawn


def _contents(source: Source, unread: list[str], on_clip: Callable[[], None]) -> Iterator[Content]:
    for clip in source.clips():
        if (source.viewer and not clip.pictures) or any(crops.words for crops in clip.crops):
            unread.append(clip.listed.name)
        yield _content(clip)
        on_clip()


def _content(clip: PageClip) -> Content:
    sheet = make_sheet([clip.pictures, *(crops.pictures for crops in clip.crops)])
    return entry(clip, sheet), detail(clip), sheet


def _say(console: LineConsole, source: Source, drawn: Drawn, written: int) -> None:
    shown = len(source.chosen())
    console.say(f"{count(shown, 'clip')}, {' and '.join(source.ways)}, {written / 1e6:.1f} MB")
    if drawn.unread:
        console.say(drawn.words)
    if left := len(source.listed) - shown:
        console.say(f"{left:,} more are left out, evenly over the classes; --clips takes more")


@contextlib.contextmanager
def page_progress(console: LineConsole, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, nothing elsewhere; yields what is to be called after each clip."""
    columns = (
        TextColumn("gallery"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} clips"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield partial(progress.advance, progress.add_task("gallery", total=total))
