"""SharedArm: a `Robot` that an agent and an operator share; each tick has one commander.

It wraps the arm for the agent's executor. The arm keeps its safety gate and session whoever commands, so a
takeover or a hand-back is one more target. The agent has sessions of its own: the first command of the run,
and the first after a person's, must be near the measured joints.

Two time modes:

- lock-step: every `command` is a tick, as without the wrapper;
- under a `ControlLoop`: only its thread uses the arm, and ticks by the wall clock.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from robots.control_tasks import ControlTasks
from robots.errors import (
    ArmLatched,
    CommandJumps,
    CommandOutOfOrder,
    CommandRejected,
    DeviceError,
    DriverError,
    LeaseMissing,
    LinkDead,
    NotAutonomous,
    RobotError,
    SessionLost,
    StoppedByPerson,
    TakeoverRefused,
)
from robots.robot import LINK_TIMEOUT, HasCameras, HasGate, Rearmable, Remote, Robot, RobotWrapper
from robots.safety.first_command import check_first_target
from robots.teleop.arbitration import AUTONOMOUS, CORRECTING, STOPPED, Takeover
from robots.teleop.capture_times import CaptureTimes
from robots.teleop.limits import TeleopLimits
from robots.teleop.pictures import Pictures
from robots.teleop.session import Session
from robots.teleop.steering import Steering
from robots.teleop.teleop_actions import STALE, Jog, TeleopAction, Teleoperator
from robots.teleop.ticks import Interruption, PendingCommand, Tick
from robots.types import CameraFrame, JointCommand, Observation, RobotState

POLICY = "policy"
LOST = (ArmLatched, LeaseMissing, LinkDead, SessionLost, DriverError)  # errors that end a session


class _FirstRefused(CommandJumps):
    """By this module, before anything was sent; the gate's own CommandJumps cost the arm a tick."""


class SharedArm(RobotWrapper, Rearmable):
    """See the module.

    Args:
        robot: the arm, or a wrapper around it; nothing else may command it.
        limits: of the operator's motions.
        mode: initial mode of `arbitration`.
        agent: whether an agent exists to hand back to.
        patience: [s] that time may stop during a motion until the agent's next command. Only for a simulated
            arm, whose motion is then independent of the policy's speed; a real arm brakes at the first tick
            without a command.
        message: initial status message.
        pictures: image source outside the control thread; under a `ControlLoop` only.
        clock: monotonic clock in [s].

    Attributes:
        takeover: the state machine that decides who commands.
        captures: capture times of the cameras.
        devices: teleoperation devices, read every tick.
        on_tick: called after each tick, by the thread that ticks.
    """

    def __init__(
        self,
        robot: Robot,
        limits: TeleopLimits | None = None,
        mode: str = AUTONOMOUS,
        agent: bool = True,
        patience: float = 0.0,
        message: str = "",
        pictures: Pictures | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(robot)
        self.limits = limits or TeleopLimits()
        self.takeover = Takeover(mode, agent, message)
        self.patience = patience
        self.on_tick: list[Callable[[Tick], None]] = []
        self.devices: list[Teleoperator] = []
        self.tasks = ControlTasks()
        self.pictures = pictures
        self.captures = CaptureTimes(robot.spec.dt)
        self._clock = clock
        self._lock = threading.Condition()
        self._steering = Steering(self.spec, self.limits)
        self._session = Session(robot, mode == STOPPED, clock)
        self._with_cameras = robot.capability(HasCameras)
        self._gated = robot.capability(HasGate)
        self._remote = robot.capability(Remote)
        self._stop_reason = message
        self._action: tuple[TeleopAction, float] | None = None
        self._pending: PendingCommand | None = None
        self._agent_seq = -1
        self._agent_began = False  # whether a command was accepted since the start, or the interruption
        self._time_stopped = 0.0
        self._interrupted_at = clock()
        self._operator_commands: list[JointCommand] = []

    # -- Robot, for the agent -----------------------------------------------------------------

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """Delegates to the wrapped robot, between two ticks."""
        every = () if self._with_cameras is None else self._with_cameras.cameras
        images = {name: self.picture(name) for name in (every if cameras is None else cameras)}
        seen = self.tasks.between_ticks(lambda: self.robot.observe(()))
        return replace(seen, images=images)

    def picture(self, camera: str) -> CameraFrame:
        """A new image, captured in a tick with enough time left, or by `pictures`."""
        if self.pictures is not None:
            return self.pictures.fresh(camera)

        def capture() -> CameraFrame:
            return self.captures.measure(camera, lambda: self.robot.observe((camera,)).images[camera])

        duration = min(self.captures.expected(camera), 0.8 * self.spec.dt)  # late rather than never
        return self.tasks.between_ticks(capture, duration=duration)

    def command(self, command: JointCommand) -> JointCommand:
        """Send the agent's next target. Returns the command really sent, at its tick.

        Raises:
            NotAutonomous: an operator has control, or had it since the agent's last `wait`.
            CommandOutOfOrder: `command.seq` is not greater than the agent's last one.
            CommandJumps: the first command of the agent's session is too far from the measured joints.
            CommandRejected: from the gate.
        """
        with self._lock:
            self._check_agent()
            if not command.seq > self._agent_seq:
                raise CommandOutOfOrder(
                    f"command seq {command.seq} is not after the last one, {self._agent_seq}; count up"
                )
            self._pending = pending = PendingCommand(command)
        if not self.tasks.threaded:
            self.tick()
        with self._lock:
            while not pending.done:
                self._lock.wait(0.2)
                self.tasks.check_alive()
        if pending.error is not None:
            raise pending.error
        assert pending.sent is not None
        self._agent_seq = command.seq
        return pending.sent._replace(seq=command.seq)

    def stop(self, reason: str) -> None:
        """Decelerate within the limits and hold; latched until `rearm`. Returns when the arm is at rest.

        Raises:
            LinkDead: nothing was received from a remote arm for `LINK_TIMEOUT`.
        """
        self.halt(POLICY, reason)
        limit = time.monotonic() + 10.0
        while not self._session.latched and time.monotonic() < limit:
            if self.tasks.threaded:
                if self._remote is not None and (age := self._remote.age()) > LINK_TIMEOUT:
                    raise LinkDead(
                        f"nothing received from the arm for {age:.1f} s, limit {LINK_TIMEOUT:g} s: the "
                        "stop may not have arrived; the server's watchdog stops the arm"
                    )
                time.sleep(self.spec.dt / 4)
                self.tasks.check_alive()
            else:
                self.tick()

    def rearm(self, who: str = POLICY, timeout: float | None = None) -> None:
        """Accept commands again after a stop; the mode is then paused.

        Args:
            who: who rearms.
            timeout: [s] to wait; None = no limit.

        Raises:
            TakeoverRefused: the arm still decelerates, or is not stopped.
            RobotError: the arm refuses.
            TimeoutError: not done within `timeout`; it is still done later.
        """

        def rearm() -> None:
            try:
                if self.takeover.mode == STOPPED:
                    if not self._session.latched:  # a new session must begin at rest
                        raise TakeoverRefused("the arm still decelerates; rearm when it is at rest")
                    self._session.rearm()
                self._change(lambda: self.takeover.rearm(who))
            except RobotError as error:
                self.report(f"not rearmed: {error}")
                raise

        self.tasks.between_ticks(rearm, timeout)

    # -- for the agent ------------------------------------------------------------------------

    @property
    def interrupted(self) -> bool:
        """Whether an operator has control, or had it since the agent's last `wait`."""
        return not self.takeover.autonomous

    def wait(self) -> Interruption:
        """Wait until the agent may observe and plan again, the arm at rest. Returns the interruption."""
        while True:
            with self._lock:
                self.tasks.check_alive()
                handed_back = self.takeover.mode == AUTONOMOUS
                if handed_back and self._session.at_rest:  # a plan from where the arm passed begins elsewhere
                    what = Interruption(
                        self.takeover.who,
                        self.takeover.why,
                        self._clock() - self._interrupted_at,
                        tuple(self._operator_commands),
                    )
                    self._operator_commands.clear()
                    self.takeover.acknowledge()
                    return what
                if self.tasks.threaded:
                    self._lock.wait(self.spec.dt if handed_back else 0.2)
                    continue
            self.tick()

    # -- the operator, from any thread --------------------------------------------------------

    def take(self, who: str) -> None:
        """See `Takeover.take`."""
        self._change(lambda: self.takeover.take(who))

    def pause(self, who: str) -> None:
        """See `Takeover.pause`."""
        self._change(lambda: self.takeover.pause(who))

    def hand_back(self, who: str) -> None:
        """See `Takeover.hand_back`."""
        self._change(lambda: self.takeover.hand_back(who))

    def halt(self, who: str, reason: str) -> None:
        """Decelerate from the next tick on, hold and latch. Allowed for anyone at any time."""
        with self._lock:
            if self.takeover.mode != STOPPED:
                self._stop_reason = reason
        self._change(lambda: self.takeover.stop(who, reason))

    def disconnected(self, who: str) -> None:
        """See `Takeover.disconnected`."""
        self._change(lambda: self.takeover.disconnected(who))

    def interrupt(self, who: str) -> None:
        """See `Takeover.interrupt`."""
        self._change(lambda: self.takeover.interrupt(who))

    def act(self, who: str, action: TeleopAction, age: float = 0.0) -> bool:
        """Set the operator's motion for the next `STALE` [s].

        Args:
            who: the operator.
            action: the motion.
            age: [s] since it was read.

        Returns:
            Whether `who` has control; otherwise the action is ignored.
        """
        with self._lock:
            if not (self.takeover.mode == CORRECTING and self.takeover.holder == who):
                return False
            self._action = (action, self._clock() - age)
            return True

    def report(self, message: str) -> None:
        """Set the status message of the last event."""
        self.takeover.report(message)

    # -- the tick -----------------------------------------------------------------------------

    def tick(self) -> Tick | None:
        """One control tick: select the commander, send, measure. None while time is stopped (`patience`)."""
        self._read_devices()
        with self._lock:
            now = self._clock()
            mode, holder = self.takeover.mode, self.takeover.holder
            pending, self._pending = self._pending, None
            if pending is not None and not self.takeover.autonomous:
                pending.fail(self._not_autonomous())
                pending = None
                self._lock.notify_all()
            action = self._current_action(now) if mode == CORRECTING else None
        if mode == STOPPED and self._session.latch(self._stop_reason):
            return self._notify(Tick(now, mode, "", None, None, self._measured()))
        if pending is not None:
            return self._notify(self._send_for_agent(pending, now))
        arm = self._session.begin()
        if self.takeover.handed_back and arm.at_rest and self._session.release():
            self._change(
                lambda: self.takeover.stop("arm", "handed back, the lease is free; rearm acquires it")
            )
            return self._notify(Tick(now, STOPPED, "", None, None, self._measured()))
        if mode == AUTONOMOUS and not arm.at_rest and self._time_stopped < self.patience:
            self._time_stopped += self.spec.dt
            return None
        opening = (
            arm.gripper if action is None or action.gripper is None else min(max(action.gripper, 0.0), 1.0)
        )
        if action is None or (isinstance(action, Jog) and action.is_zero):
            self._steering.reset()
            target = arm.braking_target()
        else:
            target = self._steering.target(action, arm)
        by = "" if action is None or (action == Jog()) else holder
        asked = self._session.make_command(target, opening)
        sent = self._send_for_operator(asked)
        if sent is not None and mode == CORRECTING:
            self._operator_commands.append(sent)
        return self._notify(Tick(now, mode, by, asked if by else None, sent, self._measured()))

    @property
    def state(self) -> RobotState:
        """Measured at the last tick."""
        return self._session.state

    @property
    def age(self) -> float:
        """[s] since the state was last measured."""
        return self._clock() - self._session.measured_at

    @property
    def limited_by(self) -> str:
        """What limits the last motion: a constraint of the gate, a joint limit or a singularity; or ""."""
        by_gate = "" if self._gated is None else self._gated.gate.limited_by
        return by_gate or self._steering.limited_by

    def _send_for_agent(self, pending: PendingCommand, now: float) -> Tick:
        self._time_stopped = 0.0
        self._steering.reset()
        command = pending.command
        asked = self._session.make_command(command.q_target, command.gripper, command.t_mono)
        sent: JointCommand | None = None
        error: Exception | None = None
        try:
            if not self._agent_began:
                self._check_agents_first(asked, command.seq)
            sent = self._session.send(asked)
            self._agent_began = True
        except LOST as lost:
            self._lost(lost)
            error = self._not_autonomous()
        except _FirstRefused as far:
            asked = self._session.make_command(self._session.begin().braking_target(), asked.gripper)
            sent = self._send_for_operator(asked)
            error = CommandJumps(str(far))
        except CommandRejected as refusal:
            self._session.command_refused()
            error = refusal
        except Exception as bug:  # in the arm or a wrapper: the agent must not wait forever
            error = bug
        tick = Tick(now, AUTONOMOUS, POLICY, asked, sent, self._measured())
        with self._lock:
            pending.sent, pending.error, pending.done = sent, error, True
            self._lock.notify_all()
        return tick

    def _check_agents_first(self, asked: JointCommand, seq: int) -> None:
        """Raise _FirstRefused where a well-formed target is far from the arm; the gate checks its form."""
        self._session.measure()
        target = np.asarray(asked.q_target)
        if target.shape == (self.spec.n_joints,) and target.dtype.kind in "fiu" and np.isfinite(target).all():
            try:
                check_first_target(self.spec, target, self._session.state.q, f"command seq {seq}")
            except CommandJumps as far:
                raise _FirstRefused(str(far)) from far

    def _send_for_operator(self, asked: JointCommand) -> JointCommand | None:
        try:
            return self._session.send(asked)
        except RobotError as error:
            self._lost(error)
            return None

    def _lost(self, error: RobotError) -> None:
        """After an error of the arm: stop, with the cause."""
        if isinstance(error, LOST):
            self._session.end()
        else:  # it refuses this command but may still be moving: stop it
            self._session.stop_arm(str(error))
        self._change(lambda: self.takeover.stop("arm", f"{type(error).__name__}: {error}"))

    def _measured(self) -> RobotState:
        self._session.measure()
        if self._session.last_error:
            self.report(self._session.last_error)
            self._session.last_error = ""
        return self._session.state

    def _current_action(self, now: float) -> TeleopAction | None:
        """The operator's action, unless it is stale."""
        if self._action is None or not now - self._action[1] <= STALE:
            self._action = None
            return None
        return self._action[0]

    def _read_devices(self) -> None:
        for device in list(self.devices):
            try:
                reading = device.read(self.state)
            except DeviceError as error:
                self.devices.remove(device)
                self.disconnected(device.name)
                self.report(f"{device.name}: {error}")
                continue
            for button in reading.buttons:
                self._button_pressed(device.name, button)
            if reading.action is not None and reading.clutch:
                self.act(device.name, reading.action, reading.age)
            elif not reading.clutch and self.takeover.holder == device.name:
                self._action = None  # the motion restarts where the clutch closes

    def _button_pressed(self, who: str, button: str) -> None:
        acts: dict[str, Callable[[], None]] = {
            "take": lambda: self.take(who),
            "hand_back": lambda: self.hand_back(who),
            "pause": lambda: self.pause(who),
            "stop": lambda: self.halt(who, f"stopped by {who}"),
            "rearm": lambda: self.rearm(who),
            "toggle": lambda: (self.hand_back if self.takeover.holder == who else self.take)(who),
        }
        try:
            acts[button]()
        except RobotError as error:
            self.report(str(error))

    def _notify(self, tick: Tick) -> Tick:
        for listener in self.on_tick:
            listener(tick)
        return tick

    # -- inside -------------------------------------------------------------------------------

    def loop_ended(self, failure: str | None = None) -> None:
        """By the loop after its last tick. `failure`: its error, which waiting callers raise."""
        self.tasks.end(failure)
        with self._lock:
            if self._pending is not None:
                self._pending.fail(NotAutonomous(failure or "the control loop has ended"))
                self._pending = None
            self._lock.notify_all()

    def _change(self, change: Callable[[], None]) -> None:
        with self._lock:
            before = self.takeover.autonomous
            change()
            if before and not self.takeover.autonomous:
                self._interrupted_at = self._clock()
                self._agent_began = False
                self._time_stopped = math.inf  # brake now, without waiting for the agent
                self._operator_commands.clear()
            if self.takeover.mode != CORRECTING:
                self._action = None
            self._lock.notify_all()

    def _check_agent(self) -> None:
        self.tasks.check_alive()
        if not self.takeover.autonomous:
            raise self._not_autonomous()

    def _not_autonomous(self) -> NotAutonomous:
        kind = StoppedByPerson if self.takeover.mode == STOPPED else NotAutonomous
        return kind(f"{self.takeover.message}; observe and plan again")
