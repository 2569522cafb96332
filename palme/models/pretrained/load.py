"""A pretrained language model from the cache, with or without a trained adapter (LoRA; Hu et al., 2021)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from palme.models.pretrained.cache import require
from palme.precision import has_fast_bf16

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Matrices that an adapter changes: all inside the layers of Llama and Qwen."""


def pretrained(name: str | Path) -> tuple[Any, Any]:
    """The model and its tokenizer.

    Args:
        name: of a model in the cache, or a folder as `save_pretrained` leaves it.

    Raises:
        NotSetUp: the model is not in the cache.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = Path(name) if Path(name).is_dir() else require(str(name))
    dtype = torch.bfloat16 if has_fast_bf16() else torch.float32
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return model.eval(), tokenizer


def with_new_adapter(model: Any, rank: int, dropout: float = 0.0) -> Any:
    """`model`, frozen, with an adapter that does nothing yet; its weights are fp32 and learn.

    Raises:
        ValueError: the model has none of the matrices in `TARGETS`.
    """
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=dropout, target_modules=list(TARGETS))
    adapted = get_peft_model(model, settings)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return adapted


def with_adapter(model: Any, folder: Path) -> Any:
    """`model` with the adapter in `folder` merged into its weights, which costs no time when it runs.

    Raises:
        FileNotFoundError: there is none in `folder`.
    """
    from peft import PeftModel

    if not (folder / "adapter_config.json").is_file():
        raise FileNotFoundError(f"{folder}: no adapter there; train one with `palme train programs`")
    return PeftModel.from_pretrained(model, str(folder)).merge_and_unload().eval()
