"""From goals to the next step: what is in the way goes first, and what came undone is done again."""

from __future__ import annotations

from dataclasses import dataclass

from palme.planners.program.free_places import NoRoom, anywhere, in_the_way
from palme.planners.program.goals import Goal, InBowl, On, OnTable, Unmoved
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

    def next(self, scene: SeenScene) -> NextStep | None:
        """What to do on `scene`; None where nothing is left to do.

        Raises:
            CannotGoOn: a thing is not seen any more, is in the way and not to be touched, or has no place.
        """
        goal = self._open(scene)
        if goal is None:
            return None
        try:
            return _towards(goal, scene, self.intent.keep)
        except NoRoom as error:
            raise CannotGoOn(str(error)) from error

    def _open(self, scene: SeenScene) -> Goal | None:
        goals = self.intent.goals
        while self.reached < len(goals) and _holds(goals[self.reached], scene):
            self.reached += 1
        if self.reached < len(goals):
            return goals[self.reached]
        left = [goal for goal in self.intent.final if not _holds(goal, scene)]
        return next((goal for goal in left if not isinstance(goal, Unmoved)), None)

    def broken(self, scene: SeenScene) -> tuple[Goal, ...]:
        """What was not to be touched and is not where it was."""
        return tuple(
            goal for goal in self.intent.final if isinstance(goal, Unmoved) and not _holds(goal, scene)
        )


def _holds(goal: Goal, scene: SeenScene) -> bool:
    _check_seen(goal, scene)
    return goal.holds(scene)


def _check_seen(goal: Goal, scene: SeenScene) -> None:
    for part in ("what", "bowl", "below", "of", "a", "b"):
        id = getattr(goal, part, None)
        if id is not None and id not in scene:
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
    x, y = spot(scene, goal)
    there = in_the_way(scene, (x, y), goal.what)
    if there is not None:
        top = next(iter(reversed(scene.above(there))), there)
        return _aside(top, goal, scene, keep)
    step = Step("put_on", thing.name, TABLE, thing.xyz, (x, y, 0.0))
    return NextStep(step, f"for {goal.said(scene)}", goal)


def _aside(cover: int, goal: Goal, scene: SeenScene, keep: frozenset[int]) -> NextStep:
    thing = scene[cover]
    if cover in keep:
        raise CannotGoOn(f"The {thing.name} is in the way, and I shall not touch it.")
    if thing.is_bowl:
        raise CannotGoOn(f"The {thing.name} is in the way, and I cannot lift it.")
    x, y = anywhere(scene, cover, ASIDE)
    step = Step("put_on", thing.name, TABLE, thing.xyz, (x, y, 0.0))
    return NextStep(step, f"the {thing.name} is in the way of {goal.said(scene)}", OnTable(cover))
