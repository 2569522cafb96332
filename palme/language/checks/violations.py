"""What is wrong between a sentence and a program."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Violation:
    """A word without its counterpart.

    Attributes:
        kind: which check: "unknown", "beyond", "looks", "relation", "number", "quantifier", "negation", ...
        what: the word, or the part of the program.
        told: for a person, a clause such as "I do not know the word 'plonk'".
        sure: whether it forbids to act by itself; else it lowers the confidence.
        grave: of one that does not forbid: whether it lowers it by much.
    """

    kind: str
    what: str
    told: str
    sure: bool = True
    grave: bool = False

    def lightly(self) -> Violation:
        """The same, which neither forbids to act nor is grave."""
        return replace(self, sure=False, grave=False)

    def if_sure(self, sure: bool) -> Violation:
        """The same, grave alone where `sure` does not hold."""
        return self if sure or not self.sure else replace(self, sure=False, grave=True)
