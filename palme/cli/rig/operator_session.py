"""A run with a person: the shared arm, its control loop, the operator, a device, the console."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from palme.cli.errors import UsageError
from palme.cli.rig.terminal import on_terminal, typed_line
from palme.cli.settings.groups import OperatorConfig
from palme.cli.signals import interruptible
from palme.operator.run_operator import NOT_BEGUN, RunOperator
from palme.operator.run_phase import COUNTDOWN, WAITING, RunEnd, RunPhase, end_of, run_end
from palme.operator.run_status import RunStatus
from palme.operator.typed_lines import REFUSED, TypedLines
from robots.robot import Remote, Robot
from robots.teleop.arbitration import AUTONOMOUS, CORRECTING
from robots.teleop.loop import ControlLoop
from robots.teleop.pictures import FetchedPictures, Pictures
from robots.teleop.shared_robot import SharedArm
from robots.teleop.teleop_actions import Teleoperator

if TYPE_CHECKING:
    from palme.agent import RunResult
    from palme.events import Finished

PATIENCE = 2.0  # [s] a simulated arm stands still in mid-motion while its policy thinks; a real one brakes
TIDY = 20  # ticks
SWITCH = 0.0005  # [s] a thread may keep the others from a tick
POLL = 0.1  # [s] between two looks at the terminal
RELOAD = 3.0  # [s] a page may take to come back before it counts as closed
TERMINAL = "terminal"  # who acts there
LAST_STATUS = 0.5  # [s] for the last status, which says how the run ended, to reach the open pages
AFTER_END = 10.0  # [s] that an open page is served after the end of a run without a terminal


def beside(arm: Any, ours: bool) -> Pictures:
    """Pictures that no tick waits for: drawn beside an arm of `ours`, or fetched from another's far end."""
    if ours:
        from sim.rendering.async_renderer import AsyncRenderer

        return AsyncRenderer(arm)
    return FetchedPictures(arm, arm.cameras)


class OperatorSession:
    """From `start` to `close` only its loop commands the arm. A context manager.

    Args:
        arm: what the loop ticks: the rig's arm, or a trajectory log around it.
        config: of the console, and the limits of motion by hand.
        device: in the person's hand, None = the console alone.
        cameras: names of the pictures to show.
        pictures: where they come by themselves; closed with the rest.
        agent: whether somebody plans, and the arm can be handed back to it.
        mode, message: to begin with.
        lines: all that persons type to the agent.
        waits: whether the run is begun by a person: see `wait_for_start`.

    Attributes:
        console: the page's server, None where there is none or it has ended.
    """

    def __init__(
        self,
        arm: Robot,
        config: OperatorConfig,
        device: Teleoperator | None,
        cameras: tuple[str, ...],
        agent: bool = True,
        mode: str = AUTONOMOUS,
        message: str = "",
        pictures: Pictures | None = None,
        lines: TypedLines | None = None,
        waits: bool = False,
    ) -> None:
        self._remote = arm.capability(Remote)
        by_clock = self._remote is not None and self._remote.realtime
        if self._remote is not None:
            self._remote.paced = False  # the loop keeps the time
        self.shared = SharedArm(
            arm,
            config.hand,
            mode,
            agent,
            0.0 if by_clock else PATIENCE,
            message,
            pictures=pictures,
        )
        self.shared.on_tick.append(self._tidy)
        self.loop = ControlLoop(self.shared, cameras)
        self.run_status = RunStatus() if agent else None
        self.lines, self.phase = lines or TypedLines(), RunPhase(waits)
        self.operator = RunOperator(self.shared, self.loop, self.run_status, self.lines, self.phase)
        self._config, self._device = config, device
        self._finished = False
        self._result: Finished | None = None
        self.console: Any = None
        self._switch = sys.getswitchinterval()

    def start(self) -> OperatorSession:
        """Tick, open the console, connect the device. Raises UsageError that names what is missing."""
        if self.phase.phase != WAITING:
            self._connect()
        gc.collect()
        gc.freeze()  # the collector skips networks and tables while the arm moves ...
        gc.disable()  # ... and never pauses for all that a session gathers: `_tidy` collects young objects
        sys.setswitchinterval(SWITCH)
        self.loop.start()
        if self._config.console:
            try:
                self.console = _serve(self.operator, self._config)
            except BaseException:
                self.close()
                raise
        return self

    def wait_for_start(self) -> None:
        """Wait until a person begins the run, on the page or by Enter, if it is to be begun by one.

        Nothing moves before: the device is connected at the beginning.
        """
        if self.phase.phase != WAITING:
            return
        by_enter = ", or by Enter here" if on_terminal() else ""
        print(
            f"waiting: the run begins {COUNTDOWN:.0f} s after that page is opened, or at once by its Start "
            f"button{by_enter}; Ctrl-C ends it",
            flush=True,
        )
        with interruptible():
            self._wait()
        print(f"begun by {self.phase.begun_by}", flush=True)
        self._connect()

    def _wait(self) -> None:
        while not self.phase.wait(0.0 if on_terminal() else POLL):
            self.shared.tasks.check_alive()
            line = typed_line(POLL)
            if line is not None and line.strip():
                self.lines.settle(TERMINAL, line.strip(), REFUSED, NOT_BEGUN)
                print("press Enter alone to begin, Ctrl-C to end", flush=True)
            elif line is not None or self.phase.begins_in == 0.0:
                who = TERMINAL if line is not None else "the opened page"
                reply = self.operator.start(who)
                if not reply.done and line is not None:
                    print(f"not begun: {reply.message}", flush=True)

    def finish(self, end: RunEnd) -> None:
        """The run has ended: end loop, pictures and device. Until `close` the console shows the end."""
        self.phase.finish(end)  # before the loop ends: nobody acts any more
        # `abort_if_lost` ends a wait for a server that does not answer
        self.loop.close(None if self._remote is None else self._remote.abort_if_lost)
        self.operator.finish(end)
        self._finished = True
        self.lines.close(f"the run ended: {end.reason}")
        if self.shared.pictures is not None:
            self.shared.pictures.close()
        if self._device is not None:
            self._device.close()
            self._device = None
        sys.setswitchinterval(self._switch)
        gc.unfreeze()
        gc.enable()

    def fail(self, error: BaseException) -> None:
        """The run has ended by an error of this program, or by Ctrl-C before it began."""
        if isinstance(error, KeyboardInterrupt):
            before = " before it began" if self.phase.phase == WAITING else ""
            self.finish(run_end("stopped", "Stopped", f"stopped by Ctrl-C{before}"))
        else:
            self.finish(run_end("crashed", "Crashed", f"{type(error).__name__}: {error}"))

    def carry_out(self, work: Callable[[], RunResult]) -> RunResult:
        """Run the agent from the beginning that a person gives to its end, which the console then shows."""
        try:
            self.start()
            self.wait_for_start()
            result = work()
        except BaseException as error:
            self.fail(error)
            raise
        self._result = result.finished
        self.finish(end_of(result.finished))
        return result

    def answer(self, question: str) -> str | None:
        """See `palme.supervision.Person.answer`: typed into an open page, or on the terminal."""
        if not self._somebody():
            return None
        self.operator.ask_for_answer(question)
        if on_terminal():
            print(f"{question} ", end="", flush=True)
        try:
            while self._somebody() and self.phase.end is None:
                line = typed_line(POLL)
                if line is None and not on_terminal():
                    time.sleep(POLL)
                if self.operator.answer:
                    return self.operator.answer
                if line is not None and line.strip():
                    return line.strip()
            return None
        finally:
            self.operator.ask_for_answer("")

    def _somebody(self) -> bool:
        return on_terminal() or (self.console is not None and self.console.watched)

    def judge(self, truth: bool | None) -> None:
        """Say of a finished run what an independent check of the goal found; None = there was none."""
        if self._result is not None and self.phase.end is not None:
            end, at = end_of(self._result, truth), self.phase.end  # it ended when it ended, not now
            self.operator.finish(replace(end, clock=at.clock, t_mono=at.t_mono))

    def linger(self) -> None:
        """Keep the console open while a page shows the end of the run.

        On a terminal until the page is closed, or until Enter or Ctrl-C; elsewhere at most `AFTER_END`.
        """
        if self.console is None or not self.console.watched:
            return
        by_person = on_terminal()
        if by_person:
            print("console: shows the end of the run; close its page, or press Enter, to end", flush=True)
        try:
            with interruptible():
                self._linger(by_person)
        except KeyboardInterrupt:
            print()

    def _linger(self, by_person: bool) -> None:
        now = seen = begin = time.monotonic()
        while now - seen < RELOAD and (by_person or now - begin < AFTER_END):
            if typed_line(POLL) is not None:
                return
            time.sleep(0.0 if by_person else POLL)
            now = time.monotonic()
            seen = now if self.console is not None and self.console.watched else seen

    def close(self) -> None:
        """End everything. Idempotent."""
        if not self._finished:
            self.finish(self.phase.end or run_end("stopped", "Stopped", "the session was closed"))
        if self.console is not None:
            if self.console.watched:
                time.sleep(LAST_STATUS)
            self.console.stop()
            self.console = None

    def __enter__(self) -> OperatorSession:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not self._finished:
            self.fail(error)
        self.close()

    def _connect(self) -> None:
        """Connect the device. Raises UsageError that names what is missing."""
        from robots.errors import DeviceError

        if self._device is None:
            return
        try:
            self._device.connect()
        except DeviceError as error:
            raise UsageError(str(error)) from error
        self.shared.devices.append(self._device)

    def alone(self, part: Any) -> Any:
        """`part` (planner, policy, listener) that reads the simulator, called between two ticks only."""
        return _Alone(part, self.shared.tasks.between_ticks)

    def by_hand(self) -> bool:
        """Whether a person moves the arm now."""
        return self.shared.takeover.mode == CORRECTING

    def _tidy(self, tick: Any) -> None:
        """Collect young cyclic garbage once a second: a fraction of a millisecond."""
        if self.loop.timer.ticks % TIDY == 0:
            gc.collect(1)

    def told(self) -> str:
        """One line for the end of a run."""
        timer = self.loop.timer
        return f"{timer.ticks} ticks, {timer.missed} missed, worst delay {1e3 * timer.worst_delay:.1f} ms"


def device_named(name: str | None) -> Teleoperator | None:
    """The device of `teleop=` or `device=`, not connected yet. Raises UsageError for a missing library."""
    from robots.errors import DeviceError
    from robots.teleop.devices.registry import make

    if name is None:
        return None
    try:
        return make(name)
    except DeviceError as error:
        raise UsageError(str(error)) from error


def check_operator(config: OperatorConfig, device: str | None) -> None:
    """Raises UsageError where console or `device` is unavailable; called before slow parts load."""
    from robots.errors import DeviceError

    found = device_named(device) if device != "leader" else None
    if found is not None and device == "keyboard":
        try:
            found.connect()  # refuses without a terminal
        except DeviceError as error:
            raise UsageError(str(error)) from error
        finally:
            found.close()
    if config.console:
        from palme.operator.address import listen
        from palme.operator.auth import Auth, new_token
        from palme.operator.errors import ConsoleError

        host = config.console_host
        try:
            Auth(host, config.console_token or new_token())
            listen(host, config.console_port, config.console_beyond_loopback).close()
        except ConsoleError as error:
            raise UsageError(f"console: {error}") from error


def _serve(operator: RunOperator, config: OperatorConfig) -> Any:
    """The console, opened. It prints its address."""
    from palme.operator.errors import ConsoleError

    try:
        from palme.operator.server import serve
    except ImportError as error:
        raise UsageError(
            f"console=true needs the console's server: pip install 'palme-stack[teleop]' ({error})"
        ) from error
    try:
        return serve(
            operator,
            config.console_host,
            config.console_port,
            config.console_token,
            beyond_loopback=config.console_beyond_loopback,
        )
    except (ConsoleError, ValueError, OSError, RuntimeError) as error:
        raise UsageError(f"console: {error}") from error


class _Alone:
    """A proxy: every method of the wrapped object runs between two ticks."""

    def __init__(self, part: Any, alone: Callable[[Callable[[], Any]], Any]) -> None:
        self._part, self._alone_ = part, alone

    def __call__(self, *given: Any) -> Any:
        return self._alone_(lambda: self._part(*given))

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._part, name)
        if not callable(value):
            return value
        return lambda *given: self._alone_(lambda: value(*given))
