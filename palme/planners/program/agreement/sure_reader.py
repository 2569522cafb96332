"""A reader that is sure or says that it is not: nothing moves on a reading that its checks do not support."""

from __future__ import annotations

from dataclasses import dataclass, replace

from palme.language.checks.plain import plain
from palme.language.checks.unsafe import unsafe_reason
from palme.language.checks.written import Written
from palme.language.programs.calls import Program, Refuse
from palme.language.programs.prompt import SentenceTooLong
from palme.planners.program.agreement.confidence import Calibration, shipped
from palme.planners.program.agreement.features import Doubts, features
from palme.planners.program.agreement.same import same
from palme.planners.program.agreement.spoken import spoken
from palme.planners.program.reader import NotRead, NotSure, Reader, Reading

_UNDOABLE = frozenset({"unknown", "beyond"})
"""Violations after which it is not asked whether the reading was meant."""


@dataclass(frozen=True)
class Assessment:
    """A reading with its confidence and what speaks against it."""

    reading: Reading
    doubts: Doubts


class SureReader:
    """A `Reader` around another.

    Args:
        reader: whose readings are checked.
        threshold: least confidence of a reading that is acted on, in [0, 1]; None = the calibration's.
        calibration: of the confidence; None = the one that is shipped.
        sure_enough: probability from which no second reading is asked for, in [0, 1]; 1 = it always is.
    """

    def __init__(
        self,
        reader: Reader,
        threshold: float | None = None,
        calibration: Calibration | None = None,
        sure_enough: float = 1.0,
    ) -> None:
        self._reader = reader
        self._calibration = calibration or shipped()
        self.threshold = self._calibration.threshold if threshold is None else threshold
        self._sure_enough = sure_enough

    def read(self, sentence: str) -> Reading:
        """What `sentence` asks for.

        Raises:
            NotSure: its confidence is below the threshold; the message names what does not fit, and asks
                whether the reading is what was meant.
            NotRead, SentenceTooLong: as of the reader inside.
        """
        found = self.assess(sentence)
        if (found.reading.confidence or 0.0) < self.threshold:
            raise NotSure(_asked(found), found.reading)
        return found.reading

    def assess(self, sentence: str) -> Assessment:
        """A reading and its confidence, however low.

        Raises:
            NotRead, SentenceTooLong: as of the reader inside.
        """
        if unsafe_reason(sentence) is not None:
            refusal = Reading(sentence, Program((Refuse("unsafe"),)), 1.0, (1.0, "unsafe"), 0.0, 1.0)
            return Assessment(refusal, Doubts("en", ()))
        reading = self._reader.read(sentence)
        written = Written(reading.program)
        doubts = Doubts.of(reading)
        if not written.moves and not written.answers:  # it refuses, or leaves all as it is
            return Assessment(replace(reading, confidence=1.0), doubts)
        if not doubts.sure and reading.probability < self._sure_enough:
            reading, doubts = self._read_again(reading, doubts)
        evidence = features(reading, doubts)
        confidence = 0.0 if doubts.sure else self._calibration(evidence)
        told = tuple(one.told for one in (*doubts.sure, *doubts.violations))
        return Assessment(
            replace(reading, confidence=confidence, evidence=evidence, doubts=tuple(dict.fromkeys(told))),
            doubts,
        )

    def _read_again(self, reading: Reading, doubts: Doubts) -> tuple[Reading, Doubts]:
        """The sentence in plain words, which must ask for the same."""
        said = " ".join(reading.sentence.split())
        other = plain(said) if doubts.language == "en" else said.lower().rstrip(" .!")
        if other == said or not other:
            return reading, doubts
        try:
            second = self._reader.read(other)
        except (NotRead, SentenceTooLong):
            return reading, replace(doubts, agrees=False)
        seconds = reading.seconds + second.seconds
        return replace(reading, seconds=seconds), replace(
            doubts, agrees=same(reading.program, second.program)
        )


def _asked(found: Assessment) -> str:
    """What does not fit, and whether the reading was meant."""
    told = [one.told for one in found.doubts.sure] or [one.told for one in found.doubts.violations]
    why = f": {'; '.join(dict.fromkeys(told[:2]))}" if told else ""
    if any(one.kind in _UNDOABLE and one.sure for one in found.doubts.violations):
        return f"I am not sure that I understand you{why}. Please say it in other words."
    return f"I am not sure that I understand you{why}. Do you mean: {spoken(found.reading.program)}?"
