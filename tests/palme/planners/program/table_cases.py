"""Programs for tables drawn at random, with what shall be true at the end, by the simulator's own formulas.

    python -m tests.palme.planners.program.table_cases 200 1000 [kind ...]

runs 200 of them from pixels, from seed 1000 on, and prints how many came out right and what went wrong.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from palme.agent import RunResult
from palme.events import Event
from palme.language.programs.parser import parse
from palme.perception.detector import Detector
from palme.planners.program.planner import ProgramPlanner
from palme.planners.program.written import WrittenReader
from palme.policies.keypose import KeyposePolicy
from robots.errors import RobotError
from robots.executor import Executor
from robots.motion.arm_motion import ArmMotion
from robots.motion.pick_place import rise
from sim.data.scene_sampler import SceneDoesNotFit, layout
from sim.judging.formula import Moments
from sim.judging.parser import indices_of
from sim.judging.parser import parse as formula
from sim.judging.snapshot import Snapshot, snapshot
from sim.rendering.camera import CAMERAS
from sim.world.arm import SimulatedArm
from sim.world.scene import Scene
from sim.world.state import ObjectSpec, SceneState
from sim.world.world import World

COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")


class NotHere(Exception):
    """The table does not have what a kind of case needs."""


@dataclass(frozen=True)
class Case:
    """A program for one table.

    Attributes:
        text: the program.
        want: a formula; {} = none.
        answer: what an answer must contain; "" = it is no question.
        holds: what a formula cannot say.
        may_move: indices of what may be moved beside what the formula names.
        cause: with which the run ends.
    """

    text: str
    want: dict[str, Any]
    may_move: tuple[int, ...] = ()
    answer: str = ""
    holds: Callable[[Moments], bool] = lambda moments: True
    cause: str = "done"


class TableView:
    """The table before the run, as the writer of a case knows it."""

    def __init__(self, start: Snapshot, rng: random.Random) -> None:
        self.start, self.state, self.rng = start, start.state, rng
        self.solids = [i for i, o in enumerate(self.state.objects) if o.kind != "bowl"]
        self.bowls = [i for i, o in enumerate(self.state.objects) if o.kind == "bowl"]

    def above(self, i: int) -> tuple[int, ...]:
        found = list(self.state.on_top_of(i))
        for one in found:
            found += self.state.on_top_of(one)
        return tuple(found)

    def said(self, i: int, ranked: bool = True) -> str:
        """A noun that fits thing `i` alone; not `ranked` = and still does after others were moved."""
        objects = self.state.objects
        spec = objects[i]
        alike = [j for j, o in enumerate(objects) if o.name == spec.name]
        if len(alike) == 1:
            return spec.name
        sized = [j for j in alike if objects[j].size == spec.size]
        if len(sized) == 1:
            return f"{spec.size} {spec.name}"
        if not ranked:
            raise NotHere
        y = {j: self.start.positions[j, 1] for j in sized}
        order = sorted(sized, key=lambda j: y[j])
        for end, word in ((order, "leftmost"), (order[::-1], "rightmost")):
            if end[0] == i and abs(y[end[1]] - y[i]) > 0.015:
                return f"{spec.size} {spec.name} [ {word} ]"
        raise NotHere

    def solid(self, *but: int, clear: bool | None = None, loose: bool | None = None, kind: str = "") -> int:
        """A solid that can be singled out."""
        fits = []
        for i in self.solids:
            spec = self.state.objects[i]
            if i in but or (kind and spec.kind != kind):
                continue
            if clear is not None and self.state.is_clear(i) is not clear:
                continue
            if loose is not None and (self.state.holder[i] is None) is not loose:
                continue
            try:
                self.said(i)
            except NotHere:
                continue
            fits.append(i)
        return self.pick(fits)

    def bowl(self, *but: int) -> int:
        return self.pick([i for i in self.bowls if i not in but])

    def around(self, i: int | None, reach: float = 0.14) -> tuple[int, ...]:
        """Solids within `reach` [m] of thing `i`, None = of the middle: what may be put aside for a place."""
        x, y = (0.5, 0.0) if i is None else self.start.positions[i, :2]
        away = np.hypot(self.start.positions[:, 0] - x, self.start.positions[:, 1] - y)
        return tuple(j for j in self.solids if j != i and away[j] < reach)

    def pick(self, fits: Sequence[int]) -> int:
        if not fits:
            raise NotHere
        return self.rng.choice(list(fits))


def _o(i: int) -> str:
    return f"o{i}"


def _in(t: TableView) -> Case:
    a, b = t.solid(), t.bowl()
    if t.state.container(a) == b:
        raise NotHere
    return Case(f"put({t.said(a)}, in {t.said(b)})", {"in": [_o(a), _o(b)]}, t.above(a))


def _on(t: TableView) -> Case:
    a = t.solid()
    b = t.solid(a, *t.above(a), kind="block")
    return Case(f"put({t.said(a)}, on {t.said(b)})", {"rests_on": [_o(a), _o(b)]}, (*t.above(a), *t.above(b)))


def _on_cylinder(t: TableView) -> Case:
    a = t.solid()
    b = t.solid(a, *t.above(a), kind="cylinder")
    return Case(f"put({t.said(a)}, on {t.said(b)})", {"rests_on": [_o(a), _o(b)]}, (*t.above(a), *t.above(b)))


def _to_table(t: TableView) -> Case:
    a = t.solid(loose=False)
    return Case(f"put({t.said(a)}, on table)", {"on_table": _o(a)}, t.above(a))


def _next(t: TableView) -> Case:
    a = t.solid()
    b = t.pick([i for i in (*t.bowls, t.solid(a, *t.above(a))) if i != a])
    want = {"all": [{"near": [_o(a), _o(b)]}, {"on_table": _o(a)}]}
    return Case(f"put({t.said(a)}, next to {t.said(b)})", want, (*t.above(a), *t.around(b)))


def _beside(t: TableView) -> Case:
    side, word = t.rng.choice(
        (("left_of", "left of"), ("right_of", "right of"), ("in_front_of", "front of"), ("behind", "behind"))
    )
    a = t.solid()
    b = t.pick([i for i in (*t.bowls, t.solid(a, *t.above(a))) if i != a])
    want = {"all": [{side: [_o(a), _o(b)]}, {"on_table": _o(a)}]}
    return Case(f"put({t.said(a)}, {word} {t.said(b)})", want, t.above(a))


def _between(t: TableView) -> Case:
    a = t.solid()
    b = t.pick([i for i in (*t.bowls, t.solid(a, *t.above(a))) if i != a])
    c = t.pick([i for i in t.bowls if i != b])
    if not 0.20 < np.hypot(*(t.start.positions[b, :2] - t.start.positions[c, :2])):
        raise NotHere  # nothing fits between them, or another bowl may be there

    def holds(moments: Moments) -> bool:
        p, q, r = (moments.end.positions[i, :2] for i in (b, c, a))
        along = q - p
        s = float((r - p) @ along / (along @ along))
        return 0 < s < 1 and float(np.linalg.norm(p + s * along - r)) <= 0.05

    return Case(
        f"put({t.said(a)}, between {t.said(b)} and {t.said(c)})", {"on_table": _o(a)},
        (*t.above(a), *(set(t.around(b, 0.25)) & set(t.around(c, 0.25)) - {b})), holds=holds,
    )  # fmt: skip


def _side(t: TableView) -> Case:
    side, axis, sign = t.rng.choice((("left", 1, -1), ("right", 1, 1), ("front", 0, 1), ("behind", 0, -1)))
    a = t.solid()
    at = {"left": -0.1, "right": 0.1, "front": 0.56, "behind": 0.44}[side]
    return Case(
        f"put({t.said(a)}, side {side})", {"on_table": _o(a)}, t.above(a),
        holds=lambda m: bool(sign * (m.end.positions[a, axis] - at) >= 0),
    )  # fmt: skip


def _middle(t: TableView) -> Case:
    a = t.solid()
    if any(np.hypot(*(t.start.positions[b, :2] - (0.5, 0.0))) < 0.085 for b in t.bowls):
        raise NotHere  # no bowl can be put aside
    return Case(
        f"put({t.said(a)}, middle)", {"at": {"of": _o(a), "xy": [0.5, 0.0], "within": 0.03}},
        (*t.above(a), *t.around(None, 0.08)),
    )  # fmt: skip


def _move(t: TableView) -> Case:
    a = t.solid(loose=True)
    word = t.rng.choice(("left", "right", "away", "toward"))
    cm = t.rng.choice((5, 8, 10, 15))
    dx, dy = {"left": (0, -1), "right": (0, 1), "away": (-1, 0), "toward": (1, 0)}[word]
    x, y = t.start.positions[a, :2] + np.array([dx, dy]) * cm / 100
    others = [i for i in (*t.solids, *t.bowls) if i != a]
    taken = any(
        np.hypot(*(t.start.positions[i, :2] - (x, y))) < (0.095 if i in t.bowls else 0.06) for i in others
    )
    if taken or not (0.31 < x < 0.69 and -0.32 < y < 0.32):
        raise NotHere  # it is refused, in words
    want = {"moved": {"of": _o(a), word: cm / 100, "within": 0.02}}
    if word in ("left", "right"):
        want["moved"]["toward"] = 0.0
    else:
        want["moved"]["right"] = 0.0
    return Case(f"move({t.said(a)}, {word} {cm})", want, t.above(a))


def _swap(t: TableView) -> Case:
    a = t.solid(loose=True, clear=True)
    b = t.solid(a, loose=True, clear=True)
    xy = t.start.positions[:, :2]
    want = {"all": [
        {"at": {"of": _o(a), "xy": [float(v) for v in xy[b]], "within": 0.03}},
        {"at": {"of": _o(b), "xy": [float(v) for v in xy[a]], "within": 0.03}},
    ]}  # fmt: skip
    return Case(f"swap({t.said(a)}, {t.said(b)})", want)


def _row(t: TableView) -> Case:
    a = t.solid()
    b = t.solid(a)
    c = t.solid(a, b)
    want = {"row": [_o(a), _o(b), _o(c)]}
    return Case(
        f"row({t.said(a)}, {t.said(b)}, {t.said(c)})", want, tuple(j for i in (a, b, c) for j in t.above(i))
    )


def _stack(t: TableView) -> Case:
    ids = [t.solid(kind="block")]
    for _ in range(t.rng.randint(1, 3)):
        ids.append(t.solid(*ids, kind="block"))
    pairs = [{"rests_on": [_o(upper), _o(lower)]} for lower, upper in zip(ids[:-1], ids[1:], strict=True)]
    return Case(
        f"stack({', '.join(t.said(i) for i in ids)})",
        {"all": pairs},
        tuple(j for i in ids for j in t.above(i)),
    )


def _out(t: TableView) -> Case:
    a = t.pick([i for i in t.solids if t.state.container(i) is not None])
    return Case(f"out({t.said(a)})", {"on_table": _o(a)}, t.above(a))


def _clear(t: TableView) -> Case:
    a = t.solid(clear=False)
    return Case(f"clear({t.said(a)})", {"all": [{"on_table": _o(i)} for i in t.above(a)]})


def _empty(t: TableView) -> Case:
    b = t.pick([i for i in t.bowls if not t.state.is_clear(i)])
    return Case(f"empty({t.said(b)})", {"all": [{"on_table": _o(i)} for i in t.above(b)]})


def _all_in(t: TableView) -> Case:
    colour = t.state.objects[t.pick(t.solids)].colour
    ids = [i for i in t.solids if t.state.objects[i].colour == colour]
    b = t.bowl()
    return Case(
        f"put(all {colour} thing, in {t.said(b)})", {"all": [{"in": [_o(i), _o(b)]} for i in ids]},
        tuple(j for i in ids for j in t.above(i)),
    )  # fmt: skip


def _two_in(t: TableView) -> Case:
    b = t.bowl()
    ids = [i for i in t.solids if t.state.objects[i].kind == "block" and t.state.container(i) != b]
    if len(ids) < 3 or any(t.state.container(i) == b for i in t.solids):
        raise NotHere
    want = {"exactly": [2, [{"in": [_o(i), _o(b)]} for i in ids]]}
    return Case(f"put(2 block, in {t.said(b)})", want, tuple(t.solids))


def _if(t: TableView) -> Case:
    b, a = t.bowl(), t.solid(loose=True)
    inside = t.above(b)
    want = {"all": [{"on_table": _o(i)} for i in inside]} if inside else {"in": [_o(a), _o(b)]}
    return Case(
        f"if exists(thing [in {t.said(b)}]): empty({t.said(b)}) else: put({t.said(a)}, in {t.said(b)})",
        want, t.above(a),
    )  # fmt: skip


def _count(t: TableView) -> Case:
    colour = t.state.objects[t.pick(t.solids)].colour
    n = sum(t.state.objects[i].colour == colour for i in t.solids)
    return Case(
        f"count({colour} thing [not bowl])",
        {},
        (),
        str(n),
        cause="answered",
    )


def _ask_under(t: TableView) -> Case:
    a = t.pick([i for i in t.solids if t.state.holder[i] is not None])
    below = t.state.objects[t.state.holder[a] or 0]
    t.said(a)
    return Case(f"where({t.said(a)})", {}, (), below.name, cause="answered")


def _exists(t: TableView) -> Case:
    colour, kind = t.rng.choice(COLOURS), t.rng.choice(("block", "cylinder", "bowl"))
    there = any(o.name == f"{colour} {kind}" for o in t.state.objects)
    return Case(f"exists({colour} {kind})", {}, (), "Yes" if there else "No", cause="answered")


def _keep(t: TableView) -> Case:
    k = t.solid(loose=True, clear=True)
    b = t.bowl()
    rest = [i for i in t.solids if i != k and t.state.objects[i].kind == "block" and k not in t.above(i)]
    colour = t.state.objects[t.pick(rest)].colour
    ids = [i for i in rest if t.state.objects[i].colour == colour]
    if t.state.objects[k].colour == colour:
        raise NotHere
    return Case(
        f"keep({t.said(k)}); put(all {colour} block, in {t.said(b)})",
        {"all": [*({"in": [_o(i), _o(b)]} for i in ids), {"unmoved": _o(k)}]},
        tuple(j for i in ids for j in t.above(i)),
    )  # fmt: skip


def _unstack(t: TableView) -> Case:
    ids = [i for i in t.solids if (h := t.state.holder[i]) is not None and t.state.objects[h].kind != "bowl"]
    ids = [i for i in ids if t.state.container(i) is None]
    t.pick(ids)
    return Case(
        "unstack(all thing [not in any bowl])", {"all": [{"on_table": _o(i)} for i in ids]},
    )  # fmt: skip


def _sequence(t: TableView) -> Case:
    a, b = t.solid(), t.bowl()
    c = t.solid(a, *t.above(a), clear=True)
    d = t.solid(a, c, *t.above(a), clear=True, kind="block")
    if c in t.above(d) or d in t.above(c):
        raise NotHere
    want = {"all": [{"in": [_o(a), _o(b)]}, {"rests_on": [_o(c), _o(d)]}]}
    return Case(
        f"put({t.said(a)}, in {t.said(b)}); put({t.said(c, False)}, on {t.said(d, False)})",
        want,
        (*t.above(a), *t.above(d)),
    )


def _alike(t: TableView) -> Case:
    """The one of two that look the same."""
    objects = t.state.objects
    pairs = [
        (i, j) for i in t.solids for j in t.solids
        if i != j and objects[i] == objects[j] and t.start.positions[i, 1] < t.start.positions[j, 1] - 0.015
    ]  # fmt: skip
    if not pairs:
        raise NotHere
    i, j = t.rng.choice(pairs)
    if len([k for k in t.solids if objects[k] == objects[i]]) != 2:
        raise NotHere
    b = t.bowl()
    which, word = t.rng.choice(((i, "leftmost"), (j, "rightmost")))
    if t.state.container(which) == b:
        raise NotHere
    spec = objects[i]
    return Case(
        f"put({spec.size} {spec.name} [{word}], in {t.said(b)})", {"in": [_o(which), _o(b)]}, t.above(which)
    )


def _reverse(t: TableView) -> Case:
    a = t.pick([i for i in t.solids if t.state.holder[i] is None and t.above(i)])
    pile = (a, *t.above(a))
    pairs = [{"rests_on": [_o(lower), _o(upper)]} for lower, upper in zip(pile[:-1], pile[1:], strict=True)]
    return Case(f"stack({', '.join(t.said(i) for i in pile[::-1])})", {"all": pairs}, pile)


def _refuse(t: TableView) -> Case:
    return Case(f"refuse({t.rng.choice(('beyond', 'unsafe', 'unclear'))})", {}, cause="refused")


def _nothing(t: TableView) -> Case:
    return Case("nothing()", {})


KINDS: dict[str, Callable[[TableView], Case]] = {
    "in": _in, "on": _on, "on_cylinder": _on_cylinder, "to_table": _to_table, "next": _next,
    "beside": _beside, "between": _between, "side": _side, "middle": _middle, "move": _move, "swap": _swap,
    "row": _row, "stack": _stack, "out": _out, "clear": _clear, "empty": _empty, "all_in": _all_in,
    "two_in": _two_in, "if": _if, "count": _count, "where": _ask_under, "exists": _exists, "keep": _keep,
    "unstack": _unstack, "sequence": _sequence, "alike": _alike, "reverse": _reverse, "refuse": _refuse,
    "nothing": _nothing,
}  # fmt: skip


def draw_table(rng: np.random.Generator) -> Scene:
    """Three to seven solids in few colours, so that some look alike, and one to three bowls."""
    draw = random.Random(int(rng.integers(1 << 62)))
    while True:
        colours = draw.sample(COLOURS, draw.randint(2, 5))
        bowls = draw.sample(COLOURS, draw.randint(1, 3))
        objects = [ObjectSpec(colour, "bowl", draw.choice(("small", "large"))) for colour in bowls]
        holder: list[int | None] = [None] * len(bowls)
        for _ in range(draw.randint(3, 7)):
            kind, size = draw.choice(("block", "block", "block", "cylinder")), draw.choice(("small", "large"))
            free = [k for k, o in enumerate(objects) if o.kind == "block" and k not in holder]
            u = draw.random()
            held = draw.randrange(len(bowls)) if u < 0.2 else draw.choice(free) if u < 0.4 and free else None
            objects.append(ObjectSpec(draw.choice(colours), kind, size))
            holder.append(held)
        try:
            return layout(SceneState(tuple(objects), tuple(holder)), rng)
        except SceneDoesNotFit:
            continue


class TableRig:
    """A simulated arm with the shipped detector, the program planner and a policy."""

    def __init__(self, policy: str = "keypose") -> None:
        self.world = World("fast")
        self.arm = SimulatedArm(self.world, [CAMERAS["front"]])
        detector = Detector.load()
        self.planner = ProgramPlanner(WrittenReader(), detector.thorough)
        motion = ArmMotion(self.arm.spec)
        if policy == "keypose":
            self.policy: Any = KeyposePolicy(detector, motion)
        else:
            from palme.policies.chunk import ChunkPolicy

            self.policy = ChunkPolicy.load(detector, motion)

    def begin(self, seed: int, kind: str | None = None) -> Case:
        """Set a table for one of `KINDS` and write the case."""
        rng = np.random.default_rng(seed)
        while True:
            scene = draw_table(rng)
            self.world.load(scene)
            self.arm.hold(10)
            self.start = snapshot(self.world)
            view = TableView(self.start, random.Random(int(rng.integers(1 << 62))))
            try:
                case = KINDS[kind or view.rng.choice(list(KINDS))](view)
            except NotHere:
                continue
            return replace(case, text=parse(case.text).text)

    def run(self, case: Case, listeners: Sequence[Callable[[Event], None]] = (), **options: Any) -> RunResult:
        from palme.agent import Agent

        agent = Agent(
            self.arm, self.planner, self.policy, Executor(self.arm), listeners, refusals=(RobotError,),
            retreat=lambda seen: rise(self.arm.spec, seen.robot.q, 0.25, 1.0, home=True), **options,
        )  # fmt: skip
        return agent.run(case.text)

    def verdict(self, case: Case, result: RunResult) -> str:
        """ "" = right; else what is not so."""
        self.arm.hold(10)
        moments = Moments(self.start, snapshot(self.world))
        if result.finished.cause != case.cause:
            return f"ended {result.finished.cause}, not {case.cause}: {result.reason}"
        if case.answer and case.answer.lower() not in result.reason.lower():
            return f"answered {result.reason!r}, not {case.answer!r}"
        find = indices_of({_o(i): i for i in range(len(self.start.specs))})
        named = set()
        if case.want:
            wanted = formula(case.want, find)
            if not wanted.holds(moments):
                return f"not so: {'; '.join(wanted.failures(moments))}"
            named = {i for i in range(len(self.start.specs)) if f"'{_o(i)}'" in str(case.want)}
        if not case.holds(moments):
            return "not so: what no formula says"
        leave = [_o(i) for i in range(len(self.start.specs)) if i not in {*named, *case.may_move}]
        kept = formula({"all": [{"unmoved": i} for i in leave]}, find) if leave else None
        if kept is not None and not kept.holds(moments):
            return f"moved besides: {'; '.join(kept.failures(moments))}"
        return ""


def main(arguments: Sequence[str]) -> None:
    """See the module."""
    n, seed, kinds = int(arguments[0]), int(arguments[1]), list(arguments[2:])
    rig, right = TableRig(), 0
    by_kind: dict[str, tuple[int, int]] = {}
    for k in range(n):
        kind = (kinds or list(KINDS))[k % len(kinds or KINDS)]
        case = rig.begin(seed + k, kind)
        result = rig.run(case)
        wrong = rig.verdict(case, result)
        right += not wrong
        won, of = by_kind.get(kind, (0, 0))
        by_kind[kind] = (won + (not wrong), of + 1)
        if wrong:
            steps = "; ".join(f"{step.text} {'+' if good else '-'}" for step, good in result.steps)
            print(f"{seed + k} {kind}: {case.text}: {wrong} [{steps}] {result.reason}", flush=True)
    print(f"{right} of {n} right:", ", ".join(f"{k} {a}/{b}" for k, (a, b) in by_kind.items()))


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
