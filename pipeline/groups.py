"""Numbers of groups of clips, in manifests, caches and predictions: within a class, or across all classes.

UCF-101 counts groups anew in every class: group 1 of Archery and group 1 of Surfing have nothing in common. A person or
a video that ``--group-by`` names is the same in every class. The number itself tells which of the two it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

NO_GROUP = -1
FIRST_ACROSS_CLASSES = 1_000_000_000  # the number in a file name, "_gNN_", has at most nine digits


def across_classes(groups: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
    """Whether each group is one group in all classes: bool, the shape of ``groups``.

    >>> across_classes(np.array([-1, 25, 1_000_000_000])).tolist()
    [False, False, True]
    """
    return np.asarray(groups >= FIRST_ACROSS_CLASSES)
