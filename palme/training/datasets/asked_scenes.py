"""Scenes with questions about them: a limited number of distinct examples.

An example is one question with its answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from palme.language.answers import Scene, answer, check, put
from palme.language.prompts import success_question
from palme.language.vocabulary import TABLE
from palme.training.datasets.detection_noise import DetectionNoise, perceive
from palme.training.datasets.questions import QuestionMaker
from palme.training.datasets.scene_questions import KINDS as SHORT
from palme.training.datasets.scene_questions import ShortQuestions
from palme.training.datasets.tasks import TaskSource, goal_of

NEXT, SUCCESS = "next", "success"
KINDS = (NEXT, SUCCESS, *SHORT)
ASKED = 10  # questions about a scene
SHARES = {NEXT: 0.2, SUCCESS: 0.08, **{kind: 0.72 / len(SHORT) for kind in SHORT}}


@dataclass(frozen=True)
class Asked:
    """A question about a scene.

    Attributes:
        kind: one of `KINDS`.
        text: the question.
        reply: words of the answer, without what the grammar leaves no choice about at its end.
        choices: words that may be said; () = by the grammar of answers.
        given: words that the answer begins with, target and object of a step whose success is asked for.
    """

    kind: str
    text: str
    reply: tuple[str, ...]
    choices: tuple[str, ...] = ()
    given: tuple[str, ...] = ()

    @property
    def ask(self) -> str:
        """What the prompt ends with, see `prompt_words`."""
        return "next" if self.kind == NEXT else "answer"


@dataclass(frozen=True)
class AskedScene:
    """A scene and what is asked about it.

    Attributes:
        objects: fields of `PerceivedObjects`.
        robot: (11,) robot state.
        task: of the questions of kind `NEXT`.
        state: the true one.
        asked: the questions.
    """

    objects: dict[str, Any]
    robot: np.ndarray
    task: Any
    state: Any
    asked: tuple[Asked, ...]

    def __len__(self) -> int:
        """Number of detected objects."""
        return len(self.objects["score"])


class SceneMaker:
    """Draws scenes; all draws come from one generator.

    Args:
        source: tasks and states.
        seed: of the generator.
        split: of the instructions' phrasings.
        noise: of the simulated detections; None = `DetectionNoise()`.
    """

    def __init__(
        self, source: TaskSource, seed: int, split: str = "train", noise: DetectionNoise | None = None
    ) -> None:
        self.noise = noise or DetectionNoise()
        self._tasks = QuestionMaker(source, seed, split, self.noise, rates={})
        self._source, self._split = source, split

    def scene(self, kinds: Sequence[str] = (), n: int = ASKED, family: str | None = None) -> AskedScene:
        """A scene with at most `n` questions, of `kinds` in turn; () = drawn by `SHARES`."""
        rng = self._tasks.rng
        task, state = self._source.midway(rng, self._split, family)
        listed = list(range(len(state.objects)))
        rng.shuffle(listed)
        listed = listed[:16]
        if self._split == "train":
            task = self._tasks.reworded(task, goal_of(task))
        objects = perceive(state, listed, rng, self.noise)
        scene, short = Scene(state, listed), ShortQuestions(self._source, rng, state, listed, objects)
        drawn = list(kinds) or rng.choices(list(SHARES), list(SHARES.values()), k=n)
        asked: dict[str, Asked] = {}
        for kind in drawn:
            if (one := _asked(kind, task, scene, short, rng)) is not None:
                asked.setdefault(one.text, one)
        return AskedScene(objects, self._tasks.robot(), task, state, tuple(asked.values()))


def examples(maker: SceneMaker, n: int) -> list[AskedScene]:
    """Scenes of `maker` with `n` questions in all."""
    scenes: list[AskedScene] = []
    while n > 0:
        scene = maker.scene(n=min(n, ASKED))
        scenes.append(scene)
        n -= len(scene.asked)
    return scenes


def epochs(scenes: Sequence[AskedScene], per_batch: int, seed: int, step: int) -> Iterator[list[AskedScene]]:
    """Endless batches of `per_batch` scenes from batch number `step` on; each epoch in another order."""
    whole = max(1, len(scenes) // per_batch)
    while True:
        epoch, at = divmod(step, whole)
        order = list(range(len(scenes)))
        random.Random(seed * 7919 + epoch).shuffle(order)
        for k in range(at, whole):
            yield [scenes[i] for i in order[k * per_batch : (k + 1) * per_batch]]
        step = (epoch + 1) * whole


def _asked(kind: str, task: Any, scene: Scene, short: ShortQuestions, rng: random.Random) -> Asked | None:
    if kind == NEXT:
        reply = by_row(answer(goal_of(task), scene), scene)
        return Asked(NEXT, task.instruction, tuple(reply[:-1]))
    if kind == SUCCESS:
        return _success(scene, rng)
    if (found := short.draw(kind)) is None:
        return None
    return Asked(kind, found.text, (found.answer,), found.choices)


def _success(scene: Scene, rng: random.Random) -> Asked | None:
    """Was a step successful? In half of the cases it was. The planner gives target and object as well."""
    solids = [w for w in scene.listed if not w.endswith("_bowl")]
    if not solids:
        return None
    word = rng.choice(solids)
    others = [TABLE, *(w for w in scene.listed if w != word and not w.endswith("_cylinder"))]
    target = scene.below(word) if rng.random() < 0.5 else rng.choice(others)
    if target != TABLE and target not in scene.place:
        target = TABLE
    question = success_question(" ".join(put(word, target)[:-1]))
    reply = check(scene, target, word)[0]
    return Asked(SUCCESS, question, tuple(reply[2:]), given=(target, word))


def by_row(reply: Sequence[str], scene: Scene) -> list[str]:
    """An answer whose step names objects as obj_k."""
    words = list(reply)
    if len(words) > 4 and words[-5] == "put":
        for k in (-4, -2):
            if words[k] in scene.place:
                words[k] = f"obj_{scene.listed.index(words[k]) + 1}"
    return words
