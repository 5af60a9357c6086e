"""Write a matplotlib figure as a PNG: complete or not at all, and with the same bytes for the same picture."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from matplotlib.figure import Figure

from mocrop.pipeline.files import write_whole
from mocrop.training.report.figure_names import show_names


def write_figure(figure: Figure, file: Path, *, dpi: int) -> None:
    """Write ``figure`` to ``file``, whose folder is created if missing."""
    write_whole(file, figure_bytes(figure, dpi=dpi, kind="png", metadata={"Software": None}))


def figure_bytes(figure: Figure, *, dpi: int, kind: str, metadata: dict[str, None] | None = None) -> bytes:
    """Draw ``figure``, whose names become printable.

    Args:
        kind: "png", or "rgba" for the pixels alone.
    """
    show_names(figure)
    content = io.BytesIO()
    with warnings.catch_warnings():  # the bold cut of a font may lack a letter that the font has
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(content, dpi=dpi, format=kind, metadata=metadata)
    return content.getvalue()
