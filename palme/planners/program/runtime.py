"""What runs the language model of a reader: any causal one of `transformers`, or `Decoder` for its family."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from palme.models.pretrained.decoder import Context, Decoder
from palme.models.pretrained.token_tree import TokenTree

Wanted = Mapping[int, Sequence[int]]
"""By place in what is fed: the tokens that might come after it."""


class Runtime(Protocol):
    """A causal language model that is fed a tree of tokens and says what may come after each.

    Attributes:
        precision: of its weights.
    """

    precision: str

    def begin(self) -> Any:
        """An empty context: it has a length in tokens, and `copy()`."""
        ...

    def feed(
        self, context: Any, ids: Sequence[int], parents: Sequence[int], wanted: Wanted
    ) -> dict[int, list[float]]:
        """Append tokens to `context`.

        Args:
            context: from `begin`.
            ids: of the tokens.
            parents: see `TokenTree.add`.
            wanted: see `Wanted`.

        Returns:
            Scores (logits) of the tokens `wanted` as the next one.
        """
        ...


class DecoderRuntime:
    """The fast one: a model of the Llama family.

    Args:
        decoder: the model.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder, self.precision = decoder, str(decoder.precision)

    def begin(self) -> Context:
        """See `Runtime`."""
        return self.decoder.begin()

    def feed(
        self, context: Context, ids: Sequence[int], parents: Sequence[int], wanted: Wanted
    ) -> dict[int, list[float]]:
        """See `Runtime`."""
        return scores(self.decoder.output, self.decoder.hidden(context, ids, parents), wanted)


class TorchContext(TokenTree):
    """Keys and values as `transformers` keeps them."""

    def __init__(self) -> None:
        from transformers import DynamicCache

        super().__init__()
        self.cache = DynamicCache()

    def copy(self) -> TorchContext:
        """Another with the same tokens, which grows on its own."""
        return copy.deepcopy(self)


class TorchRuntime:
    """Any causal language model of `transformers`, as it is.

    Args:
        model: the model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.precision = str(model.dtype).removeprefix("torch.")

    def begin(self) -> TorchContext:
        """See `Runtime`."""
        return TorchContext()

    @torch.inference_mode()
    def feed(
        self, context: TorchContext, ids: Sequence[int], parents: Sequence[int], wanted: Wanted
    ) -> dict[int, list[float]]:
        """See `Runtime`."""
        begun = len(context)
        mask = context.add(parents).to(self._model.dtype)  # (N, T)
        hidden = self._model.model(
            input_ids=torch.tensor([list(ids)]),
            position_ids=torch.tensor([context.depths[begun:]]),
            attention_mask=mask[None, None].clamp_min(torch.finfo(mask.dtype).min),
            past_key_values=context.cache,
            use_cache=True,
        ).last_hidden_state[0]  # (N, D)
        return scores(self._model.get_output_embeddings().weight, hidden, wanted)


def scores(output: Tensor, hidden: Tensor, wanted: Wanted) -> dict[int, list[float]]:
    """Logits of the tokens `wanted`: of the output layer (V, D), only their rows are computed.

    Args:
        output: weights of the output layer.
        hidden: what it reads of each token (N, D).
        wanted: see `Wanted`.
    """
    return {
        place: (output[list(tokens)].float() @ hidden[place].float()).tolist()
        for place, tokens in wanted.items()
    }
