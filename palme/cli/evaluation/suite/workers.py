"""Cases over processes: each builds its reader, or its rig, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from palme.cli.errors import beginning
from palme.cli.evaluation.suite.case_result import CaseResult
from palme.cli.evaluation.suite.specs import CaseSpec
from palme.cli.evaluation.workers import over
from palme.cli.settings.run import EvalConfig
from palme.cli.signals import interruptible

if TYPE_CHECKING:
    from palme.planners.program.reader import ProgramReader

_reader: ProgramReader | None = None


def play(config: EvalConfig, specs: Sequence[CaseSpec]) -> Iterator[CaseResult]:
    """Results as they come in; see `palme.cli.evaluation.workers.over`."""
    return over(config.workers, partial(_read, config), specs, _close)


def _read(config: EvalConfig, spec: CaseSpec) -> CaseResult:
    from palme.cli.evaluation.suite.reading_only import read_case

    with interruptible():
        result = read_case(spec.case, spec.table, _started(config), spec.seed, spec.said)
    return replace(result, control=spec.control)


def _started(config: EvalConfig) -> ProgramReader:
    global _reader
    if _reader is None:
        import torch

        from palme.cli.rig.readers import build_reader

        with interruptible(), beginning():
            torch.set_num_threads(1)
            _reader = build_reader(config.reader)
    return _reader


def _close() -> None:
    global _reader
    _reader = None
