"""What every `Robot` promises: tests of an arm inherit `RobotContract`, those of a wrapper `WrapperContract`.

Each overrides one factory.
"""

from __future__ import annotations

import numpy as np
import pytest

from robots import robot as robots_robot
from robots.errors import (
    ArmLatched,
    CommandJumps,
    CommandNotFinite,
    CommandOutOfOrder,
    CommandRejected,
    CommandShape,
)
from robots.motion.kinematics import fk
from robots.robot import Rearmable, Robot, RobotWrapper
from robots.types import JointCommand, Observation

CAPABILITIES: tuple[type, ...] = tuple(
    kind
    for kind in vars(robots_robot).values()
    if getattr(kind, "_is_protocol", False) and kind is not Robot and kind.__module__ == robots_robot.__name__
)


class Undeclared:
    """A capability that nothing declares, though everything could do it."""

    def observe(self) -> None: ...


class RobotContract:
    """Inherit, override `make_robot`, and these run against it.

    Attributes:
        late: ticks that may pass without a command, and be spent braking: some, for an arm by the clock.
    """

    late = 0

    def make_robot(self) -> Robot:
        """A robot at rest whose session has not begun, `rearm`-able, with time at its own 0."""
        raise NotImplementedError

    @pytest.fixture
    def robot(self) -> Robot:
        return self.make_robot()

    def start(self, robot: Robot, seq: int = 0) -> np.ndarray:
        """First command: stay here. Returns the measured joints."""
        q = robot.observe(()).robot.q
        robot.command(JointCommand(q, 1.0, seq, robot.observe(()).t_mono))
        return q

    def sent_to(self, robot: Robot, answers: list[np.ndarray]) -> np.ndarray:
        """(T, n_joints) sent, a row a tick. An arm that ticks by the clock overrides it with its own record:
        on a busy machine two commands may lie two ticks apart."""
        return np.array(answers)

    def test_a_capability_that_is_not_declared_is_none_whatever_the_robot_can_do(self, robot: Robot) -> None:
        assert robot.capability(Undeclared) is None
        for kind in CAPABILITIES:
            if kind not in type(robot.unwrapped).__mro__:
                assert robot.capability(kind) is None, kind

    def test_a_declared_capability_has_all_that_it_promises(self, robot: Robot) -> None:
        for kind in CAPABILITIES:
            if (found := robot.capability(kind)) is not None:
                promised = [*kind.__annotations__, *(name for name in vars(kind) if not name.startswith("_"))]
                for name in promised:
                    # what only the protocol has is its placeholder
                    assert name in vars(found) or getattr(type(found), name) is not vars(kind)[name], name

    def test_unwrapped_is_the_arm_itself(self, robot: Robot) -> None:
        arm = robot.unwrapped
        assert not isinstance(arm, RobotWrapper) and arm.unwrapped is arm
        assert arm.capability(type(arm)) is arm and robot.capability(type(arm)) is arm

    def test_observation_has_the_arm_s_shape(self, robot: Robot) -> None:
        seen = robot.observe(())
        n = robot.spec.n_joints
        assert isinstance(seen, Observation) and not seen.images
        assert seen.robot.q.shape == seen.robot.dq.shape == (n,)
        assert 0.0 <= seen.robot.gripper <= 1.0
        np.testing.assert_allclose(seen.robot.base_from_ee, fk(robot.spec, seen.robot.q), atol=1e-6)

    def test_observation_is_not_changed_by_what_follows(self, robot: Robot) -> None:
        seen = robot.observe(())
        before = seen.robot.q.copy()
        self.move(robot, before + 0.1, 20)
        np.testing.assert_array_equal(seen.robot.q, before)

    def test_arm_goes_where_it_is_commanded_and_returns_what_was_sent(self, robot: Robot) -> None:
        q = self.start(robot)
        goal = q + 0.1
        sent = self.move(robot, goal, 30, seq=1)
        for k in range(self.late):
            if not np.allclose(sent.q_target, goal, atol=1e-6):
                sent = self.move(robot, goal, 1, seq=31 + k)
        np.testing.assert_allclose(sent.q_target, goal, atol=1e-6)
        np.testing.assert_allclose(robot.observe(()).robot.q, goal, atol=5e-3)

    def test_what_is_sent_keeps_the_arm_s_own_limits(self, robot: Robot) -> None:
        spec, rng = robot.spec, np.random.default_rng(0)
        path = [self.start(robot)]
        for seq in range(1, 60):
            wild = rng.uniform(spec.q_min - 1, spec.q_max + 1)
            ask = JointCommand(wild, rng.uniform(), seq, robot.observe(()).t_mono)
            path.append(robot.command(ask).q_target)
        q = self.sent_to(robot, path)
        speed = np.diff(q, axis=0) * spec.control_hz
        assert ((spec.q_min <= q) & (q <= spec.q_max)).all()
        assert (np.abs(speed) <= spec.dq_max).all()
        assert (np.abs(np.diff(speed, axis=0)) * spec.control_hz <= spec.ddq_max).all()

    def test_first_command_far_from_the_arm_is_refused(self, robot: Robot) -> None:
        q = robot.observe(()).robot.q
        far = q + 2 * robot.spec.first_command_tolerance
        with pytest.raises(CommandJumps, match=robot.spec.joint_names[0]):
            robot.command(JointCommand(far, 1.0, 0, robot.observe(()).t_mono))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_not_finite_is_refused_and_the_arm_stays_whole(self, robot: Robot, bad: float) -> None:
        q = self.start(robot)
        target = q.copy()
        target[-1] = bad
        with pytest.raises(CommandNotFinite, match=robot.spec.joint_names[-1]):
            robot.command(JointCommand(target, 1.0, 1, robot.observe(()).t_mono))
        with pytest.raises(CommandNotFinite):
            robot.command(JointCommand(q, bad, 1, robot.observe(()).t_mono))
        np.testing.assert_allclose(robot.observe(()).robot.q, q, atol=5e-3)
        robot.command(JointCommand(q, 1.0, 1, robot.observe(()).t_mono))  # and it still takes orders

    def test_wrong_shape_is_refused(self, robot: Robot) -> None:
        q = self.start(robot)
        for wrong in (q[:-1], q[None], np.float64(0.0), ["a"] * len(q)):
            with pytest.raises(CommandShape):
                robot.command(JointCommand(wrong, 1.0, 1, robot.observe(()).t_mono))  # type: ignore[arg-type]

    def test_old_and_repeated_commands_are_refused(self, robot: Robot) -> None:
        q = self.start(robot, seq=5)
        for seq in (5, 4, -1):
            with pytest.raises(CommandOutOfOrder):
                robot.command(JointCommand(q, 1.0, seq, robot.observe(()).t_mono))

    def test_stop_holds_and_latches_until_rearmed(self, robot: Robot) -> None:
        q = self.start(robot)
        self.move(robot, q + 0.5, 6, seq=1)
        robot.stop("test")
        held = robot.observe(()).robot.q
        with pytest.raises(ArmLatched, match="test"):
            robot.command(JointCommand(held, 1.0, 100, robot.observe(()).t_mono))
        np.testing.assert_allclose(robot.observe(()).robot.q, held, atol=5e-3)
        rearmable = robot.capability(Rearmable)
        assert rearmable is not None
        rearmable.rearm()
        with pytest.raises(CommandJumps):  # a new session starts where the arm is
            robot.command(JointCommand(held + 0.5, 1.0, 101, robot.observe(()).t_mono))
        with pytest.raises(CommandRejected):  # and nothing from before is executed
            robot.command(JointCommand(held, 1.0, 3, robot.observe(()).t_mono))
        robot.command(JointCommand(held, 1.0, 102, robot.observe(()).t_mono))

    def move(self, robot: Robot, goal: np.ndarray, ticks: int, seq: int = 0) -> JointCommand:
        """Ask for `goal` again and again; returns what was sent last."""
        for k in range(ticks):
            if seq + k == 0:
                self.start(robot)
                continue
            sent = robot.command(JointCommand(goal, 1.0, seq + k, robot.observe(()).t_mono))
        return sent


class Bare(Robot):
    """An arm without capabilities, which answers each command with the very same tuple, or an error."""

    def __init__(self, arm: Robot) -> None:
        self.spec, self.observe = arm.spec, arm.observe  # type: ignore[method-assign]
        self.error: CommandRejected | None = None
        self.stopped: list[str] = []

    def command(self, command: JointCommand) -> JointCommand:
        if self.error is not None:
            raise self.error
        return command._replace(gripper=0.25)

    def stop(self, reason: str) -> None:
        self.stopped.append(reason)


class WrapperContract(RobotContract):
    """Override `make_arm`, which gives an arm as `make_robot` does, and `wrap`."""

    def make_arm(self) -> Robot:
        raise NotImplementedError

    def wrap(self, robot: Robot) -> Robot:
        raise NotImplementedError

    def make_robot(self) -> Robot:
        return self.wrap(self.make_arm())

    def test_wrapping_keeps_the_spec_and_reaches_the_arm_through_two_wrappers(self) -> None:
        arm = self.make_arm()
        twice = RobotWrapper(self.wrap(arm))
        assert twice.spec is arm.spec and twice.unwrapped is arm
        assert self.wrap(RobotWrapper(arm)).unwrapped is arm

    def test_wrapping_keeps_capabilities_and_adds_none(self) -> None:
        arm = self.make_arm()
        wrapped = self.wrap(arm)
        bare = self.wrap(Bare(arm))
        for kind in CAPABILITIES:
            own = kind in type(wrapped).__mro__
            assert wrapped.capability(kind) is (
                None if arm.capability(kind) is None else wrapped if own else arm
            )
            assert RobotWrapper(wrapped).capability(kind) is wrapped.capability(kind)
            assert bare.capability(kind) is None

    def test_wrapping_keeps_what_a_command_returns_and_raises(self) -> None:
        bare = Bare(self.make_arm())
        robot = self.wrap(bare)
        q = robot.observe(()).robot.q
        sent = robot.command(JointCommand(q, 1.0, 3, 0.0))
        assert (sent.gripper, sent.seq) == (0.25, 3)
        np.testing.assert_array_equal(sent.q_target, q)
        bare.error = CommandShape("of this kind and in these words")
        with pytest.raises(CommandShape, match="of this kind and in these words"):
            robot.command(JointCommand(q, 1.0, 4, 0.0))
        bare.error = None
        robot.stop("a reason")
        assert bare.stopped == ["a reason"]
