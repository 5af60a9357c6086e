"""Write a matplotlib figure as a PNG: complete or not at all, and with the same bytes for the same picture."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from mocrop.pipeline.files import write_whole


def write_figure(figure: Figure, file: Path, *, dpi: int) -> None:
    """Write ``figure`` to ``file``, whose folder is created if missing."""
    png = io.BytesIO()
    figure.savefig(png, dpi=dpi, format="png", metadata={"Software": None})
    write_whole(file, png.getvalue())
