"""What the gate clamps or refuses is planned around by the program planner, or said in plain words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from palme.agent import Agent, AgentLimits, RunResult
from palme.errors import OutOfReach
from palme.events import Event, Planned
from palme.planners.program.placing import TABLE_TOP, TOP
from palme.planners.program.planner import ProgramPlanner
from palme.planners.program.scene import SeenScene
from palme.planners.program.written import WrittenReader
from robots.errors import CommandJumps, CommandOutside, RobotError, Unreachable
from robots.safety.chunk_verdict import OBSTACLES, ChunkVerdict
from robots.skills import TABLE, Step
from robots.types import ActionChunk, Observation
from tests.agent_fakes import FakeArm, FakeExecutor, FakePolicy
from tests.palme.planners.program.scenes import scene
from tests.palme.planners.program.test_tracker import _detected

CLAMPED = [
    "workspace: tool x at its most",
    "table: fingers",
    "self-collision: link2 and hand",
    "following error: joint4 is 0.3 rad from where it was sent",
]
REFUSED = [CommandOutside, CommandJumps]
POLICY = [OutOfReach, Unreachable]
REASONS: list[Any] = [*CLAMPED, *REFUSED, *POLICY]


class Table(FakePolicy, FakeExecutor):  # type: ignore[misc]
    """Carries out each step on its scene; those that are `barred` the gate clamps or refuses for `reason`."""

    def __init__(self, seen: SeenScene, reason: Any, barred: Callable[[Step], bool]) -> None:
        FakePolicy.__init__(self, n_chunks=1)
        self.arm, self.scene, self.reason, self.barred = FakeArm(), seen, reason, barred
        self.verdict = ChunkVerdict()
        self.asked: list[Step] = []

    def act(self, observation: Observation, goal: Step) -> ActionChunk:
        self.asked.append(goal)
        if self.barred(goal) and self.reason in POLICY:
            raise self.reason("no joint angles reach (0.7, 0.1, 0.0)")
        return super().act(observation, goal)

    def run(self, chunk: ActionChunk, n: Any = None, on_sent: Any = None) -> None:
        step = self.asked[-1]
        if not self.barred(step):
            self.verdict = ChunkVerdict()
            self.scene = _carried_out(self.scene, step)
        elif self.reason in CLAMPED:
            self.verdict = ChunkVerdict(clamped=12, causes={self.reason: 12})
        else:
            error = self.reason("joint2: 3.1 rad is outside")
            self.verdict = ChunkVerdict(refused=f"{type(error).__name__}: {error}")
            raise error

    def instruct(self, program: str) -> tuple[RunResult, list[Event]]:
        rng, events = np.random.default_rng(0), list[Event]()
        planner = ProgramPlanner(WrittenReader(), lambda _: _detected(self.scene, rng, 0.001))
        limits = AgentLimits()
        run = Agent(self.arm, planner, self, self, [events.append], limits, refusals=(RobotError,))
        return run.run(program), events


def _at(seen: SeenScene, at: tuple[float, float, float]) -> int:
    return min(seen, key=lambda thing: math.dist(thing.xyz, at)).id


def _carried_out(seen: SeenScene, step: Step) -> SeenScene:
    assert step.what_at is not None and step.target_at is not None
    id, (x, y, _), holder = _at(seen, step.what_at), step.target_at, None
    z = TABLE_TOP
    if step.target != TABLE:
        holder = _at(seen, step.target_at)
        x, y, z = seen[holder].xyz
        z += 0.03 if seen[holder].is_bowl else TOP
    moved = replace(seen[id], xyz=(x, y, z), holder=holder)
    return replace(seen, things=tuple(moved if one.id == id else one for one in seen))


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize(
    "program",
    [
        "put ( red block , left of blue bowl )", "put ( red block , next to blue bowl )",
        "put ( red block , on table )", "out ( red block )", "put ( red block , side left )",
    ],
)  # fmt: skip
def test_another_free_place_is_taken(reason: Any, program: str) -> None:
    seen = scene("blue bowl 0.5 0.0", "green bowl 0.45 0.2", "red block in 1")
    first: list[tuple[float, float]] = []

    def barred(step: Step) -> bool:
        assert step.target_at is not None
        first.append(step.target_at[:2])
        return math.dist(first[0], step.target_at[:2]) < 0.04

    table = Table(seen, reason, barred)
    result, _ = table.instruct(program)
    assert result.done, result.reason
    assert len({step.target_at for step in table.asked}) == 2 and len(table.asked) == 2


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize(
    "program", ["put ( any block , in blue bowl )", "put ( 2 red block , in blue bowl )"]
)
def test_another_of_those_that_will_do_is_taken(reason: Any, program: str) -> None:
    seen = scene("red block 0.4 -0.2", "red block 0.4 0.05", "red block 0.6 -0.1", "blue bowl 0.5 0.2")
    tried: list[int] = []

    def barred(step: Step) -> bool:  # the one that is tried first
        assert step.what_at is not None
        tried.append(_at(seen, step.what_at))
        return tried[-1] == tried[0]

    table = Table(seen, reason, barred)
    result, events = table.instruct(program)
    assert result.done, result.reason
    assert table.scene[tried[0]].holder is None
    assert (
        len(set(tried)) == len(table.asked)
        and [step.what_at for step in table.asked].count(table.asked[0].what_at) == 1
    )
    planned = [event for event in events if isinstance(event, Planned)]
    assert any("could not do the last step" in event.rationale for event in planned)


@pytest.mark.parametrize("reason", REASONS)
def test_another_bowl_is_taken_where_any_will_do(reason: Any) -> None:
    seen = scene("red block 0.4 -0.2", "blue bowl 0.55 -0.1", "blue bowl 0.5 0.2")
    table = Table(seen, reason, lambda step: step.target_at == table.asked[0].target_at)
    result, _ = table.instruct("put ( red block , in any bowl )")
    assert result.done and len(table.asked) == 2, result.reason


@pytest.mark.parametrize("reason", REASONS)
def test_another_order_is_taken(reason: Any) -> None:
    seen = scene("red block 0.4 -0.2", "red block 0.4 0.05", "blue bowl 0.5 0.2")
    table = Table(seen, reason, lambda step: False)

    def barred(step: Step) -> bool:  # the first is behind the other as long as that is there
        return step.what_at == table.asked[0].what_at and all(one.holder is None for one in table.scene)

    table.barred = barred
    result, _ = table.instruct("put ( all red block , in blue bowl )")
    first, second, third = (step.what_at for step in table.asked)
    assert result.done and first != second, result.reason
    assert third == pytest.approx(first, abs=0.01)


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize(
    ("program", "named"),
    [
        ("put ( red block , in blue bowl )", "the red block in the blue bowl"),
        ("put ( red block , on green block )", "the red block on the green block"),
        ("put ( green block , in blue bowl ) ; put ( red block , in blue bowl )", "the red block"),
    ],
)
def test_without_another_way_it_ends_soon_and_says_why_in_plain_words(
    reason: Any, program: str, named: str
) -> None:
    seen = scene("red block 0.4 -0.2", "green block 0.4 0.05", "blue bowl 0.5 0.2")
    table = Table(seen, reason, lambda step: step.what == "red block")
    result, _ = table.instruct(program)
    kind = reason.partition(":")[0] if isinstance(reason, str) else reason.__name__
    words = OBSTACLES.get(kind, OutOfReach.obstacle)
    assert result.finished.cause == "stuck" and named in result.reason and words in result.reason
    assert sum(step.what == "red block" for step in table.asked) == 2  # tried once more, and no longer
    assert not any(character.isdigit() for character in result.reason)
    if "green block , in" in program:
        assert table.scene[1].holder == 2  # what could be done was done


@pytest.mark.parametrize("reason", REASONS)
def test_a_thing_that_goes_nowhere_is_given_up_after_some_places(reason: Any) -> None:
    table = Table(scene("green bowl 0.45 0.2", "red block in 0"), reason, lambda step: True)
    result, _ = table.instruct("put ( red block , on table )")
    places = [step.target_at for step in table.asked]
    assert result.finished.cause == "stuck" and "the red block on the table" in result.reason
    assert len(places) == len(set(places)) == 3


@pytest.mark.parametrize("reason", REASONS)
def test_what_blocked_it_once_may_be_gone(reason: Any) -> None:
    table = Table(scene("red block 0.4 -0.2", "blue bowl 0.5 0.2"), reason, lambda step: False)
    table.barred = lambda step: len(table.asked) == 1
    result, _ = table.instruct("put ( red block , in blue bowl )")
    assert result.done and len(table.asked) == 2


def test_the_order_that_was_said_is_kept() -> None:
    seen = scene("red block 0.4 -0.2", "green block 0.4 0.05", "blue bowl 0.5 0.2")
    table = Table(seen, CLAMPED[0], lambda step: step.what == "red block")
    table.instruct("put ( red block , in blue bowl ) ; put ( green block , in blue bowl )")
    assert {step.what for step in table.asked} == {"red block"}
