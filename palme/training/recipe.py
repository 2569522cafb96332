"""The recipe protocol of the `Trainer`, and parameter groups with their rates."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from palme.training.devices import SettingError
from palme.training.log import Figures
from palme.training.muon import Muon
from palme.training.processes import Processes

B = TypeVar("B")


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that learn alike.

    Attributes:
        name: by which a `Stage` refers to the group.
        lr: peak learning rate; the schedule and the stage scale it.
        muon: matrices that Muon moves; AdamW (with `betas`) moves the rest.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    lr: float
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    muon: bool = False


@dataclass(frozen=True)
class Stage:
    """A part of the run, such as "connectors first": which groups are frozen, how fast the others learn.

    Attributes:
        share: of the whole run, in (0, 1]; the shares of all stages sum to 1.
        rates: group name -> factor on its peak rate, 0 = frozen; 1 for groups that are not named.
    """

    name: str
    share: float
    rates: Mapping[str, float] = field(default_factory=dict)


class Recipe(Protocol[B]):
    """What is learned, from what, and how well it is known. `net` holds all that learns, on the device."""

    @property
    def net(self) -> nn.Module:
        """The model. Frozen parts of it may not require gradients."""

    def parameter_groups(self) -> list[ParameterGroup]:
        """Every parameter of `net` that requires gradients, once."""

    def batches(self, step: int, processes: Processes) -> Generator[B, None, None]:
        """Batches from optimizer step `step` on: of each global batch this process's share, on the CPU.

        Random numbers depend on the seed and `step` alone, or come from torch's global generator, whose
        state is part of the checkpoint. When the batches end, so does the training.
        """

    def loss(self, batch: B) -> tuple[Tensor, Figures]:
        """The loss of a batch on the device, under autocast, and what else is worth a curve."""

    def evaluate(self, final: bool) -> dict[str, float]:
        """Figures on data that is kept out; `net` is in eval mode and gradients are off."""

    def save(self, folder: Path) -> Path:
        """Write what is shipped into `folder`; returns the file or folder that `palme run` loads."""


def checked(groups: list[ParameterGroup], net: nn.Module, stages: Sequence[Stage]) -> list[ParameterGroup]:
    """`groups`, if they hold every parameter of `net` that requires gradients, once.

    Raises:
        ValueError: if they do not.
        SettingError: for a stage that names a group which is not there.
    """
    names = [group.name for group in groups]
    held = [id(p) for group in groups for p in group.parameters]
    learning = {id(p): name for name, p in net.named_parameters() if p.requires_grad}
    if missing := [name for i, name in learning.items() if i not in held]:
        raise ValueError(
            f"{', '.join(missing[:3])}: in no parameter group; add it to one, or requires_grad_(False)"
        )
    if len(held) != len(set(held)) or set(held) - set(learning):
        raise ValueError(f"groups {', '.join(names)}: a parameter is in two of them, or requires no gradient")
    for stage in stages:
        if unknown := sorted(set(stage.rates) - set(names)):
            raise SettingError(f"stage {stage.name!r}: no group {unknown[0]!r}; there are {', '.join(names)}")
    return groups


def optimizers_of(groups: Sequence[ParameterGroup]) -> list[torch.optim.Optimizer]:
    """AdamW and, where a group asks for it, Muon. Each of their groups has its `name` and its `peak` rate."""

    def settings(group: ParameterGroup) -> dict[str, Any]:
        params = list(group.parameters)
        return {
            "params": params, "name": group.name, "lr": group.lr, "peak": group.lr,
            "weight_decay": group.weight_decay,
        }  # fmt: skip

    adam = [settings(g) | {"betas": g.betas} for g in groups if g.parameters and not g.muon]
    muon = [settings(g) for g in groups if g.parameters and g.muon]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(adam)] if adam else []
    return [*optimizers, Muon(muon)] if muon else optimizers
