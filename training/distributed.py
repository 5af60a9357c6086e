"""Work together with the other processes that torchrun has started: its environment goes in, sums over all come out.

Each process is a rank. All ranks read the same workspace; the first one alone writes and prints. What they tell each
other here is small and goes through the CPU, so it waits for no device.
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

ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # what torchrun sets
ENDED = "mocrop/ended"  # key of the store that all ranks share: how many have ended with an error


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Which of how many processes this one is; by itself it is the only one."""

    rank: int = 0
    ranks: int = 1
    local_rank: int = 0  # on this machine

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and prints."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        return self.ranks > 1

    def sums(self, values: Sequence[float]) -> list[float]:
        """Sum each value over all ranks; whole numbers below 2**53 stay exact."""
        return self._reduced(values, distributed.ReduceOp.SUM)

    def most(self, values: Sequence[float]) -> list[float]:
        """The largest of each value over all ranks."""
        return self._reduced(values, distributed.ReduceOp.MAX)

    def wait(self) -> None:
        """Wait until all ranks have come here."""
        self.sums([0.0])

    def require_same(self, value: str, *, what: str) -> None:
        """Check that a text is the same everywhere.

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
        """Put the rows together that the ranks have of one tensor.

        Args:
            part: on the CPU, shape (n, ...); of ``total`` rows those with the numbers rank, rank + ranks, ...
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


class Agreement:
    """Lets ranks agree after every step without waiting for each other: what one wishes, all hear one step later."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._under_way: tuple[Tensor, distributed.Work] | None = None

    def heard(self, wishes: Sequence[int]) -> list[int]:
        """Tell the others this rank's wishes, and hear the largest of each that any told them a call ago.

        A rank by itself hears its own at once. All ranks must call this equally often.
        """
        if not self._ranks.several:
            return list(wishes)
        heard = [0] * len(wishes)
        if self._under_way is not None:
            tensor, work = self._under_way
            work.wait()
            heard = tensor.tolist()
        mine = torch.tensor(wishes)
        work = distributed.all_reduce(mine, distributed.ReduceOp.MAX, async_op=True)
        assert work is not None
        self._under_way = mine, work
        return heard


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Be one of the ranks that torchrun has started within the body; without torchrun, the only one.

    An error on one rank ends all: that rank's goes on to the caller, and the others, which torchrun stops or whose
    messages to that rank fail, end without a word.
    Raises: SettingsError for an environment that tells half of it.
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
    try:
        return int(store.add(ENDED, 1)) == 1
    except distributed.DistError:  # the rank that keeps the store has ended, unless torchrun keeps it
        return False


def _lost_another(error: Exception) -> bool:
    """Whether an error is what PyTorch has to say when a message to another rank fails."""
    return not isinstance(error, MocropError) and (
        isinstance(error, distributed.DistError) or "gloo" in str(error) or "NCCL" in str(error)
    )


def require_parallel(settings: TrainSettings, ranks: Ranks, *, clips: int, device: torch.device) -> None:
    """Check that the settings are some that several processes can share.

    Raises: SettingsError saying what to change.
    """
    if not ranks.several:
        return
    if settings.freeze_backbone:
        raise SettingsError(
            "--freeze-backbone trains one layer, on features that one process computes; run it without torchrun"
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
    """A network that shares the weights of ``model`` and averages gradients over the ranks; by itself, ``model``.

    All ranks start from the weights of the first.
    """
    if not ranks.several:
        return model
    return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


def synchronised(model: nn.Module) -> nn.Module:
    """The same network, with batch statistics over the clips of all ranks; parameters and their names stay."""
    network: nn.Module = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return network


def share_buffers(model: nn.Module, ranks: Ranks) -> None:
    """Give all ranks the running statistics of the first, which are those that are saved."""
    if ranks.several:
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)
