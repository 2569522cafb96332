"""From a GGUF file, or from a folder of `transformers`, to safetensors in bf16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from palme.model_folders import load_checked, load_tokenizer

REMEDY = "name a folder as `save_pretrained` leaves it, with safetensors and a tokenizer"


class NotConvertible(Exception):
    """A file or folder holds no causal language model that `transformers` can load."""


def from_gguf(gguf: Path, out: Path) -> None:
    """The model and tokenizer of the file `gguf`, dequantised, into the folder `out`.

    Raises:
        NotConvertible: it is no GGUF file, or of an unknown architecture.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent), gguf_file=gguf.name, output_loading_info=True
        )
        model, info = loaded
        if lacking := sorted(info["missing_keys"]):
            raise ValueError(f"{len(lacking)} tensors are missing, such as {lacking[0]}")
        tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    except Exception as error:  # readers of damaged files raise whatever they stumble over
        raise NotConvertible(f"{gguf.name}: {error}") from error
    _save(model, tokenizer, out)


def from_folder(folder: Path, out: Path) -> None:
    """The model and tokenizer of `folder`, as `save_pretrained` leaves them, into the folder `out`.

    Raises:
        NotConvertible: there is none in it, or its weights are no safetensors.
    """
    _from_pretrained(str(folder), out, local_files_only=True)


def from_hub(name: str, out: Path) -> None:
    """The model and tokenizer of the model hub that `transformers` is set up with, into the folder `out`.

    Raises:
        NotConvertible: it is not there, or its weights are no safetensors.
    """
    _from_pretrained(name, out, local_files_only=False)


def _from_pretrained(name: str, out: Path, *, local_files_only: bool) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        model = load_checked(AutoModelForCausalLM, name, REMEDY)
        if local_files_only:
            tokenizer = load_tokenizer(name, REMEDY)
        else:
            tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # readers of damaged files raise whatever they stumble over
        raise NotConvertible(f"{name}: {error}") from error
    _save(model, tokenizer, out)


def _save(model: Any, tokenizer: Any, out: Path) -> None:
    """Save without the mark of quantisation, which refuses to be saved."""
    import torch
    from transformers import AutoModelForCausalLM

    weights = model.state_dict()
    described = model.config.to_dict()
    described.pop("quantization_config", None)
    plain = AutoModelForCausalLM.from_config(type(model.config)(**described), dtype=torch.bfloat16)
    plain.load_state_dict(weights)
    plain.generation_config = model.generation_config
    plain.save_pretrained(out)
    tokenizer.save_pretrained(out)
