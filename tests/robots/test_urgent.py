"""Real-time priority: had by whatever a command waits for where the system allows it, and done without."""

from __future__ import annotations

import os
import threading

import pytest

from robots.bridge import sockets
from robots.urgent import BESIDE, LOOP, may_be_urgent, urgent
from tests.bridge_rig import bench, move, until

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no such scheduler here")


def priorities() -> dict[str, int]:
    """Of every thread of the bridge by its name; 0 = as everything else runs."""
    named = {t.name: t.native_id for t in threading.enumerate() if t.name.startswith("bridge-")}
    return {name: os.sched_getparam(tid).sched_priority for name, tid in named.items() if tid is not None}


@pytest.mark.skipif(not may_be_urgent(), reason="real-time priority is not allowed here")
def test_control_comes_before_commands_and_pictures_and_nobody_else_is_urgent(tmp_path) -> None:
    before = os.sched_getscheduler(0)
    with bench(tmp_path) as made:
        move(made.armed(), 3)
        until(lambda: priorities()["bridge-pictures"] > 0)
        found = priorities()
        assert found["bridge-control"] == LOOP > found["bridge-commands"] == BESIDE
        assert found["bridge-pulse"] == BESIDE > found["bridge-pictures"]
    assert os.sched_getscheduler(0) == before


def test_where_it_is_not_allowed_the_bridge_works_as_ever(tmp_path, monkeypatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("rtprio 0")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    assert not urgent() and not may_be_urgent()
    sockets.context().destroy()  # libzmq would end the process if it were told to
    with bench(tmp_path) as made:
        move(made.armed(), 3)
        own = os.sched_getparam(0).sched_priority  # 0, or what a vendor's library took for this thread
        assert set(priorities().values()) == {own}
