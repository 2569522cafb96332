"""What came of one case of a suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.suites.suite import Case
from sim.suites.verdict import Ending, Verdict


@dataclass(frozen=True)
class Line:
    """One line of a program as it ran: its text, what it found, and what it brings about."""

    text: str
    found: str
    said: str


@dataclass(frozen=True)
class CaseResult:
    """See module.

    Attributes:
        case: with the sentence of the suite; `said` is the one that the planner got.
        control: "" or the name of the control.
        ending: see `sim.suites.verdict.Outcome`.
        layer, layer_evidence: of what was to be done and is not: see `case_layers`.
        disturbed: times that something was moved by hand.
        told: what the person was told.
        program: what the sentence was read as; "" where nothing is known of it.
        probability: of the reading, in [0, 1]; None = the planner gives none.
        confidence: calibrated probability that the program is right; None = the planner gives none.
        if_acted_on: the verdict on a reading that was refused as unsure, had it been acted on; None = it was.
        weakest: the least probability of a word, and the word.
        evidence, doubts: see `palme.planners.program.reader.Reading`.
        lines: of the program as it ran.
        steps: (text, success) of each.
        read_ms, replan_ms: times in [ms] of the first plan, with the reading, and of each later one.
        pictures: (before, after) as JPEG; None = not taken.
    """

    case: Case
    said: str
    control: str
    verdict: Verdict
    ending: Ending
    told: str
    program: str = ""
    probability: float | None = None
    confidence: float | None = None
    if_acted_on: Verdict | None = None
    weakest: tuple[float, str] | None = None
    evidence: Mapping[str, float] | None = None
    doubts: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    steps: tuple[tuple[str, bool], ...] = ()
    read_ms: float | None = None
    replan_ms: tuple[float, ...] = ()
    arm_s: float = 0.0
    wall_s: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=dict)
    pictures: tuple[bytes, bytes] | None = None
    layer: str = ""
    layer_evidence: str = ""
    disturbed: int = 0
