"""Promises of Muon: the steps of torch's own, and nothing but matrices."""

from __future__ import annotations

import pytest
import torch

from palme.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(24, 24), (40, 16), (16, 40)])
def test_it_steps_as_torch_s_own_does(shape):
    torch.manual_seed(0)
    begin, pulls = torch.randn(shape), [torch.randn(shape) for _ in range(4)]
    ours, theirs = (torch.nn.Parameter(begin.clone()) for _ in range(2))
    keywords = {"lr": 0.05, "weight_decay": 0.02, "momentum": 0.95}
    optimisers = Muon([ours], **keywords), torch.optim.Muon([theirs], **keywords)
    for pull in pulls:
        for p, optimiser in zip((ours, theirs), optimisers, strict=True):
            p.grad = pull.clone()
            optimiser.step()
    moved = (theirs - begin).norm()
    assert (ours - theirs).norm() < 0.05 * moved  # theirs is rounded to bf16 on the way


def test_singular_values_end_near_one():
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(3, 12, 30)).float())
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match="matrices"):
        Muon([torch.nn.Parameter(torch.zeros(3))])
