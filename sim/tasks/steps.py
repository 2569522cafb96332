"""What a step does to a `SceneState`."""

from __future__ import annotations

from robots.skills import TABLE, Step
from sim.world.state import SceneState


class IllegalStep(ValueError):
    """A step that cannot be done in this state."""


def apply_step(state: SceneState, step: Step) -> SceneState:
    """The state after `step` was carried out without fault ("done" changes nothing).

    Raises:
        IllegalStep: something named is not there, or what is to be moved or put on is not clear.
    """
    if step.is_done:
        return state
    try:
        i, j = indices(state, step)
    except KeyError as error:
        raise IllegalStep(f"{step.text!r}: {error.args[0]}") from None
    if i in state.holder:
        raise IllegalStep(f"{step.text!r}: something rests on the {step.what}; clear it first")
    if j is not None:
        if i == j:
            raise IllegalStep(f"{step.text!r}: nothing can be put on itself")
        if state.objects[j].kind != "bowl" and any(h == j and k != i for k, h in enumerate(state.holder)):
            raise IllegalStep(f"{step.text!r}: something rests on the {step.target}; clear it first")
    return state.moved(i, j)


def indices(state: SceneState, step: Step) -> tuple[int, int | None]:
    """Indices in `state` of what `step` moves and of where it goes (None = the table). Raises KeyError."""
    return state.index(step.what), None if step.target == TABLE else state.index(step.target)


def topmost(state: SceneState, i: int) -> int:
    """The top of the pile of solids that object `i` is part of (`i` itself when it is clear)."""
    holder = state.holder
    while i in holder:
        i = holder.index(i)
    return i
