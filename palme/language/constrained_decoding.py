"""Which word may come next: answers are decoded inside this grammar.

It binds the step to its reasons: what is checked follows from the goal said before, what is cleared from the
check that failed, and the step from what was found to lie on top. Left to the model is what it has to find
out: the goal in the sentence, where each thing is, what lies on it, which block is looked at next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from palme.language.answers import DONE, NO, NOWHERE, UNKNOWN, YES
from palme.language.vocabulary import BOS, ENTITY_WORDS, EOS, NOTHING, TABLE, Trie, Vocabulary
from robots.skills import COLOURS

Words = tuple[str, ...]

SOLIDS: Words = tuple(w for w in ENTITY_WORDS if not w.endswith("_bowl"))
BOWLS: Words = tuple(w for w in ENTITY_WORDS if w.endswith("_bowl"))
WAYS: Words = ("up", "down", "mixed")
MAX_TOWER = 6
DOUBT = (
    0.005  # what an object is this likely to be is not said to be nowhere: the detector may have misnamed it
)


@dataclass(frozen=True)
class Evidence:
    """What the detector allows to be said. `unknown` in the first place: nothing is held against any word.

    Attributes:
        there: names of the objects seen: all blocks among them are checked before sorting is done.
        possible: what some object may be, at least by a little: it cannot be said to be nowhere, and what
            is asked for and not among these is.
    """

    there: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()

    @classmethod
    def of(cls, class_probs: Any) -> Evidence:
        """From class probabilities (N, 24)."""
        there = frozenset(ENTITY_WORDS[k] for k in class_probs.argmax(1)) if len(class_probs) else frozenset()
        likely = class_probs.max(0, initial=0.0) > DOUBT
        return cls(there, frozenset(w for w, p in zip(ENTITY_WORDS, likely, strict=True) if p))


UNSEEN = Evidence()


@lru_cache(maxsize=65536)
def allowed(said: Words, seen: Evidence = UNSEEN) -> Words:
    """Words that may follow `said` in an answer to "next:" (see `palme.language.answers`).

    Args:
        seen: what the detector allows to be said; without it nothing is ruled out.
    """
    if not said:
        return ("goal", UNKNOWN)
    if said[-1] == ".":
        return (EOS,)
    if said[0] == UNKNOWN:
        return (".",)
    parts: list[Words] = []
    at = 0
    for k, word in enumerate(said):
        if word == ";":
            parts.append(said[at:k])
            at = k + 1
    if not parts:
        return _in_goal(said)
    begun = said[at:]
    may = [_after(segment, begun) for segment in _segments(parts[0], parts[1:], seen)]
    return tuple(dict.fromkeys(w for words in may for w in words))


def check_words(said: Words) -> Words:
    """Words that may follow in the answer to a success question: `target what where-it-is yes|no .`"""
    if said[-1] in (YES, NO):
        return (".",)
    return (EOS,) if said[-1] == "." else _after(("check", said[0], said[1]), said)


def _in_goal(words: Words) -> Words:
    n = len(words)
    if n == 1:
        return ("in", "stack", "match")
    if words[1] == "match":
        return (";",)
    if words[1] == "in":
        return (BOWLS, SOLIDS, (";",))[n - 2]
    if n == 2:
        return WAYS
    if TABLE not in words:  # the blocks as mentioned; `table` ends them
        rest = tuple(b for b in SOLIDS if b not in words)
        return rest if n < 5 else (*rest, TABLE) if n < 3 + MAX_TOWER else (TABLE,)
    at, way = words.index(TABLE), words[2]
    named, again = words[3:at], words[at + 1 :]
    if len(again) == len(named):
        return (";",)
    if way == "mixed":
        return tuple(b for b in named if b not in again)
    return ((named if way == "up" else named[::-1])[len(again)],)


def _segments(goal: Words, done: Sequence[Words], seen: Evidence) -> list[Words]:
    """What may be said next as a whole: ("check", target, what), ("under", what), ("put", what, target)."""
    kind, order = goal[1], goal[2:]
    if kind == "stack":
        order = goal[goal.index(TABLE) :]
    if not done:
        missing: list[Words] = [(NOWHERE, w) for w in order if w != TABLE and w not in seen.possible]
        if missing and seen.possible:  # nothing is done with what nothing seen can be
            return missing[:1]
        return [*missing, *([("check", *order[:2])] if order else _unchecked(done, seen))]
    last = done[-1]
    if last[-1] == NOWHERE:
        return [(UNKNOWN,)]
    cleared = len(done) > 1 and done[-2][0] == "under"  # then `last` looks at what lies on top
    if last[-1] == YES:
        if kind == "match":
            return [("put", last[1], TABLE)] if cleared else _unchecked(done, seen)
        at = order.index(last[1])
        return [("check", *order[at : at + 2])] if at + 1 < len(order) else [(DONE,)]
    if last[-1] == NO:
        return [("put", last[1], last[0])] if cleared else [("under", last[1])]
    target, what = next((s[0], s[1]) for s in reversed(done) if s[-1] == NO)
    if len(last) > 3:  # under what cover ... cover nothing
        top = last[-2]
        sort = kind == "match" and top.endswith("_block")
        return [("check", _own_bowl(top), top)] if sort else [("put", top, TABLE)]
    if last[1] == what and target in SOLIDS:
        return [("under", target)]
    return [("put", what, target)]


def _unchecked(done: Sequence[Words], seen: Evidence) -> list[Words]:
    checked = {s[1] for s in done}
    blocks = [f"{c}_block" for c in COLOURS]
    rest = [b for b in blocks if b not in checked and (b in seen.there or not seen.there)]
    checks: list[Words] = [("check", _own_bowl(b), b) for b in rest]
    return checks if checks and seen.there else [*checks, (DONE,)]


def _own_bowl(block: str) -> str:
    return block.split("_")[0] + "_bowl"


def _after(segment: Words, begun: Words) -> Words:
    """Words that may follow `begun` if it is to become `segment`; () if it cannot."""
    head, n = segment[0], len(begun)
    if head == "put":
        what, target = segment[1:]
        fixed: Words = ("put", what, "in" if target in BOWLS else "on", target, ".")
    elif head == NOWHERE:
        fixed = (segment[1], NOWHERE, ";")
    elif head in (DONE, UNKNOWN):
        fixed = (head, ".")
    elif head == "under":
        fixed = segment
    else:
        fixed = segment[1:]
    if begun != fixed[:n] and begun[: len(fixed)] != fixed:
        return ()
    if n < len(fixed):
        return (fixed[n],)
    last = begun[-1]
    if head == "under":
        return (";",) if last == NOTHING else (NOTHING, *(w for w in SOLIDS if w not in begun))
    target, what, *found = begun
    if last in (YES, NO):
        return (";",)
    if not found:
        return tuple(w for w in (*ENTITY_WORDS, TABLE) if w != what)
    if target in BOWLS and last not in (*BOWLS, TABLE):  # down to what stands on the table
        return (*(w for w in SOLIDS if w not in begun), *BOWLS, TABLE)
    return (YES,) if last == target else (NO,)


Follow = Callable[[Words], Words]
"""What has been said -> the words that may follow."""


class Walk:
    """One answer under way: which tokens may come next, and the words that the tokens so far make.

    It walks the trie of the words that may follow. Where one word's tokens begin another's, both readings are
    kept until a token tells which it was.

    Args:
        follow: the grammar.
        said: words that stand before the answer; they are not part of it.
    """

    def __init__(self, vocabulary: Vocabulary, follow: Follow, said: Words = ()) -> None:
        self._vocabulary, self._follow, self._before = vocabulary, follow, len(said)
        self._n = 0
        self._readings = [_Reading(said, (), vocabulary.trie(follow(said)))]

    def allowed(self) -> list[int]:
        """Tokens that may come next; none after the end."""
        return list(dict.fromkeys(t for reading in self._readings for t in reading.node.children))

    def push(self, token: int) -> None:
        """Goes on by `token`.

        Raises:
            ValueError: if it is none of those allowed.
        """
        self._n += 1
        after: list[_Reading] = []
        for words, ends, node in self._readings:
            if (there := node.children.get(token)) is None:
                continue
            if there.children:
                after.append(_Reading(words, ends, there))
            if there.word is not None:
                said = (*words, there.word)
                more = Trie() if there.word == EOS else self._vocabulary.trie(self._follow(said))
                after.append(_Reading(said, (*ends, self._n), more))
        if not after:
            raise ValueError(f"token {token} is none of those that may follow: {self.allowed()}")
        self._readings = after

    @property
    def words(self) -> Words:
        """The whole words so far, without the end."""
        said = self._whole().words[self._before :]
        return said[:-1] if said[-1:] == (EOS,) else said

    def start(self, word: int) -> int:
        """How many tokens stand before word number `word` of `words`."""
        return self._whole().ends[word - 1] if word else 0

    def _whole(self) -> _Reading:
        return max(self._readings, key=lambda r: len(r.words))


class _Reading(NamedTuple):
    words: Words
    ends: tuple[int, ...]  # after how many tokens each word of the answer ended
    node: Trie


class AnswerGrammar:
    """The grammar of answers in the tokens of one vocabulary.

    Args:
        seen: what the detector allows to be said.
    """

    def __init__(self, vocabulary: Vocabulary, seen: Evidence = UNSEEN) -> None:
        self._vocabulary, self._seen = vocabulary, seen

    def walk(self) -> Walk:
        """An answer to "next:"."""
        return Walk(self._vocabulary, lambda said: allowed(said, self._seen))

    def check_walk(self, target: str, what: str) -> Walk:
        """An answer to a success question that begins with `target what`."""
        return Walk(self._vocabulary, check_words, (target, what))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """As a `LogitsProcessor` of `transformers`; with `inputs_embeds`, `input_ids` is what was said."""
        out = torch.full_like(scores, float("-inf"))
        begin = self._vocabulary.pieces(BOS)
        for row, line in enumerate(input_ids.tolist()):
            walk = self.walk()
            for token in line[len(begin) :] if tuple(line[: len(begin)]) == begin else line:
                if not walk.allowed():
                    break
                walk.push(token)
            may = walk.allowed()
            out[row, may or slice(None)] = scores[row, may or slice(None)]
        return out
