"""Which cases are played, the controls, blank pictures and another sentence, and the disturbed twins."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np

from sim.suites.suite import Case, Suite, SuiteTable

BLANKED, SHUFFLED = "blanked", "shuffled"
DISTURBED = "disturbed"
"""The same case while things are moved by hand: no control, but a harder condition."""


@dataclass(frozen=True)
class CaseSpec:
    """One case to play; everything in it follows from these.

    Attributes:
        index: of the case in the suite.
        said: what the planner is told; another case's sentence in the control "shuffled".
        control: "", "blanked", "shuffled" or "disturbed".
        disturb: chance that something is moved by hand after a step, in [0, 1].
    """

    index: int
    case: Case
    table: SuiteTable
    said: str
    seed: int
    control: str = ""
    disturb: float = 0.0


def specs_of(
    suite: Suite, seed: int, controls: tuple[str, ...] = (), disturb: float = 0.0, programs: bool = False
) -> list[CaseSpec]:
    """Every case, its disturbed twin where `disturb` > 0, then the controls.

    Args:
        programs: the planner is told the case's own program in place of its sentence; a case without one
            is left out.

    A case that names no other sentence, and whose table has no case with one, is left out of "shuffled".
    """
    real = [
        CaseSpec(k, case, suite.tables[case.table], case.program if programs else case.say, seed)
        for k, case in enumerate(suite.cases)
        if case.program or not programs
    ]
    out = list(real)
    if disturb > 0:
        out += [replace(spec, control=DISTURBED, disturb=disturb) for spec in real]
    if BLANKED in controls:
        out += [CaseSpec(s.index, s.case, s.table, s.said, seed, BLANKED) for s in real]
    if SHUFFLED in controls:
        others = _shuffled(suite, seed)
        out += [
            CaseSpec(s.index, s.case, s.table, others[s.index], seed, SHUFFLED)
            for s in real
            if others[s.index] != s.said
        ]
    return out


def _shuffled(suite: Suite, seed: int) -> dict[int, str]:
    """For each case its other sentence, else that of another case of its table (Sattolo's cycle)."""
    out: dict[int, str] = {}
    for name in suite.tables:
        here = [k for k, case in enumerate(suite.cases) if case.table == name]
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        order = list(here)
        for k in range(len(order) - 1, 0, -1):
            j = int(rng.integers(k))
            order[k], order[j] = order[j], order[k]
        said = {k: suite.cases[other].say for k, other in zip(here, order, strict=True)}
        out |= {k: suite.cases[k].other or text for k, text in said.items()}
    return out
