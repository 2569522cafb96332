"""Whether two programs ask for the same, by what they mean on tables rather than by their text."""

from __future__ import annotations

import random
from collections.abc import Iterator

from palme.language.programs.calls import Program
from palme.language.programs.things import COLOUR_WORDS, Noun
from palme.planners.program.goals import At, Goal
from palme.planners.program.interpreter import Refused, interpret
from palme.planners.program.scene import SeenScene, SeenThing

TABLES = 3
"""Tables on which programs are compared where none is seen."""
_SPOTS = [(x, y) for x in (0.40, 0.50, 0.60) for y in (-0.24, -0.12, 0.0, 0.12, 0.24)]


def same(first: Program, second: Program, scene: SeenScene | None = None) -> bool:
    """Whether both ask for the same.

    Args:
        scene: what is seen; None = tables are laid that have what the programs name, and other things.
    """
    if first.text == second.text:
        return True
    if scene is not None:
        return _outcome(first, scene) == _outcome(second, scene)
    tables = list(_tables(first, second))
    outcomes = [(_outcome(first, table), _outcome(second, table)) for table in tables]
    acted = any(one[0] != "refused" for pair in outcomes for one in pair)
    return acted and all(one == other for one, other in outcomes)


def _outcome(program: Program, scene: SeenScene) -> tuple[object, ...]:
    try:
        intent = interpret(program, scene)
    except Refused as refused:
        return ("refused", refused.reason)
    goals = frozenset(_rounded(goal) for goal in intent.final)
    return (goals, intent.keep, intent.answers)


def _rounded(goal: Goal) -> object:
    return (goal.what, round(goal.xy[0], 2), round(goal.xy[1], 2)) if isinstance(goal, At) else goal


def _tables(*programs: Program) -> Iterator[SeenScene]:
    """Tables with everything that the programs name, once or twice, and others beside."""
    nouns = list(dict.fromkeys(noun for program in programs for noun in _nouns(program)))
    for seed in range(TABLES):
        rng = random.Random(seed)
        wanted = [(noun.colour, noun.kind, noun.size) for noun in nouns]
        wanted += [(None, kind, None) for kind in ("block", "cylinder", "bowl", "block")]
        spots = rng.sample(_SPOTS, len(_SPOTS))
        things: list[SeenThing] = []
        for colour, kind, size in wanted[: len(spots) - 1]:
            kinds = ("block", "cylinder") if kind in ("thing", "tower") else (kind,)
            hues = [colour] if colour else list(COLOUR_WORDS)
            found = SeenThing(
                len(things), rng.choice(kinds), rng.choice(hues), size or rng.choice(("small", "large")),
                (*spots.pop(), 0.034),
            )  # fmt: skip
            if found.name not in {one.name for one in things} or size or not colour:
                things.append(found)
        yield SeenScene(tuple(_piled(things, rng)))


def _piled(things: list[SeenThing], rng: random.Random) -> list[SeenThing]:
    """Some of them in bowls and on others, so that relations have something to find."""
    out = list(things)
    for k, thing in enumerate(things):
        below = [one for one in out[:k] if one.holder is None and not any(o.holder == one.id for o in out)]
        if thing.is_bowl or not below or rng.random() < 0.6:
            continue
        holder = rng.choice(below)
        x, y, z = holder.xyz
        rise = 0.03 if holder.is_bowl else 0.038
        out[k] = SeenThing(thing.id, thing.kind, thing.colour, thing.size, (x, y, z + rise), holder.id)
    return out


def _nouns(program: Program) -> list[Noun]:
    from palme.language.checks.written import Written

    return [part for part in Written(program).parts if isinstance(part, Noun)]
