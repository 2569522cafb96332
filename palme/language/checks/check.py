"""The word check: everything that is wrong between a sentence and a program."""

from __future__ import annotations

from palme.language.checks.amounts import amounts
from palme.language.checks.calls import calls
from palme.language.checks.conditions import conditions
from palme.language.checks.logic import logic
from palme.language.checks.looks import looks
from palme.language.checks.lost import lost
from palme.language.checks.order import order
from palme.language.checks.orders import as_order
from palme.language.checks.places import places
from palme.language.checks.said import Said
from palme.language.checks.unknown import unknown
from palme.language.checks.violations import Violation
from palme.language.checks.written import Written
from palme.language.programs import calls as c
from palme.language.programs.calls import Program

_RULES = (unknown, looks, places, lost, amounts, logic, conditions, calls, order)


def violations(sentence: str, program: Program) -> tuple[Violation, ...]:
    """What of an English sentence has no counterpart in `program`, and the other way round.

    A program that refuses needs none.
    """
    written = Written(program)
    if all(isinstance(line, c.Refuse) for line in program.lines):
        return ()
    said = Said.of(sentence if written.answers and not written.moves else as_order(sentence))
    found = [one for rule in _RULES for one in rule(said, written)]
    return tuple(dict.fromkeys(found))
