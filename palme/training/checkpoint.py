"""What a training run goes on from: weights and optimiser state as safetensors, replaced atomically."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

Optimisers = Sequence[torch.optim.Optimizer]


def save_checkpoint(path: Path, net: nn.Module, optimisers: Optimisers, numbers: dict[str, Any]) -> None:
    """Write `path`; a run killed meanwhile leaves the last one whole.

    Args:
        numbers: counters to go on from, as JSON holds them.
    """
    from safetensors.torch import save_file

    tensors = {f"net.{k}": v.detach().clone().contiguous() for k, v in net.state_dict().items()}
    names = {id(p): name for name, p in net.named_parameters()}
    for k, optimiser in enumerate(optimisers):
        for parameter, state in optimiser.state.items():
            for field, value in state.items():
                key = f"optimiser{k}.{names[id(parameter)]}|{field}"
                tensors[key] = torch.as_tensor(value).clone().contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata={"numbers": json.dumps(numbers)})
    temporary.replace(path)


def load_checkpoint(path: Path, net: nn.Module, optimisers: Optimisers) -> dict[str, Any]:
    """Fill `net` and `optimisers` from `path`; returns the numbers saved with it.

    Where the vocabulary has grown since, its new words begin as `net` has them.
    """
    from safetensors import safe_open

    now, parameters = net.state_dict(), dict(net.named_parameters())
    with safe_open(path, "pt") as f:
        saved = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 - not a dict
        numbers: dict[str, Any] = json.loads(f.metadata()["numbers"])
    weights = {k.removeprefix("net."): v for k, v in saved.items() if k.startswith("net.")}
    net.load_state_dict({k: grown(v, now[k]) for k, v in weights.items()})
    for k, optimiser in enumerate(optimisers):
        prefix = f"optimiser{k}."
        for key, value in saved.items():
            if key.startswith(prefix):
                name, field = key.removeprefix(prefix).split("|")
                parameter = parameters[name]
                if value.ndim and value.shape != parameter.shape:
                    value = grown(value, torch.zeros_like(parameter))
                optimiser.state[parameter][field] = value
    return numbers


def grown(saved: Tensor, fresh: Tensor) -> Tensor:
    """`saved`, followed by the rows that only `fresh` has."""
    if saved.shape == fresh.shape or saved.ndim == 0:
        return saved
    if saved.shape[1:] != fresh.shape[1:] or len(saved) > len(fresh):
        raise ValueError(f"a tensor of shape {tuple(saved.shape)} cannot become {tuple(fresh.shape)}")
    return torch.cat([saved, fresh[len(saved) :].to(saved.dtype)])
