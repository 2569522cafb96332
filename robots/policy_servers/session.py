"""The state of one client: its policy, the current step, and the rest of the last action chunk.

Our policies return chunks of any length; clients expect a fixed number of rows. Each request gets the next
`horizon` rows. The policy acts again once its chunk is used up; a chunk's last row is repeated to fill an
answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from robots.gripper import NETWORK, one_is
from robots.joints import checked, numbers
from robots.policy_servers.errors import ActionsRefused, FieldRefused
from robots.policy_servers.observations import ObservationReader
from robots.skills import DONE, BadStep, Step
from robots.types import ActionChunk, Array, Observation

RESET = "reset"  # entry of a request: start the step again


class ServedPolicy(Protocol):
    """The part of a policy that a session uses; see `palme.policies.base.Policy`."""

    @property
    def done(self) -> bool:
        """See `palme.policies.base.Policy.done`."""

    @property
    def cameras(self) -> tuple[str, ...]:
        """See `palme.policies.base.Policy.cameras`."""

    def reset(self) -> None:
        """See `palme.policies.base.Policy.reset`."""

    def act(self, observation: Observation, goal: Step) -> ActionChunk:
        """See `palme.policies.base.Policy.act`."""


@dataclass(frozen=True)
class Answer:
    """One answer to a client.

    Attributes:
        actions: (horizon, n_joints + 1): absolute joint positions in [rad], then the gripper in [0, 1], in
            the client's convention.
        done: the policy has finished this prompt; the rows hold the arm where it is.
    """

    actions: Array
    done: bool

    @property
    def info(self) -> dict[str, bool | int]:
        """Entries beside the actions. Neither protocol requires them."""
        return {"done": self.done, "execute_rows": len(self.actions)}


class Session:
    """Serves one client. Not thread-safe.

    Args:
        policy: used by this session alone.
        reader: decodes requests.
        horizon: rows of every answer, > 0. The client must execute all of them.
    """

    def __init__(self, policy: ServedPolicy, reader: ObservationReader, horizon: int = 8) -> None:
        self.policy, self.reader, self.horizon = policy, reader, horizon
        self.reset()

    def reset(self) -> None:
        """Forget the current step."""
        self.policy.reset()
        self._prompt: str | None = None
        self._step = DONE
        self._rest = np.empty((0, self.reader.spec.n_joints + 1))
        self._opening = 1.0

    def answer(self, flat: Mapping[str, object]) -> Answer:
        """The next rows for a client's observation. A new prompt starts a new step.

        Raises:
            PolicyServerError: an entry is missing or malformed; the next request continues the step.
            Exception: the policy failed; the next request starts the step again.
        """
        prompt, state, again = self.reader.prompt(flat), self.reader.state(flat), flat.get(RESET, False)
        if not isinstance(again, bool | None):
            raise FieldRefused(f"{RESET}: {type(again).__name__}, expected true or false")
        if again or prompt != self._prompt:
            self.reset()
            try:
                self._step = Step.parse(prompt)
            except BadStep as error:
                raise FieldRefused(f"{self.reader.keys.prompt}: {error}") from error
            self._prompt = prompt
        if not len(self._rest) and self.policy.done:
            return Answer(self._rows(np.array([[*state.q, self._opening]])), True)
        if not len(self._rest):
            observation = self.reader.read(flat, tuple(self.policy.cameras))
            try:
                self._rest = self._checked(self.policy.act(observation, self._step))
            except Exception:
                self.reset()
                raise
        out, self._rest = self._rest[: self.horizon], self._rest[self.horizon :]
        self._opening = float(out[-1, -1])
        return Answer(self._rows(out), self.policy.done and not len(self._rest))

    def _checked(self, chunk: ActionChunk) -> Array:
        q = checked(self.reader.spec, chunk.q_targets, "the policy's chunk", ActionsRefused, rows=True)
        gripper = numbers(chunk.gripper, "the policy's gripper", ActionsRefused)
        if gripper.shape != q.shape[:1]:
            raise ActionsRefused(f"the policy's gripper has shape {gripper.shape}, expected ({len(q)},)")
        opening = one_is(closed=False, margin=NETWORK).opening
        openings = [opening(x, "the policy's gripper", ActionsRefused) for x in gripper.tolist()]
        return np.column_stack([q, openings])

    def _rows(self, rows: Array) -> Array:
        full = np.concatenate([rows, np.repeat(rows[-1:], self.horizon - len(rows), 0)])
        full[:, -1] = [self.reader.gripper.value(opening) for opening in full[:, -1]]
        return full


def metadata(policy: str, reader: ObservationReader, horizon: int) -> dict[str, Any]:
    """What a server sends on connection, so that a client can check its own configuration against it."""
    spec, keys = reader.spec, reader.keys
    return {
        "server": "palme",
        "policy": policy,
        "robot": spec.name,
        "joint_names": list(spec.joint_names),
        "action_space": "joint_position",
        "actions": list(keys.actions),
        "action_unit": "rad",
        "action_is": "absolute joint positions, then the gripper",
        "action_horizon": horizon,
        "action_dim": spec.n_joints + 1,
        "execute_rows": horizon,
        "control_hz": spec.control_hz,
        "gripper_one_is": "closed" if reader.one_is_closed else "open",
        "needs": [keys.image, keys.depth, keys.intrinsics, keys.base_from_camera, keys.joints,
                  keys.gripper, keys.prompt],
        "configured": [
            key
            for key, value in (
                (keys.intrinsics, reader.calibration.intrinsics),
                (keys.base_from_camera, reader.calibration.base_from_camera),
            )
            if value is not None
        ],
        "reset": f"a new connection, a new prompt, or the entry {RESET!r}: True",
    }  # fmt: skip
