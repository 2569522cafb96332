"""A person takes the arm at any instant and hands it back at any instant, and the arm feels no jump."""

from __future__ import annotations

import numpy as np
import pytest

from robots.errors import (
    ArmLatched,
    CommandJumps,
    CommandNotFinite,
    CommandOutOfOrder,
    NotAutonomous,
    RobotError,
    StoppedByPerson,
    TakeoverRefused,
)
from robots.executor import Executor
from robots.robot import Robot
from robots.teleop.arbitration import AUTONOMOUS, CORRECTING, PAUSED, STOPPED, Takeover
from robots.teleop.shared_robot import SharedArm
from robots.teleop.teleop_actions import Jog
from robots.types import ActionChunk, JointCommand
from tests.robot_contract import WrapperContract
from tests.teleop_rig import GateArm, motion, shared, somewhere, ticks, worst_change

TAKEOVERS = 500
PUSH = Jog((1.0, 0.0, 0.0))


class TestSharedArmIsARobot(WrapperContract):
    def make_arm(self) -> GateArm:
        return GateArm()

    def wrap(self, robot: Robot) -> SharedArm:
        class Alone(SharedArm):
            """Nobody else is there: what was rearmed is handed back at once."""

            def rearm(self, who: str = "test") -> None:
                super().rearm(who)
                self.hand_back(who)
                self.wait()

        return Alone(robot)


def test_the_speed_is_continuous_over_500_takeovers_at_random_moments_of_a_motion() -> None:
    rng = np.random.default_rng(4)
    arm, below, clock = shared()
    spec, executor = arm.spec, Executor(arm)
    jolted = 0
    for k in range(TAKEOVERS):
        path = motion(spec, below.q, somewhere(spec, rng, spec.q_home))
        at = int(rng.integers(0, len(path)))
        executor.reset()
        for i, target in enumerate(path):
            clock.now += spec.dt
            if i == at:
                arm.take("anna")
                with pytest.raises(NotAutonomous):
                    executor.send(target, 1.0)
                break
            executor.send(target, 1.0)
        jolted += not below.gate.at_rest
        for _ in range(int(rng.integers(0, 12))):  # at once, or after a moment's thought, or not at all
            if k % 3:
                arm.act("anna", Jog(tuple(rng.uniform(-1, 1, 3)), tuple(rng.uniform(-1, 1, 3))))
            ticks(arm, clock, 1)
        arm.hand_back("anna")
        assert arm.wait().who == "anna"
        assert below.gates == 1 and below.gate.begun
    assert jolted > 300  # most came in the middle of it
    assert worst_change(below) <= 1.0
    speed = np.diff(below.path, axis=0) * spec.control_hz
    assert (np.abs(speed) <= spec.dq_max).all()


def test_after_a_hand_back_the_first_target_is_near_the_arm_and_the_next_is_followed_without_a_jump() -> None:
    rng = np.random.default_rng(5)
    arm, below, clock = shared()
    executor = Executor(arm)
    for _ in range(60):
        arm.take("anna")
        for _ in range(int(rng.integers(1, 9))):
            arm.act("anna", Jog(tuple(rng.uniform(-1, 1, 3))))
            ticks(arm, clock, 1)
        arm.hand_back("anna")  # in full motion
        arm.wait()
        here = below.q.copy()
        assert below.gate.at_rest  # an agent that observes now sees where its plan begins
        far = here + rng.choice([-1.0, 1.0], 7) * rng.uniform(0.16, 1.0, 7)
        for _ in range(2):
            with pytest.raises(CommandJumps, match="from the measured"):
                executor.send(far, 1.0)
        np.testing.assert_array_equal(below.q, here)
        executor.send(here + rng.uniform(-0.14, 0.14, 7), 1.0)
        goal = somewhere(arm.spec, rng, arm.spec.q_home)
        for _ in range(int(rng.integers(1, 12))):
            executor.send(goal, 1.0)
    assert worst_change(below) <= 1.0


def test_a_taken_arm_decelerates_within_its_limits_and_holds_while_nobody_gives_a_command() -> None:
    arm, below, clock = shared()
    executor = Executor(arm)
    path = motion(arm.spec, below.q, below.q + 0.8)
    for target in path[: len(path) // 2]:
        executor.send(target, 1.0)
    fast = np.abs(below.gate.dq).max()
    assert fast > 0.5
    arm.take("anna")
    ticks(arm, clock, 12)
    assert below.gate.at_rest and worst_change(below) <= 1.0
    held = below.q.copy()
    ticks(arm, clock, 40)
    np.testing.assert_array_equal(below.q, held)


def test_braking_takes_no_longer_than_the_gate_s_own() -> None:
    arm, below, clock = shared()
    executor = Executor(arm)
    path = motion(arm.spec, below.q, below.q + 0.8)
    for target in path[: len(path) // 2]:
        executor.send(target, 1.0)
    alone = GateArm()
    for seq, target in enumerate(path[: len(path) // 2]):
        alone.command(JointCommand(target, 1.0, seq, 0.0))
    alone.stop("as it brakes by itself")
    arm.pause("anna")
    ticks(arm, clock, len(alone.path) - len(below.path))
    np.testing.assert_allclose(below.q, alone.q, atol=1e-8)
    assert below.gate.at_rest


@pytest.mark.parametrize("mode", [AUTONOMOUS, PAUSED, CORRECTING])
def test_a_stop_at_any_instant_decelerates_holds_and_latches(mode: str) -> None:
    rng = np.random.default_rng(6)
    for _ in range(12):
        arm, below, clock = shared()
        executor = Executor(arm)
        path = motion(arm.spec, below.q, somewhere(arm.spec, rng, below.q))
        for target in path[: int(rng.integers(1, len(path)))]:
            executor.send(target, 1.0)
        if mode == PAUSED:
            arm.pause("anna")
        elif mode == CORRECTING:
            arm.take("anna")
            arm.act("anna", PUSH)
        ticks(arm, clock, int(rng.integers(0, 3)))
        before = np.abs(below.gate.dq)
        arm.halt("bert", "a hand on the table")
        ticks(arm, clock, 1)
        assert (np.abs(below.gate.dq) <= before + 1e-9).all()  # decelerates at the very next tick
        assert not arm.act("anna", PUSH)
        ticks(arm, clock, 12)
        assert below.gate.at_rest and below.gate.latched == "a hand on the table"
        assert worst_change(below) <= 1.0
        held = below.q.copy()
        for refused in (arm.take, arm.pause, arm.hand_back):
            with pytest.raises(TakeoverRefused, match="a hand on the table"):
                refused("anna")
        with pytest.raises(ArmLatched, match="a hand on the table"):
            executor.send(held + 0.1, 1.0)
        arm.rearm("anna")
        ticks(arm, clock, 3)
        assert arm.takeover.mode == PAUSED
        np.testing.assert_array_equal(below.q, held)
        with pytest.raises(NotAutonomous):
            executor.send(held, 1.0)


def test_of_two_holders_the_second_is_refused_by_name_and_moves_nothing() -> None:
    arm, below, clock = shared()
    arm.take("anna")
    for refused in (arm.take, arm.pause, arm.hand_back):
        with pytest.raises(TakeoverRefused, match="anna"):
            refused("bert")
    assert not arm.act("bert", PUSH)
    ticks(arm, clock, 5)
    np.testing.assert_allclose(below.q, arm.spec.q_home, atol=1e-9)
    arm.disconnected("bert")
    assert arm.takeover.holder == "anna"
    arm.hand_back("anna")
    arm.take("bert")
    assert arm.takeover.holder == "bert"


def test_a_holder_who_is_gone_in_the_middle_of_a_motion_leaves_a_paused_arm() -> None:
    arm, below, clock = shared()
    arm.take("anna")
    for _ in range(8):
        arm.act("anna", PUSH)
        ticks(arm, clock, 1)
    assert not below.gate.at_rest
    arm.disconnected("anna")
    ticks(arm, clock, 6)
    assert arm.takeover.mode == PAUSED and below.gate.at_rest and worst_change(below) <= 1.0


def test_a_takeover_too_short_to_notice_still_breaks_the_agent_off() -> None:
    arm, below, clock = shared()
    executor = Executor(arm)
    executor.send(below.q, 1.0)
    arm.take("anna")
    arm.hand_back("anna")  # while the agent was thinking
    assert arm.takeover.mode == AUTONOMOUS and arm.interrupted
    with pytest.raises(NotAutonomous, match="anna"):
        executor.send(below.q, 1.0)
    happened = arm.wait()
    assert (happened.who, happened.why) == ("anna", "taken")
    executor.send(below.q, 1.0)


def test_the_agent_s_own_numbers_count_up_whoever_moved_in_between() -> None:
    arm, below, clock = shared()
    arm.command(JointCommand(below.q, 1.0, 3, 0.0))
    arm.take("anna")
    ticks(arm, clock, 50)
    arm.hand_back("anna")
    arm.wait()
    with pytest.raises(CommandOutOfOrder, match="3"):
        arm.command(JointCommand(below.q, 1.0, 3, 0.0))
    assert arm.command(JointCommand(below.q, 1.0, 4, 0.0)).seq == 4
    seqs = [c.seq for c in below.sent]
    assert seqs == sorted(set(seqs))


def test_a_refused_command_is_the_agent_s_own_fault_and_the_arm_brakes_on() -> None:
    arm, below, clock = shared()
    executor = Executor(arm)
    for target in motion(arm.spec, below.q, below.q + 0.5)[:6]:
        executor.send(target, 1.0)
    with pytest.raises(CommandNotFinite):
        executor.send(np.full(7, np.nan), 1.0)
    assert arm.takeover.mode == AUTONOMOUS
    ticks(arm, clock, 10)
    assert below.gate.at_rest and worst_change(below) <= 1.0


def test_what_the_operator_did_is_reported_to_the_agent_and_to_listeners() -> None:
    arm, below, clock = shared()
    seen = []
    arm.on_tick.append(seen.append)
    executor = Executor(arm)
    executor.send(below.q, 0.4)
    arm.take("anna")
    for _ in range(5):
        arm.act("anna", PUSH)
        ticks(arm, clock, 1)
    clock.now += 0.07  # with the last tick's 50 ms the action is stale
    ticks(arm, clock, 4)
    arm.hand_back("anna")
    happened = arm.wait()
    assert len(happened.commands) == 9 and happened.seconds == pytest.approx(9 * arm.spec.dt + 0.07)
    assert [t.by for t in seen] == ["policy"] + ["anna"] * 5 + [""] * 4
    assert [t.mode for t in seen] == [AUTONOMOUS] + [CORRECTING] * 9
    assert all(t.sent is not None for t in seen)
    assert [t.asked is None for t in seen] == [False] * 6 + [True] * 4
    assert below.gripper == pytest.approx(
        0.4
    )  # the fingers go on to where they were told: nothing is dropped


def test_time_stands_still_for_a_simulated_arm_while_the_policy_thinks_but_not_for_ever() -> None:
    arm, below, clock = shared(patience=0.2)
    executor = Executor(arm)
    for target in motion(arm.spec, below.q, below.q + 0.8)[:10]:
        executor.send(target, 1.0)
    n = len(below.sent)
    ticks(arm, clock, 4)
    assert len(below.sent) == n
    ticks(arm, clock, 12)
    assert below.gate.at_rest and worst_change(below) <= 1.0
    arm.take("anna")  # a person never waits
    arm.act("anna", PUSH)
    n = len(below.sent)
    ticks(arm, clock, 1)
    assert len(below.sent) == n + 1


def test_an_arm_that_is_latched_from_below_is_stopped_with_the_cause() -> None:
    arm, below, clock = shared()
    executor = Executor(arm)
    executor.send(below.q, 1.0)
    below.stop("its own button")
    with pytest.raises(StoppedByPerson, match="its own button"):
        executor.send(below.q, 1.0)
    assert arm.takeover.mode == STOPPED and "its own button" in arm.takeover.message
    arm.rearm("anna")
    arm.hand_back("anna")
    arm.wait()
    executor.send(below.q, 1.0)


def test_a_rearm_waits_until_the_arm_is_at_rest() -> None:
    arm, below, clock = shared()
    executor = Executor(arm)
    for target in motion(arm.spec, below.q, below.q + 0.8)[:12]:
        executor.send(target, 1.0)
    arm.halt("anna", "enough")
    for _ in range(12):  # impatient: a new session in full motion would be a jump
        if not below.gate.at_rest:
            with pytest.raises(TakeoverRefused, match="decelerates"):
                arm.rearm("anna")
        ticks(arm, clock, 1)
    arm.rearm("anna")
    arm.take("anna")
    arm.act("anna", PUSH)
    ticks(arm, clock, 2)
    assert worst_change(below) <= 1.0


def test_words_in_the_middle_of_a_motion_brake_it_even_where_time_would_wait() -> None:
    arm, below, clock = shared(patience=2.0)
    executor = Executor(arm)
    for target in motion(arm.spec, below.q, below.q + 0.8)[:12]:
        executor.send(target, 1.0)
    arm.interrupt("anna")
    arm.wait()
    ticks(arm, clock, 12)
    assert below.gate.at_rest and worst_change(below) <= 1.0


def test_a_refusal_of_the_arbitration_names_the_reason() -> None:
    machine = Takeover()
    with pytest.raises(TakeoverRefused, match="not stopped"):
        machine.rearm("anna")
    machine.stop("bert", "smoke")
    machine.stop("anna", "me too")
    assert machine.message == "stopped: smoke"
    with pytest.raises(TakeoverRefused, match="smoke; rearm"):
        machine.take("anna")
    assert issubclass(TakeoverRefused, RobotError)


def test_without_an_agent_a_hand_back_is_a_pause() -> None:
    machine = Takeover(PAUSED, agent=False)
    machine.take("anna")
    machine.hand_back("anna")
    assert (machine.mode, machine.holder) == (PAUSED, "")


def test_a_chunk_that_was_broken_off_is_not_faded_into_the_next_one() -> None:
    arm, below, clock = shared()
    executor = Executor(arm)
    path = motion(arm.spec, below.q, below.q + 0.5)
    executor.run(ActionChunk(path, np.ones(len(path)), 20.0), n=5)
    arm.take("anna")
    with pytest.raises(NotAutonomous):
        executor.run(ActionChunk(path[5:], np.ones(len(path) - 5), 20.0))
    ticks(arm, clock, 10)
    arm.hand_back("anna")
    arm.wait()
    executor.reset()
    here = below.q.copy()
    executor.run(ActionChunk(np.repeat(here[None], 4, 0), np.ones(4), 20.0))
    np.testing.assert_array_equal(below.q, here)


def test_the_simulated_arm_is_taken_over_without_a_jump_with_walls_and_table_minded() -> None:
    from sim.world.arm import SimulatedArm
    from sim.world.scene import Scene
    from sim.world.world import World

    world = World("fast")
    try:
        below = SimulatedArm(world)
        world.load(Scene((), ()))
        below.hold(1)
        gate, arm = below.gate, SharedArm(below, patience=2.0)
        sent, rng = [gate.q.copy()] * 2, np.random.default_rng(8)
        arm.on_tick.append(lambda tick: sent.append(gate.q.copy()))
        executor = Executor(arm)
        for _ in range(40):
            path = motion(arm.spec, gate.q, somewhere(arm.spec, rng, arm.spec.q_home))
            for target in path[: int(rng.integers(0, len(path)))]:
                executor.send(target, 1.0)
            arm.take("anna")
            for _ in range(int(rng.integers(0, 10))):
                arm.act("anna", Jog(tuple(rng.uniform(-1, 1, 3)), tuple(rng.uniform(-1, 1, 3))))
                arm.tick()
            arm.hand_back("anna")
            arm.wait()
            executor.reset()
        assert below.gate is gate  # never made anew
        speed = np.diff(np.array(sent), axis=0) * arm.spec.control_hz
        assert (np.abs(np.diff(speed, axis=0)) <= arm.spec.ddq_max * arm.spec.dt).all()
    finally:
        world.close()


REQUESTS = (
    "take",
    "pause",
    "hand_back",
    "interrupt",
    "halt",
    "report",
    "disconnected",
    "tick",
    "rearm while it moves",
)


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("reason", ["a hand at the button", "FollowingError: panda_joint1: measured 0.6 rad"])
def test_what_stopped_the_arm_stays_displayed_until_it_is_rearmed(request_: str, reason: str) -> None:
    arm, below, clock = shared()
    Executor(arm).send(below.q, 1.0)
    arm.halt("bert", reason)
    if request_ != "rearm while it moves":
        ticks(arm, clock, 2)
    longest = 0
    for k in range(12):
        before = arm.takeover.message
        if request_ == "tick":
            ticks(arm, clock, 1)
        elif request_ == "report":
            arm.report(f"camera {k} is silent")
        elif request_ == "rearm while it moves":
            below.rearm = lambda: (_ for _ in ()).throw(RobotError("not now"))  # type: ignore[method-assign]
            arm._button_pressed("anna", "rearm")
        elif request_ == "halt":
            arm.halt("anna", "another reason")
        elif request_ in ("interrupt", "disconnected"):
            getattr(arm, request_)("anna")
        else:
            arm._button_pressed("anna", request_)
        assert reason in arm.takeover.message and before
        longest = max(longest, len(arm.takeover.message))
    assert longest < len(reason) + 100  # and does not grow with each request
