"""Several processes that train one model, each on its share of every batch (torchrun).

Every process draws the same global batch and takes its own rows of it; gradients are summed, and whatever is counted or
averaged over a batch (losses, the statistics of batch normalisation) is so over the global one. What differs from one
process is the dropout masks, which each process draws for itself, and the order of summation. Process 0 writes files.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

import torch
from torch import Tensor, distributed, nn

from phenostream.engine.errors import BadConfig

T = TypeVar("T")
_PATIENCE: Final = timedelta(hours=12)
"""The others wait this long while process 0 makes the data."""


@dataclass(frozen=True, slots=True)
class World:
    """This process among all.

    Attributes:
        rank: 0 writes files and shows progress.
        size: Processes in all.
        local: Number of this process on this machine.
    """

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """This process writes files and shows progress."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """This process's rows of a global batch.

        Raises:
            BadConfig: The batch cannot be shared evenly.
        """
        if batch % self.size:
            raise BadConfig(f"batch {batch}: not a multiple of the {self.size} processes")
        rows = batch // self.size
        return slice(self.rank * rows, (self.rank + 1) * rows)

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            distributed.barrier()

    def agree(self, numbers: Sequence[float], device: torch.device) -> list[float]:
        """The numbers of process 0, in every process."""
        if self.size == 1:
            return list(numbers)
        shared = torch.tensor(numbers, dtype=torch.float64, device=device)
        distributed.broadcast(shared, 0)
        return [float(number) for number in shared]

    def total(self, number: Tensor) -> float:
        """The sum of a number over all processes."""
        if self.size > 1:
            distributed.all_reduce(number)
        return float(number)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over all processes."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


def current_world() -> World:
    """This process as it is now; alone outside of `joined`."""
    if not distributed.is_initialized():
        return World()
    local = int(os.environ.get("LOCAL_RANK", "0"))
    return World(distributed.get_rank(), distributed.get_world_size(), local)


def first_process() -> bool:
    """This process is the one that speaks, also before and after `joined`."""
    return int(os.environ.get("RANK", "0")) == 0


def in_turn(world: World, make: Callable[[], T]) -> T:
    """What `make` gives, made by process 0 first, so that the others find in a cache what it left there."""
    made = make() if world.first else None
    world.wait()
    return make() if made is None else made


@contextmanager
def joined() -> Iterator[World]:
    """Join the processes that torchrun started; alone where it did not.

    Processes that share one GPU, or have none, talk over gloo; otherwise over NCCL.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized():
        yield current_world()
        return
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    backend = "nccl" if torch.cuda.device_count() >= local else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield current_world()
    finally:
        distributed.destroy_process_group()
