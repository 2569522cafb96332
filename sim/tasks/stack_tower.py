"""stack_tower: two to four named blocks on one another in a given order, the lowest on the table."""

from __future__ import annotations

import random
from dataclasses import dataclass

from robots.skills import DONE, TABLE, Step
from sim.tasks.phrasings import lists
from sim.tasks.phrasings import stack_tower as words
from sim.tasks.phrasings.heldout import test_template
from sim.tasks.phrasings.template import fill
from sim.tasks.splits import HELD_OUT_ON_BLOCK, colours_for_tower
from sim.tasks.steps import topmost
from sim.tasks.table import Table
from sim.world.state import SceneState

DISTRACTORS = ("block", "block", "bowl", "bowl", "cylinder")


@dataclass(frozen=True)
class Tower:
    """`blocks` ("red block", ...) from the bottom to the top, 2 to 4 of them."""

    blocks: tuple[str, ...]


class StackTower:
    """Success: the first block rests on the table and each next one on the one before."""

    name = "stack_tower"
    summary = "stack two to four named blocks in the given order, the lowest on the table"
    slots = (frozenset({"bottom_to_top"}), frozenset({"top_to_bottom"}))

    def draw(self, rng: random.Random, split: str, n_distractors: int | None) -> tuple[Tower, SceneState]:
        """Blocks alone, in bowls, in right and wrong beginnings of towers; covers and distractors."""
        n = rng.choices((2, 3, 4), (3, 4, 3))[0]
        colours = colours_for_tower(rng, n, split)
        goal = Tower(tuple(f"{c} block" for c in colours))
        while True:
            table = Table(rng)
            tower = [table.add(c, "block") for c in colours]
            k = rng.randint(1, 7) if n_distractors is None else n_distractors
            table.add_distractors(k, DISTRACTORS)
            solids = table.indices("block", "cylinder")
            rng.shuffle(solids)
            if rng.random() < 0.3:  # an unstable start: the base is not where it has to be
                solids.sort(key=lambda i: i != tower[0])
                table.scatter(solids[:1], p_bowl=0.5, p_on=0.5)
            elif rng.random() < 0.3:  # a thing on the base or on the block to come
                covers = [i for i in solids if i != tower[0]]
                table.put(covers[0], tower[0])
            table.scatter(solids, p_bowl=0.15, p_on=0.35)
            state = table.state()
            if not self.is_success(goal, state):
                return goal, state

    def acceptable_steps(self, goal: Tower, state: SceneState) -> frozenset[Step]:
        """For the lowest block not yet right: clear it or its place (either first), then put it there."""
        below: int | None = None
        for name in goal.blocks:
            i = state.index(name)
            if state.holder[i] != below:
                tops = {topmost(state, j) for j in (i, below) if j is not None and j in state.holder}
                if tops:
                    return frozenset(Step.put(state.objects[t].name, TABLE) for t in tops)
                return frozenset((Step.put(name, TABLE if below is None else state.objects[below].name),))
            below = i
        return frozenset((DONE,))

    def is_success(self, goal: Tower, state: SceneState) -> bool:
        """Whether the whole tower stands; what lies on its top does not matter."""
        below: int | None = None
        for name in goal.blocks:
            i = state.index(name)
            if state.holder[i] != below:
                return False
            below = i
        return True

    def phrase(self, template: str, goal: Tower, rng: random.Random) -> str:
        """`template` with {bottom_to_top} or {top_to_bottom} filled by a spoken list."""
        order = {"bottom_to_top": goal.blocks, "top_to_bottom": goal.blocks[::-1]}
        makers = {slot: (lambda _, b=blocks: lists.plain(b, rng)) for slot, blocks in order.items()}
        return fill(template, makers, self.slots)

    def say(self, goal: Tower, rng: random.Random, split: str) -> str:
        """A training sentence, or a test template filled."""
        if split == "train":
            return words.sentence(goal.blocks, rng)
        return self.phrase(test_template(self.name, rng, split), goal, rng)

    def other_goal(self, goal: object, state: SceneState, rng: random.Random) -> Tower | None:
        """A tower of as many blocks of `state` in another order or of other blocks, not yet standing."""
        blocks = [o.name for o in state.objects if o.kind == "block"]
        n = len(goal.blocks) if isinstance(goal, Tower) else 2
        if len(blocks) < n:
            return None
        for _ in range(20):
            other = Tower(tuple(rng.sample(blocks, n)))
            if other != goal and not self.is_success(other, state):
                return other
        return None

    @staticmethod
    def is_held_out(goal: Tower) -> bool:
        """Whether training never asks for one of the tower's neighbours."""
        colours = [name.split()[0] for name in goal.blocks]
        return any(pair in HELD_OUT_ON_BLOCK for pair in zip(colours[1:], colours[:-1], strict=True))
