"""From sentences to tensors: the processor that belongs to `EmbodiedLM`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import BatchFeature, ProcessorMixin

from palme.language.sentence import Placeholder, Sentence
from palme.model_folders import check_files, load_tokenizer, told
from palme.models.encoders import ENCODERS
from palme.models.encoders.base import Arrays
from palme.models.modality import Modality

REMEDY = "save a processor there by `save_pretrained`, or train a planner with `palme train planner`"
Observations = Mapping[str, Mapping[str, Tensor]]
"""M observations by source ("state", "img:front", "obj"): the arrays of `Encoder.prepare`; `row` (M,), the
sentence of each; `place` (P, 4), for each soft token its row and column in the batch, its observation, and
its index among that observation's soft tokens."""


@dataclass
class Placed:
    """Collects the observations of a batch of sentences and their places; see `Observations`."""

    items: dict[str, list[Any]] = field(default_factory=dict)
    rows: dict[str, list[int]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    place: dict[str, list[tuple[int, int, int, int]]] = field(default_factory=dict)

    def add(
        self, row: int, column: int, part: Placeholder, observation: Any, kind: Modality | None = None
    ) -> int:
        """Place the observation of `part` at `column` of sentence `row`; returns its number of soft tokens.

        Args:
            kind: the model's own version of the modality; None = the registered one.
        """
        source, kind = part.source, kind or part.modality
        rows = self.rows.setdefault(source, [])
        if not rows or rows[-1] != row:
            rows.append(row)
            self.items.setdefault(source, []).append(observation)
            self.kinds[source] = str(kind.encoder["kind"])
        n = kind.n_tokens(observation)
        places = self.place.setdefault(source, [])
        places += [(row, column + k, len(rows) - 1, part.index * n + k) for k in range(n)]
        return n

    def arrays(self) -> dict[str, Arrays]:
        """The batch, as numpy arrays."""
        out: dict[str, Arrays] = {}
        for source, items in self.items.items():
            encoder = ENCODERS[self.kinds[source]]
            out[source] = {
                **encoder.prepare(items),
                "row": np.array(self.rows[source], np.int64),
                "place": np.array(self.place[source], np.int64).reshape(-1, 4),
            }
        return out


def tensors(arrays: Mapping[str, Arrays]) -> dict[str, dict[str, Tensor]]:
    """`Placed.arrays` as tensors."""
    return {k: {n: torch.from_numpy(a) for n, a in each.items()} for k, each in arrays.items()}


class EmbodiedProcessor(ProcessorMixin):
    """Tokenizes sentences with any tokenizer and collects their observations, for `EmbodiedLM`.

    Words between placeholders are tokenized separately; an observation takes one padding token for each of
    its soft tokens. The tokenizer needs no words for placeholders.

    Args:
        tokenizer: any tokenizer of `transformers`.
        modalities: those of the model (`EmbodiedConfig.modalities`), by placeholder or source; for any other
            the registered one is used.
    """

    attributes = ["tokenizer"]
    tokenizer_class = "AutoTokenizer"

    def __init__(
        self, tokenizer: Any, modalities: Mapping[str, Mapping[str, Any]] | None = None, **kwargs: Any
    ) -> None:
        self.modalities = {source: dict(m) for source, m in (modalities or {}).items()}
        super().__init__(tokenizer, **kwargs)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token

    @classmethod
    def from_pretrained(cls, folder: str | Path, **kwargs: Any) -> Any:  # type: ignore[override]
        """The processor that `save_pretrained` wrote.

        Raises:
            WeightsMissing, BadWeights: there is none in `folder`, or a file is damaged, with the remedy.
        """
        load_tokenizer(check_files(folder, REMEDY), REMEDY)
        with told(f"{folder}: no processor can be made of its files", REMEDY):
            return super().from_pretrained(str(folder), local_files_only=True, **kwargs)

    def __call__(
        self, sentences: Sentence | Sequence[Sentence], side: str = "right", begin: bool = False
    ) -> BatchFeature:
        """The model's inputs.

        Args:
            sentences: one, or B of them.
            side: of padding; "left" for `generate`.
            begin: whether the begin-of-text token comes first, where the tokenizer has one.

        Returns:
            input_ids, attention_mask (B, T), observations (see `Observations`) and, where a sentence has an
            instruction, instruction_ids, instruction_mask (B, L).
        """
        batch = [sentences] if isinstance(sentences, Sentence) else list(sentences)
        start = [self.tokenizer.bos_token_id] if begin and self.tokenizer.bos_token_id is not None else []
        pad, placed = self.tokenizer.pad_token_id, Placed()
        rows: list[list[int]] = []
        for i, sentence in enumerate(batch):
            row = list(start)
            for part in sentence.parts:
                if isinstance(part, Placeholder):
                    observation = sentence.observations[part.source]
                    row += [pad] * placed.add(i, len(row), part, observation, self._kind(part))
                else:
                    row += self.words(part)
            rows.append(row)
        ids, mask = self._padded(rows, side)
        if side == "left":
            shift = [ids.shape[1] - len(row) for row in rows]
            for places in placed.place.values():
                places[:] = [(r, c + shift[r], item, token) for r, c, item, token in places]
        out: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if any(s.instruction for s in batch):
            instructions = self._padded([self.words(s.instruction) for s in batch], "right")
            out["instruction_ids"], out["instruction_mask"] = instructions
        return BatchFeature({**out, "observations": tensors(placed.arrays())})

    def _kind(self, part: Placeholder) -> Modality | None:
        described = self.modalities.get(part.source) or self.modalities.get(part.modality.placeholder)
        return None if described is None else Modality.from_dict(described)

    def words(self, text: str) -> list[int]:
        """Token ids of `text` as it stands in the middle of a sentence."""
        return list(self.tokenizer(f" {text}", add_special_tokens=False)["input_ids"]) if text else []

    def _padded(self, rows: Sequence[Sequence[int]], side: str) -> tuple[Tensor, Tensor]:
        t = max(len(r) for r in rows)
        ids = torch.full((len(rows), t), self.tokenizer.pad_token_id)
        mask = torch.zeros(len(rows), t, dtype=torch.long)
        for i, row in enumerate(rows):
            at = slice(t - len(row), t) if side == "left" else slice(0, len(row))
            ids[i, at] = torch.tensor(row, dtype=torch.long)
            mask[i, at] = 1
        return ids, mask

    def decode(self, ids: Any, **kwargs: Any) -> str:
        """The text of token ids; keywords as the tokenizer's."""
        return self.tokenizer.decode(ids, **kwargs)
