"""Reads a sentence: a language model writes its program within the grammar, and says how sure it is."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from palme.language.constrained_decoding import Walk
from palme.language.programs.calls import Program
from palme.language.programs.parser import MAX_WORDS, may_follow, parse
from palme.language.programs.prompt import prompt_ids
from palme.language.vocabulary import Vocabulary
from palme.models.pretrained.token_tree import chain
from palme.planners.program.runtime import Runtime

MAX_TOKENS = MAX_WORDS
NEGLIGIBLE = 0.01
"""Share of the best program's probability below which another is not looked for."""

MORE = 1.5
"""Passes in which others may come to an end, as a multiple of those until the most probable did."""


class NotRead(Exception):
    """A sentence was not understood; the message says so to a person, and nothing is done."""


class NotSure(NotRead):
    """A sentence may mean one thing or another; the message says which.

    Attributes:
        reading: what it was read as, and would be done after a person's yes; None = nothing.
        asks: whether the message asks if `reading` is meant.
    """

    def __init__(self, message: str, reading: Reading | None = None, asks: bool = False) -> None:
        self.reading, self.asks = reading, asks
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
        confidence: calibrated probability that the program is right, in [0, 1]; None = it was not checked.
        evidence: what the confidence is made of (`palme.planners.program.agreement.features`), by name.
        doubts: what speaks against it, in words.
    """

    sentence: str
    program: Program
    probability: float
    weakest: tuple[float, str]
    seconds: float
    confidence: float | None = None
    evidence: Mapping[str, float] | None = None
    doubts: tuple[str, ...] = ()


class Reader(Protocol):
    """Says what a sentence asks for: `ProgramReader`, or one around it that is sure or refuses."""

    def read(self, sentence: str) -> Reading:
        """What `sentence` asks for.

        Raises:
            NotRead: it was not understood, `NotSure`: or not surely.
            palme.language.programs.prompt.SentenceTooLong: it is too long.
        """
        ...


class ProgramReader:
    """See module.

    Args:
        runtime: the model.
        tokenizer: of the model.
        examples: a context of `runtime` with what stands before every sentence; None = nothing does.

    Attributes:
        runtime, tokenizer: as given.
    """

    def __init__(self, runtime: Runtime, tokenizer: Any, examples: Any = None) -> None:
        self.runtime, self.tokenizer, self._examples = runtime, tokenizer, examples
        self._vocabulary = Vocabulary(tokenizer)

    def read(self, sentence: str) -> Reading:
        """The most probable program, word by word.

        Tokens that the grammar leaves no choice about enter the next pass together.

        Raises:
            SentenceTooLong: for a sentence of more tokens than the model reads.
            NotRead: no program ends within `MAX_TOKENS`.
        """
        return self._searched(sentence, width=1)[0]

    def alternatives(self, sentence: str, n: int = 3) -> list[Reading]:
        """The most probable programs, best first, by a beam search of width `n`.

        Programs that share their beginnings enter one pass together, and those that are `NEGLIGIBLE` beside
        the best are given up: a sentence that reads in one way alone costs hardly more than `read`.

        Args:
            sentence: see `read`.
            n: programs at most.

        Raises:
            SentenceTooLong, NotRead: see `read`.
        """
        return self._searched(sentence, n)

    def _searched(self, sentence: str, width: int) -> list[Reading]:
        began = time.perf_counter()
        context = self.runtime.begin() if self._examples is None else self._examples.copy()
        first = prompt_ids(self.tokenizer, sentence)
        live = [_Draft(Walk(self._vocabulary, may_follow), first, len(context) - 1)]
        whole: list[_Draft] = []
        passes, at_most = 0, math.inf
        while live and passes <= at_most:
            for draft in live:
                draft.take_forced()
            whole = sorted((*whole, *(d for d in live if not d.may)), key=_chance, reverse=True)[:width]
            least = whole[-1].chance if len(whole) == width else 0.0
            least = max(least, NEGLIGIBLE * max(d.chance for d in (*whole, *live)))
            live = [d for d in live if d.may and len(d.tokens) < MAX_TOKENS and d.chance > least]
            if whole and not any(draft.chance > whole[0].chance for draft in live):
                at_most = min(at_most, passes * MORE)
            if live:
                live = self._longer(context, live, width)
                passes += 1
        if not whole:
            raise NotRead(f"I do not understand {sentence!r}; please say it in other words.")
        seconds = time.perf_counter() - began
        return [self._reading(sentence, draft, seconds) for draft in whole]

    def _longer(self, context: Any, live: list[_Draft], width: int) -> list[_Draft]:
        """The `width` most probable of `live` with a further token; one pass of the model."""
        ids: list[int] = []
        parents: list[int] = []
        wanted: dict[int, list[int]] = {}
        begun = len(context)
        for draft in live:
            parents += chain(draft.last, begun + len(ids), len(draft.pending))
            ids += draft.pending
            wanted[len(ids) - 1] = draft.may
        found = self.runtime.feed(context, ids, parents, wanted)
        longer: list[tuple[float, _Draft, int, float, int]] = []
        for draft, (place, scores) in zip(live, found.items(), strict=True):
            most = max(scores)
            shares = [math.exp(score - most) for score in scores]
            total = sum(shares)
            for token, share in zip(draft.may, shares, strict=True):
                longer.append((draft.chance * share / total, draft, token, share / total, begun + place))
        longer = heapq.nlargest(width, longer, key=lambda one: one[0])
        return [draft.and_then(token, chance, last) for _, draft, token, chance, last in longer]

    def _reading(self, sentence: str, draft: _Draft, seconds: float) -> Reading:
        weakest = min(range(len(draft.chances)), key=draft.chances.__getitem__)
        return Reading(
            sentence,
            parse(" ".join(draft.walk.words)),
            draft.chance,
            (draft.chances[weakest], self.tokenizer.decode([draft.tokens[weakest]]).strip()),
            seconds,
        )


class _Draft:
    """The beginning of a program.

    Attributes:
        walk: through the grammar.
        pending: tokens that the model has not been fed yet.
        last: number of the last one that it was fed, in its context.
        tokens, chances: so far, with their probabilities.
        chance: the product of these.
        may: tokens that may come next.
    """

    def __init__(self, walk: Walk, pending: list[int], last: int) -> None:
        self.walk, self.pending, self.last = walk, pending, last
        self.tokens: list[int] = []
        self.chances: list[float] = []
        self.chance = 1.0
        self.may = walk.allowed()

    def take_forced(self) -> None:
        """Append tokens as long as the grammar leaves no choice."""
        while len(self.may) == 1 and len(self.tokens) < MAX_TOKENS:
            self._take(self.may[0], 1.0)

    def and_then(self, token: int, chance: float, last: int) -> _Draft:
        """This one, all fed up to `last`, and `token`."""
        longer = _Draft(self.walk.copy(), [], last)
        longer.tokens, longer.chances, longer.chance = [*self.tokens], [*self.chances], self.chance
        longer._take(token, chance)
        return longer

    def _take(self, token: int, chance: float) -> None:
        self.walk.push(token)
        self.pending.append(token)
        self.tokens.append(token)
        self.chances.append(chance)
        self.chance *= chance
        self.may = self.walk.allowed()


def _chance(draft: _Draft) -> float:
    return draft.chance
