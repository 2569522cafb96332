"""An `EmbodiedLM` around a pretrained language model: made, saved without that model's weights, loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from palme.model_folders import load_tokenizer
from palme.models.connectors.phrase import PhraseConnector
from palme.models.embodied_lm import EmbodiedLM
from palme.models.modality import Modality, modality
from palme.models.pretrained.load import REMEDY, TARGETS, folder_for, last_layers, pretrained
from palme.models.processor import EmbodiedProcessor
from palme.precision import has_fast_bf16
from robots.files import replacing_files


def embodied_senses() -> list[Modality]:
    """Modalities of a sentence for a pretrained language model: objects as phrases, and the arm's state."""
    objects = replace(modality("object"), connector={"kind": "phrase"}, tokens=PhraseConnector.SLOTS)
    return [objects, modality("state")]


def embodied_around(
    base: str, senses: Iterable[Modality], rank: int = 0, layers: int | None = None
) -> tuple[EmbodiedLM, Any]:
    """(a model around a pretrained language model, that one's tokenizer); its connectors learn, in fp32.

    Args:
        base: a model in the cache, or a folder.
        senses: modalities of its sentences.
        rank: of the adapter (LoRA) of the language model, 0 = none: it is frozen whole.
        layers: the last so many layers have one, None = all; of no effect with rank 0.

    Raises:
        NotSetUp: the model is not in the cache.
        WeightsMissing, BadWeights: its files are not there, or damaged.
        ValueError: an adapter in fewer than 1 layer.
    """
    lm, tokenizer = pretrained(base)
    lora: dict[str, Any] | None = None
    if rank:
        lora = {
            "r": rank,
            "lora_alpha": 2 * rank,
            "target_modules": list(TARGETS),
            "layers_to_transform": last_layers(lm, layers),
        }
    model = EmbodiedLM.from_backbone(
        lm,
        tokenizer,
        modalities=list(senses),
        base=base,
        scene_first=True,
        freeze_backbone=True,
        lora=lora,
    )
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(_learns(name))
        if _learns(name):
            parameter.data = parameter.data.float()
    return model, tokenizer


def save_embodied(model: EmbodiedLM, folder: Path) -> None:
    """What was learned, in bf16, for `load_embodied`: connectors, adapter and config."""
    learned = {k: v.detach().bfloat16() for k, v in model.state_dict().items() if _learns(k)}
    with replacing_files(folder) as beside:
        model.save_pretrained(beside, state_dict=learned)


def load_embodied(folder: str | Path) -> tuple[EmbodiedLM, EmbodiedProcessor]:
    """The model in `folder`, as `save_embodied` or `save_pretrained` leaves it, and its processor.

    In evaluation mode. A pretrained language model is in bf16 where the processor is fast at it; all else is
    in fp32.

    Raises:
        WeightsMissing, BadWeights: files are missing, damaged or foreign, or do not fill the model.
        NotSetUp: the pretrained model is not in the cache.
    """
    model: EmbodiedLM = EmbodiedLM.from_pretrained(folder, dtype=torch.float32)
    config: Any = model.config
    if not config.base:
        return model, EmbodiedProcessor.from_pretrained(folder)
    if has_fast_bf16():
        model.lm.bfloat16()
    return model, EmbodiedProcessor(load_tokenizer(folder_for(config.base), REMEDY), config.modalities)


def _learns(name: str) -> bool:
    return name.startswith("senses.") or "lora_" in name
