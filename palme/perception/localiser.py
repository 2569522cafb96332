"""Language-conditioned dense localisation: a phrase's query against every place in the picture.

One pass over the picture serves any number of texts: a heatmap is the dot product of a text's query
with the trunk's features. "red block" finds an object; "put the red block in the blue bowl" finds what
to grasp and where to let go. Points are read out beside each heatmap as offsets from the cell's ray
at a fixed height, which is smooth where measured depth is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.perception.rgbd import pixel_grid, plane_points
from palme.perception.step_query import TextQueries, encode_words
from palme.perception.unet import UNet
from robots.skills import ENTITIES

ANCHOR_Z = 0.03  # height of the plane that offsets start from, in [m]: mid-height of what stands on the table
OFFSET_SCALE = 0.05  # [m] per unit of the offset heads
POINTS = ("solid", "bowl", "in", "on")  # top of a solid, centre of a bowl, where to let go in or on something


@dataclass(frozen=True)
class DenseFeatures:
    """One picture seen: `features` (B, D, h, w); `offsets` (B, 4, 3, h, w); `sizes` (B, 2, 2, h, w);
    `anchors` (B, 3, h, w) in [m], where each cell's ray meets the anchor plane."""

    features: Tensor
    offsets: Tensor
    sizes: Tensor
    anchors: Tensor


class Localiser(nn.Module):
    """UNet, text queries and readouts.

    Source of the design: CLIPort's language-conditioned affordances (Shridhar et al., 2021) and
    CenterNet's centre points (Zhou et al., 2019), with a text tower in place of a class list (CLIP).
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.width = width
        self.trunk = UNet(width)
        self.text = TextQueries(width)
        self.offset_head = nn.Conv2d(width, 3 * len(POINTS), 1)
        self.size_head = nn.Conv2d(width, 4, 1)  # solid: small, large; bowl: small, large
        self.register_buffer(
            "entity_ids", torch.tensor([encode_words(e) for e in ENTITIES]), persistent=False
        )

    def forward(self, x: Tensor, intrinsics: Tensor, base_from_camera: Tensor) -> DenseFeatures:
        """x: (B, 6, H, W) from `network_input`."""
        f = self.trunk(x)  # (B, D, h, w)
        b, _, h, w = f.shape
        s = self.trunk.stride
        u, v = pixel_grid(h * s, w * s, s, b, f.device)
        anchors = plane_points(intrinsics, base_from_camera, u, v, ANCHOR_Z).permute(
            0, 3, 1, 2
        )  # (B, 3, h, w)
        offsets = self.offset_head(f).float().reshape(b, len(POINTS), 3, h, w) * OFFSET_SCALE
        sizes = self.size_head(f).float().reshape(b, 2, 2, h, w)
        return DenseFeatures(f, offsets, sizes, anchors)

    def queries(self, ids: Tensor) -> Tensor:
        """Text ids (..., L) -> (..., 2, D + 1): [what, where]."""
        return self.text(ids)

    @staticmethod
    def heat(features: Tensor, queries: Tensor) -> Tensor:
        """features (B, D, h, w), queries (B or 1, M, D + 1) -> logits (B, M, h, w)."""
        d = features.shape[1]
        logits = torch.einsum("bdhw,bmd->bmhw", features, queries[..., :d].expand(len(features), -1, -1))
        return logits.float() * d**-0.5 + queries[..., d, None, None].float()

    def entity_heat(self, features: Tensor) -> Tensor:
        """Heatmap logits of all entities: (B, 24, h, w)."""
        return self.heat(features, self.queries(self.entity_ids)[None, :, 0])

    @staticmethod
    def read_point(heat: Tensor, dense: DenseFeatures, head: Tensor, reach: int = 1) -> tuple[Tensor, Tensor]:
        """Where each heatmap points, in space.

        Args:
            heat: logits (B, M, h, w).
            head: (B, M) index into `POINTS`.
            reach: the point is averaged over cells this far from the maximum.

        Returns:
            (B, M, 3) in [m] and the maximum's cell (B, M) as row * w + column.
        """
        b, m, h, w = heat.shape
        peak = heat.flatten(2).argmax(-1)  # (B, M)
        row, column = peak // w, peak % w
        step = torch.arange(-reach, reach + 1, device=heat.device)
        rows = (row[..., None, None] + step[:, None]).clamp(0, h - 1)  # (B, M, R, 1)
        columns = (column[..., None, None] + step[None, :]).clamp(0, w - 1)  # (B, M, 1, R)
        cells = (rows * w + columns).flatten(2)  # (B, M, R*R)
        near = F.softmax(heat.flatten(2).gather(2, cells), -1)  # (B, M, R*R)
        points = dense.anchors[:, None] + dense.offsets  # (B, P, 3, h, w)
        points = points.flatten(3).permute(0, 1, 3, 2)  # (B, P, h*w, 3)
        batch = torch.arange(b, device=heat.device)[:, None, None]
        chosen = points[batch, head[..., None].expand_as(cells), cells]  # (B, M, R*R, 3)
        return (near[..., None] * chosen).sum(2), peak
