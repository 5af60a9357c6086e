"""Write a matplotlib figure as a PNG or JPEG: complete or not at all, the same bytes for the same picture."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.files import write_whole
from mocrop.training.report.figure_names import show_names

PICTURES = (".png", ".jpg", ".jpeg")  # suffixes of files that a figure is written to


def require_kind(file: Path | None, *, kinds: Sequence[str]) -> None:
    """Refuse the name of a file of another kind than can be written; to be called before the work.

    Args:
        file: None, a folder that is there and a name without suffix pass.
        kinds: suffixes.
    Raises: SettingsError.
    """
    if file is None or not file.suffix or file.suffix.lower() in kinds or file.is_dir():
        return
    raise SettingsError(f"{file} cannot be written: it can be {', '.join(kinds)}, not {file.suffix}; name it so")


def write_figure(figure: Figure, file: Path, *, dpi: int) -> None:
    """Write ``figure`` to ``file``, whose folder is created if missing: as a JPEG if its suffix says so, else a PNG."""
    jpeg = file.suffix.lower() in (".jpg", ".jpeg")
    how: dict[str, Any] = {"kind": "jpeg"} if jpeg else {"kind": "png", "metadata": {"Software": None}}
    write_whole(file, figure_bytes(figure, dpi=dpi, **how))


def figure_bytes(figure: Figure, *, dpi: int, kind: str, metadata: dict[str, None] | None = None) -> bytes:
    """Draw ``figure``, whose names become printable.

    Args:
        kind: "png", "jpeg", or "rgba" for the pixels alone.
    """
    show_names(figure)
    content = io.BytesIO()
    with warnings.catch_warnings():  # the bold cut of a font may lack a letter that the font has
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(content, dpi=dpi, format=kind, metadata=metadata)
    return content.getvalue()
