"""Reads a sentence that is itself a program: what the planner does where nothing is misread."""

from __future__ import annotations

from palme.language.programs.parser import BadProgram, parse
from palme.planners.program.reader import NotRead, Reading


class WrittenReader:
    """A `Reader` without a language model."""

    def read(self, sentence: str) -> Reading:
        """The program that `sentence` is. Raises NotRead: it is none."""
        try:
            program = parse(sentence)
        except BadProgram as error:
            raise NotRead(
                f"{sentence!r} is no program: {error}; planner=written reads programs alone"
            ) from None
        return Reading(sentence, program, 1.0, (1.0, ""), 0.0)
