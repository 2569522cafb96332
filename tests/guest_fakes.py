"""Small stand-ins for what guests meet: a policy that needs no network, and requests as they send them."""

from __future__ import annotations

from typing import Any

import numpy as np

from robots.policy_servers.keys import Keys, keys_for
from robots.policy_servers.observations import Calibration, ObservationReader
from robots.policy_servers.session import Session, metadata
from robots.spec import ArmSpec
from robots.types import ActionChunk, Observation

SPEC = ArmSpec.load("panda")
STEP = "put the red block in the blue bowl"
LENGTHS = (8, 3, 13, 8)  # rows of the sweep's chunks: guests expect a fixed number all the same
K = np.array([[312.0, 0, 119.5], [0, 312.0, 87.5], [0, 0, 1]])
POSE = np.array([[0.0, -1, 0, 0.5], [-1, 0, 0, 0], [0, 0, -1, 1.0], [0, 0, 0, 1]])


class Sweep:
    """Moves every joint by 1 mrad a row from where it finds the arm, closing; done after four chunks."""

    def __init__(self, fails: Exception | None = None, poison: float = 0.0) -> None:
        self.fails, self.poison, self.seen = fails, poison, list[Observation]()
        self.reset()

    def reset(self) -> None:
        self.done, self.cameras, self.chunk = False, ("front",), 0

    def act(self, observation: Observation, step: str) -> ActionChunk:
        if self.fails is not None:
            raise self.fails
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
