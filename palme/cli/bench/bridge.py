"""`palme bench bridge`: what the wire costs, whether it keeps pace, and how soon silence is noticed.

Three stretches at the arm's rate, the arm in a process of its own: one command at a time, each beside a raw
echo of the same bytes (`ack_`, `echo_`); commands that stream (`stream_`); and those again with two cameras
beside them (`with_cameras_`). Then a commander falls silent.
"""

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

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.bench.stall_monitor import stolen
from palme.cli.bench.watchdog import bench_silence
from palme.cli.rig.jpeg import Jpeg
from palme.cli.settings.bench import BridgeBenchConfig
from robots.bridge import frames, keys, sockets
from robots.bridge.client import BridgeClient
from robots.bridge.stream import CommandStream
from robots.bridge.wire import encode
from robots.errors import ArmLatched, CommandRejected, LinkDead
from robots.realtime import no_cpu_sleep, raised_priority
from robots.types import Array, JointCommand

CAMERAS = ("left", "right")
AFTER_TICK = 0.1  # share of a tick that the client lets pass after one before it sends for the next
ECHO_BEFORE = 0.5  # share of a tick by which the echo comes before the next command
LOST = 20  # answers at most that are waited for in vain
# (least, most) that a figure may be.
LIMITS: dict[str, tuple[float, float]] = {
    "ack_over_echo_p50": (0.0, 1.5),
    "ack_ms_p99": (0.0, 1.0),
    "lost": (0, 0),
    "stream_lost": (0, 0),
    "stream_refused": (0, 0),
    "stream_share_of_rate": (0.99, np.inf),
    "with_cameras_lost": (0, 0),
    "with_cameras_refused": (0, 0),
    "with_cameras_ticks_without_command": (0, 0),
    "silence_to_deceleration_ms_max": (0.0, 110.0),
    "silence_unnoticed": (0, 0),
}


def bench_bridge(config: BridgeBenchConfig, bar: Bar) -> dict[str, Any]:
    """Figures by name, times in ms. `bar(what, total)` makes a progress bar."""
    pictures: str = config.pictures
    if pictures == "auto":
        pictures = "jpeg" if Jpeg.is_available() else "raw"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server_key, me = keys.new(folder, "server"), keys.new(folder, "me")
        keys.allow(folder, keys.load_public(folder / "me.public.json"), "policy")
        found: dict[str, Any] = {"hz": config.hz, "seconds": config.seconds}
        serve = _child("palme.cli.commands.serve_arm", f"keys={folder}", "backend=ideal",
                       f"control_hz={config.hz}", "address=tcp://127.0.0.1:0",
                       f"backend.cameras=[{','.join(CAMERAS)}]")  # fmt: skip
        echo = _child("palme.cli.bench.echo", str(folder))
        try:
            address, echo_address = _address(serve), _address(echo)
            with (
                BridgeClient(address, me, server_key.public, timeout=2.0, paced=False) as client,
                raised_priority() as found["real_time_priority"],  # as whoever commands an arm at 1 kHz
                no_cpu_sleep() as found["cpu_sleep_disabled"],
            ):
                gone = stolen()
                with _Echoing(echo_address, me, server_key.public) as ask:
                    found |= _one_at_a_time(client, config, ask, bar)
                found |= _streamed(client, config, bar, "stream_")
                with _Looking(folder, address, config.camera_hz, pictures) as seen:
                    found |= _streamed(client, config, bar, "with_cameras_")
                found |= {"camera_pictures": pictures, "camera_hz_seen": seen}
                found["machine_stolen_s"] = round(stolen() - gone, 2)
        finally:
            for child in (serve, echo):
                child.terminate()
                child.wait(10)
        found |= bench_silence(config, folder, server_key, me, bar)
    return found


def missed(found: Mapping[str, Any]) -> list[str]:
    """The figures of `LIMITS` that are outside."""
    return [name for name, (least, most) in LIMITS.items() if not least <= found[name] <= most]


def _wave(q: Array, t: float) -> Array:
    """(n_joints,) in [rad]: from `q` by 0.2 rad and back in 4 s."""
    return q + 0.1 * (1 - np.cos(2 * np.pi * t / 4))


def _one_at_a_time(
    client: BridgeClient, config: BridgeBenchConfig, ask: Callable[[bytes], bytes], bar: Bar
) -> dict[str, Any]:
    """One command a tick, its acknowledgement waited for, beside an echo of the same bytes."""
    client.acquire()
    client.rearm()
    q, dt = client.observe(()).robot.q, client.spec.dt
    n = int(config.ack_seconds * config.hz)
    took, echoed, lost, refused, late = [], [], 0, 0, 0
    due = time.perf_counter()
    with bar("bridge", n) as progress:
        for k in range(n):
            command = JointCommand(_wave(q, k * dt), 1.0, k, 0.0)
            start = time.perf_counter()
            try:
                client.command(command)
                took.append(time.perf_counter() - start)
                due = time.perf_counter() + client.wait_s + AFTER_TICK * dt
                late += time.perf_counter() - start > dt
            except CommandRejected as error:
                refused += 1
                _rearmed(client, error)
            except LinkDead:
                lost += 1
                if lost > LOST:
                    raise
            if k % 500 == 499:
                progress.update(500)
            # each after a sleep of its own: who comes right after the other finds warm caches
            time.sleep(max(due - ECHO_BEFORE * dt - time.perf_counter(), 0.0))
            echoed.append(_asked(ask, client, command))
            time.sleep(max(due - time.perf_counter(), 0.0))
    ms, raw = 1e3 * np.array(took), 1e3 * np.array(echoed)
    return {
        "commands": n, "acknowledged": len(took), "lost": lost, "refused": refused, "late": int(late),
        "ack_ms_p50": float(np.percentile(ms, 50)), "ack_ms_p99": float(np.percentile(ms, 99)),
        "ack_ms_max": float(ms.max()),
        "echo_ms_p50": float(np.percentile(raw, 50)), "echo_ms_p99": float(np.percentile(raw, 99)),
        "ack_over_echo_p50": float(np.percentile(ms, 50) / np.percentile(raw, 50)),
    }  # fmt: skip


def _streamed(client: BridgeClient, config: BridgeBenchConfig, bar: Bar, name: str) -> dict[str, Any]:
    """Commands with a few under way. `ticks_without_command`: those whose command was late."""
    client.acquire()
    client.rearm()
    q, dt = client.observe(()).robot.q, client.spec.dt
    before, n = client.counts(), int(config.seconds * config.hz)
    met: dict[str, int] = {"lost": 0, "refused": 0, "rearmed": 0}
    seqs: list[int] = []
    begin = time.perf_counter()
    with bar(f"{name}".strip("_"), n) as progress, client.stream(config.depth) as stream:
        for k in range(n):
            command = JointCommand(_wave(q, k * dt), 1.0, k, 0.0)
            while not _went(client, stream, command, seqs, met):
                pass
            if k % 500 == 499:
                progress.update(500)
        after = client.counts()  # while the last are under way: no tick has been without one that was due
        while len(stream):
            _went(client, stream, None, seqs, met)
    seconds = time.perf_counter() - begin
    done = client.counts()
    out = {
        "commands": n, "acknowledged": len(seqs), "in_order": seqs == sorted(set(seqs)), **met,
        "executed": done["command"] - before.get("command", 0),
        "rate_hz": n / seconds, "share_of_rate": n / seconds / config.hz,
    }  # fmt: skip
    for key, count in (("ticks_without_command", "tick_without_command"), ("late_ticks", "late_tick")):
        out[key] = after.get(count, 0) - before.get(count, 0)
    return {name + key: value for key, value in out.items()}


def _went(
    client: BridgeClient, stream: CommandStream, command: JointCommand | None, seqs: list[int],
    met: dict[str, int],
) -> bool:  # fmt: skip
    """Whether `command` was sent, None = the oldest collected; notes what became of the oldest."""
    try:
        done = stream.collect() if command is None else stream.send(command)
        if done is not None:
            seqs.append(done.seq)
        return True
    except CommandRejected as error:
        met["refused"] += 1
        met["rearmed"] += _rearmed(client, error)
    except LinkDead:
        met["lost"] += 1
        if met["lost"] > LOST:
            raise
    return False


def _rearmed(client: BridgeClient, error: CommandRejected) -> bool:
    """A machine that stood still for 100 ms has latched the arm: that is told, and the bench goes on."""
    if not isinstance(error, ArmLatched) or not client.read().latched:
        return False
    client.rearm()
    return True


def _asked(ask: Callable[[bytes], bytes], client: BridgeClient, command: JointCommand) -> float:
    """[s] an echo of the bytes of `command` takes."""
    target = tuple(command.q_target.tolist())
    data = encode(frames.Command(command.seq, client.session, 1, command.seq, target, 1.0, 0.0, 0.0))
    start = time.perf_counter()
    ask(data)
    return time.perf_counter() - start


class _Looking:
    """Cameras streamed by a process of its own; gives a list that in the end holds pictures a second each."""

    def __init__(self, folder: Path, address: str, hz: float, pictures: str) -> None:
        self._looker = _child("palme.cli.bench.cameras", str(folder), address, *CAMERAS, str(hz), pictures)
        self._seen: list[float] = []

    def __enter__(self) -> list[float]:
        assert self._looker.stdout is not None
        self._looker.stdout.readline()  # it has seen the first ones
        return self._seen

    def __exit__(self, *_: object) -> None:
        self._looker.terminate()
        self._seen += [round(float(x), 1) for x in self._looker.communicate(timeout=20)[0].split()]


class _Echoing:
    """A raw pyzmq socket to the echo; gives a function that sends bytes and waits for them."""

    def __init__(self, address: str, key: keys.SecretKey, server_public: str) -> None:
        self._context = sockets.context()
        self._socket = sockets.client_socket(
            self._context, zmq.DEALER, key, server_public, frames.MAX_COMMAND
        )
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


def _show(figures: Figures) -> None:
    outside = missed(figures)
    for name, value in figures.items():
        shown = f"{value:.3f}" if isinstance(value, float) else str(value)
        least, most = LIMITS.get(name, (0.0, 0.0))
        wanted = f">= {least:g}" if most == np.inf else f"<= {most:g}"
        judged = f"  ({wanted}{', missed' if name in outside else ''})" if name in LIMITS else ""
        print(f"{name:<36} {shown:>12}{judged}")


BENCH = Bench(BridgeBenchConfig, bench_bridge, lambda figures: bool(missed(figures)), _show)
