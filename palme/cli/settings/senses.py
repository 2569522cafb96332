"""Settings of `palme bench senses` and `palme sense`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from palme.cli.settings.fields import Count, Seed


@dataclass(frozen=True, kw_only=True)
class SensesBenchConfig:
    """`palme bench senses`.

    Attributes:
        weights: folder of a model of `palme train senses`.
        senses: names of its senses; [] = all.
        n: questions about each sense.
        seed: of the events; training uses none of them, whatever its seed.
        threads: of the processor.
        out: folder of results.json.
    """

    FILE: ClassVar[str] = "bench_senses"
    weights: Path
    senses: tuple[str, ...]
    n: Count
    seed: Seed
    threads: Count
    out: Path


@dataclass(frozen=True, kw_only=True)
class SenseConfig:
    """`palme sense NAME`.

    Attributes:
        weights: folder of a model of `palme train senses`.
        seed: of the event.
        out: folder of the picture, NAME.png.
    """

    FILE: ClassVar[str] = "sense"
    weights: Path
    seed: Seed
    out: Path
