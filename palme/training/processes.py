"""The processes that train one model together, as `accelerate launch` or `torchrun` starts them.

Every process holds the whole model, draws the same global batch and learns from its own rows of it
(`share`). Gradients are averaged before each step, so all copies of the model stay equal.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from palme.training.devices import part_of

T = TypeVar("T")
PATIENCE = timedelta(hours=2)  # others wait while the main process evaluates and saves


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: number of this process, in [0, world); process 0 writes files and evaluates.
        world: number of processes.
        local_rank: number of this process on its machine; it selects the GPU.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @classmethod
    def join(cls, device: str) -> Processes:
        """From the environment variables of the launcher; gloo on CPUs, NCCL between GPUs."""
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return cls()
        if not dist.is_initialized():
            on_gpu = device != "cpu" and torch.cuda.is_available()
            dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
        return cls(dist.get_rank(), world, int(os.environ.get("LOCAL_RANK", "0")))

    @property
    def is_main(self) -> bool:
        """Whether this process writes files, prints and evaluates."""
        return self.rank == 0

    def share(self, batch: T) -> T:
        """This process's rows of a global batch (every tensor in it has one row an example)."""
        return part_of(batch, self.rank, self.world)

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether `flag` is set in any process."""
        if self.world == 1:
            return flag
        value = torch.tensor(float(flag), device=device)
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return bool(value)

    def of_main(self, value: float, device: torch.device) -> float:
        """The main process's `value`."""
        if self.world == 1:
            return value
        one = torch.tensor(value, dtype=torch.float64, device=device)
        dist.broadcast(one, 0)
        return float(one)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a detached `value` over the processes."""
        return value if self.world == 1 else _sum(value) / self.world

    def copy_from_main(self, net: nn.Module) -> None:
        """Every copy of the model begins as the main process's."""
        if self.world > 1:
            for tensor in net.state_dict().values():
                dist.broadcast(tensor, 0)

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """One all-reduce of all gradients; a parameter that one process did not use counts as zero there."""
        if self.world == 1:
            return
        used = torch.tensor([float(p.grad is not None) for p in parameters], device=parameters[0].device)
        dist.all_reduce(used, dist.ReduceOp.MAX)
        learning = [p for p, was_used in zip(parameters, used.tolist(), strict=True) if was_used]
        for p in learning:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        flat = _sum(torch.cat([_gradient(p).flatten() for p in learning])) / self.world
        for p, mean in zip(learning, flat.split([p.numel() for p in learning]), strict=True):
            _gradient(p).copy_(mean.view_as(p))


def global_mean(total: Tensor, count: Tensor) -> Tensor:
    """`total / count`, where every process knows its own rows' part of both.

    The mean of the result over the processes is the mean over the global batch, however unevenly the counts
    fall to them; so a loss that is made with this has the same curve for any number of processes. Without
    gradients (the main process evaluates alone) it is `total / count`.
    """
    if not dist.is_initialized() or not torch.is_grad_enabled():
        return total / count
    return total * dist.get_world_size() / _sum(count)


def _sum(value: Tensor) -> Tensor:
    value = value.detach().clone()
    dist.all_reduce(value)
    return value


def _gradient(p: nn.Parameter) -> Tensor:
    if p.grad is None:
        raise ValueError("a parameter without a gradient")
    return p.grad
