"""The language model with senses: a small one of its own, untrained or from an earlier training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from palme.language.tokenizer import build_tokenizer
from palme.models.embodied_lm import SMALL_BACKBONE, EmbodiedConfig, EmbodiedLM
from palme.models.modality import modality
from palme.models.processor import EmbodiedProcessor
from palme.training.datasets.sense_questions import words
from robots.files import replacing_files


def new_senses(names: Sequence[str], width: int, layers: int, heads: int, inner: int) -> EmbodiedLM:
    """An untrained model whose sentences may hold the modalities `names`.

    Args:
        names: of modalities.
        width: hidden size of the language model.
        layers: of the language model.
        heads: attention heads of a layer.
        inner: width of the feed-forward layers.
    """
    backbone = {
        **SMALL_BACKBONE,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "intermediate_size": inner,
    }
    kinds = [modality(name) for name in names]
    model = EmbodiedLM(EmbodiedConfig.for_tokenizer(build_tokenizer(words()), backbone, kinds))
    for sense in model.senses.values():
        for layer in sense.encoder.modules():  # type: ignore[union-attr]
            # the language model's initial weights (std 0.02) starve layers that have no norm between them: a
            # PointNet stayed at chance for 400 steps
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()
    return model


def processor_of(model: EmbodiedLM) -> EmbodiedProcessor:
    """Its processor, with the vocabulary of the questions."""
    return EmbodiedProcessor(build_tokenizer(words()), model.config.modalities)


def fill_from(model: EmbodiedLM, start: str | Path) -> list[str]:
    """Weights of an earlier training where name and shape agree. Returns the names of what stays untrained.

    Raises:
        WeightsMissing, BadWeights: no such model in `start`, with the remedy.
    """
    from palme.training.checkpoint import grown, word_tables

    began = EmbodiedLM.from_pretrained(start, dtype=torch.float32).state_dict()
    fresh, tables = model.state_dict(), word_tables(model)
    fits = {
        k: grown(v, fresh[k])
        for k, v in began.items()
        if k in fresh and (v.shape == fresh[k].shape or (k in tables and len(v) <= len(fresh[k])))
    }
    model.load_state_dict({**fresh, **fits})
    return [k for k in fresh if k not in fits]


def save_senses(model: EmbodiedLM, processor: EmbodiedProcessor, folder: Path) -> None:
    """Weights in bf16, config and tokenizer."""
    halves = {k: v.bfloat16() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        halves.pop("lm.lm_head.weight", None)  # equal to the embeddings
    with replacing_files(folder) as beside:
        model.save_pretrained(beside, state_dict=halves)
        processor.save_pretrained(beside)
