"""What is wrong between a sentence and a program."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """A word without its counterpart.

    Attributes:
        kind: which check: "unknown", "beyond", "looks", "relation", "number", "quantifier", "negation", ...
        what: the word, or the part of the program.
        told: for a person, a clause such as "I do not know the word 'plonk'".
        sure: whether it forbids to act by itself; else it lowers the confidence.
    """

    kind: str
    what: str
    told: str
    sure: bool = True
