"""Object slots: each thing's own picture, cut out by its mask: PaLM-E's object-centric ViT(M_j * I)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from palme.models.encoders.base import Arrays, Encoder, entry, padded
from palme.models.gather import Gather, picture_layers
from robots.senses import ObjectSlots

EDGE = 24  # [px] that a thing's picture is brought to
NOTHING = "a picture has no slots"


class SlotsEncoder(Encoder):
    """Masked pictures (B, K, 24, 24, 4) -> features (B, K, `dim`), one a slot.

    Each is the square around its mask, everything else black; the fourth channel is the mask. Where in the
    picture it was cut out, and how large it was, go to the feature by an affine map.

    Args:
        dim: width of the features.
    """

    def __init__(self, dim: int = 96) -> None:
        super().__init__()
        self.dim = dim
        self.body = picture_layers(4)
        self.gather = Gather(48, (3, 3), dim, 1)
        self.place = nn.Linear(3, dim)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim}

    @staticmethod
    def prepare(observations: Sequence[ObjectSlots]) -> Arrays:
        """`cut` (M, K, 24, 24, 4) uint8, `box` (M, K, 3) and `mask` (M, K): missing slots are black.

        Raises:
            EncoderInputError: for an observation without slots.
        """
        found = [[_cut(o.frame.rgb, where) for where in o.masks] for o in observations]
        cut, mask = padded([np.array([c for c, _ in row], np.uint8) for row in found], NOTHING)
        box, _ = padded([np.array([b for _, b in row], np.float32) for row in found], NOTHING)
        return {"cut": cut, "box": box, "mask": mask}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, K, dim). Raises EncoderInputError without slots."""
        cut, box = entry(batch, "cut", f"(B, K, {EDGE}, {EDGE}, 4)"), entry(batch, "box", "(B, K, 3)")
        x = cut.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1  # (B K, 4, 24, 24)
        return self.gather(self.body(x)).unflatten(0, cut.shape[:2])[:, :, 0] + self.place(box)


def _cut(rgb: NDArray[np.uint8], where: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], tuple[float, ...]]:
    """The square around a mask, masked, (24, 24, 4); middle in [-1, 1] and edge as a share of the width.

    An empty mask is black, in the middle, of no size.
    """
    h, w = where.shape
    rows, columns = np.nonzero(where)
    if not len(rows):
        return np.zeros((EDGE, EDGE, 4), np.uint8), (0.0, 0.0, 0.0)
    middle = ((rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2)
    edge = max(np.ptp(rows), np.ptp(columns)) + 3
    steps = (np.arange(EDGE) + 0.5) / EDGE - 0.5
    r, c = (np.round(m + edge * steps).astype(int) for m in middle)
    inside = ((r >= 0) & (r < h))[:, None] & ((c >= 0) & (c < w))
    r, c = np.clip(r, 0, h - 1), np.clip(c, 0, w - 1)
    there = where[np.ix_(r, c)] & inside
    out = np.concatenate([rgb[np.ix_(r, c)], np.full((EDGE, EDGE, 1), 255, np.uint8)], -1)
    out[~there] = 0
    return out, (2 * middle[0] / h - 1, 2 * middle[1] / w - 1, edge / w)


ENCODER = SlotsEncoder
