"""From sentences to tensors: the processor that belongs to `EmbodiedLM`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, ProcessorMixin

from palme.language.sentence import PLACEHOLDER, Sentence
from palme.language.vocabulary import (
    ENTITY_WORDS,
    IMAGE_TOKEN,
    OBJECT_TOKENS,
    OBJECT_WORDS,
    READING_TOKEN,
    STATE_TOKEN,
)
from palme.models.object_batch import collate_objects


class EmbodiedProcessor(ProcessorMixin):
    """Tokenizes sentences and lays their observations beside them, ready for `EmbodiedLM`."""

    attributes = ["tokenizer"]
    tokenizer_class = "AutoTokenizer"

    def __init__(self, tokenizer: Any, **kwargs: Any) -> None:
        super().__init__(tokenizer, **kwargs)

    def __call__(
        self, sentences: Sentence | Sequence[Sentence], side: str = "right", feature_dim: int = 0
    ) -> BatchFeature:
        """input_ids, attention_mask (B, T); where there are any, objects, state and reading (B, D), image
        (B, K, D).

        Args:
            side: of padding; "left" for `generate`.
            feature_dim: width of the object features that the model uses (its config's).
        """
        batch = [sentences] if isinstance(sentences, Sentence) else list(sentences)
        rows = [self.tokenizer(self.expand(s), add_special_tokens=False)["input_ids"] for s in batch]
        t = max(len(r) for r in rows)
        ids = torch.full((len(rows), t), self.tokenizer.pad_token_id)
        mask = torch.zeros(len(rows), t, dtype=torch.long)
        for i, row in enumerate(rows):
            at = slice(t - len(row), t) if side == "left" else slice(0, len(row))
            ids[i, at] = torch.tensor(row)
            mask[i, at] = 1
        out: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if any(s.objects is not None for s in batch):
            out["objects"] = collate_objects([s.objects for s in batch], feature_dim)  # type: ignore[misc]
        if any(s.state is not None for s in batch):
            out["state"] = torch.from_numpy(np.stack([s.state_vector() for s in batch]))
        if any(s.reading is not None for s in batch):
            out["reading"] = torch.from_numpy(np.stack([s.reading for s in batch]))  # type: ignore[arg-type]
        pictures = [self._pictures(s) for s in batch]
        if any(len(p) for p in pictures):
            k, d = max(len(p) for p in pictures), pictures[0].shape[-1]
            out["image"] = torch.stack([torch.cat([p, p.new_zeros(k - len(p), d)]) for p in pictures])
        return BatchFeature(out)

    def expand(self, sentence: Sentence) -> str:
        """The text with `<img:NAME>` written once for each feature of that picture."""

        def write(match: Any) -> str:
            name = match[1]
            return IMAGE_TOKEN * len(sentence.images[name[4:]]) if name.startswith("img:") else match[0]

        return PLACEHOLDER.sub(write, sentence.text)

    def decode(self, ids: Any, **kwargs: Any) -> str:
        return self.tokenizer.decode(ids, **kwargs)

    @staticmethod
    def _pictures(sentence: Sentence) -> torch.Tensor:
        named = [p[4:] for p in sentence.placeholders if p.startswith("img:")]
        features = [torch.as_tensor(np.asarray(sentence.images[n]), dtype=torch.float32) for n in named]
        return torch.cat(features) if features else torch.zeros(0, 1)


def add_words(tokenizer: Any) -> Any:
    """Teaches the tokenizer of a pretrained model the placeholders, entities and `obj_k`; returns it."""
    tokenizer.add_tokens([*ENTITY_WORDS, *OBJECT_WORDS])
    special = [*OBJECT_TOKENS, IMAGE_TOKEN, STATE_TOKEN, READING_TOKEN]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
