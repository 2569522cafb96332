"""match_bowls: every block on the table into the bowl of its own colour."""

from __future__ import annotations

import random
from dataclasses import dataclass

from robots.skills import COLOURS, DONE, TABLE, Step
from sim.tasks.phrasings import match_bowls as words
from sim.tasks.phrasings.heldout import test_template
from sim.tasks.phrasings.template import fill
from sim.tasks.steps import topmost
from sim.tasks.table import MAX_BOWLS, Table
from sim.world.state import SceneState


@dataclass(frozen=True)
class Matched:
    """Every block of the scene shall be in the bowl of its colour; nothing is named."""


class MatchBowls:
    """Success: each block's bowl is the one of its colour. Cylinders are of no concern."""

    name = "match_bowls"
    summary = "put every block into the bowl of its own colour"
    slots: tuple[frozenset[str], ...] = (frozenset(),)

    def draw(self, rng: random.Random, split: str, n_distractors: int | None) -> tuple[Matched, SceneState]:
        """2 to 5 blocks with their bowls, extra bowls and cylinders; some already right, some buried."""
        goal = Matched()
        while True:
            table = Table(rng)
            n = rng.randint(2, MAX_BOWLS)
            for colour in rng.sample(COLOURS, n):
                block = table.add(colour, "block")
                table.reserved[table.add(colour, "bowl")] = block
            k = rng.randint(0, 3) if n_distractors is None else n_distractors
            table.add_distractors(k, ("bowl", "cylinder", "cylinder"))
            solids = table.indices("block", "cylinder")
            rng.shuffle(solids)
            table.scatter(solids, p_bowl=0.3, p_on=0.35)
            state = table.state()
            if not self.is_success(goal, state):
                return goal, state

    def acceptable_steps(self, goal: Matched, state: SceneState) -> frozenset[Step]:
        """Any clear misplaced block to its bowl; whatever else lies on a misplaced one on the table."""
        steps = set()
        for i, spec in enumerate(state.objects):
            if spec.kind == "block" and not self._placed(i, state):
                top = topmost(state, i)
                if top == i:
                    steps.add(Step.put(spec.name, f"{spec.colour} bowl"))
                elif state.objects[top].kind == "cylinder" or self._placed(top, state):
                    steps.add(Step.put(state.objects[top].name, TABLE))
        return frozenset(steps) if steps else frozenset((DONE,))

    def is_success(self, goal: Matched, state: SceneState) -> bool:
        """Whether no block is misplaced."""
        return all(self._placed(i, state) for i, o in enumerate(state.objects) if o.kind == "block")

    @staticmethod
    def _placed(i: int, state: SceneState) -> bool:
        bowl = state.container(i)
        return bowl is not None and state.objects[bowl].colour == state.objects[i].colour

    def phrase(self, template: str, goal: Matched, rng: random.Random) -> str:
        """`template` as it is: it has no slot."""
        return fill(template, {}, self.slots)

    def say(self, goal: Matched, rng: random.Random, split: str) -> str:
        """A training sentence, or a test template."""
        if split == "train":
            return words.sentence(rng)
        return test_template(self.name, rng, split)

    def other_goal(self, goal: object, state: SceneState, rng: random.Random) -> Matched | None:
        """None from its own goal; matching from another, where every block has its bowl."""
        bowls = {o.colour for o in state.objects if o.kind == "bowl"}
        has_bowls = all(o.colour in bowls for o in state.objects if o.kind == "block")
        if isinstance(goal, Matched) or not has_bowls or self.is_success(Matched(), state):
            return None
        return Matched()

    @staticmethod
    def is_held_out(goal: Matched) -> bool:
        """Never: a block and its bowl are of one colour, and all colours are trained."""
        return False
