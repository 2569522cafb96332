"""`planner=clip`: one step about things that the detector has no names for, found by CLIP.

"put the striped duck in the shiny bowl": the detector finds the things, whatever they look like; CLIP finds
the two that the phrases mean. The step then names each by the detector's nearest name and by its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from palme.errors import NoMotion, Question
from palme.perception.objects import PerceivedObjects
from palme.planners.base import Context, PlannedStep, Verdict
from palme.planners.clip.naming import BOWL_MIDDLE, Namer, detail_of, is_bowl
from palme.planners.clip.outcome import OutcomeJudge, Wanted
from robots.skills import DONE, TABLE, Location, Step
from robots.types import CameraFrame, Observation

SURE = 0.6
"""Probability from which on a phrase means one object; below it the planner asks."""
_ORDER = re.compile(
    r"(?:please\s+)?(?:put|place|move|drop|set|lay|stack|bring)\s+(?P<what>.+?)\s+"
    r"(?P<where>inside|into|in|on top of|onto|on)\s+(?P<target>.+?)(?:\s*,?\s*please)?\s*[.!]?",
    re.IGNORECASE,
)
_TABLE = re.compile(r"(?:the\s+)?table(?:top)?", re.IGNORECASE)


@dataclass(frozen=True)
class Order:
    """One thing to be put somewhere, in the words of the sentence.

    Attributes:
        what, target: phrases; `TABLE` for the table.
        is_in: in the target, else on it.
    """

    what: str
    target: str
    is_in: bool


def read_order(sentence: str) -> Order:
    """The order that a sentence gives. Raises NoMotion: it is none of the kind that this planner reads."""
    match = _ORDER.fullmatch(" ".join(sentence.split()))
    if match is None or re.search(r"\b(?:and|then|or|all|every|each|both)\b", sentence, re.IGNORECASE):
        raise NoMotion(
            "I read only “put A in B” and “put A on B” with planner=clip, one thing at a time; "
            "say it so, or choose planner=auto."
        )
    target = TABLE if _TABLE.fullmatch(match["target"]) else match["target"]
    return Order(match["what"], target, match["where"].lower().startswith("in"))


class ClipPlanner:
    """See module; a `Planner`.

    Args:
        detector: observation -> what is on the table.
        namer: of phrases.
        judge: of outcomes.
        camera: name of the detector's camera.
    """

    def __init__(
        self,
        detector: Callable[[Observation], PerceivedObjects],
        namer: Namer,
        judge: OutcomeJudge,
        camera: str = "front",
    ) -> None:
        self._detector, self._namer, self._judge, self._camera = detector, namer, judge, camera
        self._last: tuple[Order, Step, CameraFrame] | None = None

    def next_step(self, context: Context) -> PlannedStep:
        """The one step, or done once it was judged successful.

        Raises:
            NoMotion: the sentence is no single order, or nothing of the kind is there.
            Question: a phrase may mean one of several things.
        """
        order = read_order(context.instruction)
        objects = self._detector(context.observation)
        if context.history and context.history[-1][1]:
            return PlannedStep(DONE, "the step was judged successful", 1.0, None, objects)
        frame = detail_of(context.observation, self._camera)
        bowl = is_bowl(objects)
        solids, bowls = np.flatnonzero(~bowl).tolist(), np.flatnonzero(bowl).tolist()
        what, p = self._one(order.what, frame, objects, solids)
        if order.target == TABLE:
            step = Step("put_on", objects.name(what), TABLE, what_at=_at(objects, what))
        else:
            among = bowls if order.is_in else [k for k in solids if k != what]
            target, p_target = self._one(order.target, frame, objects, among)
            p = min(p, p_target)
            step = Step(
                "put_in" if order.is_in else "put_on", objects.name(what), objects.name(target),
                _at(objects, what), _at(objects, target),
            )  # fmt: skip
        self._last = (order, step, frame)
        return PlannedStep(step, f"CLIP finds {order.what} with probability {p:.2f}", p, None, objects)

    def was_successful(self, context: Context, step: Step) -> Verdict:
        """See `OutcomeJudge`; a step to the table succeeded where nothing is left at its place."""
        if self._last is None or step.is_done:
            return Verdict(step.is_done, None)
        order, planned, before = self._last
        if step.target_at is None:
            objects = self._detector(context.observation)
            gone = planned.what_at is None or not _is_at(objects, planned.what_at)
            return Verdict(gone, None, "it is gone from its place" if gone else "it is where it was")
        at = np.array(step.target_at) + [0.0, 0.0, BOWL_MIDDLE if order.is_in else 0.0]
        after = detail_of(context.observation, self._camera)
        wanted = Wanted(order.what, order.target, order.is_in)
        return self._judge.judge(wanted, at, before, after)

    def _one(
        self, phrase: str, frame: CameraFrame, objects: PerceivedObjects, among: Sequence[int]
    ) -> tuple[int, float]:
        """The object that a phrase means, and with what probability. Raises NoMotion, Question."""
        if not among:
            raise NoMotion(f"I see nothing on the table that “{phrase}” may mean.")
        p = self._namer.which(phrase, frame, objects, among)
        best = int(p.argmax())
        if not p[best] > 0:
            raise NoMotion(f"I see nothing on the table that looks like “{phrase}”.")
        if p[best] < SURE:
            two = [objects.xyz[among[k]] for k in sorted(p.argsort()[::-1][:2])]
            spots = " or ".join(f"at ({x:.2f}, {y:.2f}) m" for x, y, _ in two)
            raise Question(f"Which one is “{phrase}”: the one {spots}?")
        return among[best], float(p[best])


def _at(objects: PerceivedObjects, k: int) -> Location:
    x, y, z = (float(value) for value in objects.xyz[k])
    return (x, y, z)


def _is_at(objects: PerceivedObjects, at: Location) -> bool:
    return bool((np.linalg.norm(objects.xyz - np.array(at), axis=1) < 0.02).any())
