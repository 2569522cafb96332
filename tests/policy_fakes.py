"""Small fakes for policy servers: a policy without a network, and requests as clients send them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from robots.policy_servers.keys import Keys, keys_for
from robots.policy_servers.observations import Calibration, ObservationReader
from robots.policy_servers.session import Session, metadata
from robots.skills import Step
from robots.spec import ArmSpec
from robots.types import ActionChunk, Observation

SPEC = ArmSpec.load("panda")
STEP = "put the red block in the blue bowl"
LENGTHS = (8, 3, 13, 8)  # rows of the sweep's chunks: clients expect a fixed number all the same
K = np.array([[312.0, 0, 119.5], [0, 312.0, 87.5], [0, 0, 1]])
POSE = np.array([[0.0, -1, 0, 0.5], [-1, 0, 0, 0], [0, 0, -1, 1.0], [0, 0, 0, 1]])


class Sweep:
    """Moves every joint by 1 mrad a row from where it finds the arm, closing; done after four chunks."""

    def __init__(self, poison: float = 0.0) -> None:
        self.poison, self.seen = poison, list[Observation]()
        self.reset()

    def reset(self) -> None:
        self.done, self.cameras, self.chunk = False, ("front",), 0

    def act(self, observation: Observation, goal: Step) -> ActionChunk:
        self.seen.append(observation)
        rows = LENGTHS[self.chunk]
        self.chunk += 1
        self.done = self.chunk == len(LENGTHS)
        self.cameras = ("front",) if self.chunk % 2 == 0 else ()
        path = observation.robot.q + 1e-3 * np.arange(1, rows + 1)[:, None] + self.poison
        return ActionChunk(path, np.full(rows, 1.0 - 0.25 * self.chunk), SPEC.control_hz)


def request(keys: Keys | None = None, q: np.ndarray | None = None, **changes: Any) -> dict[str, Any]:
    """A whole one. `changes`: field of `Keys` to a value, None = left out."""
    keys = keys or keys_for("openpi")
    flat = {
        "image": np.full((176, 240, 3), 90, np.uint8),
        "depth": np.full((176, 240), 0.9, np.float32),
        "intrinsics": K,
        "base_from_camera": POSE,
        "joints": SPEC.q_home if q is None else q,
        "gripper": np.array([0.0], np.float32),
        "prompt": STEP,
    } | changes
    return {getattr(keys, name, name): value for name, value in flat.items() if value is not None}


def reader(
    protocol: str = "openpi", calibration: Calibration | None = None, closed: bool = True
) -> ObservationReader:
    return ObservationReader(SPEC, "front", keys_for(protocol), calibration, closed)


def sweep_session(protocol: str = "openpi", **policy: Any) -> Session:
    return Session(Sweep(**policy), reader(protocol))


def sweep_metadata(protocol: str = "openpi") -> dict[str, Any]:
    return metadata("sweep", reader(protocol), 8)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal in type, shape and every entry."""
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)


def damaged(message: bytes, data: Any) -> bytes:
    """`message` with one byte changed, or other bytes altogether, drawn from hypothesis's `data`."""
    from hypothesis import strategies as st

    if data.draw(st.booleans()):
        return data.draw(st.binary(max_size=200))
    at, byte = data.draw(st.integers(0, len(message) - 1)), data.draw(st.integers(0, 255))
    return message[:at] + bytes([byte]) + message[at + 1 :]


class Bomb:
    """Unpickling it makes a directory: proof that something was executed."""

    path = f"/tmp/palme-bomb-{os.getpid()}"

    def __reduce__(self):
        return os.mkdir, (self.path,)

    @classmethod
    def went_off(cls) -> bool:
        if os.path.isdir(cls.path):
            os.rmdir(cls.path)
            return True
        return False
