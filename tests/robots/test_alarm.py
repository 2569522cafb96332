"""A thread that sleeps by an alarm is up in time, though its processor is somebody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from robots.alarm import GRACE, Alarm
from robots.urgent import LOOP, may_be_urgent, urgent

HOST = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(int(sys.argv[2])))
end = time.monotonic() + 0.3
while time.monotonic() < end:
    pass
"""
TWO = hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) > 1


def test_it_never_wakes_early_and_leaves_the_thread_where_it_may_run() -> None:
    before = os.sched_getaffinity(0) if TWO else None
    with closing(Alarm()) as alarm:
        for k in range(40):
            until = time.monotonic() + 0.001 * (k % 7)
            alarm.sleep(until)
            assert time.monotonic() >= until
        alarm.sleep(time.monotonic() - 1.0)
    assert not TWO or os.sched_getaffinity(0) == before
    alarm.close()


def test_it_wakes_by_itself_where_nobody_can_help(monkeypatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    with closing(Alarm()) as alarm:
        until = time.monotonic() + 0.02
        alarm.sleep(until)
        assert time.monotonic() >= until and alarm.helped == 0


@pytest.mark.skipif(not TWO, reason="one processor")
@pytest.mark.skipif(not may_be_urgent(), reason="needs real-time priority to keep a processor busy")
def test_a_thread_whose_processor_is_kept_from_it_is_moved() -> None:
    """A process above everybody else stands for the host that keeps a processor for 0.3 s."""
    first = min(os.sched_getaffinity(0))
    late: list[float] = []

    def sleeper() -> None:
        with closing(Alarm()) as alarm:
            os.sched_setaffinity(0, {first})
            urgent(LOOP)  # as a control loop has it
            ready.set()
            while not over.is_set():
                until = time.monotonic() + 0.1
                alarm.sleep(until)
                late.append(time.monotonic() - until)
                os.sched_setaffinity(0, {first})  # as one that the system put to sleep there
            helped.append(alarm.helped)

    ready, over, helped = threading.Event(), threading.Event(), []
    thread = threading.Thread(target=sleeper)
    thread.start()
    ready.wait(5)
    subprocess.run([sys.executable, "-c", HOST, str(first), str(LOOP + 20)], check=True, timeout=60)
    over.set()
    thread.join(10)
    assert helped[0] >= 1
    assert max(late) < GRACE + 0.1  # without help the one that falls into it is up to 0.3 s late
