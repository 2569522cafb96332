"""Short questions about a scene, each with one word as its answer: those of PaLM-E's TAMP, and of a robot.

    q1  what colour is obj_3 ?                                                     red
    q2  is red_block left , right or centre ?                                      left
    q3  is red_block on , under , left or right of blue_bowl ?                     on
    q4  is it possible to grasp red_block , put it on blue_block , then grasp green_block ?  yes
    bowl_colour  what colour is the block in blue_bowl ?                           red
    affordance   is it possible to put red_block on blue_block now ?               no
    failure      did put red_block in blue_bowl fail ?                             yes

Yes and no are drawn first, each in half of the cases, where the scene has a question for both.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from palme.language.answers import NO, NOTHING, YES, Scene, State, put
from palme.language.vocabulary import TABLE
from palme.training.datasets.tasks import TaskSource
from robots.skills import COLOURS, Step

SIDES = ("left", "right", "centre")
RELATIONS = ("on", "under", "left", "right")
YES_NO = (YES, NO)
SIDE = 0.12  # [m] from the middle of the table, beyond which a thing lies left or right
CLEARLY = 0.03  # [m] from a border, within which nobody is asked
TRIES = 12


@dataclass(frozen=True)
class ShortQuestion:
    """A question with one word as its answer.

    Attributes:
        kind: see module.
        text: the question.
        answer: the right word.
        choices: words that may be said.
    """

    kind: str
    text: str
    answer: str
    choices: tuple[str, ...]


class ShortQuestions:
    """Draws questions about one scene.

    Args:
        source: which steps are possible.
        rng: of all draws.
        state: the true state.
        listed: indices into `state.objects`, in the order of the sentence.
        objects: fields of `PerceivedObjects`, the detections of `listed` first.
    """

    def __init__(
        self,
        source: TaskSource,
        rng: random.Random,
        state: State,
        listed: Sequence[int],
        objects: dict[str, Any],
    ) -> None:
        self._source, self._rng, self._state = source, rng, state
        self._scene = Scene(state, listed)
        self._y = {word: float(objects["xyz"][k][1]) for k, word in enumerate(self._scene.listed)}
        self._solids = [w for w in self._scene.listed if not w.endswith("_bowl")]
        self._steps: list[Step] = [s for s in source.feasible(state) if self._sees(s)]

    def draw(self, kind: str) -> ShortQuestion | None:
        """One of `KINDS`; None = this scene has none, or none was found."""
        return KINDS[kind](self)

    def q1(self) -> ShortQuestion | None:
        """The colour of obj_k."""
        k = self._rng.randrange(len(self._scene.listed))
        colour = self._scene.listed[k].split("_")[0]
        return ShortQuestion("q1", f"what colour is obj_{k + 1} ?", colour, COLOURS)

    def q2(self) -> ShortQuestion | None:
        """Where on the table a thing is."""
        found = {w: s for w, y in self._y.items() if (s := _side(y)) is not None}
        side = self._rng.choice(SIDES)
        word = self._one([w for w, s in found.items() if s == side] or list(found))
        if word is None:
            return None
        return ShortQuestion("q2", f"is {word} left , right or centre ?", found[word], SIDES)

    def q3(self) -> ShortQuestion | None:
        """How two things lie to one another."""
        wanted = self._rng.choice(RELATIONS)
        pairs = [(a, b) for a in self._scene.listed for b in self._scene.listed if a != b]
        self._rng.shuffle(pairs)
        known = [(a, b, r) for a, b in pairs if (r := self._relation(a, b)) is not None]
        chosen = next((k for k in known if k[2] == wanted), known[0] if known else None)
        if chosen is None:
            return None
        a, b, relation = chosen
        return ShortQuestion("q3", f"is {a} on , under , left or right of {b} ?", relation, RELATIONS)

    def q4(self) -> ShortQuestion | None:
        """Whether a thing can be grasped once another one was put somewhere."""
        for wanted in self._either():
            for _ in range(TRIES):
                a, b, c = self._one(self._solids), self._target(), self._one(self._solids)
                if a is None or b is None or c is None or a == c or a == b:
                    continue
                if self._plan(a, b, c) == wanted:
                    text = f"is it possible to grasp {a} , put it {_in(b)} {b} , then grasp {c} ?"
                    return ShortQuestion("q4", text, YES if wanted else NO, YES_NO)
        return None

    def bowl_colour(self) -> ShortQuestion | None:
        """The colour of the one block in a bowl."""
        bowls = [w for w in self._scene.listed if w.endswith("_bowl")]
        inside = {b: [w for w in self._solids if self._scene.below(w) == b] for b in bowls}
        full = [b for b, held in inside.items() if len(held) == 1 and held[0].endswith("_block")]
        empty = [b for b, held in inside.items() if not held]
        first, second = (full, empty) if self._rng.random() < 0.75 else (empty, full)
        bowl = self._one(first or second)
        if bowl is None:
            return None
        answer = inside[bowl][0].split("_")[0] if inside[bowl] else NOTHING
        text = f"what colour is the block in {bowl} ?"
        return ShortQuestion("bowl_colour", text, answer, (*COLOURS, NOTHING))

    def affordance(self) -> ShortQuestion | None:
        """Whether a step is possible now."""
        can = {(_word(s.what), _word(s.target)) for s in self._steps}
        for wanted in self._either():
            for _ in range(TRIES):
                a, b = self._one(self._solids), self._target()
                if a is None or b is None or a == b or self._scene.below(a) == b:
                    continue
                if ((a, b) in can) == wanted:
                    text = f"is it possible to {' '.join(put(a, b)[:-1])} now ?"
                    return ShortQuestion("affordance", text, YES if wanted else NO, YES_NO)
        return None

    def failure(self) -> ShortQuestion | None:
        """Whether a step failed."""
        for wanted in self._either():
            for _ in range(TRIES):
                a = self._one(self._solids)
                b = None if a is None else self._target() if wanted else self._scene.below(a)
                if a is None or b is None or a == b or b.endswith("_cylinder"):
                    continue
                if (self._scene.below(a) != b) == wanted:
                    text = f"did {' '.join(put(a, b)[:-1])} fail ?"
                    return ShortQuestion("failure", text, YES if wanted else NO, YES_NO)
        return None

    def _either(self) -> tuple[bool, bool]:
        first = self._rng.random() < 0.5
        return first, not first

    def _one(self, words: Sequence[str]) -> str | None:
        return self._rng.choice(words) if words else None

    def _target(self) -> str | None:
        return self._one([TABLE, *(w for w in self._scene.listed if not w.endswith("_cylinder"))])

    def _sees(self, step: Step) -> bool:
        return {_word(step.what), _word(step.target)} <= {TABLE, *self._scene.place}

    def _relation(self, a: str, b: str) -> str | None:
        if self._scene.below(a) == b:
            return "on"
        if self._scene.below(b) == a:
            return "under"
        if set(self._column(a)) & set(self._column(b)):
            return None
        dy = self._y[a] - self._y[b]
        return None if abs(dy) < 2 * CLEARLY else "left" if dy > 0 else "right"

    def _column(self, word: str) -> list[str]:
        return [w for w in (word, *self._scene.down(word)) if w != TABLE]

    def _plan(self, a: str, b: str, c: str) -> bool:
        first = next((s for s in self._steps if (_word(s.what), _word(s.target)) == (a, b)), None)
        if first is None:
            return False
        after = self._source.apply(self._state, first)
        return any(_word(s.what) == c for s in self._source.feasible(after))


def _side(y: float) -> str | None:
    if abs(abs(y) - SIDE) < CLEARLY:
        return None
    return "centre" if abs(y) < SIDE else "left" if y > 0 else "right"


def _in(target: str) -> str:
    return "in" if target.endswith("_bowl") else "on"


def _word(name: str) -> str:
    return name.replace(" ", "_")


KINDS: dict[str, Callable[[ShortQuestions], ShortQuestion | None]] = {
    "q1": ShortQuestions.q1,
    "q2": ShortQuestions.q2,
    "q3": ShortQuestions.q3,
    "q4": ShortQuestions.q4,
    "bowl_colour": ShortQuestions.bowl_colour,
    "affordance": ShortQuestions.affordance,
    "failure": ShortQuestions.failure,
}
