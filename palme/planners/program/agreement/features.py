"""What is known of a reading when it is decided whether to act on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from palme.language.checks.check import violations
from palme.language.checks.languages import ENGLISH, foreign_violations, language_of
from palme.language.checks.violations import Violation
from palme.language.checks.written import Written
from palme.planners.program.reader import Reading

LEAST = 1e-6
"""Probability below which it does not matter how small one is."""
_SPELLING = frozenset({"misspelt", "doubtful"})


@dataclass(frozen=True)
class Doubts:
    """What speaks against a reading.

    Attributes:
        language: of the sentence (`palme.language.checks.languages.language_of`).
        violations: of the word check.
        agrees: whether a second reading asks for the same; None = there was none.
        rival: probability of another program that fits and asks for something else, as a share of this one's.
        passed_over: whether the most probable program does not fit, and this one is another.
    """

    language: str
    violations: tuple[Violation, ...]
    agrees: bool | None = None
    rival: float = 0.0
    passed_over: bool = False

    @classmethod
    def of(cls, reading: Reading) -> Doubts:
        """Those of the word check alone."""
        language = language_of(reading.sentence)
        if language == ENGLISH:
            return cls(language, violations(reading.sentence, reading.program))
        return cls(language, foreign_violations(reading.sentence, reading.program, language))

    @property
    def sure(self) -> tuple[Violation, ...]:
        """Violations that forbid to act by themselves."""
        return tuple(one for one in self.violations if one.sure)


def features(reading: Reading, doubts: Doubts) -> Mapping[str, float]:
    """Numbers for the calibrated confidence, each about in [-1, 1]."""
    written = Written(reading.program)
    light = [one for one in doubts.violations if not one.sure]
    spelling = sum(one.kind in _SPELLING for one in light)
    grave = sum(one.grave for one in light)
    return {
        "log_probability": math.log(max(reading.probability, LEAST)) / 4,
        "weakest": math.log(max(reading.weakest[0], LEAST)) / 2,
        "sure_violations": min(len(doubts.sure), 3) / 3,
        "grave_violations": min(grave, 3) / 3,
        "light_violations": min(len(light) - spelling - grave, 3) / 3,
        "misspelt": min(spelling, 4) / 4,
        "disagrees": float(doubts.agrees is False),
        "agrees": float(doubts.agrees is True),
        "rival": doubts.rival,
        "passed_over": float(doubts.passed_over),
        "foreign": float(doubts.language != ENGLISH),
        "long": min(len(reading.sentence), 200) / 200,
        "many_calls": min(len(written.parts), 40) / 40,
    }


NAMES: Sequence[str] = (
    "log_probability", "weakest", "sure_violations", "grave_violations", "light_violations", "misspelt",
    "disagrees", "agrees", "rival", "passed_over", "foreign", "long", "many_calls",
)  # fmt: skip
"""Of all features, in order."""
