"""Takeover across the bridge: the lease's own rule, that a human outranks a policy, and one commander."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from robots.errors import ArmLatched, LeaseHeld, LeaseMissing, LinkDead, NotAutonomous, StoppedByPerson
from robots.executor import Executor
from robots.teleop.arbitration import CORRECTING, PAUSED, STOPPED
from robots.teleop.devices.leader import LeaderArm
from robots.teleop.loop import ControlLoop
from robots.teleop.pictures import FetchedPictures
from robots.teleop.shared_robot import SharedArm
from robots.teleop.teleop_actions import Jog
from tests.bridge_rig import assert_within_limits, bench, until

UP = Jog((0.0, 0.0, 1.0))


@pytest.mark.parametrize("realtime", [True, False])
def test_a_human_takes_the_lease_in_the_middle_of_a_policy_s_motion(tmp_path, realtime: bool) -> None:
    with bench(tmp_path, realtime=realtime) as rig:
        policy = rig.armed("robo")
        executor, q = Executor(policy), policy.observe(()).robot.q
        for k in range(40):
            executor.send(q + 0.004 * k, 1.0)
        human = rig.client("anna", "human", human=True)
        arm = SharedArm(human, mode=STOPPED, agent=False)
        arm.rearm("anna")  # moves the lease, once the arm is at rest
        with pytest.raises((LeaseMissing, ArmLatched)):
            executor.send(q, 1.0)
        with pytest.raises(LeaseHeld, match="anna"):
            policy.acquire()
        arm.take("anna")
        before = human.observe(()).robot.base_from_ee[2, 3]
        for _ in range(40):
            assert arm.act("anna", UP)
            arm.tick()
        assert arm.takeover.mode == CORRECTING
        assert human.observe(()).robot.base_from_ee[2, 3] > before + 0.01
        arm.halt("anna", "that will do")
        until(lambda: (arm.tick(), arm._session.latched)[1], "the arm to be stopped")
        human.release()
        policy.acquire()
        policy.rearm()  # and the policy may go on, from where the arm is
        Executor(policy).send(policy.observe(()).robot.q, 1.0)
        assert_within_limits(rig.arm)


def test_an_agent_whose_lease_was_taken_waits_and_goes_on_when_it_is_free_again(tmp_path) -> None:
    with bench(tmp_path) as rig:
        policy = rig.armed("robo")
        arm = SharedArm(policy)
        executor, q = Executor(arm), policy.observe(()).robot.q
        for k in range(20):
            executor.send(q + 0.002 * k, 1.0)
        human = rig.client("anna", "human", human=True)
        human.rearm()
        with pytest.raises(StoppedByPerson, match="anna"):
            executor.send(q, 1.0)
        assert arm.takeover.mode == STOPPED
        with pytest.raises(LeaseHeld, match="anna"):
            arm.rearm("bert")
        assert arm.takeover.mode == STOPPED
        human.release()
        arm.rearm("bert")
        assert arm.takeover.mode == PAUSED
        with pytest.raises(NotAutonomous):
            executor.send(q, 1.0)
        arm.hand_back("bert")
        assert arm.wait().why == "stopped"
        executor.send(policy.observe(()).robot.q, 1.0)
        assert_within_limits(rig.arm)


def test_a_takeover_at_this_end_keeps_the_lease_and_the_gate(tmp_path) -> None:
    with bench(tmp_path, realtime=False) as rig:
        arm = SharedArm(rig.armed("robo"))
        gate, holder = rig.server.control.commands.gate, rig.server.control.lease.holder
        executor, q = Executor(arm), arm.state.q
        rng = np.random.default_rng(0)
        for k in range(12):
            for i in range(int(rng.integers(2, 25))):
                executor.send(q + 0.003 * i * (-1) ** k, 1.0)
            arm.take("anna")
            for _ in range(int(rng.integers(0, 10))):
                arm.act("anna", UP)
                arm.tick()
            arm.hand_back("anna")
            arm.wait()
        assert rig.server.control.commands.gate is gate
        assert holder is not None and rig.server.control.lease.holder is holder
        assert_within_limits(rig.arm)


def test_handing_back_where_nobody_plans_frees_the_lease_for_the_policy(tmp_path) -> None:
    with bench(tmp_path) as rig:
        human = rig.client("anna", "human", human=True)
        arm = SharedArm(human, mode=STOPPED, agent=False)
        arm.rearm("keyboard")
        arm.take("keyboard")
        for _ in range(20):
            arm.act("keyboard", UP)
            arm.tick()
        arm.hand_back("keyboard")
        until(lambda: (arm.tick(), arm.takeover.mode == STOPPED)[1], "the arm to rest, and the lease to go")
        assert "lease is free" in arm.takeover.message
        policy = rig.armed("robo")
        Executor(policy).send(policy.observe(()).robot.q, 1.0)
        arm.rearm("keyboard")  # and a person may take it again at any time
        for _ in range(5):
            arm.tick()
        assert arm.takeover.mode == PAUSED
        assert_within_limits(rig.arm)


def test_a_served_arm_leads_another_and_is_only_observed(tmp_path) -> None:
    still = {"realtime": False}  # one command, one tick: a busy machine changes nothing
    with bench(tmp_path / "follower", **still) as rig, bench(tmp_path / "leader", **still) as led:
        moved = led.armed("robo")
        leader = LeaderArm(led.client("anna", "viewer"), rig.arm.spec)
        assert leader.by_joints
        arm = SharedArm(rig.armed("robo"))
        arm.devices.append(leader)
        arm.take("leader")
        before = arm.state.q.copy()
        executor, q = Executor(moved), moved.observe(()).robot.q
        for k in range(60):
            executor.send(q + 0.002 * k, 1.0)
            arm.tick()
        for _ in range(40):
            executor.send(q + 0.002 * 59, 1.0)
            arm.tick()
        led_by = moved.observe(()).robot.q - q
        assert np.abs(led_by).min() > 0.1
        np.testing.assert_allclose(arm.state.q - before, led_by, atol=0.002)
        assert_within_limits(rig.arm)


# -- the end --------------------------------------------------------------------------------------


def test_a_client_that_is_closed_breaks_off_what_other_threads_wait_for(tmp_path, monkeypatch) -> None:
    with bench(tmp_path, cameras=("left",), size=(64, 48)) as rig:
        client = rig.client("anna", "human")  # whose answers may take very long
        pictures = FetchedPictures(client, ("left",))
        entered, free = threading.Event(), threading.Event()
        monkeypatch.setattr(rig.arm, "picture", lambda camera: (entered.set(), free.wait(60.0)))
        try:
            assert entered.wait(20.0)
            begin = time.monotonic()
            pictures.close()
            assert pictures._thread.is_alive()  # it still uses the socket
            client.close()
            assert not client._connection._inside and client._connection.context.closed
            assert time.monotonic() - begin < 8.0
            pictures._thread.join(5.0)
            assert not pictures._thread.is_alive() and "LinkDead" in pictures._failure["left"]
            with pytest.raises(LinkDead, match="closed"):
                client.observe(())
            client.close()
        finally:
            free.set()


def test_a_stop_that_reaches_nobody_is_not_waited_for(tmp_path) -> None:
    with bench(tmp_path) as rig:
        human = rig.client("anna", "human", human=True)
        human.paced = False
        arm = SharedArm(human, mode=STOPPED, agent=False)
        with ControlLoop(arm):
            arm.rearm("anna")
            rig.server.close()
            until(lambda: human.age() > 1.5)
            with pytest.raises(LinkDead, match="nothing received from the arm"):
                arm.stop("enough")
            assert human.abort_if_lost()


def test_a_tick_that_waits_for_a_dead_server_is_not_waited_for_in_the_end(tmp_path) -> None:
    with bench(tmp_path) as rig:
        human = rig.client("anna", "human", human=True)  # whose answers may take very long
        human.paced = False
        loop = ControlLoop(SharedArm(human, mode=STOPPED, agent=False)).start()
        thread = loop._thread
        rig.server.close()
        begin = time.monotonic()
        loop.close(human.abort_if_lost)
        assert time.monotonic() - begin < 4.0 and not thread.is_alive()


def test_teleop_whose_server_has_died_ends_at_once_and_whole(tmp_path) -> None:
    pytest.importorskip("uvicorn")
    with bench(tmp_path, hz=20.0, cameras=("left", "right"), size=(64, 48)) as rig:
        rig.ring.client("anna", "human")
        command = [sys.executable, "-m", "palme.cli.main", "teleop", "robot=bridge", "console=true"]
        command += [f"bridge.address={rig.server.address}", "bridge.key=anna", f"bridge.keys={tmp_path}"]
        said = tmp_path / "said"
        with said.open("w") as out:
            teleop = subprocess.Popen(
                command, stdout=out, stderr=out, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
        try:
            until(lambda: "stopped: not armed yet" in said.read_text() or teleop.poll() is not None, "teleop")
            rig.server.close()
            time.sleep(1.0)
            begin = time.monotonic()
            teleop.terminate()  # as Ctrl-C, which is ignored where these tests run in a shell's background
            assert teleop.wait(30) == 0, said.read_text()
            assert time.monotonic() - begin < 8.0
        finally:
            teleop.kill()
    assert "missed, worst delay" in said.read_text()
    assert "Assertion failed" not in said.read_text() and "Traceback" not in said.read_text()
