"""A reader that is sure or says that it is not: nothing moves on a reading that its checks do not support."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from palme.language.checks.plain import plain
from palme.language.checks.unsafe import unsafe_reason
from palme.language.programs.calls import Program, Refuse
from palme.language.programs.prompt import SentenceTooLong
from palme.planners.program.agreement.confidence import Calibration, shipped
from palme.planners.program.agreement.features import Doubts, features
from palme.planners.program.agreement.same import same
from palme.planners.program.agreement.spoken import spoken
from palme.planners.program.reader import NotRead, NotSure, Reader, Reading

SEARCHED = 3
"""Programs that are looked at where the most probable one does not fit, or is not much more probable."""
CLEAR = 0.95
"""Probability from which a program that fits is the only one that is looked at, and is read once."""
LEAST_SHARE = 0.1
"""Least probability of another program that is looked at, as a share of that of the most probable."""
_UNDOABLE = frozenset({"unknown", "beyond"})
"""Violations after which it is not asked whether the reading was meant."""


@dataclass(frozen=True)
class Assessment:
    """A reading with its confidence and what speaks against it."""

    reading: Reading
    doubts: Doubts


class SureReader:
    """A `Reader` around another.

    Of the most probable programs, the first that the word check does not forbid is taken.

    Args:
        reader: whose readings are checked; one with `alternatives` (`ProgramReader`) is asked for them where
            its most probable program does not fit.
        threshold: least confidence of a reading that is acted on, in [0, 1]; None = the calibration's.
        calibration: of the confidence; None = the one that is shipped.
        sure_enough: probability from which no second reading is asked for, in [0, 1]; 1 = it always is.
    """

    def __init__(
        self,
        reader: Reader,
        threshold: float | None = None,
        calibration: Calibration | None = None,
        sure_enough: float = CLEAR,
    ) -> None:
        self._reader = reader
        self._calibration = calibration or shipped()
        self.threshold = self._calibration.threshold if threshold is None else threshold
        self._sure_enough = sure_enough
        self._alternatives: Callable[[str, int], Sequence[Reading]] | None = getattr(
            reader, "alternatives", None
        )

    def read(self, sentence: str) -> Reading:
        """What `sentence` asks for.

        Raises:
            NotSure: its confidence is below the threshold; the message names what does not fit, and asks
                whether the reading is what was meant.
            NotRead, SentenceTooLong: as of the reader inside.
        """
        found = self.assess(sentence)
        if (found.reading.confidence or 0.0) < self.threshold:
            raise NotSure(_asked(found), found.reading, not _is_undoable(found))
        return found.reading

    def assess(self, sentence: str) -> Assessment:
        """A reading and its confidence, however low.

        Raises:
            NotRead, SentenceTooLong: as of the reader inside.
        """
        if unsafe_reason(sentence) is not None:
            refusal = Reading(sentence, Program((Refuse("unsafe"),)), 1.0, (1.0, "unsafe"), 0.0, 1.0)
            return Assessment(refusal, Doubts("en", ()))
        reading, doubts = self._chosen(sentence)
        if not _claims_anything(reading.program):
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

    def _chosen(self, sentence: str) -> tuple[Reading, Doubts]:
        """The first of the most probable programs that fits, else the most probable one."""
        first = self._reader.read(sentence)
        doubts = Doubts.of(first)
        if not _claims_anything(first.program) or (
            first.probability >= self._sure_enough and not doubts.sure
        ):
            return first, doubts
        fitting = list(self._others(first))
        if not doubts.sure:
            fitting.insert(0, (first, doubts))
        if not fitting:
            return first, doubts
        chosen, doubts = fitting[0]
        rivals = [one for one, _ in fitting[1:] if not same(chosen.program, one.program)]
        rival = max((one.probability for one in rivals), default=0.0) / max(chosen.probability, 1e-9)
        seconds = first.seconds if chosen is first else first.seconds + chosen.seconds
        return replace(chosen, seconds=seconds), replace(
            doubts, rival=min(rival, 1.0), passed_over=chosen is not first
        )

    def _others(self, first: Reading) -> Iterator[tuple[Reading, Doubts]]:
        """Programs beside `first` that fit, the most probable first; none after a refusal."""
        if self._alternatives is None:
            return
        for other in self._alternatives(first.sentence, SEARCHED):
            if other.program == first.program:
                continue
            if not _claims_anything(other.program) or other.probability < LEAST_SHARE * first.probability:
                return
            doubts = Doubts.of(other)
            if not doubts.sure:
                yield other, doubts

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


def _claims_anything(program: Program) -> bool:
    """Whether it does anything but refuse, which needs no check."""
    return not all(isinstance(line, Refuse) for line in program.lines)


def _is_undoable(found: Assessment) -> bool:
    return any(one.kind in _UNDOABLE and one.sure for one in found.doubts.violations)


def _asked(found: Assessment) -> str:
    """What does not fit, and whether the reading was meant."""
    told = [one.told for one in found.doubts.sure] or [one.told for one in found.doubts.violations]
    why = f": {'; '.join(dict.fromkeys(told[:2]))}" if told else ""
    if _is_undoable(found):
        return f"I am not sure that I understand you{why}. Please say it in other words."
    return f"I am not sure that I understand you{why}. Do you mean: {spoken(found.reading.program)}?"
