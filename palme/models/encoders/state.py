"""Robot state as one feature vector: PaLM-E's state encoder (Driess et al. 2023, section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from palme.models.encoders.base import Arrays, Encoder, EncoderInputError, entry
from robots.types import RobotState

JOINTS = 7  # joint positions in a state, the Panda's number


class StateEncoder(Encoder):
    """(B, D_state) -> features (B, 1, `dim`): unchanged, or by an MLP with one hidden layer.

    Args:
        dim: width of the feature; without an MLP also that of a state.
        state_dim: width of a state, by default `dim`.
        hidden: width of the MLP's hidden layer, 0 = no MLP.

    Raises:
        ValueError: if `state_dim` differs from `dim` without an MLP.
    """

    def __init__(self, dim: int = 11, state_dim: int | None = None, hidden: int = 0) -> None:
        super().__init__()
        self.dim = dim
        self.state_dim = dim if state_dim is None else state_dim
        self.hidden = hidden
        if not hidden and self.state_dim != dim:
            raise ValueError(f"dim {dim} differs from state_dim {state_dim}: that takes an MLP; set hidden")
        self.body = (
            nn.Sequential(nn.Linear(self.state_dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
            if hidden
            else nn.Identity()
        )

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim, "state_dim": self.state_dim, "hidden": self.hidden}

    @staticmethod
    def prepare(observations: Sequence[RobotState | np.ndarray]) -> Arrays:
        """`state` (M, D): joint positions [rad], gripper in [0, 1], tool position in the base frame [m]."""
        return {"state": np.stack([state_vector(o) for o in observations])}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, 1, dim).

        Raises:
            EncoderInputError: without a state (B, state_dim).
        """
        state = entry(batch, "state", f"(B, {self.state_dim})")
        if state.dim() != 2 or state.shape[1] != self.state_dim:
            raise EncoderInputError(f"state must be (B, {self.state_dim}), got {tuple(state.shape)}")
        return self.body(state)[:, None]


def state_vector(state: RobotState | np.ndarray) -> np.ndarray:
    """(D,) float32: joint positions [rad], gripper in [0, 1], tool position in the base frame [m].

    Missing joints of an arm with fewer than `JOINTS` are zero, so that one network serves all arms.
    """
    if isinstance(state, RobotState):
        q, place = state.q, state.base_from_ee[:3, 3]
        lacking = np.zeros(max(JOINTS - len(q), 0))
        return np.concatenate([q, lacking, [state.gripper], place]).astype(np.float32)
    return np.asarray(state, np.float32)


ENCODER = StateEncoder
