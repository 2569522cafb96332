"""Signals that ask a command to stop break nothing that is being saved, however many come, and whenever."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from palme.cli import exit_codes, signals
from palme.cli.rig.uninterrupted import careful_agent
from palme.cli.signals import STOPS, Stopped, held, interruptible, stoppable
from palme.events import Finished
from robots.spec import ArmSpec
from tests.agent_fakes import FakeArm, FakePlanner, FakePolicy, FakeRefusal

PUT = "put the red block in the blue bowl"


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def _not_ignored() -> Iterator[None]:
    """A shell that starts the tests in its background has SIGINT ignored."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in STOPS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_raises_at_once_where_nothing_is_held(number):
    with pytest.raises(Stopped) as found, stoppable():
        send(number)
    assert found.value.number == number and isinstance(found.value, KeyboardInterrupt)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_that_a_callback_swallowed_stops_what_has_not_begun(number, monkeypatch):
    class Dropped:
        def __del__(self) -> None:
            send(number)

    dropped: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)
    with stoppable():
        Dropped()
        assert [one.exc_type for one in dropped] == [Stopped]
        dropped.clear()
        with held("saving the episode"):
            with pytest.raises(Stopped) as found, interruptible():
                pytest.fail("it went on")
            with interruptible():
                pass  # it stops one thing, once
    assert found.value.number == number


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_that_the_parent_ignores_stays_ignored(number):
    signal.signal(number, signal.SIG_IGN)
    with stoppable():
        send(number)
        assert signals.first_signal() is None
    assert signal.getsignal(number) == signal.SIG_IGN


@pytest.mark.parametrize("number", STOPS)
def test_while_something_is_saved_no_signal_raises(number, capfd):
    with stoppable():
        with held("saving the episode"):
            for _ in range(4):
                send(number)
        assert exit_codes.exit_code(True, stopped=True) == 128 + number
    said = capfd.readouterr().err
    assert said.count("saving the episode") == 1 and signal.Signals(number).name in said


def test_a_held_signal_takes_effect_where_the_command_may_be_interrupted_next():
    reached = []
    with stoppable(), held():
        send()
        reached.append("saved")
        with pytest.raises(Stopped), interruptible():
            reached.append("filmed")
        with interruptible():
            reached.append("reported")
    assert reached == ["saved", "reported"]


def test_in_a_region_only_the_first_signal_raises():
    with stoppable(), held():
        try:
            with interruptible():
                send()
        except KeyboardInterrupt:
            send(signal.SIGHUP)
        finally:
            send(signal.SIGQUIT)
        assert signals.first_signal() == signal.SIGTERM


def test_within_a_region_a_held_part_ends_before_the_signal_raises():
    done = []
    with stoppable(), held():
        with pytest.raises(Stopped), interruptible():
            with held():
                send()
                done.append("row")
            done.append("next row")
    assert done == ["row"]


class AtLine:
    """Sends signals when the n-th line of the traced files is reached: a fault at every possible moment."""

    def __init__(self, n: int, number: int, files: tuple[str, ...]) -> None:
        self.n, self.number, self.files, self.lines = n, number, files, 0

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.endswith(self.files):
            return None
        if event == "line":
            self.lines += 1
            if self.n <= self.lines < self.n + 3:  # a first one and two more, a line apart
                os.kill(os.getpid(), self.number)
        return self

    def during(self, call: Callable[[], Any]) -> Any:
        sys.settrace(self)
        try:
            return call()
        finally:
            sys.settrace(None)


class Tape:
    """Stands for a recording: what it holds, and whether it was saved."""

    def __init__(self) -> None:
        self.rows = 0
        self.half = False
        self.saved = False

    def command(self) -> None:
        self.half = True
        self.rows += 1
        self.half = False

    def save(self) -> None:
        assert not self.half
        self.saved = True


@pytest.mark.parametrize(("number", "ending"), [(signal.SIGINT, "done"), (signal.SIGHUP, "refused")])
def test_three_signals_at_any_line_of_a_run_never_cost_its_episode(number, ending):
    files = ("palme/agent.py", "cli/signals.py", "rig/uninterrupted.py")

    def one_run(tracer: AtLine) -> tuple[Tape, list[Any], bool]:
        tape, events = Tape(), []

        class Arm(FakeArm):
            spec = ArmSpec.load("panda")

            def command(self, command):
                tape.command()
                if ending == "refused" and tape.rows == 3:
                    raise FakeRefusal("a silent camera")
                return command

        def whole() -> None:
            with held("saving the episode"):
                agent = careful_agent(
                    Arm((6, 8)), FakePlanner([PUT]), FakePolicy(), [events.append], refusals=(FakeRefusal,)
                )
                agent.run(PUT)
                tape.save()

        with stoppable():
            try:
                tracer.during(whole)
            except KeyboardInterrupt:
                return tape, events, True
        return tape, events, False

    still = AtLine(10**9, number, files)
    tape, events, _ = one_run(still)
    assert tape.saved and still.lines > 100
    tried = 0
    for n in range(1, still.lines + 1, 4):
        tape, events, broken = one_run(AtLine(n, number, files))
        if broken:  # before the hold began nothing has moved, after its end nothing is left to save
            assert tape.rows == 0 or tape.saved, n
            continue
        assert tape.saved and isinstance(events[-1], Finished), n
        tried += 1
    assert tried > 30


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"succeeded": True}, 0),
        ({"succeeded": False}, 1),
        ({"succeeded": True, "recorded": False}, 3),
        ({"succeeded": False, "recorded": False, "written": False, "stopped": True}, 3),
        ({"succeeded": True, "written": False}, 4),
        ({"succeeded": False, "written": False}, 4),
        ({"succeeded": False, "stopped": True}, 1),  # by something else than a signal
    ],
)
def test_one_rule_gives_the_exit_code(given, code):
    with stoppable():
        assert exit_codes.exit_code(**given) == code
