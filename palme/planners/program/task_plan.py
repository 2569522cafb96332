"""From goals to the next step: what is in the way goes first, and what came undone is done again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from palme.planners.base import Blocked
from palme.planners.program.free_places import NoRoom, anywhere, in_the_way
from palme.planners.program.goals import XY, Goal, InBowl, On, OnTable, Unmoved, parts
from palme.planners.program.hindered import given_up, times
from palme.planners.program.interpreter import Intent
from palme.planners.program.placing import ASIDE, spot
from palme.planners.program.scene import SeenScene
from robots.skills import TABLE, Step


class CannotGoOn(Exception):
    """A goal cannot be brought about as things stand now; the message says why, for a person."""


@dataclass(frozen=True)
class NextStep:
    """A step, why it is next, and what shall hold after it.

    Attributes:
        step: with the locations of the very things that are meant.
        why: for a person.
        then: id of what is moved, and the goal of this step alone.
    """

    step: Step
    why: str
    then: Goal


class TaskPlan:
    """Goals in their order, and how far they are.

    Each goal is brought about once, in order; then those that shall hold at the end are looked at again.
    """

    def __init__(self, intent: Intent) -> None:
        self.intent = intent
        self.reached = 0
        """Number of goals that were seen to hold, each after those before it."""

    def next(self, scene: SeenScene, blocked: Sequence[Blocked] = ()) -> NextStep | None:
        """What to do on `scene`; None where nothing is left to do.

        Args:
            scene: with what the arm was kept from (`palme.planners.program.hindered`).
            blocked: steps that it was kept from: another that may come first is taken before them.

        Raises:
            CannotGoOn: a thing is not seen any more, is in the way and not to be touched, has no place, or
                the arm was kept from all that is left.
        """
        best: tuple[int, NextStep] | None = None
        why: CannotGoOn | None = None
        for goal in self._open(scene):
            try:
                if _holds(goal, scene):
                    continue
                step = _towards(goal, scene, self.intent.keep)
            except (NoRoom, CannotGoOn) as error:
                lacks = isinstance(error, NoRoom) and scene.shut and blocked
                known = f" I tried, and {blocked[-1].obstacle}." if lacks else ""
                why = why or CannotGoOn(f"{error}{known}")
                if not blocked:
                    raise why from error
                continue
            if obstacle := given_up(step.step, blocked):
                why = why or CannotGoOn(f"I cannot put {step.then.said(scene)}: {obstacle}.")
                continue
            tried = times(step.step, blocked)
            if best is None or tried < best[0]:
                best = tried, step
            if not tried:
                break
        if best is None and why is not None:
            raise why
        return None if best is None else best[1]

    def turn(self, intent: Intent) -> None:
        """Go on with `intent`, another way to do what is asked for; what both begin with stays reached."""
        same = 0
        for old, new in zip(self.intent.goals[: self.reached], intent.goals, strict=False):
            if old != new:
                break
            same += 1
        self.intent, self.reached = intent, same

    def _open(self, scene: SeenScene) -> Iterator[Goal]:
        """What is due, and then what may as well come first; some of it may hold already."""
        intent, goals = self.intent, self.intent.goals
        while self.reached < len(goals) and _holds(goals[self.reached], scene):
            self.reached += 1
        if self.reached < len(goals):
            due = goals[self.reached]
            yield due
            for goal, call in zip(goals[self.reached + 1 :], intent.calls[self.reached + 1 :], strict=True):
                if call != intent.calls[self.reached]:
                    break
                if not parts(due) & parts(goal, own=True) | parts(goal) & parts(due, own=True):
                    yield goal
            return
        yield from (goal for goal in intent.final if not isinstance(goal, Unmoved))

    def broken(self, scene: SeenScene) -> tuple[Goal, ...]:
        """What was not to be touched and is not where it was."""
        return tuple(
            goal for goal in self.intent.final if isinstance(goal, Unmoved) and not _holds(goal, scene)
        )


def _holds(goal: Goal, scene: SeenScene) -> bool:
    _check_seen(goal, scene)
    return goal.holds(scene)


def _check_seen(goal: Goal, scene: SeenScene) -> None:
    if any(id not in scene for id in parts(goal)):
        raise CannotGoOn("I do not see any more what I need for that.")


def _towards(goal: Goal, scene: SeenScene, keep: frozenset[int]) -> NextStep:
    cover = next(iter(reversed(scene.above(goal.what))), None)
    if cover is None and isinstance(goal, On):
        cover = next((id for id in reversed(scene.above(goal.below)) if id != goal.what), None)
    if cover is not None:
        return _aside(cover, goal, scene, keep)
    thing = scene[goal.what]
    if goal.what in keep:
        raise CannotGoOn(f"The {thing.name} would have to move, and I shall not touch it.")
    if isinstance(goal, (InBowl, On)):
        target = scene[goal.bowl if isinstance(goal, InBowl) else goal.below]
        skill = "put_in" if isinstance(goal, InBowl) else "put_on"
        step = Step(skill, thing.name, target.name, thing.xyz, target.xyz)  # type: ignore[arg-type]
        return NextStep(step, f"for {goal.said(scene)}", goal)
    x, y = spot(scene, goal, keep)
    there = in_the_way(scene, (x, y), goal.what)
    if there is not None:
        top = next(iter(reversed(scene.above(there))), there)
        return _aside(top, goal, scene, keep, (x, y))
    step = Step("put_on", thing.name, TABLE, thing.xyz, (x, y, 0.0))
    return NextStep(step, f"for {goal.said(scene)}", goal)


def _aside(
    cover: int, goal: Goal, scene: SeenScene, keep: frozenset[int], clear_of: XY | None = None
) -> NextStep:
    thing = scene[cover]
    if cover in keep:
        raise CannotGoOn(f"The {thing.name} is in the way, and I shall not touch it.")
    if thing.is_bowl:
        raise CannotGoOn(f"The {thing.name} is in the way, and I cannot lift it.")
    x, y = anywhere(scene, cover, ASIDE, clear_of)
    step = Step("put_on", thing.name, TABLE, thing.xyz, (x, y, 0.0))
    return NextStep(step, f"the {thing.name} is in the way of {goal.said(scene)}", OnTable(cover))
