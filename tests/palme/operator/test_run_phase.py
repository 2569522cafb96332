"""A run begins when a person begins it, and its end is said and kept."""

from __future__ import annotations

import os
import pty
import threading

import numpy as np
import pytest

from palme.cli.rig import terminal
from palme.events import Finished
from palme.operator.operator import Jog, Picture
from palme.operator.run_operator import RunOperator
from palme.operator.run_phase import COUNTDOWN, ENDED, RUNNING, WAITING, RunPhase, end_of, run_end
from palme.operator.run_status import RunStatus
from palme.operator.typed_lines import REFUSED
from robots.teleop.loop import ControlLoop
from tests.teleop_rig import Clock, shared

ACTIONS = {
    "take": lambda o: o.take("anna"),
    "pause": lambda o: o.pause("anna"),
    "hand_back": lambda o: o.hand_back("anna"),
    "jog": lambda o: o.jog("anna", Jog((1.0, 0.0, 0.0))),
    "reach": lambda o: o.reach("anna", "front", 1.0, 1.0),
    "correct": lambda o: o.correct("anna", "the other bowl"),
    "stop by words": lambda o: o.correct("anna", "stop"),
    "wait by words": lambda o: o.correct("anna", "wait"),
}


def operator_of(phase):
    arm, below, _ = shared()
    loop = ControlLoop(arm, ("front",))
    return RunOperator(arm, loop, RunStatus("put it there"), phase=phase), below


@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_acts_before_the_run_has_begun(name) -> None:
    operator, below = operator_of(RunPhase(waits=True))
    reply = ACTIONS[name](operator)
    assert not reply.done and "not begun" in reply.message
    assert operator.shared.takeover.mode == "autonomous" and not below.sent
    assert all(line.state == REFUSED for line in operator.lines.lines)
    assert operator.start("anna").done and operator.phase.phase == RUNNING
    assert not operator.start("bert").done  # once


@pytest.mark.parametrize("name", [*ACTIONS, "stop", "rearm", "start", "wait"])
def test_nothing_acts_after_the_end_and_the_reply_says_how_it_ended(name) -> None:
    operator, below = operator_of(RunPhase())
    operator.finish(run_end("crashed", "Crashed", "RuntimeError: a bug"))
    more = {
        "stop": lambda o: o.stop("anna", "x"),
        "rearm": lambda o: o.rearm("anna"),
        "start": lambda o: o.start("anna"),
        "wait": lambda o: o.wait_for_start("anna"),
    }
    reply = (ACTIONS | more)[name](operator)
    assert not reply.done and "the run has ended" in reply.message and "Crashed" in reply.message
    assert not below.sent and operator.status().end is not None


def test_a_page_that_is_opened_after_the_end_gets_the_last_status_and_pictures() -> None:
    operator, _ = operator_of(RunPhase())
    rgb = np.full((4, 4, 3), 7, np.uint8)
    operator.picture = lambda camera: Picture(rgb, 1.0)  # type: ignore[method-assign]
    operator.finish(run_end("stopped", "Stopped", "stopped by Ctrl-C"))
    del operator.picture
    before = operator.status()
    rgb[:] = 0  # the memory of a renderer that is gone
    operator.shared.report("nobody is there")
    operator.connect("console 5")
    status = operator.status()
    assert status.phase == ENDED and status.message == before.message and status.t_mono == before.t_mono
    shown = operator.picture("front")
    assert shown is not None and (shown.rgb == 7).all()


def test_what_is_said_of_the_end_may_become_better_but_its_time_stays() -> None:
    operator, _ = operator_of(RunPhase())
    done = Finished(1.0, True, "done", "the planner found nothing left to do", 1, 0)
    operator.finish(end_of(done))
    assert operator.status().end.title == "Done, as far as the model can see"  # type: ignore[union-attr]
    operator.finish(end_of(done, True))
    assert operator.status().end.title == "Achieved"  # type: ignore[union-attr]


def test_a_run_begins_by_itself_a_while_after_a_page_was_opened() -> None:
    clock = Clock()
    phase = RunPhase(True, clock)
    assert phase.begins_in is None  # nobody looks
    phase.opened("console 1")
    clock.now += 4.0
    phase.opened("console 2")  # the second one delays nothing
    assert phase.begins_in == pytest.approx(COUNTDOWN - 4.0)
    phase.left("console 1")
    assert phase.begins_in is not None
    phase.left("console 2")
    assert phase.begins_in is None  # nobody looks any more
    phase.opened("console 1")
    assert phase.begins_in == pytest.approx(COUNTDOWN)
    clock.now += 99.0
    assert phase.begins_in == 0.0 and phase.phase == WAITING  # whoever waits for it begins it
    phase.hold()
    assert phase.begins_in is None


def test_a_stopped_arm_is_rearmed_before_the_run_begins() -> None:
    operator, _ = operator_of(RunPhase(waits=True))
    operator.connect("console 1")
    operator.stop("anna", "a hand on the table")
    assert operator.phase.begins_in is None
    assert "rearm" in operator.start("anna").message
    while not operator.shared._session.latched:
        operator.shared.tick()
    assert operator.rearm("anna").done and operator.start("anna").done
    assert operator.shared.takeover.mode == "autonomous"


@pytest.mark.parametrize("n", [1, 2, 5])
def test_of_several_persons_one_begins_the_run(n) -> None:
    phase, begun = RunPhase(True), []
    acts = [lambda k=k: begun.append(phase.begin(f"console {k}")) for k in range(n)]
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    assert phase.wait(5.0)
    for thread in threads:
        thread.join()
    assert sum(begun) == 1


def test_a_line_of_the_terminal_is_read_without_waiting_for_it(monkeypatch) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as keyboard:
        monkeypatch.setattr("sys.stdin", keyboard)
        monkeypatch.setattr(os, "tcgetpgrp", lambda fd: os.getpgrp())
        assert terminal.typed_line(0.0) is None
        os.write(master, b"\n")
        assert terminal.typed_line(5.0) == ""
        os.write(master, b"hello\n")
        assert terminal.typed_line(5.0) == "hello"
        monkeypatch.setattr(os, "tcgetpgrp", lambda fd: -1)  # in the background
        os.write(master, b"\n")
        assert terminal.typed_line(0.0) is None
    os.close(master)


@pytest.mark.parametrize("stdin", [None, "closed", "file"])
def test_without_a_terminal_there_is_no_line_to_wait_for(monkeypatch, tmp_path, stdin) -> None:
    file = (tmp_path / "empty").open("w+")
    if stdin == "closed":
        file.close()
    monkeypatch.setattr("sys.stdin", None if stdin is None else file)
    assert terminal.typed_line(0.0) is None and not terminal.on_terminal()
