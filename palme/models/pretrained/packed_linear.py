"""Linear layers whose weights are laid out once for one core that reads few tokens at a time.

Such a pass is limited by the memory that the weights take, so that 16 tokens cost little more than one.
"bf16" is for processors that multiply it in hardware; "int8" (eight-bit weights by row, activations by token)
takes half the memory and runs on every x86 processor; "fp32" is exact.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from palme.precision import has_fast_bf16

Precision = Literal["fp32", "bf16", "int8"]
Linear = Callable[[Tensor], Tensor]
"""(N, in) to (N, out)."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.float32}
"""Type of the activations at each precision."""


def fast_precision() -> Precision:
    """The precision that this processor is fast at."""
    if has_fast_bf16():
        return "bf16"
    return "int8" if _engine() in torch.backends.quantized.supported_engines else "fp32"


def prepared(weight: Tensor, bias: Tensor | None, precision: Precision) -> dict[str, Tensor]:
    """A linear layer's tensors in the form that `packed` takes: "weight", "scale" of int8, "bias" if any.

    Args:
        weight: (out, in).
        bias: (out,); None = none.
    """
    dtype = DTYPES[precision]
    found = {} if bias is None else {"bias": bias.to(dtype)}
    if precision != "int8":
        return {"weight": weight.to(dtype), **found}
    weight = weight.float()
    scale = weight.abs().amax(1).clamp_min(1e-12) / 127  # (out,)
    rows = (weight / scale[:, None]).round_().to(torch.int8)
    return {"weight": rows, "scale": scale, **found}


def packed(tensors: Mapping[str, Tensor], precision: Precision) -> Linear:
    """A linear layer from what `prepared` made."""
    weight, bias = tensors["weight"], tensors.get("bias")
    if precision == "int8":
        return _int8(weight, tensors["scale"], bias)
    if precision == "bf16" and has_fast_bf16():
        return _prepacked(weight, bias)
    return lambda x: F.linear(x, weight, bias)


def _prepacked(weight: Tensor, bias: Tensor | None) -> Linear:
    """In the layout of oneDNN, which `F.linear` would make anew at every call."""
    ops = torch.ops.mkldnn
    laid_out = ops._reorder_linear_weight(weight.contiguous(), None)

    def run(x: Tensor) -> Tensor:
        if len(x) > 1:
            return ops._linear_pointwise(x, laid_out, bias, "none", [], "")
        # its product of a matrix and one row takes half as long again as that of two
        return ops._linear_pointwise(x.expand(2, -1).contiguous(), laid_out, bias, "none", [], "")[:1]

    return run


def _engine() -> str:
    return "onednn" if torch.cpu._is_vnni_supported() else "fbgemm"


def _int8(rows: Tensor, scale: Tensor, bias: Tensor | None) -> Linear:
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = _engine()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = torch._make_per_channel_quantized_tensor(
                rows, scale.double(), torch.zeros(len(scale), dtype=torch.long), 0
            )
            laid_out = torch.ops.quantized.linear_prepack(whole, None)
    finally:
        torch.backends.quantized.engine = before
    halved = not torch.cpu._is_vnni_supported()  # without VNNI, sums of products of 8 bits may overflow

    def run(x: Tensor) -> Tensor:
        # The kernel takes one scale for all tokens: each is first brought to the same size.
        size = x.abs().amax(-1, keepdim=True).clamp_min(1e-12)  # (N, 1)
        y = torch.ops.quantized.linear_dynamic(x / size, laid_out, halved) * size
        return y if bias is None else y + bias

    return run
