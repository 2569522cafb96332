"""A run with a person: the shared arm, its control loop, the operator, a device, the console."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from palme.cli.errors import UsageError
from palme.cli.settings.groups import OperatorConfig
from palme.operator.run_operator import RunOperator
from palme.operator.run_status import RunStatus
from robots.robot import Remote, Robot
from robots.teleop.arbitration import AUTONOMOUS, CORRECTING
from robots.teleop.loop import ControlLoop
from robots.teleop.pictures import FetchedPictures, Pictures
from robots.teleop.shared_robot import SharedArm
from robots.teleop.teleop_actions import Teleoperator

PATIENCE = 2.0  # [s] a simulated arm stands still in mid-motion while its policy thinks; a real one brakes
TIDY = 20  # ticks
SWITCH = 0.0005  # [s] a thread may keep the others from a tick


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
        self.operator = RunOperator(self.shared, self.loop, self.run_status)
        self._config, self._device = config, device
        self.console: Any = None
        self._switch = sys.getswitchinterval()

    def start(self) -> OperatorSession:
        """Connect the device, tick, open the console. Raises UsageError that names what is missing."""
        from robots.errors import DeviceError

        if self._device is not None:
            try:
                self._device.connect()
            except DeviceError as error:
                raise UsageError(str(error)) from error
            self.shared.devices.append(self._device)
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

    def close(self) -> None:
        """End console, loop, pictures and device, in this order. Idempotent."""
        if self.console is not None:
            self.console.stop()
            self.console = None
        # `abort_if_lost` ends a wait for a server that does not answer
        self.loop.close(None if self._remote is None else self._remote.abort_if_lost)
        if self.shared.pictures is not None:
            self.shared.pictures.close()
        if self._device is not None:
            self._device.close()
            self._device = None
        sys.setswitchinterval(self._switch)
        gc.unfreeze()
        gc.enable()

    def __enter__(self) -> OperatorSession:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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
