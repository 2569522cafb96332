"""`palme bench bridge`: what the wire costs, whether it keeps pace, and how soon silence is noticed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from robots.bridge import frames, keys, sockets
from robots.bridge.arrays import pack
from robots.bridge.client import BridgeClient
from robots.bridge.errors import LinkDead
from robots.bridge.server import BridgeServer
from robots.bridge.wire import encode
from robots.drivers.ideal import IdealArm
from robots.errors import CommandRejected
from robots.spec import ArmSpec
from robots.types import JointCommand

CAMERAS = ("left", "right")
AFTER_TICK = 0.2  # share of a tick that the client lets pass after one before it sends for the next


def bench_bridge(config: Mapping[str, Any], bar: Callable[[str, int], Any]) -> dict[str, Any]:
    """Figures by name, times in ms. `bar(what, total)` makes a progress bar."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server_key, me = keys.new(folder, "server"), keys.new(folder, "me")
        keys.allow(folder, keys.load_public(folder / "me.public.json"), "policy")
        found: dict[str, Any] = {"hz": config["hz"], "seconds": config["seconds"]}
        serve = _child("robots.serve", f"keys={folder}", "backend=ideal", f"control_hz={config['hz']}",
                       "address=tcp://127.0.0.1:0", f"backend.cameras=[{','.join(CAMERAS)}]")  # fmt: skip
        echo = _child("palme.cli.bench_echo", str(folder))
        try:
            address, echo_address = _address(serve), _address(echo)
            with BridgeClient(address, me, server_key.public, timeout=2.0, paced=False) as client:
                with _echoing(echo_address, me, server_key.public) as ask:
                    found |= _stretch(client, config, ask, bar, "")
                looker = _child(
                    "palme.cli.bench_look", str(folder), address, *CAMERAS, str(config["camera_hz"])
                )
                try:
                    found |= _stretch(client, config, None, bar, "with_cameras_")
                finally:
                    looker.terminate()
                    said = looker.communicate(timeout=10)[0].split()
                    found["camera_hz_seen"] = [round(float(x), 1) for x in said[-len(CAMERAS) :]]
        finally:
            for child in (serve, echo):
                child.terminate()
                child.wait(10)
        found |= _silence(config, folder, server_key, me, bar)
    return found


def _stretch(
    client: BridgeClient, config: Mapping[str, Any], ask: Any, bar: Callable[[str, int], Any], name: str
) -> dict[str, Any]:
    """Commands at the arm's rate, each beside an echo of the same bytes."""
    client.acquire()
    client.rearm()
    q, dt = client.observe(()).robot.q, client.spec.dt
    before, n = client.counts(), int(config["seconds"] * config["hz"])
    took, echoed, lost, refused, late = [], [], 0, 0, 0
    begin = due = time.perf_counter()
    with bar(f"bridge {name}".strip("_ "), n) as progress:
        for k in range(n):
            command = JointCommand(q + 0.1 * (1 - np.cos(2 * np.pi * k * dt / 4)), 1.0, k, 0.0)
            if ask is not None and k % 2:  # whoever comes first after the sleep finds cold caches: take turns
                echoed.append(_asked(ask, client, command))
            start = time.perf_counter()
            try:
                client.command(command)
                took.append(time.perf_counter() - start)
                due = time.perf_counter() + client.wait_s + AFTER_TICK * dt
                late += time.perf_counter() - start > dt
            except CommandRejected:
                refused += 1
            except LinkDead:
                lost += 1
            if ask is not None and not k % 2:
                echoed.append(_asked(ask, client, command))
            if k % 500 == 499:
                progress.update(500)
            time.sleep(max(due - time.perf_counter(), 0.0))
    seconds = time.perf_counter() - begin
    after = client.counts()
    ms = 1e3 * np.array(took)
    out = {
        "commands": n, "acknowledged": len(took), "lost": lost, "refused": refused,
        "late": int(late), "rate_hz": n / seconds,
        "executed": after["command"] - before.get("command", 0),
        "ticks_without_command": after.get("tick_without_command", 0) - before.get("tick_without_command", 0),
        "ack_ms_p50": float(np.percentile(ms, 50)), "ack_ms_p99": float(np.percentile(ms, 99)),
        "ack_ms_max": float(ms.max()),
    }  # fmt: skip
    if echoed:
        raw = 1e3 * np.array(echoed)
        out |= {"echo_ms_p50": float(np.percentile(raw, 50)), "echo_ms_p99": float(np.percentile(raw, 99))}
        out["ack_over_echo_p50"] = out["ack_ms_p50"] / out["echo_ms_p50"]
    return {name + key: value for key, value in out.items()}


def _asked(ask: Callable[[bytes], bytes], client: BridgeClient, command: JointCommand) -> float:
    """[s] an echo of the bytes of `command` takes."""
    target = pack(command.q_target, "<f8")
    data = encode(frames.Command(command.seq, client.session, 1, command.seq, target, 1.0, 0.0, 0.0))
    start = time.perf_counter()
    ask(data)
    return time.perf_counter() - start


def _silence(
    config: Mapping[str, Any], folder: Path, server_key: keys.SecretKey, me: keys.SecretKey, bar: Any
) -> dict[str, Any]:
    """From the last good command to the first target that slows the arm down, and to the latch."""
    from dataclasses import replace

    spec = replace(ArmSpec.load("panda"), control_hz=config["silence_hz"])
    arm = IdealArm(spec, keep=200)
    slowed, latched, n = [], [], config["silence_tries"]
    with BridgeServer(arm, server_key, folder, "tcp://127.0.0.1:0") as server:
        with BridgeClient(server.address, me, server_key.public, timeout=2.0) as client:
            seq = 0
            with bar("silence", n) as progress:
                for k in range(n):
                    client.rearm()
                    q, way = client.observe(()).robot.q, (1 if k % 2 else -1) * 0.3 * spec.dt
                    arm.sent.clear()
                    for step in range(1, 6 + int(3 * np.random.default_rng(k).random())):
                        client.pulse.beating = True
                        client.command(JointCommand(q + way * (step - 1), 1.0, seq, 0.0))
                        seq += 1
                    client.pulse.beating = False
                    time.sleep(float(np.random.default_rng(k).random()) * 0.2 * spec.dt)
                    client.command(JointCommand(q + way * step, 1.0, seq, 0.0))
                    last = time.monotonic() - client.wait_s  # acknowledged; paced, it waited for its tick
                    seq += 1
                    lease = server.control.lease
                    while lease.latched is None and time.monotonic() < last + 2.0:
                        time.sleep(0.0005)
                    latched.append(time.monotonic() - last)
                    sent = list(arm.sent)
                    for (_, a), (_, b), (t, c) in zip(sent, sent[1:], sent[2:], strict=False):
                        if (
                            t > last
                            and abs((c.q_target - b.q_target)[0]) < abs((b.q_target - a.q_target)[0]) - 1e-9
                        ):
                            slowed.append(t - last)
                            break
                    progress.update(1)
    ms = 1e3 * np.array(slowed)
    return {
        "silence_tries": n, "silence_noticed": len(slowed), "silence_hz": config["silence_hz"],
        "silence_to_deceleration_ms_p50": float(np.percentile(ms, 50)),
        "silence_to_deceleration_ms_max": float(ms.max()),
        "silence_to_latch_ms_p50": float(1e3 * np.percentile(latched, 50)),
        "silence_to_latch_ms_max": float(1e3 * max(latched)),
    }  # fmt: skip


class _echoing:
    """A raw pyzmq socket to the echo; gives a function that sends bytes and waits for them."""

    def __init__(self, address: str, key: keys.SecretKey, server_public: str) -> None:
        self._context = zmq.Context()
        self._socket = sockets.calling(self._context, zmq.DEALER, key, server_public, frames.MAX_COMMAND)
        self._socket.connect(address)

    def __enter__(self) -> Callable[[bytes], bytes]:
        def ask(data: bytes) -> bytes:
            self._socket.send(data)
            return bytes(self._socket.recv())

        return ask

    def __exit__(self, *_: object) -> None:
        self._context.destroy(linger=0)


def _child(module: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", module, *words], stdout=subprocess.PIPE, text=True)


def _address(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    drain = threading.Thread(target=child.stdout.read, daemon=True)
    drain.start()
    return "tcp://127.0.0.1:" + line.split("tcp://127.0.0.1:")[1].split(";")[0].strip()
