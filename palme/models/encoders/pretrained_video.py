"""VideoMAE of `transformers` as an encoder of video (Tong et al. 2022), by name or from a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.models.backbone_encoder import BackboneEncoder
from palme.models.encoders.base import Arrays, entry
from palme.models.encoders.video import VideoEncoder
from robots.senses import VideoClip

# of VideoMAE's own image processor
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PretrainedVideoEncoder(BackboneEncoder):
    """Clips of any length and size -> features (B, N, `dim`), a tube of space and time each, frame by frame.

    Args:
        backbone: with `num_frames` and `image_size` in its config.
        layer, freeze: see `BackboneEncoder`.
    """

    remedy: ClassVar[str] = "name the folder of a VideoMAE in safetensors, or a model on its hub"

    def __init__(self, backbone: nn.Module, layer: int = -2, freeze: bool = True) -> None:
        config = getattr(backbone, "config", None)
        if not all(isinstance(getattr(config, k, None), int) for k in ("num_frames", "image_size")):
            raise ValueError(f"{type(backbone).__name__} takes no video; {self.remedy}")
        super().__init__(backbone, layer, freeze)

    @staticmethod
    def prepare(observations: Sequence[VideoClip]) -> Arrays:
        """`frames` (M, T, H, W, 3) uint8."""
        return VideoEncoder.prepare(observations)

    def pixels(self, frames: Tensor) -> Tensor:
        """uint8 (B, T, H, W, 3) -> (B, F, 3, S, S): frames spread over the clip, resized and normalised."""
        config = self.tower.config
        chosen = torch.linspace(0, frames.shape[1] - 1, config.num_frames).round().long()
        x = frames[:, chosen.to(frames.device)].movedim(-1, 2).float() / 255  # (B, F, 3, H, W)
        size = (config.image_size, config.image_size)
        flat = F.interpolate(x.flatten(0, 1), size, mode="bilinear", antialias=True, align_corners=False)
        mean, std = flat.new_tensor(MEAN), flat.new_tensor(STD)  # (3,)
        return ((flat - mean[:, None, None]) / std[:, None, None]).unflatten(0, x.shape[:2])

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, N, dim). Raises EncoderInputError without clips."""
        frames: Any = entry(batch, "frames", "(B, T, H, W, 3)")
        return self.states(pixel_values=self.pixels(frames))


ENCODER = PretrainedVideoEncoder
