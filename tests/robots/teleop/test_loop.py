"""The control loop: ticks by the wall clock, pictures in the time left over, one thread at the arm."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from robots.control_tasks import ControlTasks
from robots.errors import NotAutonomous, RobotError
from robots.executor import Executor
from robots.realtime import CONTROL_PRIORITY, raise_priority, raised_priority
from robots.spec import ArmSpec
from robots.teleop.loop import ControlLoop, TickTimer
from robots.teleop.shared_robot import SharedArm
from robots.teleop.teleop_actions import Jog
from robots.types import ActionChunk
from tests.bridge_rig import until
from tests.teleop_rig import Clock, GateArm, motion, worst_change

FAST = replace(ArmSpec.load("panda"), control_hz=100.0)


class OneThread(GateArm):
    """Notes who touches it."""

    def __init__(self, spec=FAST, picture_s=0.0):
        self.threads: set[int] = set()
        self.picture_s = picture_s
        self.pictures = 0
        super().__init__(spec)

    def observe(self, cameras=None):
        self.threads.add(threading.get_ident())
        return super().observe(cameras)

    def picture(self):
        self.pictures += 1
        begin = time.thread_time()
        while time.thread_time() - begin < self.picture_s:  # drawing is work
            pass
        return super().picture()

    def command(self, command):
        self.threads.add(threading.get_ident())
        return super().command(command)


def test_ticks_that_are_late_are_counted_and_never_made_up_for_in_a_hurry() -> None:
    clock = Clock()
    timer = TickTimer(0.05, clock)
    clock.now += 0.05
    timer.begin_tick()
    assert (timer.ticks, timer.missed) == (1, 0) and timer.remaining == pytest.approx(0.05)
    clock.now += 0.054  # 4 ms: not worth a word
    timer.begin_tick()
    assert timer.missed == 0 and timer.remaining == pytest.approx(0.046)
    clock.now += 0.20
    timer.begin_tick()
    assert timer.missed == 1 and timer.worst_delay == pytest.approx(0.154)
    assert timer.remaining == pytest.approx(0.05)  # not three at once


def test_only_the_loop_s_thread_touches_the_arm() -> None:
    below = OneThread()
    arm = SharedArm(below)
    below.threads.clear()
    with ControlLoop(arm, ("front",)) as loop:
        executor = Executor(arm)
        path = motion(FAST, below.q, below.q + 0.3)
        sent = executor.run(ActionChunk(path, np.ones(len(path)), 100.0))
        assert len(sent) == len(path)
        seen = arm.observe(("front",))
        assert seen.images["front"].rgb.shape == (48, 64, 3)
        until(lambda: loop.frame("front"), "a picture")
        assert len(below.threads) == 1 and threading.get_ident() not in below.threads
    np.testing.assert_allclose(below.q, path[-1], atol=1e-6)
    assert worst_change(below) <= 1.0


def test_a_takeover_from_another_thread_breaks_a_chunk_off_in_the_middle() -> None:
    below = OneThread()
    arm = SharedArm(below)
    with ControlLoop(arm) as loop:
        executor = Executor(arm)
        path = motion(FAST, below.q, below.q + 0.8)
        sent, middle, taken = [], threading.Event(), threading.Event()

        def note(command) -> None:
            sent.append(command)
            if len(sent) == 20:
                middle.set()
                taken.wait(20.0)

        def take_over() -> None:
            middle.wait(20.0)
            arm.take("anna")
            taken.set()
            limit = time.monotonic() + 0.3
            while time.monotonic() < limit:
                arm.act("anna", Jog((0.0, 0.0, 1.0)))
                time.sleep(0.01)
            arm.hand_back("anna")

        person = threading.Thread(target=take_over)
        person.start()
        with pytest.raises(NotAutonomous, match="anna"):
            executor.run(ActionChunk(path, np.ones(len(path)), 100.0), on_sent=note)
        assert len(sent) == 20 < len(path)
        happened = arm.wait()
        person.join()
        assert happened.who == "anna" and happened.commands
        assert loop.timer.ticks > len(sent)
    assert worst_change(below) <= 1.0


def test_a_stop_brakes_at_the_next_tick_and_returns_at_rest() -> None:
    below = OneThread()
    arm = SharedArm(below)
    with ControlLoop(arm):
        executor = Executor(arm)
        for target in motion(FAST, below.q, below.q + 0.8)[:30]:
            executor.send(target, 1.0)
        arm.stop("enough")
        assert below.gate.at_rest and below.gate.latched == "enough"
    assert worst_change(below) <= 1.0


def test_a_picture_that_does_not_fit_into_a_tick_is_not_begun() -> None:
    below = OneThread(picture_s=0.03)  # three ticks long
    arm = SharedArm(below)
    with ControlLoop(arm, ("front",)) as loop:
        until(lambda: loop.timer.ticks > 40, "40 ticks")
        taken = below.pictures
    assert 1 <= taken <= 6  # of 40: the first told how long it takes; it is tried again, but seldom


def test_pictures_that_fit_are_always_new() -> None:
    below = OneThread()
    arm = SharedArm(below)
    with ControlLoop(arm, ("front",)) as loop:
        first = until(lambda: loop.frame("front"), "a picture")[1]
        until(lambda: loop.frame("front")[1] > first + 0.1 and below.pictures >= 5, "newer ones")


def test_an_error_in_the_loop_reaches_whoever_waits_and_stops_the_arm() -> None:
    below = OneThread()
    arm = SharedArm(below)

    def broken(tick) -> None:
        time.sleep(0.05)  # for the command of the tick that breaks to be answered, and another asked
        raise ZeroDivisionError("in a listener")

    arm.on_tick.append(broken)
    executor = Executor(arm)
    with ControlLoop(arm):
        with pytest.raises(RobotError, match="in a listener"):
            until(lambda: executor.send(below.q, 1.0) and False, "the loop to break")
        with pytest.raises(RobotError, match="in a listener"):
            arm.wait()
    assert below.gate.latched is not None


def test_a_job_without_a_thread_is_done_by_who_asks_and_errors_come_back() -> None:
    tasks = ControlTasks()
    assert tasks.between_ticks(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        tasks.between_ticks(lambda: 1 // 0)
    tasks.begin(threading.Thread())
    with pytest.raises(TimeoutError):
        tasks.between_ticks(lambda: 7, timeout=0.01)
    assert not tasks.run_next(left=-1.0) and tasks.run_next(left=0.0) and not tasks.run_next(left=0.0)


class ByThemselves:
    """`Pictures` that are there at once; notes who says that it has ticked."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def follow(self) -> None:
        self.threads.append(threading.get_ident())

    def newest(self, camera):
        return GateArm().picture(), float(len(self.threads))

    def fresh(self, camera):
        return GateArm().picture()

    def close(self) -> None:
        pass


def test_pictures_that_come_by_themselves_follow_every_tick_and_are_never_taken() -> None:
    below, pictures = OneThread(picture_s=0.03), ByThemselves()
    arm = SharedArm(below, pictures=pictures)
    with ControlLoop(arm, ("front",)) as loop:
        until(lambda: loop.timer.ticks > 20, "20 ticks")
        assert arm.observe(("front",)).images["front"].rgb.shape == (48, 64, 3)
        assert loop.frame("front")[1] >= 19
    assert below.pictures == 0 and abs(len(pictures.threads) - loop.timer.ticks) <= 1
    assert len(set(pictures.threads)) == 1 and threading.get_ident() not in pictures.threads


def test_the_loop_s_priority_is_its_own() -> None:
    found: list[int | str] = []
    before = os.sched_getscheduler(0)  # a vendor's library in another test may have changed it

    def asked() -> None:
        ordinary = os.sched_getscheduler(0)
        with raised_priority() as had:
            assert (os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO) or not had
        assert os.sched_getscheduler(0) == ordinary
        if raise_priority(CONTROL_PRIORITY):
            found.append(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)
            heir = threading.Thread(target=lambda: found.append(os.sched_getscheduler(0)))
            heir.start()
            heir.join()
        found.append("asked")

    thread = threading.Thread(target=asked)
    thread.start()
    thread.join()
    assert found in (["asked"], [os.SCHED_FIFO, os.SCHED_OTHER, "asked"])  # the first: this system gives none
    assert os.sched_getscheduler(0) == before
