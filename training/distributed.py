"""Training with several processes (ranks) that torchrun has started: joining them, sums over them, a shared network.

All ranks read the same workspace; only the first writes and prints. Apart from gradients and buffers, what they
exchange is small and goes through the CPU, so it waits for no device.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from timm.layers.norm_act import convert_sync_batchnorm  # PyTorch's own loses timm's activations
from torch import Tensor, distributed, nn
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from mocrop.pipeline.errors import MocropError, SettingsError, SilentExit, StoppedError, TrainingError
from mocrop.training.recipe import TrainSettings

ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # variables that torchrun sets
ENDED = "mocrop/ended"  # key of the store that all ranks share: number of ranks that have ended with an error


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Which of the processes that train together this one is; by default the only one."""

    rank: int = 0  # number of this process
    ranks: int = 1  # number of processes
    local_rank: int = 0  # number of this process on its machine

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes and prints."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        return self.ranks > 1

    def sums(self, values: Sequence[float]) -> list[float]:
        """Sum each value over all ranks; whole numbers below 2**53 stay exact."""
        return self._reduced(values, distributed.ReduceOp.SUM)

    def most(self, values: Sequence[float]) -> list[float]:
        """Largest of each value over all ranks."""
        return self._reduced(values, distributed.ReduceOp.MAX)

    def wait(self) -> None:
        """Wait until all ranks have called this."""
        self.sums([0.0])

    def require_same(self, value: str, *, what: str) -> None:
        """Check that a text is the same on all ranks.

        Args:
            what: name of the text in the message.
        Raises: SettingsError if it is not.
        """
        if not self.several:
            return
        texts: list[str] = [""] * self.ranks
        distributed.all_gather_object(texts, value)
        if len(set(texts)) > 1:
            raise SettingsError(
                f"{what} is not the same for all processes ({'; '.join(dict.fromkeys(texts))}); give all the same "
                "command, and a workspace on a disk that all see"
            )

    def in_order(self, part: Tensor, *, total: int) -> Tensor:
        """Put together the rows of one tensor that the ranks hold.

        Args:
            part: on the CPU, shape (n, ...): rows number rank, rank + ranks, ... of ``total``.
        Returns: shape (total, ...), on every rank.
        """
        if not self.several:
            return part
        most = -(-total // self.ranks)
        padded = part.new_zeros((most, *part.shape[1:]))
        padded[: len(part)] = part
        parts = [torch.empty_like(padded) for _ in range(self.ranks)]
        distributed.all_gather(parts, padded)
        return torch.stack(parts, dim=1).flatten(0, 1)[:total]

    def _reduced(self, values: Sequence[float], operation: distributed.ReduceOp.RedOpType) -> list[float]:
        if not self.several:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(tensor, operation)
        reduced: list[float] = tensor.tolist()
        return reduced


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Within the body, be one of the ranks that torchrun has started; without torchrun, the only one.

    An error on one rank ends all: that rank raises it, and the others, which torchrun stops or whose messages to that
    rank fail, end silently.

    Raises: SettingsError if only some of torchrun's variables are set; TrainingError if another rank was killed;
        SilentExit where another rank reports the error.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield Ranks()
        return
    if missing := [name for name in ENVIRONMENT if name not in os.environ]:
        raise SettingsError(
            f"WORLD_SIZE tells of {os.environ['WORLD_SIZE']} processes, but {', '.join(missing)} is not set; "
            "start them with torchrun, or unset WORLD_SIZE"
        )
    store, rank, ranks = next(rendezvous("env://"))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=ranks)
    try:
        yield Ranks(rank=rank, ranks=ranks, local_rank=int(os.environ["LOCAL_RANK"]))
    except Exception as error:
        if not _first_to_end(store):
            raise SilentExit(error.exit_code if isinstance(error, StoppedError) else 1) from error
        if _lost_another(error):
            raise TrainingError(
                f"another of the {ranks} processes has ended without a word; look for what ended it, e.g. too little "
                "memory; the same command goes on"
            ) from error
        raise
    distributed.destroy_process_group()


def _first_to_end(store: Store) -> bool:
    """Whether no other rank has ended with an error before this one."""
    try:
        return int(store.add(ENDED, 1)) == 1
    except distributed.DistError:  # the rank that holds the store has ended, unless torchrun holds it
        return False


def _lost_another(error: Exception) -> bool:
    """Whether an error is one that PyTorch raises when a message to another rank fails."""
    return not isinstance(error, MocropError) and (
        isinstance(error, distributed.DistError) or "gloo" in str(error) or "NCCL" in str(error)
    )


class Agreement:
    """Exchanges requests of the ranks after every step without waiting: what one asks for, all know one step later."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._pending: tuple[Tensor, distributed.Work] | None = None

    def heard(self, wishes: Sequence[int]) -> list[int]:
        """Send this rank's requests, and return the largest of each that any rank sent in the call before.

        A single rank gets its own back at once. All ranks must call this equally often.

        Args:
            wishes: one number per request, 0 for none; as many in every call.
        Returns: as many numbers; in the first call zeros.
        """
        if not self._ranks.several:
            return list(wishes)
        heard = [0] * len(wishes)
        if self._pending is not None:
            tensor, work = self._pending
            work.wait()
            heard = tensor.tolist()
        mine = torch.tensor(wishes)
        work = distributed.all_reduce(mine, distributed.ReduceOp.MAX, async_op=True)
        assert work is not None
        self._pending = mine, work
        return heard


def require_parallel(settings: TrainSettings, ranks: Ranks, *, clips: int, device: torch.device) -> None:
    """Check that several processes can train together with these settings.

    Args:
        clips: to train on.
    Raises: SettingsError that says what to change.
    """
    if not ranks.several:
        return
    if settings.freeze_backbone:
        raise SettingsError(
            "--freeze-backbone trains one layer on features that one process computes; run it without torchrun"
        )
    if settings.batch_size % ranks.ranks:
        raise SettingsError(
            f"--batch-size {settings.batch_size}, which counts the clips of all processes, cannot be shared evenly by "
            f"{ranks.ranks}; pass a multiple of {ranks.ranks}"
        )
    if clips < ranks.ranks:
        raise SettingsError(f"{clips} clips to train on are too few for {ranks.ranks} processes; start fewer")
    if settings.sync_batchnorm and device.type != "cuda":
        raise SettingsError(f"--sync-batchnorm: PyTorch has it for GPUs only, not for {device}; leave it out")


def averaging(model: nn.Module, ranks: Ranks, *, device: torch.device) -> nn.Module:
    """A network that shares the weights of ``model`` and averages gradients over the ranks; with one rank, ``model``.

    All ranks start from the weights of the first.
    """
    if not ranks.several:
        return model
    return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


def synchronised(model: nn.Module) -> nn.Module:
    """The same network with BatchNorm statistics over the clips of all ranks; parameters and their names stay."""
    network: nn.Module = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return network


def share_buffers(model: nn.Module, ranks: Ranks) -> None:
    """Copy the running statistics of the first rank, which are those that are saved, to all ranks."""
    if ranks.several:
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)
