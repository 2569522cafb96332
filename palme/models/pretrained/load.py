"""A pretrained language model from the cache, with or without a trained adapter (LoRA; Hu et al., 2021)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from palme.model_folders import ADAPTER, ADAPTER_CONFIG, check_files, load_checked, load_tokenizer, told
from palme.models.pretrained.cache import require
from palme.precision import has_fast_bf16
from palme.weight_files import BadWeights, read_json, read_weights

REMEDY = "bring the model again with `palme setup language`"
TRAIN = "train an adapter with `palme train programs`"
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Matrices that an adapter changes: all inside the layers of Llama and Qwen."""


def pretrained(name: str | Path) -> tuple[Any, Any]:
    """The model and its tokenizer.

    Args:
        name: of a model in the cache, or a folder as `save_pretrained` leaves it.

    Raises:
        NotSetUp: the model is not in the cache.
        WeightsMissing, BadWeights: its files are not there, or damaged.
    """
    from transformers import AutoModelForCausalLM

    folder = folder_for(name)
    dtype = torch.bfloat16 if has_fast_bf16() else torch.float32
    model = load_checked(AutoModelForCausalLM, folder, REMEDY, dtype=dtype)
    return model, load_tokenizer(folder, REMEDY)


def folder_for(name: str | Path) -> Path:
    """Of a model by its name in the cache, or the folder itself. Raises NotSetUp: it is not in the cache."""
    return Path(name) if Path(name).is_dir() else require(str(name))


def with_new_adapter(model: Any, rank: int, layers: int | None = None) -> Any:
    """`model`, frozen, with an adapter that does nothing yet; its weights are fp32 and learn.

    Args:
        layers: the last so many layers have one; those before need no way back. None = all.

    Raises:
        ValueError: the model has none of the matrices in `TARGETS`, or `layers` is below 1.
    """
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=list(TARGETS),
        layers_to_transform=last_layers(model, layers),
    )
    return _learning(get_peft_model(model, settings))


def last_layers(model: Any, layers: int | None) -> list[int] | None:
    """Numbers of the last `layers` layers of a language model, for PEFT; None = all of them.

    Raises:
        ValueError: `layers` is below 1: no layer, which PEFT takes for every one.
    """
    if layers is not None and layers < 1:
        raise ValueError(f"layers={layers}: an adapter needs at least 1; give None for all of them")
    n = int(model.config.num_hidden_layers)
    return None if layers is None or layers >= n else list(range(n - layers, n))


def with_adapter(model: Any, folder: Path) -> Any:
    """`model` with the adapter in `folder` merged into its weights, which costs no time when it runs.

    Raises:
        WeightsMissing: there is none in `folder`.
        BadWeights: its files are damaged, or of an adapter of another model.
    """
    return with_kept_adapter(model, folder).merge_and_unload().eval()


def with_kept_adapter(model: Any, folder: Path) -> Any:
    """`model`, frozen, with the adapter in `folder`, which goes on learning, in fp32.

    Raises:
        WeightsMissing, BadWeights: see `with_adapter`.
    """
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

    file = check_files(folder, TRAIN) / ADAPTER
    weights = read_weights(file, TRAIN)
    settings = read_json(folder / ADAPTER_CONFIG, TRAIN)
    with told(f"{folder}: no adapter of this model", TRAIN):
        kept = {key: settings[key] for key in ("r", "lora_alpha", "target_modules", "layers_to_transform")}
        adapted = _learning(get_peft_model(model, LoraConfig(**kept)))
        wanted = sum("lora_" in name for name, _ in adapted.named_parameters())
        rest: Any = set_peft_model_state_dict(adapted, dict(weights))
        if len(weights) != wanted or rest.unexpected_keys:
            raise BadWeights(f"{file}: {len(weights)} tensors, and the model takes {wanted}; {TRAIN}")
    return adapted


def _learning(adapted: Any) -> Any:
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return adapted
