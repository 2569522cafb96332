"""vla-eval's protocol 1: a benchmark sends observations over a websocket and executes the actions it gets.

A whole agent is served, not a policy: the benchmark's sentence is an instruction, and an answer holds as many
rows as the arm is to move before the agent looks again. Beside `actions` it holds `cameras`, what the agent
looks through then (at first: all), and `done` once the agent ended its run. Pictures come with depth and
calibration (`depth`, `intrinsics`, `base_from_camera`, by camera), as our own benchmark sends them
(sim/vla_eval_palme). tests/judges/ runs the published package against this server.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from robots.errors import MessageRefused
from robots.policy_servers.address import require_loopback
from robots.policy_servers.errors import FieldRefused, ServerFull, error_text
from robots.policy_servers.keys import Keys
from robots.policy_servers.observations import MAX_PROMPT, ObservationReader
from robots.policy_servers.vla_eval_wire import (
    PROTOCOL_VERSION,
    Message,
    Pictures,
    decode,
    encode,
)
from robots.policy_servers.websocket_server import WebsocketServer
from robots.spec import ArmSpec
from robots.text import text_problem
from robots.types import Array, Observation

log = logging.getLogger(__name__)
PORT = 8002
PATIENCE_S = 5.0  # a harness connects again for each benchmark, before the old connection is gone
BY_CAMERA = ("images", "depth", "intrinsics", "base_from_camera")  # entries that are maps by camera


@dataclass(frozen=True)
class Turn:
    """What the arm is to do before the next observation.

    Attributes:
        rows: (T, n_joints + 1), T >= 0: absolute joint positions in [rad], then the gripper in [0, 1],
            1 = open.
        done: the agent ended its run; the rows are the last.
        info: entries beside the actions.
    """

    rows: Array
    done: bool
    info: Mapping[str, Any]


class ServedEpisode(Protocol):
    """One run of an agent."""

    def answer(self, observation: Observation, instruction: str) -> Turn:
        """The next turn. Raises PolicyServerError."""

    def close(self) -> None:
        """End the run, wherever it is. Idempotent."""


class VlaEvalServer(WebsocketServer):
    """Serves one client at a time; shards need a server each.

    Args:
        new_episode: makes the state of one episode.
        spec: of the arm.
        camera: the agent's name for its camera.
        hello: further entries of the server's hello, such as `observation_params`.
        pictures: decodes PNG and JPEG.
        address: host:port on the loopback: the protocol authenticates nobody.

    Raises:
        AddressRefused: a malformed address, or one that is not loopback.
    """

    HEALTH: ClassVar[str] = "/health"

    def __init__(
        self,
        new_episode: Callable[[], ServedEpisode],
        spec: ArmSpec,
        camera: str,
        hello: Mapping[str, Any],
        pictures: Pictures,
        address: str = f"127.0.0.1:{PORT}",
    ) -> None:
        host, port = require_loopback(address, "vla-eval's protocol authenticates nobody")
        super().__init__(host, port, max_clients=1, patience=PATIENCE_S)
        self._new_episode, self._hello, self._pictures = new_episode, dict(hello), pictures
        self._reader = ObservationReader(spec, camera, _keys(camera), one_is_closed=False)

    def _refusal(self, error: ServerFull) -> bytes:
        return encode("error", {"error": error_text(error)}, 0)

    def _serve(self, connection: Any) -> None:
        episode: ServedEpisode | None = None
        try:
            while True:
                frame, seq, reply = connection.recv(), 0, None
                try:
                    message = decode(frame, self._pictures)
                    seq = message.seq
                    if message.kind in ("episode_start", "episode_end") and episode is not None:
                        episode.close()
                        episode = None
                    if message.kind == "episode_start":
                        episode = self._new_episode()
                    reply = self._answer(message, episode)
                except Exception as error:
                    log.info("request failed: %s: %s", type(error).__name__, error)
                    reply = encode("error", {"error": error_text(error)}, seq)
                if reply is not None:
                    connection.send(reply)
        finally:
            if episode is not None:
                episode.close()

    def _answer(self, message: Message, episode: ServedEpisode | None) -> bytes | None:
        payload, seq = message.payload, message.seq
        if message.kind == "hello":
            theirs = payload.get("protocol_version", PROTOCOL_VERSION)
            if theirs != PROTOCOL_VERSION:
                raise MessageRefused(
                    f"protocol_version: {theirs!r}, this server speaks {PROTOCOL_VERSION}; use vla-eval 0.8"
                )
            ours = {"protocol_version": PROTOCOL_VERSION, "model_server": "palme", "capabilities": {}}
            return encode("hello", ours | self._hello, seq)
        if message.kind == "observation":
            if episode is None:
                raise MessageRefused("observation before episode_start; start an episode first")
            turn = episode.answer(self._observation(payload), _instruction(payload))
            return encode("action", {"actions": turn.rows, "done": turn.done, **turn.info}, seq)
        if message.kind == "error":
            log.info("the client reports: %s", payload.get("error"))
        return None

    def _observation(self, payload: Mapping[str, Any]) -> Observation:
        camera, flat = self._reader.camera, dict[str, object]()
        for name in BY_CAMERA:
            entries = payload.get(name, {})
            if not isinstance(entries, Mapping):
                raise FieldRefused(f"{name}: {type(entries).__name__}, expected a map by camera")
            if camera in entries:
                flat[f"{name}.{camera}"] = entries[camera]
        n, keys = self._reader.spec.n_joints, self._reader.keys
        state = payload.get("state")
        if not (isinstance(state, np.ndarray) and state.shape == (n + 1,)):
            raise FieldRefused(
                f"state: expected ({n + 1},), {n} joint positions in [rad] and the gripper, 1 = open"
            )
        flat |= {keys.joints: state[:n], keys.gripper: state[n]}
        if keys.joint_speed in payload:
            flat[keys.joint_speed] = payload[keys.joint_speed]
        return self._reader.read(flat, (camera,) if f"images.{camera}" in flat else ())


def _keys(camera: str) -> Keys:
    image, depth, intrinsics, base_from_camera = (f"{name}.{camera}" for name in BY_CAMERA)
    return Keys(
        image=image,
        wrist_image="",
        depth=depth,
        intrinsics=intrinsics,
        base_from_camera=base_from_camera,
        joints="state[:-1]",
        joint_speed="joint_velocity",
        gripper="state[-1]",
        prompt="task_description",
    )


def _instruction(payload: Mapping[str, Any]) -> str:
    text = payload.get("task_description")
    if not (isinstance(text, str) and 0 < len(text) <= MAX_PROMPT):
        raise FieldRefused(f"task_description: expected a sentence of 1 to {MAX_PROMPT} characters")
    if problem := text_problem(text):
        raise FieldRefused(f"task_description: {problem}")
    return text
