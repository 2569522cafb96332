"""Promises of the number format: bf16 only where the processor multiplies it, fp32 everywhere else."""

from __future__ import annotations

import pytest
import torch

from palme import precision


@pytest.mark.parametrize(("fast", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_matrices_are_multiplied_in_bf16_only_where_the_processor_can(monkeypatch, fast, expected):
    monkeypatch.setattr(precision, "has_fast_bf16", lambda kind="cpu": fast)
    with precision.autocast():
        assert torch.nn.Linear(4, 4)(torch.ones(2, 4)).dtype == expected
    assert torch.nn.Linear(4, 4)(torch.ones(2, 4)).dtype == torch.float32
