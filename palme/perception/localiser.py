"""Language-conditioned dense localisation: a text's query against every cell of the picture.

One pass over the picture serves any number of texts: a heatmap is the dot product of a text's query with the
U-Net's features. "red block" finds an object; "put the red block in the blue bowl" finds where to grasp and
where to release. Each cell also has points, as offsets from its ray at a fixed height: smooth where measured
depth is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.perception.rgbd import pixel_grid, plane_points
from palme.perception.step_query import QueryEncoder, encode_words
from palme.perception.unet import UNet
from robots.skills import ENTITIES

ANCHOR_Z = 0.03  # [m] height of the plane that offsets start from: mid-height of objects on the table
OFFSET_SCALE = 0.05  # [m] per unit of the offset heads
POINTS = (
    "solid",
    "bowl",
    "in",
    "on",
)  # top of a solid, centre of a bowl, where to release in or on an object


@dataclass(frozen=True)
class DenseFeatures:
    """Outputs of the localiser for B pictures, with h = H/4 and w = W/4.

    Attributes:
        features: (B, D, h, w).
        offsets: (B, 4, 3, h, w) in [m], of each of `POINTS` from the cell's anchor.
        sizes: (B, 2, 2, h, w) logits, (solid, bowl) x (small, large).
        anchors: (B, 3, h, w) in [m], where each cell's ray meets the plane z = `ANCHOR_Z`.
    """

    features: Tensor
    offsets: Tensor
    sizes: Tensor
    anchors: Tensor


class Localiser(nn.Module):
    """U-Net, query encoder and point heads.

    Source of the design: CLIPort's language-conditioned affordances (Shridhar et al., 2021) and
    CenterNet's centre points (Zhou et al., 2019), with a text tower in place of a class list (CLIP).
    """

    entity_ids: Tensor

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.width = width
        self.trunk = UNet(width)
        self.text = QueryEncoder(width)
        self.offset_head = nn.Conv2d(width, 3 * len(POINTS), 1)
        self.size_head = nn.Conv2d(width, 4, 1)  # solid: small, large; bowl: small, large
        self.register_buffer(
            "entity_ids", torch.tensor([encode_words(e) for e in ENTITIES]), persistent=False
        )

    def forward(self, x: Tensor, intrinsics: Tensor, base_from_camera: Tensor) -> DenseFeatures:
        """Features of B pictures.

        Args:
            x: (B, 6, H, W) of `network_input`.
            intrinsics: (B, 3, 3) in [px].
            base_from_camera: (B, 4, 4).
        """
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
        """Queries (..., 2, D + 1) of text ids (..., L): what to grasp, where to put it."""
        return self.text(ids)

    @staticmethod
    def heat(features: Tensor, queries: Tensor) -> Tensor:
        """Heatmap logits (B, M, h, w) of features (B, D, h, w) and queries (B or 1, M, D + 1)."""
        d = features.shape[1]
        logits = torch.einsum("bdhw,bmd->bmhw", features, queries[..., :d].expand(len(features), -1, -1))
        return logits.float() * d**-0.5 + queries[..., d, None, None].float()

    def entity_heat(self, features: Tensor) -> Tensor:
        """Heatmap logits of all entities: (B, 24, h, w)."""
        return self.heat(features, self.queries(self.entity_ids)[None, :, 0])

    @staticmethod
    def read_point(heat: Tensor, dense: DenseFeatures, head: Tensor, reach: int = 1) -> tuple[Tensor, Tensor]:
        """The point at the maximum of each heatmap.

        Args:
            heat: logits (B, M, h, w).
            dense: features of the same pictures.
            head: (B, M) index into `POINTS`.
            reach: the point is averaged over cells at most this far from the maximum.

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
