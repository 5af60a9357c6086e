"""Memory for batches, used again and again: a shape goes in, a tensor comes out that nobody else looks at."""

from __future__ import annotations

import math
import weakref

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class BufferPool:
    """Gives out uint8 tensors and takes their memory back once the last tensor or array that sees it is gone.

    Fresh memory costs more than reading a batch into it: the system clears every page first. Page-locked memory is
    PyTorch's own matter, which already keeps it for reuse and knows when a device has finished with it.

    Args:
        most_bytes: size of the largest tensor that will be asked for.
        pin_memory: give out page-locked memory, from which a CUDA device fetches without a further copy.
    """

    def __init__(self, most_bytes: int, *, pin_memory: bool = False) -> None:
        self._most_bytes = most_bytes
        self._pin_memory = pin_memory
        self._free: list[npt.NDArray[np.uint8]] = []

    def take(self, shape: tuple[int, ...]) -> Tensor:
        """A contiguous uint8 tensor with arbitrary content."""
        if self._pin_memory:
            return torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        memory = self._free.pop() if self._free else np.empty(self._most_bytes, dtype=np.uint8)
        view = memory[: math.prod(shape)].reshape(shape)
        weakref.finalize(view, self._free.append, memory).atexit = False  # the tensor owns the view, not the memory
        return torch.from_numpy(view)
