"""The adapter's matrices (LoRA; Hu et al., 2021) trained in the dtype of the model they change."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LowRank(torch.autograd.Function):
    """y = x W^T + bias + scale x A^T B^T, with W frozen: only x and x A^T are kept for the way back.

    PEFT computes the second part in the adapter's fp32; on a CPU its copies cost more than the matrices.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        """Arguments: x (..., D_in), weight (D_out, D_in), a (R, D_in) fp32, b (D_out, R) fp32."""
        a, b = a.to(x.dtype), (b * scale).to(x.dtype)
        low = x @ a.t()  # (..., R)
        y = F.linear(x, weight, bias)  # (..., D_out)
        y += low @ b.t()
        ctx.save_for_backward(x, weight, low, a, b)
        ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x, a and b."""
        (grad,) = grads
        x, weight, low, a, b = ctx.saved_tensors
        to_low = grad @ b  # (..., R)
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = grad @ weight
            to_x += to_low @ a
        to_a = to_low.flatten(0, -2).t() @ x.flatten(0, -2)  # (R, D_in)
        to_b = grad.flatten(0, -2).t() @ low.flatten(0, -2)  # (D_out, R)
        return to_x, None, None, to_a.float(), to_b.float() * ctx.scale, None


def in_model_dtype(adapted: nn.Module, adapter: str = "default") -> None:
    """Let the layers of `adapted` (PEFT, without dropout) compute by `LowRank`."""
    from peft.tuners.lora import Linear

    for layer in adapted.modules():
        if isinstance(layer, Linear):
            layer.forward = _forward(layer, adapter)  # type: ignore[method-assign]


def _forward(layer: Any, adapter: str) -> Any:
    base, a, b = layer.base_layer, layer.lora_A[adapter], layer.lora_B[adapter]
    scale = float(layer.scaling[adapter])

    def forward(x: Tensor) -> Tensor:
        y: Tensor = LowRank.apply(x, base.weight, base.bias, a.weight, b.weight, scale)
        return y

    return forward
