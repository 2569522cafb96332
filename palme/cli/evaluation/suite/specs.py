"""Which cases are played, and the controls: blank pictures, and the sentence of another case of the table."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from sim.suites.suite import Case, Suite, SuiteTable

BLANKED, SHUFFLED = "blanked", "shuffled"


@dataclass(frozen=True)
class CaseSpec:
    """One case to play; everything in it follows from these.

    Attributes:
        index: of the case in the suite.
        said: what the planner is told; another case's sentence in the control "shuffled".
        control: "", "blanked" or "shuffled".
    """

    index: int
    case: Case
    table: SuiteTable
    said: str
    seed: int
    control: str = ""


def specs_of(suite: Suite, seed: int, controls: tuple[str, ...] = ()) -> list[CaseSpec]:
    """Every case, the controls after the real ones.

    A case whose table has no other case with another sentence is left out of "shuffled".
    """
    real = [CaseSpec(k, case, suite.tables[case.table], case.say, seed) for k, case in enumerate(suite.cases)]
    out = list(real)
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
    """For each case the sentence of another of its table, each used once (Sattolo's cycle)."""
    out: dict[int, str] = {}
    for name in suite.tables:
        here = [k for k, case in enumerate(suite.cases) if case.table == name]
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        order = list(here)
        for k in range(len(order) - 1, 0, -1):
            j = int(rng.integers(k))
            order[k], order[j] = order[j], order[k]
        out |= {k: suite.cases[other].say for k, other in zip(here, order, strict=True)}
    return out
