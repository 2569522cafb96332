"""Checkpoints: weights and optimiser state as safetensors, replaced atomically."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from palme.weight_files import BadWeights, fitted, foreign, metadata_of, read_weights
from robots.files import replacing

REMEDY = "move it away, or begin anew with resume=false"
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

    Raises:
        WeightsMissing, BadWeights: no checkpoint of this network and these optimisers at `path`; `net` and
            `optimisers` are then as before.
    """
    now = net.state_dict()
    saved, numbers = read_weights(path, REMEDY), _numbers(path)
    found = {k.removeprefix("net."): v for k, v in saved.items() if k.startswith("net.")}
    if not found:
        raise BadWeights(f"{path}: {foreign(saved)}; {REMEDY}")
    try:
        tables = word_tables(net)
        found = {k: grown(v, now[k]) if k in tables and k in now else v for k, v in found.items()}
        states = list(_states(saved, dict(net.named_parameters()), optimisers, tables))
    except ValueError as error:
        raise BadWeights(f"{path}: {error}; {REMEDY}") from error
    net.load_state_dict(fitted(found, now, path, REMEDY))
    for optimiser, parameter, field, value in states:
        optimiser.state[parameter][field] = value
    return numbers, {k.removeprefix("more."): v for k, v in saved.items() if k.startswith("more.")}


def word_tables(net: nn.Module) -> frozenset[str]:
    """Names of the tensors with a row a word: what alone may have grown since a network was saved."""
    tables = {m.weight.data_ptr() for m in net.modules() if isinstance(m, nn.Embedding)}
    return frozenset(
        name
        for name, value in net.state_dict(keep_vars=True).items()
        if value.data_ptr() in tables or name.endswith("lm_head.weight")
    )


def _states(
    saved: Mapping[str, Tensor],
    parameters: Mapping[str, nn.Parameter],
    optimisers: Optimisers,
    tables: Collection[str],
) -> Iterator[tuple[torch.optim.Optimizer, nn.Parameter, str, Tensor]]:
    """What each optimiser had for each parameter. Raises ValueError where it fits no parameter."""
    for k, optimiser in enumerate(optimisers):
        prefix = f"optimiser{k}."
        for key, value in saved.items():
            if key.startswith(prefix):
                name, _, field = key.removeprefix(prefix).partition("|")
                if name not in parameters or not field:
                    raise ValueError(f"{key} belongs to no parameter of this network")
                parameter = parameters[name]
                if value.ndim:  # a counter stays where it is
                    if name not in tables and value.shape != parameter.shape:
                        raise ValueError(
                            f"{key} has shape {tuple(value.shape)}, not {tuple(parameter.shape)}"
                        )
                    value = grown(value, torch.zeros_like(parameter)).to(parameter.device)
                yield optimiser, parameter, field, value


def _numbers(path: Path) -> Numbers:
    """The counters of a checkpoint. Raises BadWeights where they are missing or no numbers."""
    try:
        numbers: Numbers = json.loads(metadata_of(path, REMEDY)["numbers"])
        if not all(math.isfinite(value) for value in (numbers["step"], numbers["seconds"])):
            raise ValueError(f"{numbers} are not finite")
    except (KeyError, ValueError, TypeError) as error:
        raise BadWeights(f"{path}: has no counters of a training ({error}); {REMEDY}") from error
    return numbers


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

    with replacing(path) as file:
        save_file(tensors, file, metadata=metadata or None)
