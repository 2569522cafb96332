"""The grammar of the planner's answers, and constrained decoding in it.

The grammar makes the step follow from the rationale: the goal determines what is checked, a failed check
what is cleared, and the topmost cover the step. The model decides the rest: the goal of the sentence, where
each object is, what lies on it, and which block is checked next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from palme.language.answers import DONE, NO, NOWHERE, UNKNOWN, YES
from palme.language.text import NOT_SAID, BlocksSaid
from palme.language.vocabulary import BOS, ENTITY_WORDS, EOS, NOTHING, TABLE, Trie, Vocabulary
from robots.skills import COLOURS

Words = tuple[str, ...]

SOLIDS: Words = tuple(w for w in ENTITY_WORDS if not w.endswith("_bowl"))
BOWLS: Words = tuple(w for w in ENTITY_WORDS if w.endswith("_bowl"))
WAYS: Words = ("up", "down", "mixed")
MAX_TOWER = 6
DOUBT = 0.005  # class probability above which no answer may call the class absent: detectors confuse classes


@dataclass(frozen=True)
class Evidence:
    """What the detector found and the sentence names, as a restriction on answers; empty restricts nothing.

    Attributes:
        detected: most probable class of each object; sorting is done once all blocks among them are checked.
        possible: classes that some object has with a probability above `DOUBT`. An answer may not call them
            absent, and must call any other class absent that the goal needs.
        rows: most probable class of obj_1, obj_2, ..., by which a step names them; () = by class.
        said: blocks that the sentence names; a tower has them all, and only them unless `others`.
    """

    detected: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()
    rows: Words = ()
    said: frozenset[str] = frozenset()
    others: bool = True

    @classmethod
    def of(cls, class_probs: Any, refer: bool = False, said: BlocksSaid = NOT_SAID) -> Evidence:
        """From class probabilities (N, 24); with `refer` steps name objects as obj_k; `said`: see class."""
        rows = tuple(ENTITY_WORDS[k] for k in class_probs.argmax(1)) if len(class_probs) else ()
        likely = class_probs.max(0, initial=0.0) > DOUBT
        possible = frozenset(w for w, p in zip(ENTITY_WORDS, likely, strict=True) if p)
        return cls(frozenset(rows), possible, rows if refer else (), said.blocks, said.others)

    def named(self, word: str) -> Words:
        """How a step may name the object `word`."""
        return tuple(f"obj_{k}" for k, w in enumerate(self.rows, 1) if w == word) or (word,)


NO_EVIDENCE = Evidence()


@lru_cache(maxsize=65536)
def allowed(prefix: Words, evidence: Evidence = NO_EVIDENCE) -> Words:
    """Words that may follow `prefix` in an answer to "next:" (see `palme.language.answers`).

    Args:
        evidence: what the detector found; the default restricts nothing.
    """
    if not prefix:
        return ("goal", UNKNOWN)
    if prefix[-1] == ".":
        return (EOS,)
    if prefix[0] == UNKNOWN:
        return (".",)
    parts: list[Words] = []
    at = 0
    for k, word in enumerate(prefix):
        if word == ";":
            parts.append(prefix[at:k])
            at = k + 1
    if not parts:
        return _in_goal(prefix, evidence)
    begun = prefix[at:]
    may = [_after(segment, begun, evidence) for segment in _segments(parts[0], parts[1:], evidence)]
    return tuple(dict.fromkeys(w for words in may for w in words))


def check_words(prefix: Words) -> Words:
    """Words that may follow in the answer to a success question: `target what where-it-is yes|no .`"""
    if prefix[-1] in (YES, NO):
        return (".",)
    return (EOS,) if prefix[-1] == "." else _after(("check", prefix[0], prefix[1]), prefix)


def _in_goal(words: Words, evidence: Evidence) -> Words:
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
        known = SOLIDS if evidence.others else tuple(b for b in SOLIDS if b in evidence.said)
        rest = tuple(b for b in known if b not in words)
        if n >= 3 + MAX_TOWER:
            return (TABLE,)
        return rest if n < 5 or not evidence.said <= set(words) else (*rest, TABLE)
    at, way = words.index(TABLE), words[2]
    named, again = words[3:at], words[at + 1 :]
    if len(again) == len(named):
        return (";",)
    if way == "mixed":
        return tuple(b for b in named if b not in again)
    return ((named if way == "up" else named[::-1])[len(again)],)


def _segments(goal: Words, done: Sequence[Words], evidence: Evidence) -> list[Words]:
    """Segments that may come next: ("check", target, what), ("under", what), ("put", what, target), ..."""
    kind, order = goal[1], goal[2:]
    if kind == "stack":
        order = goal[goal.index(TABLE) :]
    if not done:
        missing: list[Words] = [(NOWHERE, w) for w in order if w != TABLE and w not in evidence.possible]
        if missing and evidence.possible:  # no object can be what the goal needs
            return missing[:1]
        return [*missing, *([("check", *order[:2])] if order else _unchecked(done, evidence))]
    last = done[-1]
    if last[-1] == NOWHERE:
        return [(UNKNOWN,)]
    cleared = len(done) > 1 and done[-2][0] == "under"  # then `last` checks the topmost cover
    if last[-1] == YES:
        if kind == "match":
            return [("put", last[1], TABLE)] if cleared else _unchecked(done, evidence)
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


def _unchecked(done: Sequence[Words], evidence: Evidence) -> list[Words]:
    checked = {s[1] for s in done}
    blocks = [f"{c}_block" for c in COLOURS]
    rest = [b for b in blocks if b not in checked and (b in evidence.detected or not evidence.detected)]
    checks: list[Words] = [("check", _own_bowl(b), b) for b in rest]
    return checks if checks and evidence.detected else [*checks, (DONE,)]


def _own_bowl(block: str) -> str:
    return block.split("_")[0] + "_bowl"


def _after(segment: Words, begun: Words, evidence: Evidence = NO_EVIDENCE) -> Words:
    """Words that may follow `begun` if it is to become `segment`; () if it cannot."""
    head, n = segment[0], len(begun)
    if head == "put":
        return _in_step(segment[1], segment[2], begun, evidence)
    if head == NOWHERE:
        fixed: Words = (segment[1], NOWHERE, ";")
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


def _in_step(what: str, target: str, begun: Words, evidence: Evidence) -> Words:
    """Words that may follow `begun` if it is to become the step that puts `what` in or on `target`."""
    relation = "in" if target in BOWLS else "on"
    parts: tuple[Words, ...] = (("put",), evidence.named(what), (relation,), evidence.named(target), (".",))
    fits = len(begun) < len(parts) and all(w in part for w, part in zip(begun, parts, strict=False))
    return parts[len(begun)] if fits else ()


Follow = Callable[[Words], Words]
"""The words so far -> the words that may follow."""


class Walk:
    """An answer during decoding: the tokens that may come next, and the words of the tokens so far.

    It walks the trie of the words that may follow. Where one word's tokens are a prefix of another's, both
    parses are kept until a token decides between them.

    Args:
        follow: the grammar.
        prefix: words before the answer; they are not part of it.
    """

    def __init__(self, vocabulary: Vocabulary, follow: Follow, prefix: Words = ()) -> None:
        self._vocabulary, self._follow, self._before = vocabulary, follow, len(prefix)
        self._n = 0
        self._parses = [_Parse(prefix, (), vocabulary.trie(follow(prefix)))]

    def copy(self) -> Walk:
        """Another that has come as far, and goes on by itself."""
        other = copy(self)
        other._parses = list(self._parses)
        return other

    def allowed(self) -> list[int]:
        """Tokens that may come next; none after the end."""
        return list(dict.fromkeys(t for parse in self._parses for t in parse.node.children))

    def push(self, token: int) -> None:
        """Append `token`.

        Raises:
            ValueError: if it is none of those allowed.
        """
        self._n += 1
        after: list[_Parse] = []
        for words, ends, node in self._parses:
            if (child := node.children.get(token)) is None:
                continue
            if child.children:
                after.append(_Parse(words, ends, child))
            if child.word is not None:
                longer = (*words, child.word)
                more = Trie() if child.word == EOS else self._vocabulary.trie(self._follow(longer))
                after.append(_Parse(longer, (*ends, self._n), more))
        if not after:
            raise ValueError(f"token {token} is none of those that may follow: {self.allowed()}")
        self._parses = after

    @property
    def words(self) -> Words:
        """Complete words of the answer so far, without the end-of-text word."""
        words = self._whole().words[self._before :]
        return words[:-1] if words[-1:] == (EOS,) else words

    def start(self, word: int) -> int:
        """Number of the answer's tokens before word number `word` of `words`."""
        return self._whole().ends[word - 1] if word else 0

    def _whole(self) -> _Parse:
        return max(self._parses, key=lambda r: len(r.words))


class _Parse(NamedTuple):
    words: Words
    ends: tuple[int, ...]  # number of tokens up to the end of each word of the answer
    node: Trie


class AnswerGrammar:
    """The grammar of answers in the tokens of one vocabulary.

    Args:
        evidence: what the detector found.
    """

    def __init__(self, vocabulary: Vocabulary, evidence: Evidence = NO_EVIDENCE) -> None:
        self._vocabulary, self._evidence = vocabulary, evidence

    def walk(self, begun: Words = ()) -> Walk:
        """An answer to "next:"; the words `begun` stand before it."""
        return Walk(self._vocabulary, lambda prefix: allowed(prefix, self._evidence), begun)

    def check_walk(self, target: str, what: str) -> Walk:
        """An answer to a success question; `target what` stand before it."""
        return Walk(self._vocabulary, check_words, (target, what))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (B, V) with -inf for tokens that may not follow: a `LogitsProcessor` of `transformers`.

        Args:
            input_ids: (B, T) answer so far, as `generate` keeps it with `inputs_embeds`.
            scores: (B, V).
        """
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
