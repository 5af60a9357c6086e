"""``python -m mocrop``: the same as the command ``mocrop``."""

from mocrop.cli import main

main()
