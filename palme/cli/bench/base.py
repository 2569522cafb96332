"""What a bench is: settings, a measurement, how its figures are printed, and when it has failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

C = TypeVar("C")
Figures = Mapping[str, Any]
Bar = Callable[[str, int], Any]  # (what, total) to a tqdm progress bar, which is a context manager


def print_figures(figures: Figures) -> None:
    """One line a figure."""
    for name, value in figures.items():
        print(f"{name:<20} {value}")


@dataclass(frozen=True)
class Bench(Generic[C]):
    """One measurement of `palme bench`.

    Attributes:
        config: the class of its settings.
        measure: figures by name, as the JSON file holds them.
        has_failed: whether figures miss a target; the exit code is then 1.
        show: prints the figures.
    """

    config: type[C]
    measure: Callable[[C, Bar], Figures]
    has_failed: Callable[[Figures], bool] = lambda figures: False
    show: Callable[[Figures], None] = print_figures
