"""`palme bench WHAT`: speed, each part alone, the wire, the disk, the page, the clock."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from palme.cli.bench.base import Bench
from palme.cli.config import is_override, load
from palme.cli.errors import UsageError
from palme.cli.out_lock import locked
from palme.cli.progress import Progress
from palme.cli.settings.bench import BenchConfig
from palme.registry import Registry
from robots.files import write_text

BENCHES: Registry[Bench[Any]] = Registry(
    "bench",
    {
        "env": "palme.cli.bench.environment:BENCH",
        "gate": "palme.cli.bench.gate_report:BENCH",
        "detector": "palme.cli.bench.detector:BENCH",
        "policy": "palme.cli.bench.policy:BENCH",
        "corrections": "palme.cli.bench.corrections:BENCH",
        "planner": "palme.cli.bench.planner:BENCH",
        "language": "palme.cli.bench.language:BENCH",
        "clip": "palme.cli.bench.clip:BENCH",
        "questions": "palme.cli.bench.questions:BENCH",
        "senses": "palme.cli.bench.senses:BENCH",
        "bridge": "palme.cli.bench.bridge:BENCH",
        "soak": "palme.cli.bench.soak:BENCH",
        "fuzz": "palme.cli.bench.fuzz:BENCH",
        "record": "palme.cli.bench.record:BENCH",
        "console": "palme.cli.bench.console:BENCH",
        "clock": "palme.cli.bench.clock:BENCH",
        "install": "palme.cli.bench.install:BENCH",
    },
)


def main(arguments: Sequence[str]) -> int:
    """Returns 0, or 1 where a target is missed."""
    names = [word for word in arguments if not is_override(word)]
    if len(names) != 1:
        raise UsageError(f"name one bench of {', '.join(BENCHES)}: palme bench env")
    bench = BENCHES[names[0]]
    config = load(bench.config, [word for word in arguments if is_override(word)])
    with _out_of(config) as file:
        figures = bench.measure(config, _bar)
        if file is not None:
            write_text(file, json.dumps(figures, indent=2) + "\n")
    bench.show(figures)
    return 1 if bench.has_failed(figures) else 0


@contextmanager
def _out_of(config: Any) -> Iterator[Path | None]:
    """The file for the figures, held as the folder of a bench that writes one is; None = no file."""
    out = getattr(config, "out", None)
    if out is None:
        yield None
        return
    is_file = isinstance(config, BenchConfig)
    with locked(out, is_file=is_file) as path:
        yield path if is_file else None


def _bar(what: str, total: int) -> Any:
    return Progress(what, total)
