"""Reads a sentence: a language model writes its program within the grammar, and says how sure it is."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from palme.language.constrained_decoding import Walk
from palme.language.programs.calls import Program
from palme.language.programs.parser import MAX_WORDS, may_follow, parse
from palme.language.programs.prompt import prompt_ids
from palme.language.vocabulary import Vocabulary

MAX_TOKENS = MAX_WORDS


class NotRead(Exception):
    """A sentence was not understood; the message says so to a person, and nothing is done."""


class NotSure(NotRead):
    """A sentence may mean one thing or another; the message says which.

    Attributes:
        reading: what it was read as, and would be done after a person's yes; None = nothing.
    """

    def __init__(self, message: str, reading: Reading | None = None) -> None:
        self.reading = reading
        super().__init__(message)


@dataclass(frozen=True)
class Reading:
    """What a sentence was read as.

    Attributes:
        sentence: as it was given.
        program: what it asks for.
        probability: of the program's tokens, each among those that the grammar allows; their product.
        weakest: the least of them, and the word that it belongs to.
        seconds: that it took.
        confidence: calibrated probability that the program is right; None = it was not calibrated.
    """

    sentence: str
    program: Program
    probability: float
    weakest: tuple[float, str]
    seconds: float
    confidence: float | None = None


class Reader(Protocol):
    """Says what a sentence asks for: `ProgramReader`, or one around it that is sure or refuses."""

    def read(self, sentence: str) -> Reading:
        """What `sentence` asks for.

        Raises:
            NotRead: it was not understood, `NotSure`: or not surely.
            palme.language.programs.prompt.SentenceTooLong: it is too long.
        """
        ...


class Runtime(Protocol):
    """A causal language model that is fed tokens and says what may come next."""

    def begin(self) -> Any:
        """An empty context."""
        ...

    def feed(self, context: Any, ids: list[int], wanted: list[int]) -> list[float]:
        """Append `ids` to `context`; the scores (logits) of the tokens `wanted` as the next one."""
        ...


class TorchRuntime:
    """A model of `transformers`, as it is.

    Args:
        model: a causal language model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def begin(self) -> Any:
        """See `Runtime`."""
        from transformers import DynamicCache

        return DynamicCache()

    @torch.inference_mode()
    def feed(self, context: Any, ids: list[int], wanted: list[int]) -> list[float]:
        """See `Runtime`; of the output layer, only the rows of `wanted` are computed."""
        hidden = self._model.model(
            input_ids=torch.tensor([ids]), past_key_values=context, use_cache=True
        ).last_hidden_state[0, -1]  # (D,)
        rows = self._model.get_output_embeddings().weight[wanted]  # (W, D)
        return [float(score) for score in rows.float() @ hidden.float()]


class ProgramReader:
    """See module.

    Args:
        runtime: the model.
        tokenizer: of the model.
    """

    def __init__(self, runtime: Runtime, tokenizer: Any) -> None:
        self._runtime, self._tokenizer = runtime, tokenizer
        self._vocabulary = Vocabulary(tokenizer)

    def read(self, sentence: str) -> Reading:
        """The most probable program, word by word.

        Tokens that the grammar leaves no choice about enter the next pass together.

        Raises:
            SentenceTooLong: for a sentence of more tokens than the model reads.
            NotRead: no program ends within `MAX_TOKENS`.
        """
        began = time.perf_counter()
        walk = Walk(self._vocabulary, may_follow)
        context = self._runtime.begin()
        pending = prompt_ids(self._tokenizer, sentence)
        chosen: list[int] = []
        chances: list[float] = []
        while (may := walk.allowed()) and len(chosen) < MAX_TOKENS:
            if len(may) == 1:
                token, chance = may[0], 1.0
            else:
                token, chance = _best(may, self._runtime.feed(context, pending, may))
                pending = []
            walk.push(token)
            chosen.append(token)
            chances.append(chance)
            pending.append(token)
        if walk.allowed():
            raise NotRead(f"I do not understand {sentence!r}; please say it in other words.")
        weakest = min(range(len(chances)), key=chances.__getitem__)
        return Reading(
            sentence,
            parse(" ".join(walk.words)),
            math.prod(chances),
            (chances[weakest], self._tokenizer.decode([chosen[weakest]]).strip()),
            time.perf_counter() - began,
        )


def _best(may: list[int], scores: list[float]) -> tuple[int, float]:
    """The token with the highest score, and its probability among `may`."""
    most = max(scores)
    total = sum(math.exp(score - most) for score in scores)
    return may[scores.index(most)], 1 / total
