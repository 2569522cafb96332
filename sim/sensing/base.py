"""The protocol of sources: each draw simulates one event and returns what sensors measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Sensed:
    """One event.

    Attributes:
        observations: what sensors measured of it, by the name of the sensor: {"microphone": AudioClip(...)};
            types of `robots.types` and `robots.senses`.
        truth: what was the case in the simulator, by the name of the fact: {"material": "wood"}.
    """

    observations: Mapping[str, Any]
    truth: Mapping[str, str]


class Source(Protocol):
    """Simulates events; the random generator alone decides which."""

    def draw(self, rng: np.random.Generator) -> Sensed:
        """One event."""
        ...

    def close(self) -> None:
        """Give the simulator back."""
        ...


def open_source(name: str) -> Source:
    """The source called `name`.

    Raises:
        ValueError: there is none, with those there are.
    """
    from sim.sensing import SOURCES

    if name not in SOURCES:
        raise ValueError(f"no source of a sense is called {name!r}; there are {', '.join(SOURCES)}")
    module, _, kind = SOURCES[name].partition(":")
    made: Source = getattr(import_module(module), kind)()
    return made
