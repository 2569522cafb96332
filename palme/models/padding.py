"""Batches of prompts, before words are generated: padding belongs on the left, and a mask says where.

A model continues whatever stands last. Padding there, or padding that it takes for words, gives text that
looks like an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from palme.models.processor import Observations


class BadPadding(ValueError):
    """A batch of prompts that a model cannot continue; the message names the row."""


def check_prompts(
    input_ids: Tensor,
    attention_mask: Tensor | None,
    observations: Observations | None,
    special: Mapping[str, Any],
) -> Tensor:
    """The mask (B, T), 1 where a prompt is.

    Args:
        input_ids: (B, T).
        attention_mask: (B, T); None = nothing is padded.
        observations: whose places hold padding tokens, though they are no padding.
        special: `pad_token_id` and `eos_token_id` of the model, where it has them.

    Raises:
        BadPadding: padding elsewhere than on the left, an empty prompt, or padding without a mask.
    """
    if input_ids.dim() != 2 or not input_ids.numel():
        raise BadPadding(f"generate: input_ids must be (B, T) with T >= 1, got {tuple(input_ids.shape)}")
    if attention_mask is None:
        _check_unmasked(input_ids, observations, special)
        return torch.ones_like(input_ids)
    if attention_mask.shape != input_ids.shape:
        raise BadPadding(
            f"generate: attention_mask must be {tuple(input_ids.shape)} like input_ids, got "
            f"{tuple(attention_mask.shape)}"
        )
    here = attention_mask.long()
    if not bool(((here == 0) | (here == 1)).all()):
        raise BadPadding("generate: attention_mask must hold 1 where a prompt is and 0 for padding")
    for row, last in enumerate(here[:, -1].tolist()):
        if not last:
            empty = not bool(here[row].any())
            what = "is empty" if empty else "is padded on the right"
            raise BadPadding(f"generate: prompt {row} {what}; use the processor with side='left'")
    if not bool((here.diff(dim=1) >= 0).all()):
        row = int((here.diff(dim=1) < 0).any(1).nonzero()[0])
        raise BadPadding(
            f"generate: prompt {row} has padding in its middle; use the processor with side='left'"
        )
    return attention_mask


def _check_unmasked(input_ids: Tensor, observations: Observations | None, special: Mapping[str, Any]) -> None:
    pad = special.get("pad_token_id")
    if pad is None or (len(input_ids) == 1 and pad == special.get("eos_token_id")):
        return  # one prompt needs no padding, and may end with the end of a text
    padded = input_ids == pad
    for batch in (observations or {}).values():
        rows, columns = batch["place"][:, 0], batch["place"][:, 1]
        padded[rows, columns] = False
    ends = padded[:, 0] | padded[:, -1]
    if bool(ends.any()):
        raise BadPadding(
            f"generate: prompt {int(ends.nonzero()[0])} is padded and no attention_mask says where; give the "
            "processor's attention_mask"
        )


def check_lengths(lengths: Sequence[int], b: int, t: int) -> None:
    """Raises BadPadding unless `lengths` are those of `b` prompts padded to `t` tokens."""
    wrong = [n for n in lengths if not 1 <= n <= t]
    if len(lengths) != b or wrong:
        raise BadPadding(f"lengths {list(lengths)}: must be {b} numbers in [1, {t}], one of each prompt")
