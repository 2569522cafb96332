"""put_in_bowl: one named block into one named bowl, clearing first what rests on the block."""

from __future__ import annotations

import random
from dataclasses import dataclass

from robots.skills import DONE, TABLE, Step
from sim.tasks.phrasings import put_in_bowl as words
from sim.tasks.phrasings.heldout import test_template
from sim.tasks.phrasings.template import fill
from sim.tasks.splits import HELD_OUT_IN_BOWL, colours_for_bowl
from sim.tasks.steps import topmost
from sim.tasks.table import Table
from sim.world.state import SceneState

DISTRACTORS = ("block", "block", "block", "bowl", "bowl", "cylinder")


@dataclass(frozen=True)
class InBowl:
    """`block` ("red block"; in training now and then a cylinder) shall be in `bowl` ("blue bowl")."""

    block: str
    bowl: str


class PutInBowl:
    """Success: the bowl at the bottom of the block's pile is the named one."""

    name = "put_in_bowl"
    summary = "put the named block into the named bowl, clearing first what rests on it"
    slots = (frozenset({"block", "bowl"}),)

    def draw(self, rng: random.Random, split: str, n_distractors: int | None) -> tuple[InBowl, SceneState]:
        """A block (on the table, on a block or in a wrong bowl; often covered), its bowl, distractors."""
        colour, bowl_colour = colours_for_bowl(rng, split)
        kind = "cylinder" if split == "train" and rng.random() < 0.12 else "block"
        table = Table(rng)
        x, y = table.add(colour, kind), table.add(bowl_colour, "bowl")
        table.reserved[y] = x
        n = rng.randint(2, 9) if n_distractors is None else n_distractors
        others = table.add_distractors(n, DISTRACTORS)
        rng.shuffle(others)
        self._settle(table, x, y, [i for i in others if table.names[i][1] != "bowl"])
        return InBowl(f"{colour} {kind}", f"{bowl_colour} bowl"), table.state()

    @staticmethod
    def _settle(table: Table, x: int, y: int, solids: list[int]) -> None:
        rng = table.rng
        wrong_bowls = [i for i in table.indices("bowl") if i != y]
        supports = [i for i in solids if table.names[i][1] == "block"]
        u = rng.random()
        if u < 0.25 and wrong_bowls:
            table.put(x, rng.choice(wrong_bowls))
        elif u < 0.55 and supports:
            support = supports[0]
            if rng.random() < 0.3 and wrong_bowls:
                table.put(support, rng.choice(wrong_bowls))
            table.put(x, support)
        top = x
        for cover in (i for i in solids if i != table.holder[x]):
            if rng.random() < 0.55 or not table.put(cover, top):
                break
            top = cover
        table.closed.add(top)  # the rest may not bury it deeper
        table.scatter(solids, p_bowl=0.25, p_on=0.25)
        table.closed.clear()

    def acceptable_steps(self, goal: InBowl, state: SceneState) -> frozenset[Step]:
        """done | the topmost thing above the block on the table | the block in the bowl."""
        x, y = state.index(goal.block), state.index(goal.bowl)
        if state.container(x) == y:
            return frozenset((DONE,))
        top = topmost(state, x)
        if top != x:
            return frozenset((Step.put(state.objects[top].name, TABLE),))
        return frozenset((Step.put(goal.block, goal.bowl),))

    def is_success(self, goal: InBowl, state: SceneState) -> bool:
        """Whether the block is in the bowl, directly or on something that is."""
        return state.container(state.index(goal.block)) == state.index(goal.bowl)

    def phrase(self, template: str, goal: InBowl, rng: random.Random) -> str:
        """`template` with {block} and {bowl} filled."""
        return fill(template, {"block": lambda _: goal.block, "bowl": lambda _: goal.bowl}, self.slots)

    def say(self, goal: InBowl, rng: random.Random, split: str) -> str:
        """A training sentence, or a test template filled."""
        if split == "train":
            return words.sentence(goal.block, goal.bowl, rng)
        return self.phrase(test_template(self.name, rng, split), goal, rng)

    def other_goal(self, goal: object, state: SceneState, rng: random.Random) -> InBowl | None:
        """Another block, another bowl or both, not reached in `state`."""
        blocks = [o.name for o in state.objects if o.kind == "block"]
        bowls = [o.name for o in state.objects if o.kind == "bowl"]
        goals = [InBowl(x, y) for x in blocks for y in bowls]
        goals = [g for g in goals if g != goal and not self.is_success(g, state)]
        return rng.choice(goals) if goals else None

    @staticmethod
    def is_held_out(goal: InBowl) -> bool:
        """Whether training never asks for this pair of colours."""
        return (goal.block.split()[0], goal.bowl.split()[0]) in HELD_OUT_IN_BOWL
