"""Cases over processes: each builds its reader, or its rig, once."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from palme.cli.errors import beginning
from palme.cli.evaluation.suite.case_result import CaseResult
from palme.cli.evaluation.suite.specs import CaseSpec
from palme.cli.evaluation.workers import over
from palme.cli.settings.run import EvalConfig
from palme.cli.signals import interruptible

if TYPE_CHECKING:
    from palme.cli.rig.build import Rig
    from palme.planners.program.reader import Reader

_rig: Rig | None = None


def play(config: EvalConfig, specs: Sequence[CaseSpec]) -> Iterator[CaseResult]:
    """Results as they come in; see `palme.cli.evaluation.workers.over`."""
    return over(config.workers, partial(_read if config.reading_only else _play, config), specs, _close)


def _read(config: EvalConfig, spec: CaseSpec) -> CaseResult:
    from palme.cli.evaluation.suite.reading_only import read_case

    with interruptible():
        result = read_case(spec.case, spec.table, _started_reader(config), spec.seed, spec.said)
    return replace(result, control=spec.control)


def _play(config: EvalConfig, spec: CaseSpec) -> CaseResult:
    from palme.cli.evaluation.suite.episode import run_case

    name = "-".join(filter(None, (re.sub(r"[^\w-]", "_", spec.case.id), spec.control)))
    logs = Path(config.out) / "episodes" / name if config.logs else None
    return run_case(_started_rig(config), spec, config.limits, config.planner.account, logs)


def _started_reader(config: EvalConfig) -> Reader:
    import torch

    from palme.cli.rig.readers import build_reader

    with interruptible(), beginning():
        torch.set_num_threads(1)
        return build_reader(config.reader)


def _started_rig(config: EvalConfig) -> Rig:
    global _rig
    if _rig is None:
        from palme.cli.rig.build import build_rig

        with interruptible(), beginning():  # nothing is there to be lost yet
            _rig = build_rig(config)
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(1)
    return _rig


def _close() -> None:
    global _rig
    if _rig is not None:
        _rig.close()
    _rig = None
