"""Robot state as one feature vector, as PaLM-E's state encoder (Driess et al. 2023, section 4)."""

from __future__ import annotations

from torch import Tensor, nn

from palme.models.encoders.base import EncoderInputError, ObservationBatch


class StateEncoder(nn.Module):
    """(B, D_state) -> features (B, 1, `dim`) by an MLP with one hidden layer."""

    def __init__(self, state_dim: int, dim: int = 64, hidden: int = 128) -> None:
        super().__init__()
        self.state_dim = state_dim
        self.dim = dim
        self.body = nn.Sequential(nn.Linear(state_dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, batch: ObservationBatch) -> Tensor:
        """Features (B, 1, dim). Raises EncoderInputError without a state of `state_dim` numbers."""
        if batch.state is None:
            raise EncoderInputError("this encoder reads the robot's state, and the batch has none")
        if batch.state.dim() != 2 or batch.state.shape[1] != self.state_dim:
            raise EncoderInputError(f"state must be (B, {self.state_dim}), got {tuple(batch.state.shape)}")
        return self.body(batch.state)[:, None]
