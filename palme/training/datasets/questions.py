"""Training questions for the planner: an instruction, simulated detections, the correct answer.

Each example is one sequence: an instruction and the objects, the answer (rationale and step), then sometimes
short questions about the same objects. The loss covers the answers only.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from palme.language.answers import NO, NOTHING, UNKNOWN, YES, Goal, Scene, State, answer, check, put
from palme.language.prompts import prompt_words, success_question
from palme.language.text import split_words
from palme.language.tokenizer import small_words
from palme.language.vocabulary import EOS, TABLE, Vocabulary
from palme.training.datasets.detection_noise import SHARP, DetectionNoise, perceive
from palme.training.datasets.examples import Example, Span, encode
from palme.training.datasets.out_of_scope import nonsense
from palme.training.datasets.phrasings import phrase
from palme.training.datasets.tasks import Task, TaskSource, goal_of
from palme.training.datasets.word_noise import drop_words, mask_instruction


@dataclass(frozen=True)
class _Empty:
    objects: tuple[Any, ...] = ()
    holder: tuple[int | None, ...] = ()


_EMPTY = _Empty()


RATES = {"goal": 0.5, "success": 0.08, "vqa": 0.08, "nonsense": 0.04, "absent": 0.08, "referral": 0.04}
"""Share of questions that ask for the goal alone, and, of the others, shares of other kinds than "next"."""


class QuestionMaker:
    """Draws examples. All draws come from one generator.

    Args:
        source: tasks and states.
        seed: of the generator.
        split: of the tasks' phrasings, such as "train".
        noise: of the simulated detections; None = `DetectionNoise()`.
        follow_ups: mean number of short questions after the first.
        rates: in place of `RATES`.
        own_words: share of training instructions phrased by `palme.training.datasets.phrasings`.
        read: whether a text encoder encodes the instruction as well.
        vocabulary: words as tokens; None = the small model's.
    """

    def __init__(
        self,
        source: TaskSource,
        seed: int,
        split: str = "train",
        noise: DetectionNoise | None = None,
        follow_ups: float = 0.8,
        rates: dict[str, float] | None = None,
        own_words: float = 0.12,
        read: bool = False,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self.source = source
        self.vocabulary = vocabulary or small_words()
        self.rng = random.Random(seed)
        self.split = split
        self.noise = noise or DetectionNoise()
        self.follow_ups = follow_ups
        self.own_words = own_words
        self.read = read
        self.rates = dict(RATES if rates is None else rates)

    def example(self, family: str | None = None) -> Example:
        """One training sequence, of a task of `family`; None = drawn."""
        rng = self.rng
        kind = self._drawn_kind()
        if kind == "goal" and rng.random() < 0.65:
            family = "stack_tower"  # its instructions are the hardest
        task, state = self.source.midway(rng, self.split, family)
        listed = list(range(len(state.objects)))
        rng.shuffle(listed)
        listed = listed[:16]
        goal = goal_of(task)
        if self.split == "train":
            task = self.reworded(task, goal)
            goal = goal_of(task)
        if kind == "goal":
            return self._goal_only(goal, task)
        if kind == "absent" and not (goal.order and self._hide(goal, state, listed)):
            kind = "next"
        instruction = task.instruction
        if kind == "referral":
            kind = "next"
            if goal.order:
                instruction = self._refer(goal, state, listed)
                words = [f"{o.colour}_{o.kind}" for o in state.objects]
                goal = goal_of(task, instruction, {f"obj_{k + 1}": words[i] for k, i in enumerate(listed)})
        return self.build(kind, goal, instruction, state, listed, task=task)

    def _drawn_kind(self) -> str:
        if self.rng.random() < self.rates.get("goal", 0.0):
            return "goal"
        others = {kind: share for kind, share in self.rates.items() if kind != "goal"}
        rest = 1.0 - sum(others.values())
        return self.rng.choices([*others, "next"], [*others.values(), rest])[0]

    def reworded(self, task: Any, goal: Goal) -> Any:
        """`task`, in a share `own_words` of cases phrased by `palme.training.datasets.phrasings`."""
        return (
            replace(task, instruction=phrase(goal, self.rng)) if self.rng.random() < self.own_words else task
        )

    def again(self, task: Any, state: State, listed: Sequence[int]) -> Example:
        """The next-step question of `task` in another state."""
        return self.build("next", goal_of(task), task.instruction, state, listed, task=task)

    def build(
        self,
        kind: str,
        goal: Goal,
        instruction: str,
        state: State,
        listed: Sequence[int],
        objects: dict[str, Any] | None = None,
        task: Any = None,
    ) -> Example:
        """A sequence that begins with a question of `kind` about `state`.

        Args:
            kind: "next", "absent", "nonsense", "success" or "vqa".
            goal: of the instruction.
            instruction: of a question of kind "next" or "absent".
            state: the true state.
            listed: indices into `state.objects`, in the order of the sentence.
            objects: detections in that order, false ones at the end; None = simulated.
            task: for the name of the question's kind; None = the goal's kind.
        """
        rng = self.rng
        if objects is None:
            objects = perceive(state, listed, rng, self.noise)
        n = len(objects["score"])
        scene = Scene(state, listed)
        weight = 1.0
        if kind in ("next", "absent"):
            question, ask, reply = instruction, "next", answer(goal, scene)
            name = task.family if task is not None else goal.kind
        elif kind == "nonsense":
            question, ask, reply, name = nonsense(rng), "next", [UNKNOWN, "."], kind
        else:
            about = self._success if kind == "success" else self._vqa
            question, reply, name = about(scene, state)
            ask, weight = "answer", 0.7
        read = self.read and ask == "next"
        encoded = question if read else ""
        words = prompt_words(question, n, self._history(state), ask, read)
        prompt = len(words)
        spans = [(name, weight, prompt, prompt + len(reply) + 1)]
        words += [*reply, EOS]
        k = 0
        while k < 3 and rng.random() < self.follow_ups / (1 + self.follow_ups):
            k += 1
            question, reply, name = (self._success if rng.random() < 0.45 else self._vqa)(scene, state)
            words += ["human", ":", *split_words(question), "robot", ":", "answer", ":"]
            spans.append((name, 0.35, len(words), len(words) + len(reply) + 1))
            words += [*reply, EOS]
        return self._example(words, prompt, goal, spans, objects, task, state, encoded)

    def _goal_only(self, goal: Goal, task: Task) -> Example:
        """The goal of an instruction, without objects: short, so that a batch has many instructions."""
        words = prompt_words(task.instruction, 0, read=self.read)
        prompt, reply = len(words), goal.words()
        words += reply
        spans = [(f"goal_{goal.kind}", 1.0, prompt, prompt + len(reply))]
        nothing = perceive(_EMPTY, (), self.rng, SHARP)  # without draws
        encoded = task.instruction if self.read else ""
        return self._example(words, prompt, goal, spans, nothing, task, None, encoded)

    def _example(
        self,
        words: list[str],
        prompt: int,
        goal: Goal,
        spans: list[Span],
        objects: dict[str, Any],
        task: Any,
        state: Any,
        encoded: str,
    ) -> Example:
        end = words.index("robot", 3)  # of the instruction
        words = drop_words(words, prompt, self.rng)
        if encoded and goal.kind == "stack":
            words = mask_instruction(words, end, self.rng)
        ids, in_ids, places, heavy = encode(self.vocabulary, words, spans)
        return Example(words, ids, in_ids, places, heavy, objects, self.robot(), task, state, encoded)

    def _refer(self, goal: Goal, state: State, listed: Sequence[int]) -> str:
        """An instruction for `goal` with `obj_k` for some of its objects."""
        number = {f"{state.objects[i].colour}_{state.objects[i].kind}": k + 1 for k, i in enumerate(listed)}
        names = [f"obj_{number[w]}" if self.rng.random() < 0.8 else f"the {w}" for w in goal.order]
        verb = self.rng.choice(("put", "place", "set", "move", "stack", "please put"))
        if goal.kind == "in":
            return f"{verb} {names[1]} {self.rng.choice(('in', 'into', 'inside'))} {names[0]}"
        if len(names) == 2:
            return f"{verb} {names[1]} {self.rng.choice(('on', 'onto', 'on top of'))} {names[0]}"
        if self.rng.random() < 0.5:
            return f"stack from bottom to top {' , '.join(names)}"
        return f"stack from top to bottom {' , '.join(names[::-1])}"

    def _hide(self, goal: Goal, state: State, listed: list[int]) -> bool:
        """Remove an object of the goal that holds nothing from `listed`; returns whether there was one."""
        names = [f"{o.colour}_{o.kind}" for o in state.objects]
        free = [w for w in goal.order if names.index(w) not in state.holder]
        if not free:
            return False
        listed.remove(names.index(self.rng.choice(free)))
        return True

    def _history(self, state: State) -> list[tuple[str, bool]]:
        """Random past steps and verdicts, independent of the answer."""
        if self.rng.random() < 0.65:
            return []
        steps = self.source.feasible(state)
        if not steps:
            return []
        chosen = [self.rng.choice(steps) for _ in range(self.rng.choice((1, 1, 2, 3)))]
        return [(s.text, self.rng.random() < 0.75) for s in chosen]

    def _success(self, scene: Scene, state: State) -> tuple[str, list[str], str]:
        """(question, answer, kind): was a step successful? In half of the cases it was."""
        rng = self.rng
        solids = [w for w in scene.listed if not w.endswith("_bowl")]
        if not solids:
            return self._vqa(scene, state)
        word = rng.choice(solids)
        below = scene.below(word)
        others = [w for w in scene.listed if w != word and not w.endswith("_cylinder")]
        target = below if rng.random() < 0.5 or not others else rng.choice([TABLE, *others])
        if target not in scene.place and target != TABLE:
            target = TABLE
        text = " ".join(put(word, target)[:-1])
        return success_question(text), [*check(scene, target, word)[0], "."], "success"

    def _vqa(self, scene: Scene, state: State) -> tuple[str, list[str], str]:
        rng = self.rng
        word = rng.choice(scene.listed)
        solids = [w for w in scene.listed if not w.endswith("_bowl")]
        u = rng.random()
        if u < 0.4 or not solids:
            asked = rng.choice(("where is {} ?", "what does {} rest on ?", "what is under {} ?"))
            return asked.format(word), [word, scene.below(word), "."], "vqa_below"
        solid = rng.choice(solids)
        if u < 0.75:
            asked = rng.choice(("what is on {} ?", "what lies on top of {} ?", "what covers {} ?"))
            return asked.format(solid), ["under", solid, *scene.up(solid), NOTHING, "."], "vqa_above"
        targets = [w for w in scene.listed if w != solid and not w.endswith("_cylinder")]
        target = rng.choice(targets) if targets else TABLE
        covers = scene.up(solid)
        reply = ["under", solid, *covers, NOTHING, ";"]
        possible = not covers
        if possible and target.endswith("_block"):
            covers = [c for c in scene.up(target) if c != solid]
            reply += ["under", target, *scene.up(target), NOTHING, ";"]
            possible = not covers
        text = " ".join(put(solid, target)[:-1])
        return f"is it possible to {text} now ?", [*reply, YES if possible else NO, "."], "vqa_possible"

    def robot(self) -> np.ndarray:
        """A random state of the arm (11,)."""
        rng = self.rng
        q = [rng.uniform(-1.5, 1.5) for _ in range(7)]
        return np.array(
            [*q, rng.random(), rng.uniform(0.3, 0.7), rng.uniform(-0.3, 0.3), rng.uniform(0, 0.6)], "f4"
        )
