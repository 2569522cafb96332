"""An exponential moving average of a model's weights, which is evaluated and shipped in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """average <- decay * average + (1 - decay) * weights, after every step.

    Early on the decay is (1 + step) / (10 + step), as the first weights are worth nothing (the schedule of
    `tf.train.ExponentialMovingAverage`).

    Args:
        net: the model; numbers that are not floating point are kept as they are.
        decay: in (0, 1), the limit of the decay.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net, self.decay = net, decay
        self.tensors: dict[str, Tensor] = {k: v.detach().clone() for k, v in self._weights().items()}

    def _weights(self) -> dict[str, Tensor]:
        return {k: v for k, v in self.net.state_dict().items() if v.is_floating_point()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step number `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in self._weights().items():
            self.tensors[name].lerp_(value, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """A context in which the model has the averaged weights."""
        learned = {k: v.detach().clone() for k, v in self._weights().items()}
        self._put(self.tensors)
        try:
            yield
        finally:
            self._put(learned)

    @torch.no_grad()
    def _put(self, tensors: dict[str, Tensor]) -> None:
        for name, value in self._weights().items():
            value.copy_(tensors[name])
