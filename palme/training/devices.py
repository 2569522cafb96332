"""The device of a training run, and moving batches to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


class SettingError(ValueError):
    """A setting of a training run that cannot be carried out."""


DEVICES = ("auto", "cpu", "cuda")


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """The device of the setting `device=NAME`; of several GPUs, each process of a machine takes its own.

    Raises:
        SettingError: for a name that is not one of `DEVICES`, or for "cuda" where torch sees no GPU.
    """
    if name not in DEVICES:
        raise SettingError(f"device={name}: expected one of {', '.join(DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingError(
            "device=cuda: torch sees no GPU here; install a CUDA build of torch, or device=cpu"
        )
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", local_rank)


def to_device(batch: T, device: torch.device) -> T:
    """`batch` with every tensor in it on `device`: in mappings, lists, tuples and dataclasses, nested."""
    return _mapped(batch, lambda tensor: tensor.to(device, non_blocking=True))


def device_of(net: nn.Module) -> torch.device:
    """Where the parameters of `net` are."""
    return next(net.parameters()).device


def part_of(batch: T, rank: int, world: int) -> T:
    """The rows of `batch` (first axis of every tensor, nested as above) that process `rank` of `world` takes.

    Rows are dealt in turn: process 0 takes rows 0, world, 2 world, ...
    """
    if world == 1:
        return batch
    return _mapped(batch, lambda tensor: tensor[rank::world])


def _mapped(batch: T, change: Callable[[Tensor], Tensor]) -> T:
    """`batch` with `change` of every tensor in it; what is neither a container nor a tensor stays."""
    changed: Any = batch
    if isinstance(batch, Tensor):
        changed = change(batch)
    elif isinstance(batch, Mapping):
        changed = {key: _mapped(value, change) for key, value in batch.items()}
    elif isinstance(batch, list | tuple):
        changed = type(batch)(_mapped(value, change) for value in batch)
    elif is_dataclass(batch) and not isinstance(batch, type):
        changed = replace(batch, **{f.name: _mapped(getattr(batch, f.name), change) for f in fields(batch)})
    return changed
