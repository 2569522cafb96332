"""Muon for devices without bf16: `torch.optim.Muon` orthogonalises in bf16, which they only emulate.

There it took 4 s of a 4.7 s training step. Here matrices of one shape are orthogonalised together, in the
processor's fast format. Method: K. Jordan et al., Muon (2024), with its published coefficients.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from palme.precision import has_fast_bf16

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; weight decay apart from the gradient.

    Args:
        params: matrices (rows, columns).
        lr: of a square matrix; a taller one moves sqrt(rows / columns) times as far.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.01,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        shapes = [tuple(p.shape) for group in self.param_groups for p in group["params"]]
        if wrong := [shape for shape in shapes if len(shape) != 2]:
            raise ValueError(f"Muon moves matrices only; got shapes {wrong}")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of every matrix that has a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[p.shape].append((p, p.grad))
            momentum, lr = group["momentum"], group["lr"]
            for (rows, columns), ps in alike.items():
                updates = []
                for p, gradient in ps:
                    if "momentum_buffer" not in self.state[p]:
                        self.state[p]["momentum_buffer"] = torch.zeros_like(p)
                    buffer = self.state[p]["momentum_buffer"].lerp_(gradient, 1 - momentum)
                    updates.append(gradient.lerp(buffer, momentum))
                far = lr * max(1.0, rows / columns) ** 0.5
                for (p, _), update in zip(ps, orthogonal(torch.stack(updates)), strict=True):
                    p.mul_(1 - lr * group["weight_decay"]).add_(update, alpha=-far)


def orthogonal(x: Tensor) -> Tensor:
    """Nearly the closest matrices (B, R, C) with orthogonal rows or columns: singular values near 1."""
    a, b, c = COEFFICIENTS
    tall = x.shape[1] > x.shape[2]
    y = x.transpose(1, 2) if tall else x  # (B, r, C), r <= C
    y = y.to(torch.bfloat16 if has_fast_bf16(y.device.type) else torch.float32)
    y = y / y.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)  # no singular value above 1
    for _ in range(ITERATIONS):
        gram = y @ y.transpose(1, 2)  # (B, r, r)
        y = torch.baddbmm(y, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), y, beta=a)
    return (y.transpose(1, 2) if tall else y).to(x.dtype)
