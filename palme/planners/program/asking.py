"""Reading a sentence with a person's answers: a yes goes on with what was understood."""

from __future__ import annotations

from collections.abc import Sequence

from palme.errors import NoMotion, Question
from palme.language.programs.calls import Refuse
from palme.language.programs.prompt import SentenceTooLong
from palme.language.yes import is_yes
from palme.planners.program.reader import NotRead, NotSure, Reader, Reading
from palme.planners.program.which import cancels

LONG = 4
"""Words from which an answer is first read by itself, and then as a correction of the sentence."""


def understood(reader: Reader, sentence: str) -> Reading:
    """What `sentence` asks for.

    Raises:
        Question: it is asked whether the reading is meant.
        NoMotion: it is not understood.
    """
    try:
        return reader.read(sentence)
    except NotSure as doubt:
        if doubt.reading is None or not doubt.asks:
            raise NoMotion(str(doubt)) from doubt
        raise Question(str(doubt), reading=doubt.reading) from doubt
    except (NotRead, SentenceTooLong) as error:
        raise NoMotion(str(error)) from error


def understood_with(reader: Reader, sentence: str, answers: Sequence[str]) -> tuple[Reading, int]:
    """What `sentence` asks for, and how many of a person's `answers` it took to know.

    A yes to the question whether the reading is meant goes on with it; other words are read as what is
    wanted instead.

    Raises:
        Question: as `understood`; the answers were not understood.
        NoMotion: it is not understood, or an answer is a no.
    """
    try:
        return understood(reader, sentence), 0
    except Question as question:
        said = ""
        for k, answer in enumerate(answers):
            if is_yes(answer):
                return question.reading, k + 1
            if cancels(answer):
                raise NoMotion("Nothing is done, as you say.") from question
            if (other := _instead(reader, sentence, answer)) is not None:
                return other, k + 1
            said = f"I do not understand “{answer}”. "
        raise Question(f"{said}{question}", reading=question.reading) from question


def _instead(reader: Reader, sentence: str, answer: str) -> Reading | None:
    """What an answer that is no yes asks for; None where that is not clear either."""
    corrected = f"{sentence.rstrip(' .!?')}, {answer}"
    for words in (answer, corrected) if len(answer.split()) >= LONG else (corrected,):
        try:
            reading = reader.read(words)
        except (NotRead, SentenceTooLong):
            continue
        if not any(isinstance(line, Refuse) for line in reading.program.lines):
            return reading
    return None
