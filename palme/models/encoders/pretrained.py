"""Any vision backbone of `transformers` as a patch encoder: CLIP, SigLIP, DINOv2, DINOv3, ViT, ...

Features are the patch tokens of one hidden layer; class and register tokens are left out. The layer
before the last is the default, as in LLaVA (Liu et al. 2023): the last one is shaped by the
contrastive loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from palme.model_folders import load_checked
from palme.models.backbone_encoder import BackboneEncoder
from palme.models.encoders.base import Arrays, rgb_of
from robots.types import CameraFrame

# Pixel means and standard deviations of these backbones, for a checkpoint without an image processor's file
# (from each model's published image processor).
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
PIXELS = {"clip": _CLIP, "siglip": _HALF, "vit": _HALF, "dino": _IMAGENET}


class NotAVisionBackbone(ValueError):
    """A model that has no patch tokens, so that it cannot serve as an image encoder."""


class PretrainedEncoder(BackboneEncoder):
    """Pictures of any size -> patch tokens (B, N, `dim`) of a vision backbone.

    Args:
        backbone: a vision model, or one with a `vision_model` (CLIP and SigLIP; the text side is dropped).
        layer: index of the hidden states to take; -1 = the last, -2 = the one before.
        freeze: True = not trained, in evaluation mode. False = fine-tuned.
        mean, std: (3,) pixel statistics in [0, 1]; None = those of the backbone's kind.
        image_size: edge in [px] that pictures are resized to; None = the backbone's own.
    """

    remedy: ClassVar[str] = "name the folder of a vision backbone in safetensors, or a model on its hub"

    def __init__(
        self,
        backbone: nn.Module,
        layer: int = -2,
        freeze: bool = True,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        image_size: int | None = None,
    ) -> None:
        tower: Any = getattr(backbone, "vision_model", backbone)
        config: Any = getattr(tower, "config", None)
        if not all(isinstance(getattr(config, k, None), int) for k in ("hidden_size", "patch_size")):
            raise NotAVisionBackbone(
                f"{type(backbone).__name__} has no square patches; use a ViT such as CLIP, SigLIP or DINO"
            )
        super().__init__(tower, layer, freeze)
        self.patch: int = config.patch_size
        self.image_size: int = image_size or config.image_size
        if self.image_size % self.patch:
            raise ValueError(f"image_size {self.image_size} is no multiple of the patch, {self.patch}")
        usual = next((v for k, v in PIXELS.items() if config.model_type.startswith(k)), _IMAGENET)
        self.mean, self.std = tuple(mean or usual[0]), tuple(std or usual[1])

    @classmethod
    def from_pretrained(cls, name: str | Path, **kwargs: Any) -> PretrainedEncoder:
        """The backbone at `name` (a folder or a model's name on its hub), by `AutoModel`.

        Pixel statistics come from its image processor's file where it has one.

        Raises:
            WeightsMissing, BadWeights: there is no such model, or its files are damaged, with the remedy.
        """
        from transformers import AutoModel
        from transformers.image_processing_utils import BaseImageProcessor

        backbone = load_checked(AutoModel, name, cls.remedy, unused=("pooler",))
        try:
            read, _ = BaseImageProcessor.get_image_processor_dict(name)
        except OSError:
            read = {}
        statistics = {"mean": read.get("image_mean"), "std": read.get("image_std")}
        return cls(backbone, **{**statistics, **kwargs})

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {
            **super().config(),
            "mean": list(self.mean),
            "std": list(self.std),
            "image_size": self.image_size,
        }

    @staticmethod
    def prepare(observations: Sequence[CameraFrame]) -> Arrays:
        """`rgb` (M, H, W, 3) uint8."""
        return {"rgb": np.stack([o.rgb for o in observations])}

    def pixels(self, rgb: Tensor) -> Tensor:
        """uint8 (B, H, W, 3) -> (B, 3, S, S), resized and normalised as the backbone expects."""
        x = rgb.permute(0, 3, 1, 2).float() / 255  # (B, 3, H, W)
        size = (self.image_size, self.image_size)
        x = F.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
        mean, std = x.new_tensor(self.mean), x.new_tensor(self.std)  # (3,)
        return (x - mean[:, None, None]) / std[:, None, None]

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Patch tokens (B, (S / patch)^2, dim), row by row.

        Raises:
            EncoderInputError: without pictures.
        """
        pixels = self.pixels(rgb_of(batch))
        keywords: dict[str, Any] = {}
        if self.image_size != self.tower.config.image_size:
            keywords["interpolate_pos_encoding"] = True
        n = (self.image_size // self.patch) ** 2
        return self.states(pixel_values=pixels, **keywords)[
            :, -n:
        ]  # patches come last, after class and register tokens


ENCODER = PretrainedEncoder
