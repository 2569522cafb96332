"""The planner's answers: a short rationale that checks relations one by one, then the step.

    goal in blue_bowl red_block ; blue_bowl red_block green_block table no ;
    under red_block pink_block nothing ; put pink_block on table .

`goal` names the goal, the holder before the object that rests on it; for a tower
whether the sentence goes up or down (or mixed), then the blocks as it mentions them. Then each
relation is checked in order: where it should be, the object, where it is (down to the table or a bowl
when a bowl is asked for, else its direct holder), yes or no. `under` lists what must be cleared, bottom
to top. Each token depends on one object token or one earlier word: a small model learns such a
dependency soonest, and a person can read why a step was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from palme.language.vocabulary import NOTHING, TABLE

UNKNOWN, NOWHERE, DONE, YES, NO = "unknown", "nowhere", "done", "yes", "no"


class Specs(Protocol):
    """One object by its appearance (`sim.world.state.ObjectSpec`)."""

    @property
    def colour(self) -> str:
        """One of `robots.skills.COLOURS`."""
        ...

    @property
    def kind(self) -> str:
        """One of `robots.skills.KINDS`."""
        ...


class State(Protocol):
    """Objects and what each rests in or on, by index, None = table (`sim.world.state.SceneState`)."""

    @property
    def objects(self) -> Sequence[Specs]:
        """All N objects."""
        ...

    @property
    def holder(self) -> Sequence[int | None]:
        """(N,) index of the object that each rests in or on, None = the table."""
        ...


@dataclass(frozen=True)
class Goal:
    """What a sentence asks for, in entity words.

    Attributes:
        kind: "in" (the last of `order` into the bowl before it), "stack" (each on the one before, the
            first on the table) or "match" (every block into the bowl of its colour).
        order: ("blue_bowl", "red_block") | ("red_block", "green_block", ...) from the bottom | ().
        mentioned: the blocks of a stack in the order in which the sentence first names them.
    """

    kind: str
    order: tuple[str, ...] = ()
    mentioned: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """`goal ... ;`: for a stack up, down or mixed, then the blocks as mentioned.

        The direction comes first, so that it depends on the sentence's words and not on the colours.
        """
        if self.kind != "stack":
            return ["goal", self.kind, *self.order, ";"]
        mentioned = self.mentioned or self.order
        way = "up" if mentioned == self.order else "down" if mentioned == self.order[::-1] else "mixed"
        return ["goal", "stack", way, *mentioned, TABLE, *self.order, ";"]

    @classmethod
    def parse(cls, words: Sequence[str]) -> Goal:
        """The goal whose `words` these are, as an answer begins. Raises ValueError."""
        if list(words[:1]) != ["goal"] or ";" not in words:
            raise ValueError(f"{' '.join(words)!r} begins with no goal")
        kind, *rest = words[1 : list(words).index(";")]
        if kind != "stack":
            return cls(kind, tuple(rest))
        at = rest.index(TABLE)
        return cls(kind, tuple(rest[at + 1 :]), tuple(rest[1:at]))

    @property
    def understanding(self) -> None:
        """There is no more to be said than `text`."""
        return None

    @property
    def text(self) -> str:
        """For a person: "the red block in the blue bowl"."""
        named = [f"the {word.replace('_', ' ')}" for word in self.order]
        if self.kind == "match":
            return "every block in the bowl of its colour"
        if self.kind == "in":
            return f"{named[1]} in {named[0]}"
        return f"a tower of, from the table up, {', '.join(named)}"


class Scene:
    """A state by entity words, in the order in which the sentence lists the objects."""

    def __init__(self, state: State, listed: Sequence[int]) -> None:
        self.word = [f"{o.colour}_{o.kind}" for o in state.objects]
        self.place = {self.word[i]: i for i in listed}
        self.listed = [self.word[i] for i in listed]
        self.holder = state.holder

    def below(self, word: str) -> str:
        """What `word` rests in or on."""
        h = self.holder[self.place[word]]
        return TABLE if h is None else self.word[h]

    def down(self, word: str) -> list[str]:
        """What `word` rests on, and so on down to the table or a bowl."""
        chain = [self.below(word)]
        while chain[-1] != TABLE and not chain[-1].endswith("_bowl"):
            chain.append(self.below(chain[-1]))
        return chain

    def up(self, word: str) -> list[str]:
        """Listed objects that rest on the solid `word`, bottom to top."""
        chain: list[str] = []
        i: int | None = self.place[word]
        while i in self.holder:
            i = self.holder.index(i)
            if self.word[i] not in self.place:
                break
            chain.append(self.word[i])
        return chain


def put(word: str, target: str) -> list[str]:
    """Words of the step that puts `word` in or on `target`."""
    return ["put", word, "in" if target.endswith("_bowl") else "on", target, "."]


def check(scene: Scene, target: str, word: str) -> tuple[list[str], bool]:
    """`target word where-it-is yes|no`."""
    found = scene.down(word) if target.endswith("_bowl") else [scene.below(word)]
    right = found[-1] == target
    return [target, word, *found, YES if right else NO], right


def cleared(scene: Scene, word: str) -> tuple[list[str], str | None]:
    """`under word its-covers nothing ;` and the topmost cover."""
    covers = scene.up(word)
    return ["under", word, *covers, NOTHING, ";"], covers[-1] if covers else None


def answer(goal: Goal, scene: Scene) -> list[str]:
    """Rationale and step for `goal` in `scene`."""
    if goal.kind == "match":
        return _match(scene)
    order = (TABLE, *goal.order) if goal.kind == "stack" else goal.order
    written = goal.words()
    for word in goal.order:
        if word not in scene.place:
            return [*written, word, NOWHERE, ";", UNKNOWN, "."]
    for target, word in zip(order[:-1], order[1:], strict=True):
        words, right = check(scene, target, word)
        written += [*words, ";"]
        if right:
            continue
        words, cover = cleared(scene, word)
        written += words
        if cover is None and not target.endswith("_bowl") and target != TABLE:
            words, cover = cleared(scene, target)
            written += words
        return [*written, *(put(word, target) if cover is None else put(cover, TABLE))]
    return [*written, DONE, "."]


def _match(scene: Scene) -> list[str]:
    written = ["goal", "match", ";"]
    for word in scene.listed:
        if not word.endswith("_block"):
            continue
        bowl = _own_bowl(word)
        words, right = check(scene, bowl, word)
        written += [*words, ";"]
        if right:
            continue
        words, cover = cleared(scene, word)
        written += words
        if cover is None:
            return [*written, *put(word, bowl)]
        if cover.endswith("_block"):
            words, right = check(scene, _own_bowl(cover), cover)
            written += [*words, ";"]
            if not right:
                return [*written, *put(cover, _own_bowl(cover))]
        return [*written, *put(cover, TABLE)]
    return [*written, DONE, "."]


def _own_bowl(block: str) -> str:
    return block.split("_")[0] + "_bowl"
