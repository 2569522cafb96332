"""What encoders around a backbone of `transformers` share: from where, which layer, frozen or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from palme.model_folders import load_checked
from palme.models.encoders.base import Encoder


class BackboneEncoder(Encoder):
    """Base of encoders around a transformer.

    Args:
        backbone: of `transformers`, with a `config` that has `hidden_size` and `num_hidden_layers`.
        layer: index of the hidden states to take; -1 = the last, -2 = the one before.
        freeze: True = not trained, in evaluation mode. False = fine-tuned.

    Raises:
        ValueError: for a layer that is not there.
    """

    remedy: ClassVar[str] = "name the folder of a backbone in safetensors, or a model on its hub"

    def __init__(self, backbone: nn.Module, layer: int = -2, freeze: bool = True) -> None:
        super().__init__()
        self.tower: Any = backbone
        config: Any = backbone.config
        depth: int = config.num_hidden_layers
        if not -depth - 1 <= layer <= depth:
            raise ValueError(f"layer {layer} is outside [{-depth - 1}, {depth}], the hidden states there are")
        self.layer, self.frozen = layer, freeze
        self.dim: int = config.hidden_size
        if freeze:
            self.tower.requires_grad_(False).eval()

    @classmethod
    def from_pretrained(cls, name: str | Path, **keywords: Any) -> Self:
        """The backbone at `name` (a folder or a model's name on its hub), by `AutoModel`.

        Raises:
            WeightsMissing, BadWeights: there is no such model, or its files are damaged, with the remedy.
        """
        from transformers import AutoModel

        return cls(load_checked(AutoModel, name, cls.remedy, unused=("pooler",)), **keywords)

    @classmethod
    def from_config(cls, model: str = "", backbone: Mapping[str, Any] | None = None, **keywords: Any) -> Self:
        """The encoder of a configuration.

        Args:
            model: folder or name of a pretrained backbone.
            backbone: without `model`: keywords of the backbone's configuration, `model_type` among them, for
                an untrained one whose weights come from a checkpoint.
            keywords: of the class.

        Raises:
            ValueError: if neither is named.
        """
        if model:
            return cls.from_pretrained(model, **keywords)
        if backbone is None:
            raise ValueError(f"{cls.__name__} needs model=: {cls.remedy}")
        from transformers import AutoConfig, AutoModel

        shape = dict(backbone)
        return cls(AutoModel.from_config(AutoConfig.for_model(shape.pop("model_type"), **shape)), **keywords)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        described = self.tower.config
        return {
            "backbone": {"model_type": described.model_type, **described.to_diff_dict()},
            "layer": self.layer,
            "freeze": self.frozen,
        }

    def train(self, mode: bool = True) -> Self:
        """See `nn.Module.train`; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.tower.eval()
        return self

    def states(self, **inputs: Any) -> Tensor:
        """Hidden states (B, N, dim) of the layer; no gradient reaches a frozen backbone."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.tower(**inputs, output_hidden_states=True).hidden_states[self.layer]
