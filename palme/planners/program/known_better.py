"""What a program asks for by looks that later pictures corrected: "all blocks" is one more than was seen."""

from __future__ import annotations

from dataclasses import replace

from palme.planners.program.interpreter import Intent, Refused, interpret
from palme.planners.program.program_goal import ProgramGoal


def known_better(goal: ProgramGoal) -> Intent | None:
    """What `goal` asks for on the scene of its start, by the looks as they are known now.

    Returns:
        None where that moves nothing more than what it was understood as.
    """
    if goal.plan is None:
        return None
    now = goal.scene
    looks = tuple(
        replace(thing, colour=now[thing.id].colour, kind=now[thing.id].kind, size=now[thing.id].size)
        if thing.id in now else thing
        for thing in goal.start
    )  # fmt: skip
    if looks == goal.start.things:
        return None
    before = goal.plan.intent
    try:
        intent = interpret(goal.reading.program, replace(goal.start, things=looks), goal.settled)
    except Refused:
        return None
    more = {one.what for one in intent.goals} > {one.what for one in before.goals}
    return intent if more and intent.keep == before.keep else None
