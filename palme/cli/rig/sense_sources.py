"""Gives `sim.sensing` to the training of senses, which may not import it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from palme.training.resources import Draw


@contextmanager
def sense_source(name: str) -> Iterator[Draw]:
    """The source called `name`, open within the context.

    Raises:
        ValueError: there is none.
    """
    from sim.sensing.base import open_source

    source = open_source(name)

    def draw(rng: np.random.Generator) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        sensed = source.draw(rng)
        return sensed.observations, sensed.truth

    try:
        yield draw
    finally:
        source.close()
