"""InstructionEncoder: a pretrained text encoder; its features of the instruction become one soft token.

The planner's language model is small and knows only the words of its training. A pretrained encoder also
generalises to words and sentences outside the training set. Its vector stands in the prompt as `<read>`, like
any other observation (PaLM-E, 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from palme.language.text import recoloured
from palme.model_folders import check_folder, load_checked, load_tokenizer
from palme.weight_files import BadWeights, WeightsMissing, read_json
from robots.files import replacing_files

MAX_PIECES = 96  # word pieces of a sentence that are encoded; the rest is cut off
SHARD = "24MB"
POOLED = ("bert", "roberta", "mpnet")  # encoders with a pooling layer
REMEDY = "train a text encoder with `palme train reader`"
FOLDER = "reader"  # subfolder of the planner's weights


class InstructionEncoderMissing(WeightsMissing):
    """There is no pretrained text encoder to begin a training with."""


class InstructionEncoder(nn.Module):
    """Sentences -> vectors (B, `dim`): the mean of the encoder's last hidden states.

    Colour names are normalised first (`recoloured`).

    Args:
        encoder: any text encoder of `transformers`, such as BERT.
        tokenizer: the encoder's own.
    """

    def __init__(self, encoder: nn.Module, tokenizer: Any) -> None:
        super().__init__()
        self.encoder, self.tokenizer = encoder, tokenizer
        self.dim: int = encoder.config.hidden_size  # type: ignore[union-attr, assignment]

    @classmethod
    def load(cls, folder: str | Path) -> InstructionEncoder:
        """From a folder of safetensors and a tokenizer, in fp32.

        Raises:
            WeightsMissing, BadWeights: no text encoder in `folder`, or a damaged one, with the remedy.
        """
        from transformers import AutoModel

        kind = read_json(check_folder(folder, REMEDY) / "config.json", REMEDY).get("model_type")
        bare: dict[str, Any] = {"add_pooling_layer": False} if kind in POOLED else {}  # another task's head
        encoder = load_checked(AutoModel, folder, REMEDY, dtype=torch.float32, **bare)
        tokenizer = load_tokenizer(folder, REMEDY)
        rows = encoder.get_input_embeddings().num_embeddings
        if not 0 < len(tokenizer) <= rows:
            raise BadWeights(
                f"{folder}: its tokenizer has {len(tokenizer)} tokens, its encoder {rows}: they are of two "
                f"models; {REMEDY}"
            )
        return cls(encoder, tokenizer).eval()

    def save(self, folder: str | Path) -> None:
        """Weights in bf16, cut into files of at most 24 MB, config and tokenizer."""
        halves = {
            k: v.bfloat16() if v.is_floating_point() else v for k, v in self.encoder.state_dict().items()
        }
        encoder: Any = self.encoder
        with replacing_files(Path(folder)) as beside:
            encoder.save_pretrained(beside, state_dict=halves, max_shard_size=SHARD)
            self.tokenizer.save_pretrained(beside)

    def forward(self, sentences: Sequence[str]) -> Tensor:
        """Vectors (B, dim) of B sentences, with gradients."""
        return self.vectors([recoloured(s) for s in sentences])

    def lower(self, layers: int) -> InstructionEncoder:
        """This encoder cut to its first layers: what words mean there is less bent to the task of the last.

        Raises:
            BadWeights: it is no BERT, or has fewer layers.
        """
        stack = getattr(getattr(self.encoder, "encoder", None), "layer", None)
        if not (isinstance(stack, nn.ModuleList) and 1 <= layers <= len(stack)):
            raise BadWeights(f"no BERT of at least {layers} layers; {REMEDY}")
        del stack[layers:]
        return self

    def vectors(self, sentences: Sequence[str]) -> Tensor:
        """Vectors (B, dim) of B sentences as they are, their colours too, with gradients."""
        pieces = self.tokenizer(
            list(sentences),
            padding=True,
            truncation=True,
            max_length=MAX_PIECES,
            return_tensors="pt",
        ).to(next(self.encoder.parameters()).device)
        hidden = self.encoder(**pieces).last_hidden_state  # (B, L, D)
        here = pieces["attention_mask"][..., None].to(hidden.dtype)  # (B, L, 1)
        return (hidden * here).sum(1) / here.sum(1)  # (B, D)

    @torch.inference_mode()
    def read(self, sentences: Sequence[str]) -> Any:
        """(B, `dim`) float32 array, without gradients."""
        return self(sentences).float().cpu().numpy()
