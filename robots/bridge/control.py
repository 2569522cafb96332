"""Controller: lease, gate and driver of one arm, ticked by one thread and asked by another.

A tick with a new command sends it; a tick without one decelerates; silence of the commander latches.
So the arm never keeps moving by itself, and a stop waits for no network. Early commands are queued in order
for their ticks (`CommandQueue`), so that a client may have several under way; a stop discards them.

Two ways to pass time:

- `realtime`: a tick every `spec.dt` of the wall clock, whatever comes. For real arms, and a simulated one
  that is to behave like them.
- lock-step: one command, one tick; in between, simulated time is stopped. For evaluation, where a slow
  planner or a busy machine must not change the motion. The commander's silence counts only while the arm
  moves, and only after seconds.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from robots.bridge.command_queue import CommandQueue, Early
from robots.bridge.errors import CommandStale, CommandTooSoon, FaultStands
from robots.bridge.keys import AllowedKey
from robots.bridge.lease import ABSENT, Lease
from robots.control_tasks import ControlTasks
from robots.drivers.base import Driver, Enabled, HasClock
from robots.errors import ArmMoving, CommandRejected, DriverError, RobotError
from robots.safety.gate import SafetyGate
from robots.types import CommandLike, JointCommand, RobotState

T = TypeVar("T")
STILL = 0.03  # [s] between states published while simulated time is stopped
ELSEWHERE = "the arm was put elsewhere meanwhile"
IDLE = 0.005  # [s] between checks of the watchdog in lock-step


class Snapshot(NamedTuple):
    """What is known of the arm after a tick."""

    state: RobotState
    tick: int
    t: float
    arm_time: float
    at_rest: bool


class Controller:
    """One arm.

    Args:
        driver: connected; only the thread that calls `run` uses it from then on.
        make_gate: a new gate for `driver.spec`; called at every `rearm`, so that command numbers restart.
        realtime: see the module.
        clock: monotonic [s]; the server's time is counted from now on.
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
        self._make_gate, self._gate = make_gate, make_gate()
        self._clock, self._begin = clock, clock()
        self._lock = threading.Lock()
        self._turn = threading.Condition(self._lock)
        self._pending: JointCommand | None = None
        # The command, the state and the time of a promised `_pending`, which the gate has yet to process.
        self._promised: tuple[CommandLike, RobotState, float] | None = None
        self._dropped = False  # lock-step: whether `_pending` was, by a restart
        self._early = CommandQueue()
        self._ticks = 0
        self._next = self.now()  # [s] of the next tick
        self._tasks = ControlTasks(self._turn, threaded=True)
        self._running = True
        self.snapshot = self._look()

    def now(self) -> float:
        """[s] since the server began."""
        return self._clock() - self._begin

    # -- from the network ---------------------------------------------------------------------

    def acquire(self, key: AllowedKey, session: str, human: bool, token: int) -> int:
        """See `Lease.acquire`; what moves is braked."""
        with self._lock:
            token = self.lease.acquire(key, session, human, token)
            self._halt()
            return token

    def release(self, key: AllowedKey, session: str, token: int) -> None:
        """See `Lease.release`; what moves is braked."""
        with self._lock:
            self.lease.release(key, session, token)
            self._halt()

    def rearm(self, key: AllowedKey, session: str, token: int) -> None:
        """See `Lease.rearm`. An arm that must be enabled is enabled first: that takes longer than a tick.

        Raises ArmMoving while the arm still decelerates; DriverError where it cannot be enabled.
        """
        with self._lock:
            self.lease.check_rearm(key, session, token)
            if not self.at_rest:
                raise ArmMoving("the arm still decelerates; `rearm` when it is at rest")
        if isinstance(self.driver, Enabled) and not self.driver.enabled:
            self.exclusive(self.driver.enable)
        with self._lock:
            self.lease.rearm(key, session, token)
            self._gate = self._make_gate()

    def clear_fault(self, key: AllowedKey, session: str, token: int) -> None:
        """See `Lease.clear_faults`. Raises FaultStands while the arm does not answer."""
        with self._lock:
            fresh = self.now() - self.snapshot.t <= 1.0 + 2 * self.spec.dt
            if self.lease.faults and self.realtime and not fresh:
                raise FaultStands(f"{self.lease.faults[0]}, and the arm still does not answer")
            self.lease.clear_faults(key, session, token)

    def stop(self, reason: str) -> None:
        """Decelerate, hold, latch."""
        with self._lock:
            self.lease.latch(reason)
            self._halt()

    def beat(self, key: AllowedKey, session: str, token: int, n: int, heard: float) -> None:
        """See `Lease.beat`."""
        with self._lock:
            self.lease.beat(key, session, token, n, heard, self.now(), self._watched)

    def submit(
        self,
        key: AllowedKey,
        session: str,
        token: int,
        command: CommandLike,
        heard: float,
        later: Callable[[JointCommand | CommandRejected], None],
    ) -> tuple[JointCommand, float] | None:
        """Gate `command` for the next tick, or queue it for its own.

        Args:
            later: see `Early.answer`; called only where None is returned.

        Returns:
            What will be sent and in how many seconds; in lock-step it was sent. None where the next tick has
            its command already: this one is queued for the first free tick.

        Raises:
            CommandRejected: one of its named kinds. In lock-step the tick is spent braking.
        """
        with self._lock:
            now = self.now()
            self.lease.check(key, session, token, command.seq, heard, now, self._watched)
            if self._pending is not None or self._early:
                if not self.realtime:
                    raise CommandTooSoon(
                        f"command seq {command.seq}: the simulation has not finished its last tick"
                    )
                self._early.add(Early(key, session, token, command, heard, now, later))
                return None
            if self.realtime:
                self._pending = sent = self._promise(command, now) or self._gated(command, now, now)
                return sent, max(self._next - now, 0.0)
            try:
                sent = self._gated(command, now, now)
            except CommandRejected:
                if self._gate.begun:
                    self._step(self._gate.brake(now))
                raise
            self._step(sent)
            return sent, 0.0

    def exclusive(self, job: Callable[[], T], timeout: float = 30.0) -> T:
        """Run `job` in the control thread, between two ticks; in real time, with the arm at rest.

        For what only a simulation can do (load a scene, let things settle). Raises ArmMoving; CommandTooSoon
        where the control thread did not do it within `timeout` [s].
        """

        def work() -> T:
            out = job()
            self.snapshot = self._look()
            return out

        # in lock-step what moves stands still until the next tick, and `hold` brakes it
        try:
            return self._tasks.between_ticks(work, timeout, at_rest=lambda: not self.realtime or self.at_rest)
        except TimeoutError as error:
            raise CommandTooSoon(str(error)) from error

    def hold(self, ticks: int) -> None:
        """For `exclusive`: let `ticks` pass with the arm at its last target, or where it is."""
        gate = self._gate
        if not gate.begun:
            gate = self._make_gate()
            gate.start(self.snapshot.state.q, self.snapshot.state.gripper)
        for _ in range(ticks):
            self._send(gate.brake(self.now()))

    def restart(self) -> None:
        """For `exclusive`: the arm was put elsewhere; the next command is the first of a session."""
        with self._turn:
            if self._pending is not None:  # it came while the task ran, and was meant from where the arm was
                self._pending = self._promised = None
                self._dropped = True
                self.counts["dropped_by_restart"] += 1
                self._turn.notify_all()
            self._gate, self.lease.begun = self._make_gate(), False
            self._forget()

    @property
    def at_rest(self) -> bool:
        """Whether the last target sent is at rest, and no command is pending."""
        return self._pending is None and not self._early and self._gate.at_rest

    @property
    def _watched(self) -> bool:
        """Whether silence counts now."""
        return self.realtime or not self._gate.at_rest

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
        self.stop("the server ends")
        limit = self._clock() + 2.0
        while self._clock() < limit and not self.at_rest:
            time.sleep(self.spec.dt / 4)
        with self._turn:
            self._running = False
            self._turn.notify_all()

    def tick(self) -> None:
        """One tick: watch, send, read."""
        early, said = None, None
        with self._lock:
            now = self.now()
            if self.lease.watch(now, self._watched):
                self.counts["silence"] += 1
                self._halt()
            self._keep()
            sent, self._pending = self._pending, None
            if sent is None and (early := self._early.take()) is not None:
                said = self._in_its_tick(early, now)
                sent = said if isinstance(said, JointCommand) else None
            if sent is None and self._gate.begun and not self.lease.faults:
                sent = self._gate.brake(now)
                self.counts["tick_without_command"] += self.lease.begun
            self._next = now + self.spec.dt
        self._send(sent)
        if early is not None and said is not None:
            early.answer(said)
        elif self.realtime:  # the next one may come between two ticks, and its sender waits
            with self._lock:
                self._gate.precompute()
        if self._tasks.waiting and self.snapshot.at_rest:
            with self._turn:
                self._turn.notify_all()

    def _run_realtime(self) -> None:
        dt, due = self.spec.dt, self.now()
        while self._running:
            due += dt
            late = self.now() - due
            if late > dt / 2:  # never two ticks in quick succession: that would be a jump
                self.counts["late_tick"] += 1
                due += late
            with self._turn:
                self._next = due
            self._tasks.run_all()
            wait = due - self.now()
            if wait > 0:
                time.sleep(wait)
            self.tick()

    def _run_lockstep(self) -> None:
        idle = 0.0
        while self._running:
            with self._turn:
                self._turn.wait_for(self._has_work, IDLE)
                now = self.now()
                if self.lease.watch(now, self._watched):
                    self.counts["silence"] += 1
                    self._halt()
                braking = self.lease.latched is not None and not self._gate.at_rest
            self._tasks.run_all()
            if self._pending is None and not braking and self.on_tick is not None and self.now() >= idle:
                idle = self.now() + STILL
                self.on_tick(self.snapshot)
            if self._pending is not None or braking:
                self.tick()
                with self._turn:
                    self._turn.notify_all()

    def _has_work(self) -> bool:
        return self._pending is not None or len(self._tasks) > 0 or not self._running

    def _step(self, sent: JointCommand) -> None:
        """Lock-step, with the lock held: have the control thread send `sent`, and wait until it did."""
        tick, self._pending, self._dropped = self._ticks, sent, False
        self._turn.notify_all()
        if not self._turn.wait_for(
            lambda: self._dropped or (self._ticks > tick and self._pending is None), 10.0
        ):
            raise CommandTooSoon("the simulation did not finish its tick in 10 s")
        if self._dropped:
            raise CommandStale(f"command seq {sent.seq}: {ELSEWHERE}")

    def _send(self, sent: JointCommand | None) -> None:
        """Send one target to the arm and read its state; a driver error is a fault."""
        try:
            if sent is not None:
                self.driver.send(sent)
            self.snapshot = self._look()
        except RobotError as error:
            self._fault(f"{type(error).__name__}: {error}", error)
        self._ticks += 1
        if self.on_tick is not None:
            self.on_tick(self.snapshot)

    def _look(self) -> Snapshot:
        state, now = self.driver.read(), self.now()
        arm_time = now if self._own_clock is None else self._own_clock.time
        return Snapshot(state, self._ticks, now, arm_time, self.at_rest)

    def _fault(self, reason: str, error: Exception) -> None:
        new = not self.lease.faults  # since the first uncleared fault nothing has been sent
        with self._lock:
            self.lease.fault(reason)
            self._pending = self._promised = None
            self._forget()
            self._gate = self._make_gate()  # its commanded state is unknown: the arm's own controller holds
            self.counts[f"fault:{type(error).__name__}"] += 1
        if new:
            try:
                self.driver.stop()
            except DriverError as second:
                with self._lock:
                    self.lease.fault(f"stop failed: {second}")

    # -- with the lock held -------------------------------------------------------------------

    def _gated(self, command: CommandLike, arrived: float, now: float) -> JointCommand:
        """What may be sent for a command that the lease accepts. The commander was alive when it arrived."""
        here = self.snapshot.state
        sent = self._gate.filter(command, here.q, here.gripper, now)
        self.lease.accepted(command.seq, arrived)
        self.counts["command"] += 1
        return sent

    def _promise(self, command: CommandLike, now: float) -> JointCommand | None:
        """As `_gated`, where the gate foresaw the command: the sender waits, the gate runs in the tick."""
        here = self.snapshot.state
        gripper = self._gate.predict(command, here.gripper, now)
        if gripper is None:
            return None
        self._promised = command, here, now
        self.lease.accepted(command.seq, now)
        self.counts["command"] += 1
        return JointCommand(command.q_target, gripper, command.seq, now)  # type: ignore[arg-type]

    def _keep(self) -> None:
        """Run the gate on the promised command."""
        if self._promised is not None:
            (command, here, then), self._promised = self._promised, None
            self._pending = self._gate.filter(command, here.q, here.gripper, then)

    def _in_its_tick(self, early: Early, now: float) -> JointCommand | CommandRejected:
        """What is sent for a command queued for this tick, or its refusal: every check is made now."""
        try:
            self.lease.check(
                early.key, early.session, early.token, early.command.seq, early.heard, now, self._watched
            )
            early.check_age(now)
            return self._gated(early.command, early.arrived, now)
        except CommandRejected as error:
            return error

    def _halt(self) -> None:
        """The gate accepts no more and brakes tick by tick. Queued commands are refused."""
        self._keep()
        self._gate.stop(self.lease.latched or "stopped")
        self._forget()

    def _forget(self) -> None:
        """No queued command is ever executed; each is refused with its reason."""
        now = self.now()
        for early in self._early.empty():
            seq = early.command.seq
            error: CommandRejected = CommandStale(f"command seq {seq}: {ELSEWHERE}")
            try:
                self.lease.check(early.key, early.session, early.token, seq, early.heard, now, self._watched)
            except CommandRejected as refusal:
                error = refusal
            early.answer(error)
