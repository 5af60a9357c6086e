"""The program ``mocrop``, also as ``python -m mocrop``: the command line, and what Ctrl-C does to it."""

from __future__ import annotations

from collections.abc import Callable

from mocrop.pipeline.interrupts import run_program


def _load() -> Callable[..., None]:
    from mocrop.cli import main

    return main


def main() -> None:
    """Run the command line; most of its start is importing it, which Ctrl-C may end too."""
    run_program(_load)


if __name__ == "__main__":
    main()
