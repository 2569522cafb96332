"""Typed content of the results.json file of a suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from palme.report.results import Interval, Settings

Grade = Literal["right", "wrong", "refused", "failed"]


@dataclass(frozen=True)
class Counts:
    """How many of `n` cases have which verdict, and Wilson's 95 % interval of each share."""

    n: int
    right: int
    wrong: int
    refused: int
    failed: int
    wilson95: Mapping[Grade, Interval]


@dataclass(frozen=True)
class CaseRow:
    """One case.

    Attributes:
        say: what the person said.
        verdict: see docs/suites.md.
        program: what it was read as, "" where the planner writes none.
        steps: in words, in order.
        reason: why it is not right, or what the person was told.
        told: what the person was told.
        probability: of the reading; None = the planner gives none.
        lines: of the program as it ran: text, what it found, what it brings about.
    """

    id: str
    category: str
    say: str
    verdict: Grade
    program: str
    steps: Sequence[str]
    reason: str
    told: str = ""
    probability: float | None = None
    confidence: float | None = None
    lines: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True)
class Spread:
    """Median and 95th percentile in [ms]; None = nothing was measured."""

    median: float | None
    p95: float | None


@dataclass(frozen=True)
class SuiteTiming:
    """Times of reading a new sentence, and of a later plan; sums in [s]."""

    read_ms: Spread
    replan_ms: Spread
    wall_s: float
    arm_s: float


@dataclass(frozen=True)
class Disturbed:
    """The same cases while things were moved by hand: counts in all and by category, and how often."""

    suite: Counts
    categories: Mapping[str, Counts]
    moved_by_hand: int


@dataclass(frozen=True)
class SuiteResults:
    """results.json of `palme eval suite=FILE`.

    Attributes:
        suite, categories, controls: counts in all, by category, by control.
        disturbed: None = nothing was.
    """

    commit: str
    settings: Settings
    suite: Counts
    categories: Mapping[str, Counts]
    cases: Sequence[CaseRow]
    timing: SuiteTiming
    controls: Mapping[str, Counts] = field(default_factory=dict)
    disturbed: Disturbed | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SuiteResults:
        """Check and convert the decoded JSON. Raises msgspec.ValidationError naming the wrong field."""
        return msgspec.convert(content, cls)
