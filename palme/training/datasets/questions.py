"""Questions without end for the planner: a sentence, imitated objects, the right words.

Each example is one sequence: an instruction and the objects, the answer (rationale and step), then
sometimes short questions about the same objects. The loss falls on answers only.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

import numpy as np

from palme.language.answers import NO, NOTHING, UNKNOWN, YES, Goal, Scene, State, answer, check, put
from palme.language.constrained_decoding import WAYS
from palme.language.prompts import prompt_words, success_question
from palme.language.sentence import Placeholder, placeholder
from palme.language.small_vocabulary import ANSWER_WORDS, plain_words, small_vocabulary
from palme.language.text import mentions, split_words
from palme.language.tokenizer import small_words
from palme.language.vocabulary import ENTITY_WORDS, EOS, OBJECT_WORDS, PAD, TABLE, UNK, Vocabulary
from palme.training.datasets.detection_noise import SHARP, DetectionNoise, perceive
from palme.training.datasets.out_of_scope import nonsense
from palme.training.datasets.phrasings import say
from robots.skills import COLOURS, SHADES, Step


class Task(Protocol):
    """`sim.tasks.Task`, as far as training looks at it."""

    family: str
    goal: Any
    instruction: str

    def acceptable_steps(self, state: Any) -> frozenset[Step]: ...


@dataclass(frozen=True)
class TaskSource:
    """Where tasks come from; the command line hands in functions of `sim.tasks`.

    Attributes:
        midway: (rng, split, family or None) -> (task, state on the way to its goal).
        feasible: state -> the steps that can be carried out.
        apply: (state, step) -> state.
        on_state: (rng, split, state) -> a task about the state's objects, or None.
        make_state: ((colour, kind, size) of each object, holders) -> state.
    """

    midway: Callable[[random.Random, str, str | None], tuple[Task, Any]]
    feasible: Callable[[Any], list[Step]]
    apply: Callable[[Any, Step], Any]
    on_state: Callable[[random.Random, str, Any], Any] | None = None
    make_state: Callable[[Sequence[tuple[str, str, str]], Sequence[int | None]], Any] | None = None


@dataclass
class Example:
    """One training sequence.

    Attributes:
        words: the whole sequence; where an observation stands, its placeholder.
        ids: the same as token ids; a placeholder keeps the place of its soft token.
        said: positions in `ids` that the model has to say, by question: (kind, weight, start, end).
        places: (position in `ids`, placeholder) of each observation.
        heavy: positions in `ids` of words on which a whole tower hangs (`WAYS`).
        objects: fields of `PerceivedObjects`.
        robot: (11,) robot state.
        task, state: what it was made from.
        heard: the instruction that a text encoder reads for `<read>`, "" = the sequence has none.
    """

    words: list[str]
    ids: list[int]
    said: list[tuple[str, float, int, int]]
    places: list[tuple[int, Placeholder]]
    heavy: frozenset[int]
    objects: dict[str, Any]
    robot: np.ndarray
    task: Any = None
    state: Any = None
    heard: str = ""

    @property
    def prompt(self) -> int:
        """How many of `ids` come before the first answer."""
        return self.said[0][2]


def goal_of(task: Task, instruction: str = "", names: dict[str, str] | None = None) -> Goal:
    """The goal of a task of one of the three families, in entity words.

    Args:
        instruction: said in place of the task's own.
        names: what `obj_k` stands for in it, as entity words.
    """
    goal = task.goal
    if hasattr(goal, "bowl"):
        return Goal("in", (_entity(goal.bowl), _entity(goal.block)))
    if hasattr(goal, "blocks"):
        order = tuple(_entity(b) for b in goal.blocks)
        said = mentions(instruction or task.instruction)
        named = dict.fromkeys((names or {}).get(w, f"{w}_block") for w in said)
        found = [w for w in named if w in order]
        return Goal("stack", order, (*found, *(w for w in order if w not in found)))
    return Goal("match")


def _entity(name: str) -> str:
    return name.replace(" ", "_")


Span = tuple[str, float, int, int]
"""What is to be said: (kind of question, weight, first word, first word after it)."""


def encode(
    vocabulary: Vocabulary, words: Sequence[str], spans: Sequence[Span]
) -> tuple[list[int], list[Span], list[tuple[int, Placeholder]], frozenset[int]]:
    """`ids`, `said`, `places` and `heavy` of an `Example` of `words`; `spans` count in words."""
    ids: list[int] = []
    starts: list[int] = []
    heavy: set[int] = set()
    places: list[tuple[int, Placeholder]] = []
    for word in words:
        starts.append(len(ids))
        if word[0] == "<" and (part := placeholder(word)) is not None:
            places.append((len(ids), part))
            ids.append(vocabulary.pieces(PAD)[0])
        else:
            ids += vocabulary.pieces(word)
            if word in WAYS:
                heavy.update(range(starts[-1], len(ids)))
    starts.append(len(ids))
    said = [(kind, weight, starts[a], starts[b]) for kind, weight, a, b in spans]
    return ids, said, places, frozenset(heavy)


@dataclass(frozen=True)
class _Empty:
    objects: tuple[Any, ...] = ()
    holder: tuple[int | None, ...] = ()


_EMPTY = _Empty()


RATES = {"goal": 0.5, "success": 0.08, "vqa": 0.08, "nonsense": 0.04, "absent": 0.08, "referral": 0.04}
"""How often only the goal is asked for, and of the rest, how often something else than the next step."""
DEAF = 0.35  # share of towers of whose words the model hears the names alone, where a reader reads them all


class QuestionMaker:
    """Draws examples. Every draw comes from one generator seeded by `seed`.

    Args:
        follow_ups: mean number of short questions after the first.
        own_words: share of training sentences said by `palme.training.datasets.phrasings`, not by the task.
        rates: as `RATES`, in its place.
        read: whether a text encoder reads the instruction too.
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
        """One training sequence."""
        rng = self.rng
        kind = self._drawn_kind()
        if kind == "goal" and rng.random() < 0.65:
            family = "stack_tower"  # its sentences are the hardest to read
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
        """`task`, now and then said in the words of `palme.training.datasets.phrasings`."""
        return replace(task, instruction=say(goal, self.rng)) if self.rng.random() < self.own_words else task

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
            listed: indices into `state.objects`, in the order in which the sentence lists them.
            objects: what detector saw, in that order (ghosts at the end); None imitates it.
        """
        rng = self.rng
        if objects is None:
            objects = perceive(state, listed, rng, self.noise)
        n = len(objects["score"])
        scene = Scene(state, listed)
        weight = 1.0
        if kind in ("next", "absent"):
            question, ask, said = instruction, "next", answer(goal, scene)
            name = task.family if task is not None else goal.kind
        elif kind == "nonsense":
            question, ask, said, name = nonsense(rng), "next", [UNKNOWN, "."], kind
        else:
            about = self._success if kind == "success" else self._vqa
            question, said, name = about(scene, state)
            ask, weight = "answer", 0.7
        read = self.read and ask == "next"
        heard = question if read else ""
        words = prompt_words(question, n, self._history(state), ask, read)
        prompt = len(words)
        spans = [(name, weight, prompt, prompt + len(said) + 1)]
        words += [*said, EOS]
        k = 0
        while k < 3 and rng.random() < self.follow_ups / (1 + self.follow_ups):
            k += 1
            question, said, name = (self._success if rng.random() < 0.45 else self._vqa)(scene, state)
            words += ["human", ":", *split_words(question), "robot", ":", "answer", ":"]
            spans.append((name, 0.35, len(words), len(words) + len(said) + 1))
            words += [*said, EOS]
        kept = self._drop_words(words, prompt)
        if heard and goal.kind == "stack":
            kept = self._deafen(kept, words.index("robot", 3))
        return self._example(kept, spans, objects, task, state, heard)

    def _goal_only(self, goal: Goal, task: Task) -> Example:
        """Only what the sentence asks for, no objects: short, so that many sentences can be read."""
        words = prompt_words(task.instruction, 0, read=self.read)
        prompt, said = len(words), goal.words()
        words += said
        kept = self._drop_words(words, prompt)
        nothing = perceive(_EMPTY, (), self.rng, SHARP)
        heard = task.instruction if self.read else ""
        if heard and goal.kind == "stack":
            kept = self._deafen(kept, words.index("robot", 3))
        spans = [(f"goal_{goal.kind}", 1.0, prompt, prompt + len(said))]
        return self._example(kept, spans, nothing, task, None, heard)

    def _example(
        self, words: list[str], spans: list[Span], objects: dict[str, Any], task: Any, state: Any, heard: str
    ) -> Example:
        ids, said, places, heavy = encode(self.vocabulary, words, spans)
        robot = self._robot()
        return Example(words, ids, said, places, heavy, objects, robot, task, state, heard=heard)

    def _refer(self, goal: Goal, state: State, listed: Sequence[int]) -> str:
        """The goal said with `obj_k` for some of its objects."""
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
        """Takes one thing that the goal names out of sight, if nothing rests on it."""
        names = [f"{o.colour}_{o.kind}" for o in state.objects]
        free = [w for w in goal.order if names.index(w) not in state.holder]
        if not free:
            return False
        listed.remove(names.index(self.rng.choice(free)))
        return True

    def _history(self, state: State) -> list[tuple[str, bool]]:
        """Steps said before. Drawn at random, so that they never tell the answer."""
        if self.rng.random() < 0.65:
            return []
        steps = self.source.feasible(state)
        if not steps:
            return []
        chosen = [self.rng.choice(steps) for _ in range(self.rng.choice((1, 1, 2, 3)))]
        return [(s.text, self.rng.random() < 0.75) for s in chosen]

    def _success(self, scene: Scene, state: State) -> tuple[str, list[str], str]:
        """Was the step successful? Half of the time it was."""
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
        said = ["under", solid, *covers, NOTHING, ";"]
        possible = not covers
        if possible and target.endswith("_block"):
            covers = [c for c in scene.up(target) if c != solid]
            said += ["under", target, *scene.up(target), NOTHING, ";"]
            possible = not covers
        text = " ".join(put(solid, target)[:-1])
        return f"is it possible to {text} now ?", [*said, YES if possible else NO, "."], "vqa_possible"

    def _drop_words(self, words: list[str], prompt: int) -> list[str]:
        """Now and then a plain word of the question is unknown or another one: new words will come."""
        rng = self.rng
        if rng.random() > 0.3:
            return words
        droppable, fillers = _droppable()
        kept = list(words)
        for i in range(3, prompt):
            if words[i] == "robot":
                break
            if words[i] in droppable and rng.random() < 0.12:
                kept[i] = UNK if rng.random() < 0.6 else rng.choice(fillers)
        return kept

    def _deafen(self, words: list[str], robot: int) -> list[str]:
        """Now and then only the names in the sentence, the words before `robot`, are heard: the way is taken
        from the text encoder's features."""
        if self.rng.random() >= DEAF:
            return words
        return [UNK if 3 <= i < robot and w not in _NAMES else w for i, w in enumerate(words)]

    def _robot(self) -> np.ndarray:
        rng = self.rng
        q = [rng.uniform(-1.5, 1.5) for _ in range(7)]
        return np.array(
            [*q, rng.random(), rng.uniform(0.3, 0.7), rng.uniform(-0.3, 0.3), rng.uniform(0, 0.6)], "f4"
        )


_NAMES = frozenset((
    *COLOURS, *(w for shade in SHADES for w in shade.split()), *ENTITY_WORDS, *OBJECT_WORDS, "<read>",
))  # fmt: skip
_CONTENT = frozenset(
    """
    red orange yellow green cyan blue purple pink in into inside on onto upon over above under
    underneath below beneath within atop between top tops bottom bottoms base first last then next up
    down upward upwards downward downwards lowest highest upper lower higher lowermost uppermost topmost
    bottommost undermost before after reverse order starting ending begin beginning end start finish
    foundation crown foot head peak summit roof cap apex ground floor ceiling sky table from to toward
    towards with without it its that which this each one two three four second third fourth number same
    match matching matches sort own stack stacks stacked stacking tower towers pile piles piled column
    pillar totem skyscraper heap layer layers level levels storey storeys story follows followed
    following preceding successor predecessor support supports carries carry bear bears rest rests sits
    sit stands bowl bowls dish dishes basin container containers cup plate tray saucer pot vessel bin
    receptacle bucket tub basket holder pan ring block blocks cube cubes box boxes brick bricks piece
    square toy die dice cuboid lego chunk item cylinder can tube tin drum barrel peg canister pipe disc
    fill hold holds contain contains color colour colors colours coloured colored hue shade respective
    corresponding every all light dark not except than earlier later counting reading ascending
    descending increasing decreasing rising falling growing sinking topped
    """.split()
)


@cache
def _droppable() -> tuple[frozenset[str], tuple[str, ...]]:
    """Words that may be lost (no image: "attic" is a way up), and those that may take their place."""
    words = frozenset(plain_words()) - _CONTENT - frozenset(ANSWER_WORDS)
    return words, tuple(w for w in small_vocabulary() if w in words and w.isalpha())


def sharp(source: TaskSource, seed: int, split: str) -> QuestionMaker:
    """Questions for evaluation with perfect detector: next steps only, no follow-ups."""
    return QuestionMaker(source, seed, split, SHARP, follow_ups=0.0, rates={})
