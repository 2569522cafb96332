"""The fast number format of a device.

With AVX512-BF16 or AMX, bf16 matrix products are about three times as fast as fp32 ones; on a processor
without them the same call is emulated and ninety times slower (0.95 against 86 GFLOP/s on one AVX2 core).
"""

from __future__ import annotations

from functools import cache

import torch


@cache
def has_fast_bf16(kind: str = "cpu") -> bool:
    """Whether devices of this `kind` (cpu | cuda) multiply bf16 matrices in hardware."""
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def autocast(device: torch.device | str = "cpu") -> torch.autocast:
    """`torch.autocast` to bf16 where that is fast on `device`; else a context without effect."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=has_fast_bf16(kind))
