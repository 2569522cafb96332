"""The planner's language model: untrained, or from an earlier run; its parameter groups; saving it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from palme.language.tokenizer import build_tokenizer
from palme.models.embodied_lm import SMALL_BACKBONE, EmbodiedConfig, EmbodiedLM
from palme.models.modality import Modality, modality
from palme.models.processor import EmbodiedProcessor
from palme.training.checkpoint import grown, word_tables
from palme.training.recipe import ParameterGroup
from palme.weight_files import BadWeights
from robots.files import replacing_files

BETAS = (0.9, 0.98)  # of AdamW


def new_planner(
    width: int, layers: int, heads: int, inner: int, feature_dim: int, instruction_dim: int
) -> EmbodiedLM:
    """An untrained planner.

    Args:
        width: hidden size of the language model.
        layers: of the language model.
        heads: attention heads of a layer.
        inner: width of the feed-forward layers.
        feature_dim: width of the detector's feature of an object, 0 = none.
        instruction_dim: width of the text encoder's vector, 0 = none.
    """
    return EmbodiedLM(backbone_of(width, layers, heads, inner, senses_of(feature_dim, instruction_dim)))


def backbone_of(
    width: int, layers: int, heads: int, inner: int, senses: Iterable[Modality]
) -> EmbodiedConfig:
    """Of a small language model that knows the small vocabulary, its sentences holding `senses`."""
    backbone = {
        **SMALL_BACKBONE,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "intermediate_size": inner,
    }
    return EmbodiedConfig.for_tokenizer(build_tokenizer(), backbone, senses)


def continued_planner(start: str, feature_dim: int, instruction_dim: int) -> EmbodiedLM:
    """The planner in the folder `start` with the current vocabulary; new words and senses are untrained.

    Raises:
        WeightsMissing, BadWeights: no planner in `start`, or one of another size, with the remedy.
    """
    began = EmbodiedLM.from_pretrained(start, dtype=torch.float32)
    senses = senses_of(feature_dim, instruction_dim)
    model = EmbodiedLM(EmbodiedConfig.for_tokenizer(build_tokenizer(), began.config.backbone, senses))
    fresh = model.state_dict()
    tables = word_tables(model)
    for k, v in began.state_dict().items():
        if k in fresh and not (v.shape == fresh[k].shape or (k in tables and len(v) <= len(fresh[k]))):
            raise BadWeights(
                f"{start}: tensor {k} has shape {tuple(v.shape)}, this training needs "
                f"{tuple(fresh[k].shape)}; begin with a planner of the same senses, or with start=''"
            )
    kept = {k: grown(v, fresh[k]) for k, v in began.state_dict().items() if k in fresh}
    model.load_state_dict({**fresh, **kept})
    return model


def senses_of(feature_dim: int, instruction_dim: int) -> list[Modality]:
    """Modalities of the planner's prompt: objects, robot state and a text encoder's features."""
    objects = modality("object")
    senses = [replace(objects, encoder={**objects.encoder, "feature_dim": feature_dim}), modality("state")]
    if instruction_dim:
        read = modality("read")
        senses.append(replace(read, encoder={**read.encoder, "dim": instruction_dim}))
    return senses


def planner_groups(
    model: EmbodiedLM, lr: float, muon_lr: float | None, weight_decay: float
) -> list[ParameterGroup]:
    """Groups "matrices" (Muon, if it has a rate), "connectors" and, for the rest, "words"."""
    groups: dict[str, list[nn.Parameter]] = {"matrices": [], "connectors": [], "words": []}
    for name, p in model.named_parameters():
        if p.requires_grad:
            inside = ".layers." in name and p.ndim == 2
            groups["matrices" if inside else "connectors" if name.startswith("senses.") else "words"].append(
                p
            )
    matrices = ParameterGroup(
        "matrices", groups.pop("matrices"), muon_lr or lr, weight_decay, BETAS, muon=muon_lr is not None
    )
    return [matrices, *(ParameterGroup(name, ps, lr, weight_decay, BETAS) for name, ps in groups.items())]


def save_planner(model: EmbodiedLM, folder: Path) -> None:
    """Save for `PalmePlanner.load`: weights in bf16 (half the size; used in fp32), config, tokenizer."""
    halves = {k: v.bfloat16() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        halves.pop("lm.lm_head.weight", None)  # equal to the embeddings
    with replacing_files(folder) as beside:
        model.save_pretrained(beside, state_dict=halves)
        EmbodiedProcessor(build_tokenizer(), model.config.modalities).save_pretrained(beside)
