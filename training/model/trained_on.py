"""Which clips a network was trained on, and which chose its best epoch, as its checkpoint keeps them.

A clip is kept as an 8-byte BLAKE2b hash of its name, which stays true when split lists change: 76 KB for the training
list of UCF-101.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mocrop.training.model.checkpoint import Checkpoint, from_content, is_ours, read_content
from mocrop.training.model.shipped_weights import SHIPPED
from mocrop.training.recipe import PRETRAINED

NO_FILE = (*PRETRAINED, "none", *SHIPPED)  # weights that no checkpoint of mocrop holds


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenClips:
    """Hashes of clip names, as :func:`name_hashes` makes them."""

    trained_on: Tensor = field(default_factory=lambda: name_hashes(()))
    validated_on: Tensor = field(default_factory=lambda: name_hashes(()))  # held out to choose the best epoch


def name_hashes(names: Sequence[str]) -> Tensor:
    """Hash names of clips: int64, (different names,), ascending.

    >>> bool((name_hashes(["A/x", "B/y", "A/x"]) == name_hashes(["B/y", "A/x"])).all())
    True
    """
    return torch.from_numpy(np.unique(_hashes(names)))


def are_among(names: Sequence[str], hashes: Tensor) -> npt.NDArray[np.bool_]:
    """Whether each name is one of those that were hashed: bool, (names,).

    >>> are_among(["A/x", "A/z"], name_hashes(["A/x", "B/y"])).tolist()
    [True, False]
    """
    return np.isin(_hashes(names), hashes.numpy())


def seen_clips(trained: Sequence[str], validated: Sequence[str], *, before: Checkpoint | None) -> SeenClips:
    """The clips of a run, and those that its first weights had seen already.

    Args:
        trained, validated: names of clips.
        before: the checkpoint that the run starts from, or resumes from.
    """
    lists = {"trained_on": name_hashes(trained), "validated_on": name_hashes(validated)}
    for name, hashes in lists.items():
        earlier: object = getattr(before, name, None)
        if isinstance(earlier, Tensor):
            lists[name] = torch.unique(torch.cat((hashes, earlier)))  # ascending
    return SeenClips(**lists)


def checkpoint_of_weights(weights: str) -> Checkpoint | None:
    """The checkpoint of mocrop that ``--weights`` names; None if they are from elsewhere.

    Raises: CheckpointError if the file is damaged.
    """
    file = Path(weights)
    if weights in NO_FILE or file.suffix == ".safetensors" or not file.is_file():
        return None
    content = read_content(file)
    return from_content(content, file) if is_ours(content) else None


def _hashes(names: Sequence[str]) -> npt.NDArray[np.int64]:
    digests = (hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)
