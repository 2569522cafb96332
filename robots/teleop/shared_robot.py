"""SharedArm: a `Robot` that a policy and a person share. One place decides who commands at each tick.

It is a wrapper between the agent's executor and the arm. The arm's safety gate and session stay the same
whoever commands, so a takeover or a hand-back is just the next target.

Two ways to pass time:

- lock-step: every `command` is a tick, as without the wrapper;
- under a `ControlLoop`: its thread ticks by the wall clock, and alone touches the arm.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from robots.control_tasks import ControlTasks
from robots.errors import (
    ArmLatched,
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
from robots.teleop.arbitration import AUTONOMOUS, CORRECTING, STOPPED, Takeover
from robots.teleop.limits import TeleopLimits
from robots.teleop.pictures import Pictures
from robots.teleop.session import Session
from robots.teleop.steering import Steering
from robots.teleop.teleop_actions import STALE, Jog, TeleopAction, Teleoperator
from robots.types import CameraFrame, JointCommand, Observation, RobotState

POLICY = "policy"
MARGIN = 0.004  # [s] kept free before the next tick
BUSY = 1.4  # times its CPU time: an image that took longer was delayed by other processes
FORGET = 0.98  # factor from one image to the next of the longest time that one took
LOST = (ArmLatched, LeaseMissing, LinkDead, SessionLost, DriverError)  # what ends a session, whoever commands


@dataclass(frozen=True)
class Tick:
    """What happened at one tick.

    Attributes:
        t: [s] on the monotonic clock.
        by: "policy", who corrects, or "" where the arm was braked or held.
        asked: the commander's target, None where the arm was braked or held.
        sent: what the gate let through, None where nothing was sent.
    """

    t: float
    mode: str
    by: str
    asked: JointCommand | None
    sent: JointCommand | None
    state: RobotState


@dataclass(frozen=True)
class Interruption:
    """What happened since the agent was interrupted. `commands` were sent for a person."""

    who: str
    why: str
    seconds: float
    commands: tuple[JointCommand, ...]


class SharedArm(RobotWrapper, Rearmable):
    """See the module.

    Args:
        robot: the arm, or a wrapper around it; nothing else may command it from now on.
        limits: of motions by hand.
        mode: to begin with.
        agent: whether there is one to hand back to.
        patience: [s] that time may stop in mid-motion until the agent's next command. Only for a simulated
            arm, which then moves as in lock-step however slow the policy is; a real arm brakes at the first
            tick without a command.
        pictures: a source of images beside the control thread; under a `ControlLoop` only.

    Attributes:
        took: [s] the longest recent capture of each camera.
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
        self.took: dict[str, float] = {}
        self._clock = clock
        self._lock = threading.Condition()
        self._steering = Steering(self.spec, self.limits)
        self._session = Session(robot, mode == STOPPED, clock)
        self._with_cameras = robot.capability(HasCameras)
        self._gated = robot.capability(HasGate)
        self._remote = robot.capability(Remote)
        self._stop_reason = message
        self._action: tuple[TeleopAction, float] | None = None
        self._pending: _Pending | None = None
        self._agent_seq = -1
        self._waited = 0.0
        self._interrupted_at = clock()
        self._by_hand: list[JointCommand] = []

    # -- Robot, for the agent -----------------------------------------------------------------

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """Delegates to the wrapped robot, between two ticks."""
        every = () if self._with_cameras is None else self._with_cameras.cameras
        images = {name: self.picture(name) for name in (every if cameras is None else cameras)}
        seen = self.tasks.between_ticks(lambda: self.robot.observe(()))
        return replace(seen, images=images)

    def picture(self, camera: str) -> CameraFrame:
        """An image of now, captured in a tick with enough time left, or beside the control thread."""
        if self.pictures is not None:
            return self.pictures.fresh(camera)

        def take() -> CameraFrame:
            begin, work = time.monotonic(), time.thread_time()
            frame = self.robot.observe((camera,)).images[camera]
            # a capture delayed by other processes does not predict the next one
            took = min(time.monotonic() - begin, BUSY * (time.thread_time() - work))
            self.took[camera] = max(self.took.get(camera, 0.0) * FORGET, took)
            return frame

        duration = min(self.took.get(camera, 0.0) + MARGIN, 0.8 * self.spec.dt)  # late, but taken
        return self.tasks.between_ticks(take, duration=duration)

    def command(self, command: JointCommand) -> JointCommand:
        """The agent's next target. Returns what was sent, at its tick.

        Raises:
            NotAutonomous: a person has control, or had it since the agent's last `wait`.
            CommandRejected: from the gate.
        """
        with self._lock:
            self._check_agent()
            if not command.seq > self._agent_seq:
                raise CommandOutOfOrder(
                    f"command seq {command.seq} is not after the last one, {self._agent_seq}; count up"
                )
            self._pending = pending = _Pending(command)
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
        """Decelerate within limits and hold; latched until `rearm`. Returns when the arm is at rest.

        Raises LinkDead where nothing was received from a remote arm for `LINK_TIMEOUT`.
        """
        self.halt(POLICY, reason)
        limit = time.monotonic() + 10.0
        while not self._session.latched and time.monotonic() < limit:
            if self.tasks.threaded:
                if self._remote is not None and (age := self._remote.age()) > LINK_TIMEOUT:
                    raise LinkDead(
                        f"nothing received from the arm for {age:.1f} s, limit {LINK_TIMEOUT:g} s: it is not "
                        "known whether the stop arrived; the server's watchdog stops the arm"
                    )
                time.sleep(self.spec.dt / 4)
                self.tasks.check_alive()
            else:
                self.tick()

    def rearm(self, who: str = POLICY, timeout: float | None = None) -> None:
        """Accept commands again after a stop; paused, with no commander.

        Raises TakeoverRefused while the arm still decelerates, and what the arm itself raises; TimeoutError
        after `timeout` [s]: it is still done later.
        """

        def rearm() -> None:
            try:
                if self.takeover.mode == STOPPED:
                    if not self._session.latched:  # a new session begins at rest: now it would be a jump
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
        """Whether a person has control, or had it since the agent's last `wait`."""
        return not self.takeover.autonomous

    def wait(self) -> Interruption:
        """Returns when the agent may observe and plan again, with what happened in between."""
        while True:
            with self._lock:
                self.tasks.check_alive()
                if self.takeover.mode == AUTONOMOUS:
                    what = Interruption(
                        self.takeover.who,
                        self.takeover.why,
                        self._clock() - self._interrupted_at,
                        tuple(self._by_hand),
                    )
                    self._by_hand.clear()
                    self.takeover.acknowledge()
                    return what
                if self.tasks.threaded:
                    self._lock.wait(0.2)
                    continue
            self.tick()

    # -- a person, from any thread ------------------------------------------------------------

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
        """Decelerate from the next tick on, hold, latch: anyone may, at any time."""
        with self._lock:
            if self.takeover.mode != STOPPED:
                self._stop_reason = reason
        self._change(lambda: self.takeover.stop(who, reason))

    def left(self, who: str) -> None:
        """See `Takeover.left`."""
        self._change(lambda: self.takeover.left(who))

    def interrupt(self, who: str) -> None:
        """See `Takeover.interrupt`."""
        self._change(lambda: self.takeover.interrupt(who))

    def act(self, who: str, action: TeleopAction, age: float = 0.0) -> bool:
        """The holder's motion for the next 100 ms. Returns whether `who` has control; else it is ignored."""
        with self._lock:
            if not (self.takeover.mode == CORRECTING and self.takeover.holder == who):
                return False
            self._action = (action, self._clock() - age)
            return True

    def report(self, message: str) -> None:
        """`message` becomes the last event shown to people."""
        self.takeover.message = message

    # -- the tick -----------------------------------------------------------------------------

    def tick(self) -> Tick | None:
        """One control tick: who commands, what is sent, what was measured. None while time is stopped."""
        self._ask_devices()
        with self._lock:
            now = self._clock()
            mode, holder = self.takeover.mode, self.takeover.holder
            pending, self._pending = self._pending, None
            if pending is not None and not self.takeover.autonomous:
                pending.fail(self._not_autonomous())
                pending = None
                self._lock.notify_all()
            action = self._fresh(now) if mode == CORRECTING else None
        if mode == STOPPED and self._session.latch(self._stop_reason):
            return self._notify(Tick(now, mode, "", None, None, self._look()))
        if pending is not None:
            return self._notify(self._for_agent(pending, now))
        arm = self._session.begin()
        if self.takeover.given and arm.at_rest and self._session.release():
            self._change(lambda: self.takeover.stop("arm", "handed back, the lease is free; rearm takes it"))
            return self._notify(Tick(now, STOPPED, "", None, None, self._look()))
        if mode == AUTONOMOUS and not arm.at_rest and self._waited < self.patience:
            self._waited += self.spec.dt
            return None
        opening = (
            arm.gripper if action is None or action.gripper is None else min(max(action.gripper, 0.0), 1.0)
        )
        if action is None or (isinstance(action, Jog) and action.still):
            self._steering.let_go()
            target = arm.slower()
        else:
            target = self._steering.target(action, arm)
        by = "" if action is None or (action == Jog()) else holder
        asked = self._session.numbered(target, opening)
        sent = self._send_for_person(asked)
        if sent is not None and mode == CORRECTING:
            self._by_hand.append(sent)
        return self._notify(Tick(now, mode, by, asked if by else None, sent, self._look()))

    @property
    def state(self) -> RobotState:
        """As measured at the last tick."""
        return self._session.state

    @property
    def age(self) -> float:
        """[s] since the state was last measured."""
        return self._clock() - self._session.measured_at

    @property
    def held_by(self) -> str:
        """What limits the last motion: the gate's wall, a joint limit, a singularity; or ""."""
        gate_says = "" if self._gated is None else self._gated.gate.held_by
        return gate_says or self._steering.held_by

    def _for_agent(self, pending: _Pending, now: float) -> Tick:
        self._waited = 0.0
        self._steering.let_go()
        command = pending.command
        asked = self._session.numbered(command.q_target, command.gripper, command.t_mono)
        sent: JointCommand | None = None
        error: Exception | None = None
        try:
            sent = self._session.send(asked)
        except LOST as lost:
            self._lost(lost)
            error = self._not_autonomous()
        except CommandRejected as refusal:
            self._session.refused()
            error = refusal
        except Exception as bug:  # in the arm or a wrapper; the agent must not wait for ever
            error = bug
        tick = Tick(now, AUTONOMOUS, POLICY, asked, sent, self._look())
        with self._lock:
            pending.sent, pending.error, pending.done = sent, error, True
            self._lock.notify_all()
        return tick

    def _send_for_person(self, asked: JointCommand) -> JointCommand | None:
        try:
            return self._session.send(asked)
        except RobotError as error:
            self._lost(error)
            return None

    def _lost(self, error: RobotError) -> None:
        """The arm latched, its lease moved or its connection is dead: stopped, with the cause."""
        if isinstance(error, LOST):
            self._session.lost()
        else:  # it accepts commands but refuses this one: it must not be left in motion
            self._session.abandon(str(error))
        self._change(lambda: self.takeover.stop("arm", f"{type(error).__name__}: {error}"))

    def _look(self) -> RobotState:
        self._session.look()
        if self._session.trouble:
            self.report(self._session.trouble)
            self._session.trouble = ""
        return self._session.state

    def _fresh(self, now: float) -> TeleopAction | None:
        """The holder's action where it is not stale."""
        if self._action is None or not now - self._action[1] <= STALE:
            self._action = None
            return None
        return self._action[0]

    def _ask_devices(self) -> None:
        for device in list(self.devices):
            try:
                said = device.read(self.state)
            except DeviceError as error:
                self.devices.remove(device)
                self.left(device.name)
                self.report(f"{device.name}: {error}")
                continue
            for button in said.buttons:
                self._pressed(device.name, button)
            if said.action is not None and said.clutch:
                self.act(device.name, said.action, said.age)
            elif not said.clutch and self.takeover.holder == device.name:
                self._action = None  # the motion starts again where the clutch closes

    def _pressed(self, who: str, button: str) -> None:
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

    def loop_ended(self, broke: str | None = None) -> None:
        """For the loop: there are no more ticks; `broke`: why, which callers that wait are told."""
        self.tasks.end(broke)
        with self._lock:
            if self._pending is not None:
                self._pending.fail(NotAutonomous(broke or "the control loop has ended"))
                self._pending = None
            self._lock.notify_all()

    def _change(self, change: Callable[[], None]) -> None:
        with self._lock:
            before = self.takeover.autonomous
            change()
            if before and not self.takeover.autonomous:
                self._interrupted_at = self._clock()
                self._waited = math.inf  # brake now; do not wait for the agent
                self._by_hand.clear()
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


class _Pending:
    """The agent's command on its way to a tick."""

    def __init__(self, command: JointCommand) -> None:
        self.command = command
        self.sent: JointCommand | None = None
        self.error: Exception | None = None
        self.done = False

    def fail(self, error: Exception) -> None:
        self.error, self.done = error, True
