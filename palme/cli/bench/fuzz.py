"""`palme bench fuzz`: hostile frames by the million into the decoders and a server that another has armed."""

from __future__ import annotations

import logging
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.bench.soak import _resident_mb
from palme.cli.settings.bench import FuzzConfig
from robots.bridge import frames, keys
from robots.bridge.client import BridgeClient
from robots.bridge.frames import ArrayFrame, pack, unpack
from robots.bridge.server import BridgeServer
from robots.bridge.wire import decode_answer, decode_picture, encode
from robots.drivers.ideal import IdealArm
from robots.errors import MessageRefused
from robots.spec import ArmSpec
from robots.types import JointCommand

BATCH = 5000


class _Part:
    """A message part as the server gets it, with the key that CURVE would have told."""

    def __init__(self, data: bytes, key: str) -> None:
        self.bytes, self._key = data, key

    def get(self, name: str) -> str:
        return self._key


def bench_fuzz(config: FuzzConfig, bar: Bar) -> dict[str, Any]:
    """Figures by name. `crashes`: errors that are not the protocol's own; `executed`: must be 0."""
    logging.getLogger("robots.bridge.server").setLevel(logging.CRITICAL)
    spec, draw = replace(ArmSpec.load("panda"), control_hz=100.0), Random(config.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server_key = keys.new(folder, "server")
        me, hostile = keys.new(folder, "me"), keys.new(folder, "hostile")
        for who in (me, hostile):
            keys.allow(folder, keys.load_public(folder / f"{who.name}.public.json"), "policy")
        arm = IdealArm(spec, keep=10)
        with BridgeServer(arm, server_key, folder, "tcp://127.0.0.1:0") as server:
            with BridgeClient(server.address, me, server_key.public, timeout=5.0) as client:
                client.rearm()
                client.command(JointCommand(client.observe(()).robot.q, 1.0, 0, 0.0))
                return _fuzz(config, bar, draw, server, client, hostile.public)


def _fuzz(
    config: FuzzConfig, bar: Bar, draw: Random, server: BridgeServer,
    client: BridgeClient, hostile: str,
) -> dict[str, Any]:  # fmt: skip
    n, before, where = config.frames, server.counts()["command"], server.driver.read().q
    seeds, answers = _requests(client), _answers(client)
    outcomes: Counter[str] = Counter()
    memory: list[float] = []
    begin, done = time.perf_counter(), 0
    with bar("fuzz", n) as progress:
        while done < n:
            for _ in range(min(BATCH, n - done)):
                kind = draw.random()
                if kind < 0.7:
                    _to_server(server, _spoilt(draw, draw.choice(seeds)), hostile, outcomes)
                elif kind < 0.8:
                    _to_server(server, draw.randbytes(draw.randrange(200)), hostile, outcomes)
                else:
                    decode = decode_answer if kind < 0.9 else decode_picture
                    _to_client(decode, _spoilt(draw, draw.choice(answers)), outcomes)
            done += min(BATCH, n - done)
            progress.update(min(BATCH, n))
            memory.append(_resident_mb())
    settled = memory[len(memory) // 5]
    return {
        "frames": done, "frames_a_second": done / (time.perf_counter() - begin),
        "crashes": outcomes["crash"] + server.refusals["ServerFailed"],
        "executed": server.counts()["command"] - before,
        "moved_rad": float(np.abs(server.driver.read().q - where).max()),
        "memory_mb_settled": settled, "memory_mb_last": memory[-1], "outcomes": dict(outcomes.most_common()),
    }  # fmt: skip


def _to_server(server: BridgeServer, data: bytes, key: str, outcomes: Counter[str]) -> None:
    try:
        answer = server.handle(b"", [_Part(data, key)])  # type: ignore[list-item]
        outcomes[answer.name if isinstance(answer, frames.Refused) else type(answer).__name__] += 1
    except Exception:
        outcomes["crash"] += 1


def _to_client(decode: Callable[[bytes], Any], data: bytes, outcomes: Counter[str]) -> None:
    try:
        frame = decode(data)
        for field in frame.__struct_fields__:
            if isinstance(getattr(frame, field), ArrayFrame):
                unpack(getattr(frame, field))
        outcomes["read"] += 1
    except MessageRefused as error:
        outcomes[type(error).__name__] += 1
    except Exception:
        outcomes["crash"] += 1


def _spoilt(draw: Random, frame: bytes) -> bytes:
    """A frame with something wrong in it, mostly under a checksum that fits again."""
    body = bytearray(frame[1:-4])
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(body)) if body else 0
        match draw.randrange(5):
            case 0 if body:
                body[at] ^= 1 << draw.randrange(8)
            case 1 if body:
                body[at] = draw.choice(
                    (0x00, 0x7F, 0x80, 0x90, 0xC0, 0xC1, 0xC6, 0xCB, 0xCF, 0xDB, 0xDD, 0xFF)
                )
            case 2:
                body[at:at] = draw.randbytes(draw.randrange(1, 9))
            case 3 if body:
                del body[at : at + draw.randrange(1, 9)]
            case _:
                del body[at:]
    whole = frame[:1] + bytes(body)
    if draw.random() < 0.05:
        return whole + frame[-4:]
    return whole + zlib.crc32(whole).to_bytes(4, "little")


def _requests(client: BridgeClient) -> list[bytes]:
    """One of each frame that a client sends, with the session and the token that are in force."""
    s, token, q = client.session, client._token, client.spec.n_joints * (0.0,)
    far = 2**40
    every = (
        frames.Hello(1, frames.VERSION, "x"), frames.Beat(s, token, far, 0.0),
        frames.Acquire(1, s, False, token), frames.Acquire(1, s, True, token),
        *[frames.Command(1, s, token, far, q, 1.0, 0.0, client.read().now)] * 6,
        frames.Rearm(1, s, token), frames.ClearFault(1, s, token), frames.Release(1, s, token),
        frames.Read(1, s), frames.Tell(1, s), frames.Stop(1, "0", "x"),
    )  # fmt: skip
    return [encode(frame) for frame in every]


def _answers(client: BridgeClient) -> list[bytes]:
    """One of each frame that a server sends."""
    q, picture = 7 * (0.0,), pack(np.zeros((4, 4, 3)), "|u1")
    four, three = pack(np.eye(4), "<f8"), pack(np.eye(3), "<f8")
    every = (
        client.read(), frames.Ack(1, 2, q, 1.0, 0.0, 0.0), frames.Ack(1, 2, None, 1.0, 0.0, 0.0),
        frames.Granted(1, 2), frames.Done(1), frames.Refused(1, "CommandJumps", "x"),
        frames.Counts(1, {"command": 3}),
        frames.Picture(1, "front", picture, None, pack(np.ones((4, 4)), "<f4"), three, four),
    )  # fmt: skip
    return [encode(frame) for frame in every]


def _has_failed(figures: Figures) -> bool:
    return bool(figures["crashes"] or figures["executed"] or figures["moved_rad"])


BENCH = Bench(FuzzConfig, bench_fuzz, _has_failed)
