"""`judge=clip`: a planner whose steps CLIP judges beside it, or in its place."""

from __future__ import annotations

import numpy as np

from palme.perception.objects import PerceivedObjects
from palme.planners.base import Context, PlannedStep, Planner, Verdict, by_name
from palme.planners.clip.naming import BOWL_MIDDLE, detail_of
from palme.planners.clip.outcome import OutcomeJudge, Wanted
from robots.skills import ENTITIES, TABLE, BadStep, Step
from robots.types import CameraFrame, Observation


class JudgedByClip:
    """A `Planner` that plans as `planner` does; CLIP judges steps that put something in or on a thing.

    Where a step is of another kind, or where the target was not seen, `planner` judges it.

    Args:
        planner: plans, and judges what CLIP does not.
        judge: of outcomes.
        camera: name of the detector's camera.
        both: true = a step succeeded where both say so, and its reason gives both; false = CLIP decides.
    """

    def __init__(self, planner: Planner, judge: OutcomeJudge, camera: str, both: bool = False) -> None:
        self.planner, self._judge, self._camera, self._both = planner, judge, camera, both
        self._before: tuple[Step, CameraFrame, PerceivedObjects] | None = None

    def next_step(self, context: Context) -> PlannedStep:
        """See `Planner.next_step`."""
        plan = self.planner.next_step(context)
        self._before = None
        if plan.objects is not None and not plan.step.is_done:
            try:
                step = by_name(plan)
            except BadStep:
                return plan
            self._before = (step, detail_of(context.observation, self._camera), plan.objects)
        return plan

    def was_successful(self, context: Context, step: Step) -> Verdict:
        """See `Planner.was_successful`."""
        own = self.verdict(context.observation, step)
        if own is None:
            return self.planner.was_successful(context, step)
        if not self._both:
            return own
        other = self.planner.was_successful(context, step)
        p = own.probability if other.probability is None else min(own.probability or 0.0, other.probability)
        success = own.success and other.success
        return Verdict(success, p, f"{other.reason}; {own.reason}".strip("; "), other.unsure and own.success)

    def verdict(self, observation: Observation, step: Step) -> Verdict | None:
        """CLIP's; None where it has none."""
        if self._before is None or step.is_done or step.target == TABLE:
            return None
        planned, before, objects = self._before
        if planned.by_name != step.by_name and planned != step:
            return None
        at = place_of(step, objects)
        if at is None:
            return None
        after = detail_of(observation, self._camera)
        return self._judge.judge(Wanted.by(step), at, before, after)


def place_of(step: Step, objects: PerceivedObjects) -> np.ndarray | None:
    """(3,) middle of a step's target in [m], base frame, as it was seen; None = it was not."""
    if step.target_at is not None:
        at = np.array(step.target_at, np.float64)
    elif step.target in ENTITIES and objects.sees(step.target):
        at = objects.xyz[int(objects.class_probs[:, ENTITIES.index(step.target)].argmax())].astype(np.float64)
    else:
        return None
    return at + [0.0, 0.0, BOWL_MIDDLE if step.skill == "put_in" else 0.0]
