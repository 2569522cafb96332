"""What the published `openpi-client` finds of our server, and our client of a server on its codec."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest

from palme.policies.remote import RemoteFormat, RemotePolicy
from robots.errors import ArrayRefused
from robots.policy_servers.clients import OpenpiClient
from robots.policy_servers.errors import PolicyServerRefused
from robots.policy_servers.keys import keys_for
from robots.policy_servers.msgpack_numpy import decode
from robots.policy_servers.openpi import OpenpiServer
from robots.skills import Step
from tests.judges.openpi import JUDGE
from tests.policy_fakes import LENGTHS, SPEC, request, sweep_metadata, sweep_session

HERE = Path(__file__).parent.parent.parent / "judges"
pytestmark = pytest.mark.skipif(not JUDGE.built(), reason="python -m tests.judges.openpi builds the judge")


def test_published_client_and_broker_drive_our_server():
    ticks = 8 * (1 + 1 + 2 + 1) + 8
    with OpenpiServer(sweep_session, sweep_metadata(), "127.0.0.1:0") as server:
        command = [JUDGE.python, HERE / "openpi_drives.py", str(server.port), str(ticks)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["numpy"].startswith("1.")
    assert found["metadata"]["action_space"] == "joint_position" and found["metadata"]["action_dim"] == 8
    path = np.array(found["path"])
    assert path.shape == (ticks, 8)
    moved = path[:, 0] - SPEC.q_home[0]
    assert np.allclose(moved[-1], 1e-3 * sum(LENGTHS)) and (np.diff(moved) >= -1e-12).all()
    assert found["dones"][-1] and not found["dones"][8]
    assert path[-1, 7] == 1.0 and path[0, 7] == 0.25  # as DROID has it: 1 is closed
    assert "observation/joint_position" in found["refusal"] and "Traceback" not in found["refusal"]
    assert found["timing"]["infer_ms"] >= 0 and found["timing"]["prev_total_ms"] >= 0


def test_our_client_drives_a_server_on_the_published_codec():
    command = [JUDGE.python, HERE / "openpi_serves.py"]
    judge = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        client = OpenpiClient(f"127.0.0.1:{int(judge.stdout.readline())}", timeout_s=20, connect_timeout_s=20)
        assert client.connect() == {"name": "judge"}
        form = RemoteFormat(keys_for("openpi"), wrist_camera=None, horizon=10)
        from tests.palme.test_remote_policy import seen

        policy = RemotePolicy(client.infer, form, SPEC, client.reset)
        chunk = policy.act(seen(), Step.put("red block", "blue bowl"))
        assert np.allclose(chunk.q_targets[-1], SPEC.q_home + 0.1, atol=1e-6) and (chunk.gripper == 1.0).all()
        with pytest.raises(PolicyServerRefused, match="on purpose"):
            client.infer(request(prompt="fail", joints=SPEC.q_home.astype(np.float32)))
        with pytest.raises(ArrayRefused, match=r"\|O"):
            client.infer(request(prompt="objects", joints=SPEC.q_home.astype(np.float32)))
        again = client.infer(
            request(joints=SPEC.q_home.astype(np.float32))
        )  # and the next call connects anew
        assert again["actions"].shape == (10, 8)
        client.close()
    finally:
        judge.stdin.close()
        judge.wait(10)


def test_an_object_array_kills_the_published_decoder_and_is_refused_by_ours():
    frame = {b"__ndarray__": True, b"data": struct.pack("<Q", 0xDEADBEEF), b"dtype": "|O", b"shape": [1]}
    message = msgspec.msgpack.encode(frame)
    code = (
        "import sys; from openpi_client import msgpack_numpy as m; print(m.unpackb(sys.stdin.buffer.read()))"
    )
    done = subprocess.run([JUDGE.python, "-c", code], input=message, capture_output=True)
    assert done.returncode == -signal.SIGSEGV
    with pytest.raises(ArrayRefused, match=r"\|O"):
        decode(message)
