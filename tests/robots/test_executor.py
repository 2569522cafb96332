"""The executor numbers and stamps what it sends, and a new chunk takes over smoothly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from robots.errors import CommandRejected, CommandShape
from robots.executor import Executor
from robots.motion.kinematics import fk, reach_down
from robots.robot import HasGate, Robot
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec
from robots.types import ActionChunk, JointCommand


class PaperArm(Robot, HasGate):
    """A `Robot` that is where it was told to be."""

    def __init__(self) -> None:
        self.spec = ArmSpec.load("panda")
        self.gate, self.q, self.time = SafetyGate(self.spec), self.spec.q_home, 100.0
        self.asked: list[JointCommand] = []

    def command(self, command: JointCommand) -> JointCommand:
        self.asked.append(command)
        sent = self.gate.filter(command, self.q, 1.0, self.time)
        self.q, self.time = sent.q_target, self.time + self.spec.dt
        return sent


def chunk(arm: PaperArm, offset: float, ticks: int = 8) -> ActionChunk:
    return ActionChunk(np.tile(arm.spec.q_home + offset, (ticks, 1)), np.ones(ticks), arm.spec.control_hz)


def test_commands_are_numbered_and_stamped_by_the_receiver_s_clock() -> None:
    arm, reported = PaperArm(), []
    sent = Executor(arm).run(chunk(arm, 0.01), on_sent=reported.append)
    assert [c.seq for c in arm.asked] == list(range(8))
    stamps = [asked.t_mono for asked in arm.asked[1:]]  # the first is sent before anything was received
    assert (
        stamps == [answer.t_mono for answer in sent[:-1]] == pytest.approx(100.0 + arm.spec.dt * np.arange(7))
    )
    assert reported == sent and len(sent) == 8


def test_only_the_first_part_is_sent_when_asked() -> None:
    arm = PaperArm()
    assert len(Executor(arm).run(chunk(arm, 0.01), n=3)) == len(arm.asked) == 3


def test_a_new_chunk_fades_in_over_what_the_last_one_still_wanted() -> None:
    arm = PaperArm()
    executor = Executor(arm, blend=3)
    executor.run(chunk(arm, 0.0), n=2)
    executor.run(chunk(arm, 0.08))
    asked = np.array([c.q_target[0] for c in arm.asked[2:]]) - arm.spec.q_home[0]
    np.testing.assert_allclose(asked[:4], [0.02, 0.04, 0.06, 0.08])


def test_after_a_reset_nothing_of_the_last_chunk_remains() -> None:
    arm = PaperArm()
    executor = Executor(arm, blend=3)
    executor.run(chunk(arm, 0.0), n=2)
    executor.reset()
    executor.run(chunk(arm, 0.08))
    assert arm.asked[2].q_target[0] == pytest.approx(arm.spec.q_home[0] + 0.08)
    assert arm.asked[2].seq == 2


def test_a_chunk_of_another_arm_or_rate_is_refused() -> None:
    arm = PaperArm()
    good = chunk(arm, 0.0)
    for bad in (
        ActionChunk(good.q_targets[:, :-1], good.gripper, good.control_hz),
        ActionChunk(good.q_targets, good.gripper[:-1], good.control_hz),
        ActionChunk(good.q_targets, good.gripper, 50.0),
    ):
        with pytest.raises(CommandShape):
            Executor(arm).run(bad)
    assert not arm.asked


def test_a_nan_stops_the_chunk_where_it_stands() -> None:
    arm = PaperArm()
    bad = chunk(arm, 0.01)
    bad.q_targets[4, 2] = np.nan
    with pytest.raises(CommandRejected, match="panda_joint3"):
        Executor(arm).run(bad)
    assert len(arm.asked) == 5 and np.isfinite(arm.q).all()


def test_every_tick_of_a_chunk_is_accounted_for() -> None:
    arm = PaperArm()
    executor = Executor(arm, blend=0)
    executor.run(chunk(arm, 0.0, ticks=4))
    assert (executor.verdict.first_tick, executor.verdict.accepted, executor.verdict.clamped) == (0, 4, 0)
    executor.run(chunk(arm, 1.5, ticks=5))  # farther than the arm gets in a tick
    far = executor.verdict
    assert (far.first_tick, far.accepted, far.clamped, far.refused) == (4, 0, 5, "")
    assert sum(far.causes.values()) == 5 and far.share["speed"] <= 1 + 1e-6
    assert far.share["acceleration"] == pytest.approx(1, abs=1e-3) or far.share["speed"] > 0.9
    assert set(far.joint.values()) <= set(arm.spec.joint_names)


@pytest.mark.parametrize("axis, sign", [(0, 1), (1, -1), (2, -1)])
def test_what_the_workspace_holds_back_is_a_reason_with_its_name(axis: int, sign: int) -> None:
    arm = PaperArm()
    at = fk(arm.spec, arm.spec.q_home)[:3, 3]
    beyond = at.copy()
    beyond[axis] += sign * 0.02
    limit = {1: "workspace_max", -1: "workspace_min"}[sign]
    edge = getattr(arm.spec, limit).copy()
    edge[axis] = at[axis] + sign * 0.005
    arm.spec = replace(arm.spec, **{limit: edge})
    arm.gate = SafetyGate(arm.spec)
    executor = Executor(arm, blend=0)
    target = reach_down(arm.spec, beyond, 0.0, arm.spec.q_home)
    executor.run(ActionChunk(np.tile(target, (40, 1)), np.ones(40), arm.spec.control_hz))
    assert executor.verdict.clamped > 0
    assert f"workspace: tool {'xyz'[axis]}" in executor.verdict.reason


def test_limits_of_speed_alone_are_no_reason_to_plan_otherwise() -> None:
    arm = PaperArm()
    executor = Executor(arm, blend=0)
    executor.run(chunk(arm, 0.05, ticks=30))
    assert executor.verdict.clamped > 0 and executor.verdict.reason == ""


def test_a_refusal_ends_the_verdict_with_its_reason() -> None:
    arm = PaperArm()
    executor = Executor(arm)
    bad = chunk(arm, 0.0)
    bad.q_targets[4, 2] = np.nan
    with pytest.raises(CommandRejected):
        executor.run(bad)
    assert executor.verdict.accepted == 4
    assert "panda_joint3" in executor.verdict.refused and "refused" in executor.verdict.reason
