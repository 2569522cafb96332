"""Examples in the context of a language model without an adapter (VisProg; Gupta and Kembhavi, 2023).

What the model makes of them, its keys and values, is computed once and kept in the cache.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from palme.language.programs.calls import Program
from palme.language.programs.parser import parse
from palme.language.programs.prompt import program_ids, prompt_ids
from palme.language.vocabulary import Vocabulary
from palme.model_folders import weights_file
from palme.models.pretrained.cache import cache_root
from palme.models.pretrained.decoder import Context, Decoder
from palme.models.pretrained.token_tree import chain
from palme.planners.program.runtime import Runtime
from palme.weight_files import WeightsError, read_weights

FILE = Path(__file__).with_name("examples.yaml")
BLOCK = 64
"""Tokens that enter one pass."""
AFTER_EACH = "\n"
"""Between the end of a program and the next sentence, as chat models of Qwen were trained."""


@dataclass(frozen=True)
class Example:
    """A sentence and what it asks for."""

    say: str
    program: Program


@cache
def examples() -> tuple[Example, ...]:
    """Those of examples.yaml, one of each kind of request."""
    import yaml

    raw = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tuple(Example(one["say"], parse(one["program"])) for one in raw)


def examples_ids(tokenizer: Any) -> list[int]:
    """Token ids of all examples in a row, as they stand before a sentence."""
    vocabulary = Vocabulary(tokenizer)
    between = tokenizer(AFTER_EACH, add_special_tokens=False)["input_ids"]
    ids: list[int] = []
    for one in examples():
        ids += [*prompt_ids(tokenizer, one.say), *program_ids(vocabulary, one.program), *between]
    return ids


def context_of(runtime: Runtime, ids: list[int]) -> Any:
    """A context of `runtime` that has read `ids`."""
    context = runtime.begin()
    for at in range(0, len(ids), BLOCK):
        block = ids[at : at + BLOCK]
        runtime.feed(context, block, chain(at - 1, at, len(block)), {})
    return context


def kept_context(runtime: Runtime, decoder: Decoder, folder: Path, ids: list[int]) -> Context:
    """As `context_of`, from the cache where it was computed before.

    A file there that is damaged, or of another model, is written anew.

    Args:
        runtime: runs `decoder`.
        decoder: the model in `folder`, without an adapter.
        folder: as `save_pretrained` leaves it; a changed file in it is another model.
        ids: what stands before every sentence.
    """
    from safetensors.torch import save_file

    weights = weights_file(folder).resolve()
    written = weights.stat()
    what = [str(weights), written.st_size, written.st_mtime_ns, decoder.precision, torch.__version__, ids]
    key = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]
    file = cache_root() / "contexts" / f"{key}.safetensors"
    wanted = (*decoder.begin().keys_values.shape[:3], len(ids), decoder.head)
    try:
        found = read_weights(file, "delete it")["keys_values"]
        if found.shape == wanted and found.dtype == decoder.dtype:
            return Context(found, len(ids))
    except (WeightsError, KeyError):
        pass  # not there yet, or no such file: below
    context: Context = context_of(runtime, ids)
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(f".{os.getpid()}")
    save_file({"keys_values": context.keys_values[:, :, :, : len(ids)].contiguous()}, beside)
    beside.replace(file)
    return context
