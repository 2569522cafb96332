"""Any `CLIPModel` of `transformers` with its tokenizer, by a folder or a name on its hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from palme.model_folders import load_checked, load_tokenizer
from palme.models.clip.base import Vectors
from palme.models.encoders.pretrained import PretrainedEncoder

REMEDY = "name the folder of a CLIP model in safetensors, or a model on its hub"
AT_ONCE = 32


class PretrainedClip:
    """See module, and `palme.models.clip.base.Clip`.

    Args:
        model: a `CLIPModel`.
        tokenizer: its own.
    """

    def __init__(self, model: nn.Module, tokenizer: Any) -> None:
        self.model: Any = model.eval()
        log_scale: Any = self.model.logit_scale
        self.tokenizer = tokenizer
        self.eye = PretrainedEncoder(model)  # it knows how these models want their pictures
        self.scale, self.least = float(log_scale.detach().exp()), -1.0

    @classmethod
    def load(cls, name: str | Path) -> PretrainedClip:
        """The model at `name`.

        Raises:
            WeightsMissing, BadWeights: there is no such model, or its files are damaged, with the remedy.
        """
        from transformers import CLIPModel

        return cls(load_checked(CLIPModel, name, REMEDY), load_tokenizer(name, REMEDY))

    @torch.inference_mode()
    def images(self, rgb: NDArray[np.uint8]) -> Vectors:
        """See `Clip.images`."""
        rows = [np.zeros((0, self.model.config.projection_dim), np.float32)]
        for part in (rgb[k : k + AT_ONCE] for k in range(0, len(rgb), AT_ONCE)):
            pixels = self.eye.pixels(torch.from_numpy(np.ascontiguousarray(part)))
            pooled = self.model.vision_model(pixel_values=pixels).pooler_output
            rows.append(F.normalize(self.model.visual_projection(pooled).float(), dim=-1).numpy())
        return np.concatenate(rows)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Vectors:
        """See `Clip.texts`; a text is cut at the model's context, 77 tokens as published."""
        rows = [np.zeros((0, self.model.config.projection_dim), np.float32)]
        limit = self.model.config.text_config.max_position_embeddings
        for part in (list(texts[k : k + AT_ONCE]) for k in range(0, len(texts), AT_ONCE)):
            ids = self.tokenizer(part, padding=True, truncation=True, max_length=limit, return_tensors="pt")
            pooled = self.model.text_model(
                input_ids=ids["input_ids"], attention_mask=ids["attention_mask"]
            ).pooler_output
            rows.append(F.normalize(self.model.text_projection(pooled).float(), dim=-1).numpy())
        return np.concatenate(rows)
