"""What every `Robot` promises. A new arm's tests inherit this class and override one factory."""

from __future__ import annotations

import numpy as np
import pytest

from robots.errors import (
    ArmLatched,
    CommandJumps,
    CommandNotFinite,
    CommandOutOfOrder,
    CommandRejected,
    CommandShape,
)
from robots.motion.kinematics import fk
from robots.types import JointCommand, Observation, Robot


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

    def test_arm_goes_where_it_is_told_and_tells_what_was_sent(self, robot: Robot) -> None:
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
        robot.rearm()  # type: ignore[attr-defined]
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
