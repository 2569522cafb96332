"""Controller: lease, gate and driver of one arm. One thread ticks it; other threads send requests.

A tick with a new command sends it; a tick without one decelerates; a commander without valid messages for
`SILENCE` latches the arm. So the arm never keeps moving by itself, and a stop depends on no network. Commands
that arrive early are queued in order (`CommandQueue`), so that a client may have several pending.

Two time modes:

- `realtime`: a tick every `spec.dt` of the wall clock. For real arms, and simulated ones that emulate them.
- lock-step: one tick a command; simulated time stops in between. For evaluation: a slow planner or a loaded
  computer does not change the motion. The timeout applies only while the arm moves, and is seconds long.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from robots.bridge.command_gate import MOVED, CommandGate
from robots.bridge.command_queue import QueuedCommand
from robots.bridge.errors import CommandStale, CommandTooSoon, FaultStands
from robots.bridge.keys import AllowedKey
from robots.bridge.lease import ABSENT, Lease
from robots.control_tasks import ControlTasks
from robots.drivers.base import Driver, Enabled, HasClock
from robots.errors import ArmMoving, CommandRejected, DriverError, RobotError
from robots.safety.gate import SafetyGate
from robots.types import CommandLike, JointCommand, RobotState

T = TypeVar("T")
PUBLISH_PERIOD = 0.03  # [s] between states published while simulated time is stopped
IDLE = 0.005  # [s] period of the watchdog in lock-step


class Snapshot(NamedTuple):
    """The state of the arm after a tick.

    Attributes:
        state: measured.
        tick: number of the tick.
        t: [s] time of the measurement on the server's clock.
        arm_time: [s] on the arm's own clock, or `t`.
        at_rest: whether the last target sent is at rest.
    """

    state: RobotState
    tick: int
    t: float
    arm_time: float
    at_rest: bool


class Controller:
    """The controller of one arm.

    Args:
        driver: connected; only the thread that calls `run` uses it.
        make_gate: makes a gate for `driver.spec`; called at every `rearm`, so that sequence numbers restart.
        realtime: see the module.
        clock: monotonic clock in [s]; the server's time starts at 0 now.

    Attributes:
        commands: between their arrival and their tick.
        snapshot: the state after the last tick.
        counts: events by name.
        on_tick: called with the snapshot after each tick.
    """

    def __init__(
        self,
        driver: Driver,
        make_gate: Callable[[], SafetyGate],
        realtime: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.driver, self.realtime = driver, realtime
        self._own_clock = driver if isinstance(driver, HasClock) else None
        self.lease = Lease() if realtime else Lease(ABSENT, ABSENT)
        self.spec = driver.spec
        self.counts: Counter[str] = Counter()
        self.on_tick: Callable[[Snapshot], None] | None = None
        self.commands = CommandGate(self.lease, make_gate, realtime, self.counts)
        self._clock, self._start_time = clock, clock()
        self._lock = threading.Lock()
        self._wakeup = threading.Condition(self._lock)
        self._dropped = False  # lock-step: whether a restart discarded the pending command
        self._ticks = 0
        self._next = self.now()  # [s] of the next tick
        self._tasks = ControlTasks(self._wakeup, threaded=True)
        self._running = True
        self.snapshot = self._read_state()

    def now(self) -> float:
        """[s] since the server started."""
        return self._clock() - self._start_time

    # -- from the network ---------------------------------------------------------------------

    def acquire(self, key: AllowedKey, session: str, human: bool, token: int) -> int:
        """See `Lease.acquire`. A moving arm is braked."""
        with self._lock:
            token = self.lease.acquire(key, session, human, token)
            self.commands.halt(self.now())
            return token

    def release(self, key: AllowedKey, session: str, token: int) -> None:
        """See `Lease.release`. A moving arm is braked."""
        with self._lock:
            self.lease.release(key, session, token)
            self.commands.halt(self.now())

    def rearm(self, key: AllowedKey, session: str, token: int) -> None:
        """See `Lease.rearm`. An arm that must be enabled is enabled first, which takes longer than a tick.

        Raises:
            ArmMoving: the arm still decelerates.
            DriverError: the arm cannot be enabled.
        """
        with self._lock:
            self.lease.check_rearm(key, session, token)
            if not self.at_rest:
                raise ArmMoving("the arm still decelerates; `rearm` when it is at rest")
        if isinstance(self.driver, Enabled) and not self.driver.enabled:
            self.exclusive(self.driver.enable)
        with self._lock:
            self.lease.rearm(key, session, token)
            self.commands.gate = self.commands.make_gate()

    def clear_fault(self, key: AllowedKey, session: str, token: int) -> None:
        """See `Lease.clear_faults`. Raises FaultStands if the arm does not answer."""
        with self._lock:
            fresh = self.now() - self.snapshot.t <= 1.0 + 2 * self.spec.dt
            if self.lease.faults and self.realtime and not fresh:
                raise FaultStands(f"{self.lease.faults[0]}, and the arm still does not answer")
            self.lease.clear_faults(key, session, token)

    def stop(self, reason: str) -> None:
        """Decelerate, hold and latch."""
        with self._lock:
            self.lease.latch(reason)
            self.commands.halt(self.now())

    def beat(self, key: AllowedKey, session: str, token: int, n: int, state_time: float) -> None:
        """See `Lease.beat`."""
        with self._lock:
            self.lease.beat(key, session, token, n, state_time, self.now(), self.commands.timeout_active)

    def submit(
        self,
        key: AllowedKey,
        session: str,
        token: int,
        command: CommandLike,
        state_time: float,
        on_answer: Callable[[JointCommand | CommandRejected], None],
    ) -> tuple[JointCommand, float] | None:
        """Gate `command` for the next tick, or queue it for its own tick.

        Args:
            on_answer: see `QueuedCommand.answer`; called only if None is returned.

        Returns:
            The command to be sent and the time to its tick in [s]; in lock-step it was sent. None if the
            next tick already has a command and this one was queued.

        Raises:
            CommandRejected: one of its named kinds. In lock-step the tick then brakes.
        """
        with self._lock:
            now, commands, state = self.now(), self.commands, self.snapshot.state
            self.lease.check(key, session, token, command.seq, state_time, now, commands.timeout_active)
            if commands.pending is not None or commands.queue:
                if not self.realtime:
                    raise CommandTooSoon(
                        f"command seq {command.seq}: the simulation has not finished its last tick"
                    )
                commands.queue.add(QueuedCommand(key, session, token, command, state_time, now, on_answer))
                return None
            if self.realtime:
                sent = commands.predict(command, state, now) or commands.filter(command, state, now, now)
                commands.pending = sent
                return sent, max(self._next - now, 0.0)
            try:
                sent = commands.filter(command, state, now, now)
            except CommandRejected:
                if (braked := commands.brake(state, now)) is not None:
                    self._step(braked)
                raise
            self._step(sent)
            return sent, 0.0

    def exclusive(self, job: Callable[[], T], timeout: float = 30.0) -> T:
        """The result of `job()`, run by the control thread between two ticks.

        In real time the arm is at rest. For operations of a simulation: load a scene, let objects settle.

        Raises:
            ArmMoving: the arm does not come to rest.
            CommandTooSoon: no result within `timeout` [s].
        """

        def work() -> T:
            out = job()
            self.snapshot = self._read_state()
            return out

        # in lock-step a moving arm stands still until the next tick, and `hold` brakes it
        try:
            return self._tasks.between_ticks(work, timeout, at_rest=lambda: not self.realtime or self.at_rest)
        except TimeoutError as error:
            raise CommandTooSoon(str(error)) from error

    def hold(self, ticks: int) -> None:
        """For `exclusive`: run `ticks` ticks with the arm at its last target, or at its measured position."""
        gate = self.commands.gate
        if not gate.holding:
            gate = self.commands.make_gate()
            gate.hold(self.snapshot.state.q, self.snapshot.state.gripper)
        for _ in range(ticks):
            self._send(gate.brake(self.now(), self.snapshot.state.q))
        with self._lock:
            self.commands.latch(self.now())

    def restart(self) -> None:
        """For `exclusive`: the arm was placed elsewhere; the next command is the first of a session."""
        with self._wakeup:
            if self.commands.pending is not None:  # it arrived during the task, for the old position
                self._dropped = True
                self.counts["dropped_by_restart"] += 1
                self._wakeup.notify_all()
            self.lease.begun = False
            self.commands.reset(self.now())

    @property
    def at_rest(self) -> bool:
        """Whether the last target sent is at rest and no command is pending."""
        return self.commands.at_rest

    # -- the control thread -------------------------------------------------------------------

    def run(self) -> None:
        """Tick until `close`."""
        while self._running:
            try:
                self._run_realtime() if self.realtime else self._run_lockstep()
            except Exception as error:  # a bug here must not leave the arm without its watchdog
                self._fault(f"{type(error).__name__}: {error}", error)

    def close(self) -> None:
        """Brake to rest and end `run`; later commands are refused."""
        self.stop("the server is shutting down")
        limit = self._clock() + 2.0
        while self._clock() < limit and not self.at_rest:
            time.sleep(self.spec.dt / 4)
        with self._wakeup:
            self._running = False
            self._wakeup.notify_all()

    def tick(self) -> None:
        """One tick: check the timeout, send, read."""
        commands, queued, answer = self.commands, None, None
        with self._lock:
            now = self.now()
            if self.lease.check_timeout(now, commands.timeout_active):
                self.counts["silence"] += 1
                commands.halt(now)
            commands.run_predicted()
            sent, commands.pending = commands.pending, None
            if sent is None and (queued := commands.queue.take()) is not None:
                answer = commands.filter_queued(queued, self.snapshot.state, now)
                sent = answer if isinstance(answer, JointCommand) else None
            if sent is None and not self.lease.faults:
                sent = commands.brake(self.snapshot.state, now)
                if sent is not None and self.lease.begun:
                    self.counts["tick_without_command"] += 1
            self._next = now + self.spec.dt
        self._send(sent)
        if queued is not None and answer is not None:
            queued.answer(answer)
        elif self.realtime:  # the next command may arrive between two ticks
            with self._lock:
                commands.gate.precompute()
        if self._tasks.waiting and self.snapshot.at_rest:
            with self._wakeup:
                self._wakeup.notify_all()

    def _run_realtime(self) -> None:
        dt, due = self.spec.dt, self.now()
        while self._running:
            due += dt
            late = self.now() - due
            if late > dt / 2:  # two ticks in quick succession would be a jump
                self.counts["late_tick"] += 1
                due += late
            with self._wakeup:
                self._next = due
            self._tasks.run_all()
            wait = due - self.now()
            if wait > 0:
                time.sleep(wait)
            self.tick()

    def _run_lockstep(self) -> None:
        idle = 0.0
        while self._running:
            with self._wakeup:
                self._wakeup.wait_for(self._has_work, IDLE)
                now = self.now()
                if self.lease.check_timeout(now, self.commands.timeout_active):
                    self.counts["silence"] += 1
                    self.commands.halt(self.now())
                braking = self.lease.latched is not None and not self.commands.gate.at_rest
            self._tasks.run_all()
            if (
                self.commands.pending is None
                and not braking
                and self.on_tick is not None
                and self.now() >= idle
            ):
                idle = self.now() + PUBLISH_PERIOD
                self.on_tick(self.snapshot)
            if self.commands.pending is not None or braking:
                self.tick()
                with self._wakeup:
                    self._wakeup.notify_all()

    def _has_work(self) -> bool:
        return self.commands.pending is not None or len(self._tasks) > 0 or not self._running

    def _step(self, sent: JointCommand) -> None:
        """Lock-step, with the lock held: wait until the control thread has sent `sent`."""
        tick, self.commands.pending, self._dropped = self._ticks, sent, False
        self._wakeup.notify_all()
        if not self._wakeup.wait_for(
            lambda: self._dropped or (self._ticks > tick and self.commands.pending is None), 10.0
        ):
            raise CommandTooSoon("the simulation did not finish its tick in 10 s")
        if self._dropped:
            raise CommandStale(f"command seq {sent.seq}: {MOVED}")

    def _send(self, sent: JointCommand | None) -> None:
        """Send one target to the arm and read its state; a driver error is a fault."""
        try:
            if sent is not None:
                self.driver.send(sent)
            self.snapshot = self._read_state()
        except RobotError as error:
            self._fault(f"{type(error).__name__}: {error}", error)
        self._ticks += 1
        if self.on_tick is not None:
            self.on_tick(self.snapshot)

    def _read_state(self) -> Snapshot:
        state, now = self.driver.read(), self.now()
        arm_time = now if self._own_clock is None else self._own_clock.time
        return Snapshot(state, self._ticks, now, arm_time, self.commands.at_rest)

    def _fault(self, reason: str, error: Exception) -> None:
        new = not self.lease.faults  # after the first uncleared fault nothing is sent
        with self._lock:
            self.lease.fault(reason)
            self.commands.reset(self.now())  # the commanded state is unknown; the arm's own controller holds
            self.counts[f"fault:{type(error).__name__}"] += 1
        if new:
            try:
                self.driver.stop()
            except DriverError as second:
                with self._lock:
                    self.lease.fault(f"stop failed: {second}")
