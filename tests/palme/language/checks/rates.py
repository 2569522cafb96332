"""How often the word check stops right programs, and programs with one thing wrong, over drawn sentences.

    python -m tests.palme.language.checks.rates [SENTENCES] [SEED]

Sentences are those that the reader is trained on, which the check shares nothing with.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from palme.language.checks.check import violations
from palme.language.checks.languages import ENGLISH, language_of
from palme.language.programs import calls as c
from palme.language.programs.calls import Program
from palme.language.programs.parser import parse
from palme.training.datasets.instructions.drawing import Instructions
from tests.palme.language.checks.corrupt import corrupted

OF_EACH = 4
"""Wrong programs that are tried for each sentence, at most."""


@dataclass
class Rates:
    """Counts by what was changed.

    Attributes:
        right: programs as they are; stopped: of these.
        wrong: programs with one thing changed, by what; caught: of these, those that may not be acted on;
            doubted: of the rest, those that something grave speaks against.
    """

    right: int = 0
    stopped: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    caught: Counter[str] = field(default_factory=Counter)
    doubted: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """A table for people."""
        out = [f"right programs stopped: {self.stopped} of {self.right}"]
        for kind in sorted(self.wrong):
            n, caught, doubted = self.wrong[kind], self.caught[kind], self.doubted[kind]
            out.append(f"{kind:20} {caught:5} of {n:5} stopped ({caught / n:4.0%}), {doubted} more doubted")
        n, caught = self.wrong.total(), self.caught.total()
        return [*out, f"in all: {caught} of {n} stopped ({caught / max(n, 1):.1%})"]


def drawn(sentences: int, seed: int) -> list[tuple[str, Program]]:
    """English sentences whose programs claim something, with these."""
    rng, found = random.Random(seed), list[tuple[str, Program]]()
    for example in Instructions().examples(rng, hasty=0.3):
        program = parse(example.program)
        says_nothing = all(isinstance(line, (c.Nothing, c.Refuse)) for line in program.lines)
        if not says_nothing and example.sentence.isascii() and language_of(example.sentence) == ENGLISH:
            found.append((example.sentence, program))
        if len(found) == sentences:
            break
    return found


def rates(pairs: Sequence[tuple[str, Program]], seed: int) -> Rates:
    """Those of sentences with their programs."""
    rng, out = random.Random(seed), Rates()
    for sentence, program in pairs:
        out.right += 1
        out.stopped += any(one.sure for one in violations(sentence, program))
        wrong = list(corrupted(program, rng))
        for kind, other in rng.sample(wrong, min(OF_EACH, len(wrong))):
            found = violations(sentence, other)
            sure = any(one.sure for one in found)
            out.wrong[kind] += 1
            out.caught[kind] += sure
            out.doubted[kind] += not sure and any(one.grave for one in found)
    return out


if __name__ == "__main__":
    n, start = [int(word) for word in (*sys.argv[1:], "1000", "11")[:2]]
    print("\n".join(rates(drawn(n, start), start).lines()))
