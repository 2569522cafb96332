"""Checkpoints: weights and optimiser state as safetensors, replaced atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

Optimisers = Sequence[torch.optim.Optimizer]
Numbers = dict[str, float]


def save_checkpoint(
    path: Path,
    net: nn.Module,
    optimisers: Optimisers,
    numbers: Numbers,
    more: Mapping[str, Tensor] | None = None,
) -> None:
    """Write `path`; if the process is killed meanwhile, the previous file stays intact.

    Args:
        path: the file, of the form NAME.safetensors.
        net: its weights are saved.
        optimisers: of parameters of `net`; their state is saved.
        numbers: counters of the run.
        more: further tensors by name, such as an average of the weights.
    """
    tensors = {f"net.{k}": v.detach().clone().contiguous() for k, v in net.state_dict().items()}
    tensors |= {f"more.{k}": v.detach().clone().contiguous() for k, v in (more or {}).items()}
    names = {id(p): name for name, p in net.named_parameters()}
    for k, optimiser in enumerate(optimisers):
        for parameter, state in optimiser.state.items():
            for field, value in state.items():
                key = f"optimiser{k}.{names[id(parameter)]}|{field}"
                tensors[key] = torch.as_tensor(value).clone().contiguous()
    _replace(path, tensors, {"numbers": json.dumps(numbers)})


def load_checkpoint(path: Path, net: nn.Module, optimisers: Optimisers) -> tuple[Numbers, dict[str, Tensor]]:
    """Fill `net` and `optimisers` from `path`; returns the numbers and further tensors saved with them.

    New rows of a vocabulary that has grown since keep their values in `net`.
    """
    from safetensors import safe_open

    now, parameters = net.state_dict(), dict(net.named_parameters())
    with safe_open(path, "pt") as f:
        saved = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 - not a dict
        numbers: Numbers = json.loads(f.metadata()["numbers"])
    weights = {k.removeprefix("net."): v for k, v in saved.items() if k.startswith("net.")}
    net.load_state_dict({k: grown(v, now[k]) for k, v in weights.items()})
    for k, optimiser in enumerate(optimisers):
        prefix = f"optimiser{k}."
        for key, value in saved.items():
            if key.startswith(prefix):
                name, field = key.removeprefix(prefix).split("|")
                parameter = parameters[name]
                if value.ndim:  # a counter stays where it is
                    value = grown(value, torch.zeros_like(parameter)).to(parameter.device)
                optimiser.state[parameter][field] = value
    return numbers, {k.removeprefix("more."): v for k, v in saved.items() if k.startswith("more.")}


def grown(saved: Tensor, fresh: Tensor) -> Tensor:
    """`saved`, followed by the rows that only `fresh` has."""
    if saved.shape == fresh.shape or saved.ndim == 0:
        return saved
    if saved.shape[1:] != fresh.shape[1:] or len(saved) > len(fresh):
        raise ValueError(f"a tensor of shape {tuple(saved.shape)} cannot become {tuple(fresh.shape)}")
    return torch.cat([saved, fresh[len(saved) :].to(saved)])


def save_halves(tensors: Mapping[str, Tensor], path: Path, exact: Sequence[str] = ()) -> Path:
    """Weights to ship: floating point in bf16, half the size, but for the names in `exact`."""
    halves = {k: v.bfloat16() if v.is_floating_point() and k not in exact else v for k, v in tensors.items()}
    _replace(path, {k: v.detach().clone().contiguous() for k, v in halves.items()}, {})
    return path


def _replace(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write `path` whole or not at all."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata=metadata or None)
    with temporary.open("rb") as written:
        os.fsync(written.fileno())  # else a power cut may leave the new name with an empty file
    temporary.replace(path)
