"""One training sequence of the planner: words, tokens, observations and the answers that the loss covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from palme.language.constrained_decoding import WAYS
from palme.language.sentence import Placeholder, placeholder
from palme.language.vocabulary import PAD, Vocabulary

Span = tuple[str, float, int, int]
"""An answer in a sequence: (kind of question, weight in the loss, start, end)."""


@dataclass
class Example:
    """One training sequence.

    Attributes:
        words: the whole sequence, with placeholders for observations.
        ids: the same as token ids; a placeholder takes one position, that of its soft token.
        spans: the answers, one for each question, counted in `ids`.
        places: (position in `ids`, placeholder) of each observation.
        heavy: positions in `ids` of the direction of a tower (`WAYS`).
        objects: fields of `PerceivedObjects`.
        robot: (11,) robot state, see `palme.models.encoders.state`.
        task: the task that it was made from, None = none.
        state: the state that it was made from, None = none.
        instruction: input of the text encoder for `<read>`, "" = the sequence has no `<read>`.
    """

    words: list[str]
    ids: list[int]
    spans: list[Span]
    places: list[tuple[int, Placeholder]]
    heavy: frozenset[int]
    objects: dict[str, Any]
    robot: np.ndarray
    task: Any = None
    state: Any = None
    instruction: str = ""

    @property
    def prompt(self) -> int:
        """Number of `ids` before the first answer."""
        return self.spans[0][2]


def encode(
    vocabulary: Vocabulary, words: Sequence[str], spans: Sequence[Span]
) -> tuple[list[int], list[Span], list[tuple[int, Placeholder]], frozenset[int]]:
    """`ids`, `spans`, `places` and `heavy` of an `Example` of `words`, from `spans` that count in words."""
    ids: list[int] = []
    starts: list[int] = []
    heavy: set[int] = set()
    places: list[tuple[int, Placeholder]] = []
    for word in words:
        starts.append(len(ids))
        if word[0] == "<" and (part := placeholder(word)) is not None:
            places.append((len(ids), part))
            ids.append(vocabulary.pieces(PAD)[0])
        else:
            ids += vocabulary.pieces(word)
            if word in WAYS:
                heavy.update(range(starts[-1], len(ids)))
    starts.append(len(ids))
    in_ids = [(kind, weight, starts[a], starts[b]) for kind, weight, a, b in spans]
    return ids, in_ids, places, frozenset(heavy)
