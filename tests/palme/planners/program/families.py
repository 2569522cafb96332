"""Published families of long tabletop tasks as programs, and disturbed runs of them, from pixels.

    python -m tests.palme.planners.program.families 25 1000 [family ...] [disturb=0.5]

runs 25 of each. The letters are those of LoHoRavens (Zhang et al., 2023); `bowls` is CLIPort's rule that all
blocks of a colour go into bowls of another (Shridhar et al., 2021); `tower` and `one_in` are `stack_tower`
and `put_in_bowl` of `sim/tasks`, as programs. CLIPort's pyramid is none: a step rests a thing on one other.
`disturb` is the chance that, as a step ends, something is moved by hand, taken out of a bowl or off a pile.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from palme.events import Event, Judged
from palme.language.programs.parser import parse
from sim.data.scene_sampler import SceneDoesNotFit, layout
from sim.judging.snapshot import Snapshot, snapshot
from sim.tasks import sample
from sim.world.bodies import quat_about_z
from sim.world.state import ObjectSpec, SceneState
from tests.palme.planners.program.table_cases import COLOURS, Case, TableRig


@dataclass(frozen=True)
class Drawn:
    """A table, a program for it, and what shall be so at the end."""

    state: SceneState
    program: str
    holds: Callable[[Snapshot], bool]


def _blocks(draw: random.Random, colours: Sequence[str], low: int, high: int) -> list[ObjectSpec]:
    return [
        ObjectSpec(draw.choice(list(colours)), "block", draw.choice(("small", "large")))
        for _ in range(draw.randint(low, high))
    ]


def _bowls(draw: random.Random, colours: Sequence[str]) -> list[ObjectSpec]:
    return [ObjectSpec(colour, "bowl", draw.choice(("small", "large"))) for colour in colours]


def _on_table(objects: Sequence[ObjectSpec]) -> SceneState:
    return SceneState(tuple(objects), (None,) * len(objects))


def _container(end: Snapshot, i: int) -> str | None:
    held = end.state.container(i)
    return None if held is None else end.specs[held].colour


def _matching(draw: random.Random) -> Drawn:
    colours = draw.sample(COLOURS, draw.randint(2, 3))
    blocks = [ObjectSpec(c, "block", draw.choice(("small", "large"))) for c in colours]
    blocks += _blocks(draw, colours, 0, 3)
    n = len(blocks)

    def holds(end: Snapshot) -> bool:
        return all(_container(end, i) == end.specs[i].colour for i in range(n))

    return Drawn(_on_table([*blocks, *_bowls(draw, colours)]), "put(all block, in bowl [same colour])", holds)


def _mismatched(draw: random.Random) -> Drawn:
    colours = draw.sample(COLOURS, draw.randint(2, 3))
    blocks = _blocks(draw, colours, 3, 5)
    n = len(blocks)

    def holds(end: Snapshot) -> bool:
        return all(_container(end, i) not in (None, end.specs[i].colour) for i in range(n))

    text = "put(all block, in any bowl [other colour])"
    return Drawn(_on_table([*blocks, *_bowls(draw, colours)]), text, holds)


def _even(draw: random.Random) -> Drawn:
    """All blocks of a size, or of a colour, into one bowl, and no other."""
    colours = draw.sample(COLOURS, 2)
    bowls = draw.sample(COLOURS, 2)
    by_size = draw.random() < 0.5
    word = draw.choice(("small", "large")) if by_size else colours[0]
    blocks = [
        ObjectSpec(colours[k % 2], "block", ("small", "large")[k // 2 % 2]) for k in range(draw.randint(4, 6))
    ]
    meant = [k for k, o in enumerate(blocks) if word in (o.size, o.colour)][:4]
    n = len(blocks)

    def holds(end: Snapshot) -> bool:
        return all((_container(end, i) == bowls[0]) is (i in meant) for i in range(n))

    large = [ObjectSpec(colour, "bowl", "large") for colour in bowls]
    return Drawn(_on_table([*blocks, *large]), f"put(all {word} block, in {bowls[0]} bowl)", holds)


def _in_a_tower(end: Snapshot, ids: Sequence[int]) -> tuple[int, ...]:
    """`ids` from the bottom up, if they are one tower on the table; else ()."""
    holder = end.state.holder
    bottom = [i for i in ids if holder[i] is None]
    if len(bottom) != 1:
        return ()
    tower = [bottom[0]]
    while len(on := [i for i in ids if holder[i] == tower[-1]]) == 1:
        tower.append(on[0])
    return tuple(tower) if len(tower) == len(ids) else ()


def _same_size(draw: random.Random) -> Drawn:
    """Two towers: of the small blocks, and of the large ones."""
    colours = draw.sample(COLOURS, 4)
    small, large = draw.randint(2, 3), draw.randint(2, 3)
    blocks = [ObjectSpec(draw.choice(colours), "block", "small") for _ in range(small)]
    blocks += [ObjectSpec(draw.choice(colours), "block", "large") for _ in range(large)]

    def holds(end: Snapshot) -> bool:
        n = len(blocks)
        return bool(_in_a_tower(end, range(small)) and _in_a_tower(end, range(small, n)))

    extra = _bowls(draw, draw.sample(COLOURS, 1))
    return Drawn(_on_table([*blocks, *extra]), "stack(all small block); stack(all large block)", holds)


def _alternating(draw: random.Random) -> Drawn:
    """One tower of two colours in turn."""
    a, b = draw.sample(COLOURS, 2)
    size = draw.choice(("small", "large"))
    n = draw.choice((3, 4, 4))
    blocks = [ObjectSpec((a, b)[k % 2], "block", size) for k in range(n)]
    nouns = [
        f"{a} block [leftmost]",
        f"{b} block [leftmost]",
        f"{a} block [rightmost]",
        f"{b} block [rightmost]",
    ]
    if n == 3:
        nouns = [nouns[0], f"{b} block", nouns[2]]

    def holds(end: Snapshot) -> bool:
        tower = [end.specs[i].colour for i in _in_a_tower(end, range(n))]
        return len(tower) == n and all(x != y for x, y in zip(tower[:-1], tower[1:], strict=True))

    return Drawn(
        _on_table([*blocks, *_bowls(draw, draw.sample(COLOURS, 1))]), f"stack({', '.join(nouns)})", holds
    )


def _cliport_bowls(draw: random.Random) -> Drawn:
    """As many bowls of a colour as blocks of another; every block into a bowl of its own."""
    block, bowl, *others = draw.sample(COLOURS, 5)
    n = draw.randint(1, 3)
    objects = [ObjectSpec(block, "block", "small")] * n + [ObjectSpec(bowl, "bowl", "large")] * n
    objects += [ObjectSpec(c, "block", "small") for c in others[:2]] + [
        ObjectSpec(others[2], "bowl", "small")
    ]

    def holds(end: Snapshot) -> bool:
        inside = [end.state.container(i) for i in range(n)]
        return all(j is not None and n <= j < 2 * n for j in inside) and len(set(inside)) == n

    text = f"put({block} block, in {bowl} bowl)" if n == 1 else f"put(all {block} block, in each {bowl} bowl)"
    return Drawn(_on_table(objects), text, holds)


def _of_task(family: str) -> Callable[[random.Random], Drawn]:
    def drawn(draw: random.Random) -> Drawn:
        task, state = sample(family, draw, "test")
        goal = task.goal
        if family == "stack_tower":
            lowest = state.holder[state.index(goal.blocks[0])] is not None
            text = f"stack({', '.join(goal.blocks)})"
            text = f"put({goal.blocks[0]}, on table); {text}" if lowest else text
        else:
            text = f"put({goal.block}, in {goal.bowl})"
        return Drawn(state, text, lambda end: bool(task.is_success(end.state)))

    return drawn


FAMILIES: dict[str, Callable[[random.Random], Drawn]] = {
    "B": _matching, "E": _even, "F": _mismatched, "G": _same_size, "H": _alternating,
    "bowls": _cliport_bowls, "tower": _of_task("stack_tower"), "one_in": _of_task("put_in_bowl"),
}  # fmt: skip


class Hand:
    """Disturbs the table as steps end, at most `most` times a run: a listener of the agent.

    Args:
        rig: whose world it reaches into.
        chance: that it does something after a step.
    """

    def __init__(self, rig: TableRig, chance: float, rng: np.random.Generator, most: int = 2) -> None:
        self.rig, self.chance, self.rng, self.left, self.done = rig, chance, rng, most, 0

    def __call__(self, event: Event) -> None:
        """See class."""
        if isinstance(event, Judged) and self.left and self.rng.random() < self.chance:
            self.done += self._disturb()
            self.left -= 1

    def _disturb(self) -> bool:
        """Put a solid that nothing lies on somewhere else on the table."""
        world, now = self.rig.world, snapshot(self.rig.world)
        solids = [i for i, o in enumerate(now.specs) if o.kind != "bowl" and now.state.is_clear(i)]
        for _ in range(200):
            i = int(self.rng.choice(solids))
            xy = self.rng.uniform((0.36, -0.26), (0.64, 0.26))
            near = 0.09 + 0.03 * np.array([o.kind == "bowl" for o in now.specs])
            away = np.hypot(*(now.positions[:, :2] - xy).T)
            if (np.delete(away - near, i) > 0).all():
                height = 0.017 if now.specs[i].size == "small" else 0.021
                turn = float(self.rng.uniform(-math.pi, math.pi))
                world.set_pose(i, np.array([*xy, height + 0.001]), np.array(quat_about_z(turn)))
                self.rig.arm.hold(6)
                return True
        return False


def play(rig: TableRig, family: str, seed: int, disturb: float = 0.0) -> tuple[str, str]:
    """Run one episode; "" or what was not so, and what was done."""
    rng = np.random.default_rng(seed)
    while True:
        draw = random.Random(int(rng.integers(1 << 62)))
        drawn = FAMILIES[family](draw)
        try:
            scene = layout(drawn.state, rng)
        except SceneDoesNotFit:
            continue
        rig.world.load(scene)
        rig.arm.hold(10)
        if not drawn.holds(snapshot(rig.world)):
            break
    hand = Hand(rig, disturb, rng)
    result = rig.run(Case(parse(drawn.program).text, {}), [hand] if disturb else [])
    rig.arm.hold(10)
    steps = "; ".join(f"{step.text} {'+' if good else '-'}" for step, good in result.steps)
    right = result.finished.cause == "done" and drawn.holds(snapshot(rig.world))
    why = "" if right else f"{result.finished.cause}: {result.reason}"
    return why, f"{drawn.program} [{steps}] disturbed {hand.done} times"


def wilson(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share."""
    p, d = k / n, 1 + z * z / n
    middle, half = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return (middle - half) / d, (middle + half) / d


def main(arguments: Sequence[str]) -> None:
    """See the module."""
    n, seed = int(arguments[0]), int(arguments[1])
    disturb = sum(float(one.split("=")[1]) for one in arguments[2:] if one.startswith("disturb="))
    families = [one for one in arguments[2:] if "=" not in one] or list(FAMILIES)
    rig = TableRig()
    for family in families:
        right = 0
        for k in range(n):
            why, what = play(rig, family, seed + k, disturb)
            right += not why
            if why:
                print(f"{family} {seed + k}: {what}: {why}", flush=True)
        low, high = wilson(right, n)
        print(f"{family}: {right} of {n} right, {100 * low:.0f} to {100 * high:.0f} %", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
