"""The skill grammar on symbols: the text of a step, and what it does to a `SceneState`.

The text is the interface between planner, policy, oracle and tasks:
"put the red block in the blue bowl" | "put the red block on the green block" |
"put the red block on the table" | "done".
"""

from __future__ import annotations

import re

from robots.skills import KINDS
from sim.world.state import SceneState

DONE = "done"
_STEP = re.compile(r"put the (\w+ \w+) (in|on) the (table|\w+ \w+)")


class IllegalStep(ValueError):
    """A step that the grammar does not know or that cannot be done in this state."""


def put(name: str, target: str | None) -> str:
    """Text of the step that moves `name` to `target` ("blue bowl", "green block"; None = the table)."""
    if target is None:
        return f"put the {name} on the table"
    relation = "in" if target.endswith("bowl") else "on"
    return f"put the {name} {relation} the {target}"


def parse(text: str) -> tuple[str, str | None]:
    """(what is moved, where to; None = the table) of a step other than "done".

    Raises:
        IllegalStep: if `text` is not a step of the grammar.
    """
    match = _STEP.fullmatch(text)
    if match is None:
        raise IllegalStep(
            f"{text!r} is no step; say 'put the <colour> <{'|'.join(KINDS[:2])}> in|on the <target>'"
        )
    name, relation, target = match.groups()
    if target == "table":
        if relation != "on":
            raise IllegalStep(f"{text!r}: things are put on the table, not in it")
        return name, None
    if (relation == "in") != target.endswith("bowl"):
        raise IllegalStep(f"{text!r}: 'in' takes a bowl and 'on' takes a solid")
    return name, target


def apply_step(state: SceneState, text: str) -> SceneState:
    """The state after `text` was carried out without fault ("done" changes nothing).

    Raises:
        IllegalStep: if something named is not there, what is to be moved is a bowl or carries
            something, or the solid to be placed on is not clear.
    """
    if text == DONE:
        return state
    name, target = parse(text)
    try:
        i = state.index(name)
        j = None if target is None else state.index(target)
    except KeyError as error:
        raise IllegalStep(f"{text!r}: {error.args[0]}") from None
    if state.objects[i].kind == "bowl":
        raise IllegalStep(f"{text!r}: bowls stay where they stand")
    if i in state.holder:
        raise IllegalStep(f"{text!r}: something rests on the {name}; clear it first")
    if j is not None:
        if i == j:
            raise IllegalStep(f"{text!r}: nothing can be put on itself")
        if state.objects[j].kind != "bowl" and any(h == j and k != i for k, h in enumerate(state.holder)):
            raise IllegalStep(f"{text!r}: something rests on the {target}; clear it first")
    return state.moved(i, j)


def topmost(state: SceneState, i: int) -> int:
    """The top of the pile of solids that object `i` is part of (`i` itself when it is clear)."""
    holder = state.holder
    while i in holder:
        i = holder.index(i)
    return i
