"""Of the steps that a planner could take next: one that the arm was not kept from, or the reason why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from palme.errors import NoMotion, Stuck
from palme.planners.base import Blocked, PlannedStep, by_name
from robots.skills import BadStep, Step

TRIES = 2
"""Times that one step is tried: what blocked it once, such as a person's hand, may be gone."""


def untried(plans: Iterable[PlannedStep], blocked: Sequence[Blocked]) -> PlannedStep:
    """The first of `plans` that the arm was kept from least often.

    Args:
        plans: in order of preference, at least one; no more of them are made than are needed.
        blocked: steps that the arm was kept from.

    Raises:
        Stuck: it was kept from each of them as often as a step is tried; the message says by what.
    """
    times = Counter(_named(one.step) for one in blocked)
    best: tuple[int, PlannedStep] | None = None
    for plan in _made(plans):
        if best is not None and plan.step.is_done:  # done but for what is still worth a try
            continue
        tried = times[_named(_by_name(plan))]
        if best is None or tried < best[0]:
            best = tried, plan
        if not tried:
            break
    if best is None:
        raise ValueError("no plan is given")
    tried, plan = best
    if not tried < TRIES:
        step = _by_name(plan)
        why = next(one.obstacle for one in reversed(blocked) if _named(one.step) == _named(step))
        raise Stuck(f"I cannot {step.text}: {why}.", plan.goal)
    return plan


def _made(plans: Iterable[PlannedStep]) -> Iterator[PlannedStep]:
    """`plans`, up to one that cannot be made; that the first cannot is raised."""
    made = False
    try:
        for plan in plans:
            yield plan
            made = True
    except NoMotion:
        if not made:
            raise


def _named(step: Step) -> tuple[str, str, str]:
    return step.skill, step.what, step.target


def _by_name(plan: PlannedStep) -> Step:
    try:
        return by_name(plan)
    except BadStep:  # of an object that is not listed; the agent says so
        return plan.step
