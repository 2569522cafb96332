"""A baseline planner: most probable objects, a keyword parser for the sentence, symbolic rules for the step.

It measures the detector without a language model; `planner=readout`, never the default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from palme.errors import NoMotion
from palme.language.answers import UNKNOWN, Goal, Scene, answer, check
from palme.language.explain import explain
from palme.perception.objects import PerceivedObjects
from palme.planners.base import Context, PlannedStep, Verdict
from palme.planners.go_around import untried
from robots.skills import COLOURS, TABLE, Step
from robots.types import Observation

_BLOCK = "block cube box brick cuboid square die dice lego piece".split()
_BOWL = "bowl dish basin container cup plate tray saucer pot vessel bin receptacle bucket tub basket".split()
_CYLINDER = "cylinder can tube tin drum barrel canister pipe".split()
_NOUNS = {
    w: kind for kind, words in (("block", _BLOCK), ("bowl", _BOWL), ("cylinder", _CYLINDER)) for w in words
}
_TOKEN = re.compile(rf"\b({'|'.join(COLOURS)})\b(?: colou?red)?(?:(?= (\w+)))?|\bobj_(\d+)\b")
_FROM_TOP = re.compile(
    r"top to bottom|from (the )?top|top first|top down|downwards?|(starting|begin\w*) (with|at|from) the top"
)
_FROM_BOTTOM = re.compile(
    r"bottom to top|from (the )?bottom|bottom up|upwards?|bottom first|in (that|this) order"
)
_MATCH = re.compile(r"colou?r|sort|match|shade|hue|tidy|own|correspond|belong")


@dataclass(frozen=True)
class Appearance:
    """Colour and kind of the most probable class."""

    colour: str
    kind: str


@dataclass(frozen=True)
class ReadState:
    """The most probable state (`palme.language.answers.State`); of each class at most one object."""

    objects: tuple[Appearance, ...]
    holder: tuple[int | None, ...]


def read_out(objects: PerceivedObjects) -> ReadState:
    """Argmax of every class and holder; of two objects of one class that with the higher score."""
    best: dict[str, int] = {}
    for i in range(len(objects)):
        if objects.name(i) not in best or objects.score[i] > objects.score[best[objects.name(i)]]:
            best[objects.name(i)] = i
    rows = list(best.values())
    place = {old: new for new, old in enumerate(rows)}
    held = (int(objects.holder_probs[i].argmax()) for i in rows)
    states = tuple(Appearance(*objects.name(i).split()) for i in rows)
    holder = tuple(None if h == i else place.get(h) for h, i in zip(held, rows, strict=True))
    return ReadState(states, _without_loops(holder))


def _without_loops(holder: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """Holders without cycles, which a detector may report: an object in one is put on the table."""
    fixed = list(holder)
    for i in range(len(fixed)):
        passed, h = {i}, fixed[i]
        while h is not None and h not in passed:
            passed.add(h)
            h = fixed[h]
        if h is not None:
            fixed[i] = None
    return tuple(fixed)


def parse_goal(sentence: str, names: Sequence[str] = ()) -> Goal | None:
    """The goal of a sentence's keywords, None = no goal found.

    Args:
        sentence: the instruction.
        names: classes of obj_1, obj_2, ...
    """
    text = " ".join(re.findall(r"[a-z]+(?:_\d+)?", sentence.lower()))
    things: list[tuple[str, str]] = []  # (colour, kind or "")
    for colour, noun, k in _TOKEN.findall(text):
        if k:
            if 1 <= int(k) <= len(names):
                things.append(tuple(names[int(k) - 1].split()))  # type: ignore[arg-type]
        else:
            things.append((colour, _NOUNS.get(noun, "") or _NOUNS.get(noun.removesuffix("s"), "")))
    bowls = [c for c, kind in things if kind == "bowl"]
    solids = list(dict.fromkeys(f"{c}_{kind or 'block'}" for c, kind in things if kind != "bowl"))
    if bowls and solids:
        return Goal("in", (f"{bowls[0]}_bowl", solids[0]))
    if len(solids) >= 2:
        if re.search(r"\b(on|onto|upon|over|above|atop)\b", text) and len(solids) == 2:
            return Goal("stack", tuple(solids[::-1]))
        down = _FROM_TOP.search(text) and not _FROM_BOTTOM.search(text)
        return Goal("stack", tuple(solids[::-1] if down else solids))
    return Goal("match") if not things and _MATCH.search(text) else None


class ReadoutPlanner:
    """Symbolic rules on the most probable objects.

    Args:
        detector: observation -> `PerceivedObjects`.
    """

    def __init__(self, detector: Callable[[Observation], PerceivedObjects]) -> None:
        self._detector = detector

    def next_step(self, context: Context) -> PlannedStep:
        """See `Planner.next_step`; refused are sentences without a goal and objects not detected."""
        objects = self._detector(context.observation)
        names = [objects.name(i) for i in range(len(objects))]
        kept = context.goal if isinstance(context.goal, Goal) else None
        goal = kept or parse_goal(context.instruction, names)
        if goal is None:
            raise NoMotion("I find no goal in that sentence: name a block and a bowl, or blocks to stack.")
        # Of several correct steps the order of the objects decides: what blocks one may leave another free.
        turns = range(max(len(objects), 1) if context.blocked else 1)
        return untried((_planned(goal, objects.rotated(k)) for k in turns), context.blocked)

    def was_successful(self, context: Context, step: Step) -> Verdict:
        """Whether the object is detected where the step put it."""
        objects = self._detector(context.observation)
        if step.is_done:
            done = self.next_step(context).step.is_done
            return Verdict(done, float(done))
        step = step.resolve([objects.name(i) for i in range(len(objects))])
        target = TABLE if step.target == TABLE else step.target.replace(" ", "_")
        what, scene = step.what.replace(" ", "_"), _scene(objects)
        if what not in scene.place:
            return Verdict(False, 0.0, f"the {step.what} is not detected")
        words, right = check(scene, target, what)
        return Verdict(right, float(right), explain([*words, ";"]))


def _planned(goal: Goal, objects: PerceivedObjects) -> PlannedStep:
    try:
        words = answer(goal, _scene(objects))
    except KeyError as error:
        raise NoMotion(f"I do not see the {error.args[0].replace('_', ' ')} on the table.") from None
    start = len(words) - words[::-1].index(";")
    if words[start] == UNKNOWN:
        raise NoMotion(f"I do not see the {words[start - 3].replace('_', ' ')} on the table.")
    step = Step.parse(" ".join(w.replace("_", " ") for w in words[start:] if w != "."))
    return PlannedStep(step, explain(words[:start]), 1.0, objects=objects, goal=goal)


def _scene(objects: PerceivedObjects) -> Scene:
    state = read_out(objects)
    return Scene(state, range(len(state.objects)))
