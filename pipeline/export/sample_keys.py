"""The key of a clip in tar shards: what WebDataset groups the files of one sample by."""

from __future__ import annotations

import re

MOST_LETTERS = 60  # of the name; with it the names of all files of a sample fit the 100 bytes of a plain tar header
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")


def sample_key(position: int, name: str) -> str:
    """The clip's row in the manifest, which no other clip ever has, then as much of its name as may be in a key.

    WebDataset ends a key at the first dot after the last slash, and some tools change case or letters that are not
    ASCII. The number alone makes a key unique: it ends at the first hyphen or with the key.

    >>> sample_key(7, "Surfing/v_Surfing_g01_c01"), sample_key(12, "a.b/c d"), sample_key(3, "日本")
    ('000007-Surfing-v_Surfing_g01_c01', '000012-a-b-c-d', '000003')
    """
    letters = _OTHER.sub("-", name).strip("-")[:MOST_LETTERS]
    return f"{position:06d}-{letters}" if letters else f"{position:06d}"
