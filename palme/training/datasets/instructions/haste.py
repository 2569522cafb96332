"""What people do to a sentence before it reaches a robot: manners, fillers, typos, capitals and marks."""

from __future__ import annotations

import random
import re

from palme.training.datasets.instructions.grammar import Grammar

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {key: row[max(k - 1, 0) : k] + row[k + 1 : k + 2] for row in _ROWS for k, key in enumerate(row)}
"""Keys beside each key."""
_SOUNDS = (
    ("ck", "k"), ("ue", "eu"), ("ll", "l"), ("ow", "wo"), ("ee", "ea"), ("ou", "o"), ("ple", "pel"),
    ("er", "re"), ("nge", "neg"), ("s", "z"), ("c", "k"), ("i", "y"), ("lea", "la"), ("the", "teh"),
)  # fmt: skip
"""How people misspell by ear."""
_LEFT_ALONE = frozenset("left right in on and not no red one two".split())
"""Words that a slip would turn into another word of the grammar."""

_GERUNDS = {
    "put": "putting", "place": "placing", "move": "moving", "set": "setting", "lay": "laying",
    "drop": "dropping",
    "stick": "sticking", "bring": "bringing", "get": "getting", "transfer": "transferring",
    "shift": "shifting",
    "pop": "popping", "position": "positioning", "stack": "stacking", "pile": "piling", "build": "building",
    "make": "making", "take": "taking", "grab": "grabbing", "pick": "picking", "swap": "swapping",
    "switch": "switching", "exchange": "exchanging", "empty": "emptying", "clear": "clearing",
    "remove": "removing",
    "push": "pushing", "slide": "sliding", "nudge": "nudging", "line": "lining", "arrange": "arranging",
    "sort": "sorting", "gather": "gathering", "collect": "collecting", "count": "counting", "fill": "filling",
    "leave": "leaving", "keep": "keeping", "spread": "spreading", "throw": "throwing", "hit": "hitting",
    "pour": "pouring", "cut": "cutting", "open": "opening", "clean": "cleaning", "paint": "painting",
    "turn": "turning", "tell": "telling", "drag": "dragging", "pull": "pulling", "fetch": "fetching",
    "lift": "lifting", "distribute": "distributing", "reverse": "reversing", "unstack": "unstacking",
}  # fmt: skip
_CHAT = {
    "you": "u", "your": "ur", "please": "pls", "and": "&", "the": "da", "two": "2", "three": "3", "four": "4",
    "are": "r", "thanks": "thx", "next": "nxt", "with": "w/", "then": "thn", "block": "blk",
    "blocks": "blks",
}  # fmt: skip


class Haste:
    """Writes sentences as people do.

    Args:
        manners: symbols `before`, `after`, `between`, `story`, `asking` (before a question), `ask` (of "could
            you put ...") and `asked` (of "would you mind putting ...").
    """

    def __init__(self, manners: Grammar) -> None:
        self._manners = manners

    def written(self, rng: random.Random, sentence: str) -> str:
        """`sentence` with some of what people add and get wrong; its meaning stays."""
        text = sentence
        question = text.endswith("?")
        if not question and rng.random() < 0.1 and (doing := gerund(text)):
            text = f"{self._said(rng, 'asked')} {doing}"
        elif not question and rng.random() < 0.4:
            polite = text.split()[0] in _GERUNDS and rng.random() < 0.6
            text = f"{self._said(rng, 'ask' if polite else 'before')} {text}"
        elif question and rng.random() < 0.25:
            text = f"{self._said(rng, 'asking')} {text}"
        if rng.random() < 0.05:
            text = f"{self._said(rng, 'story')} {text}"
        if not question and rng.random() < 0.3:
            text = f"{text} {self._said(rng, 'after')}"
        if rng.random() < 0.06:
            words = text.split()
            words.insert(rng.randrange(len(words) + 1), self._said(rng, "between"))
            text = " ".join(words)
        if rng.random() < 0.45:
            text = misspelt(rng, text, rng.choice((0.06, 0.12, 0.25)))
        if rng.random() < 0.08:
            text = _abbreviated(rng, text)
        if rng.random() < 0.05:
            text = _joined(rng, text)
        return self._marked(rng, text)

    def _said(self, rng: random.Random, symbol: str) -> str:
        return self._manners.draw(rng, symbol).sentence

    @staticmethod
    def _marked(rng: random.Random, text: str) -> str:
        """Capitals, a full stop or none, articles left out, American spelling."""
        if rng.random() < 0.15:
            text = re.sub(r"[,;:?!]|[.](?![0-9])", "", text)
        elif rng.random() < 0.3 and text[-1:].isalpha():
            text += "."
        if rng.random() < 0.08:
            text = re.sub(r"\bthe ", "", text)
        if rng.random() < 0.3:
            text = text.replace("colour", "color").replace("centre", "center").replace("metre", "meter")
        if rng.random() < 0.1:
            text = text.replace("'", rng.choice(("", "’")))
        chance = rng.random()
        if chance < 0.35:
            text = text[:1].upper() + text[1:]
        elif chance < 0.4:
            text = text.upper()
        return " ".join(text.split())


def gerund(text: str) -> str | None:
    """ "Take it and put it there" as "taking it and putting it there"; None where no verb begins."""
    words = text.split()
    if words[0] not in _GERUNDS:
        return None
    follows = zip(["and", *words], words, strict=False)
    return " ".join(
        _GERUNDS.get(word, word) if before in ("and", "then") else word for before, word in follows
    )


def _abbreviated(rng: random.Random, text: str) -> str:
    """As in a chat."""
    said = [_CHAT.get(word, word) if rng.random() < 0.7 else word for word in text.split()]
    return " ".join(said)


def _joined(rng: random.Random, text: str) -> str:
    """With a space lost, or one too many."""
    words = text.split()
    at = rng.randrange(len(words))
    if rng.random() < 0.7 and at + 1 < len(words):
        return " ".join((*words[:at], words[at] + words[at + 1], *words[at + 2 :]))
    cut = rng.randrange(1, max(len(words[at]), 2))
    return " ".join((*words[:at], words[at][:cut], words[at][cut:], *words[at + 1 :]))


def misspelt(rng: random.Random, text: str, share: float) -> str:
    """`text` with a slip in about `share` of its longer words: letters swapped, lost, doubled, hit beside."""
    words = text.split()
    return " ".join(_slip(rng, word) if _may_slip(word) and rng.random() < share else word for word in words)


def _may_slip(word: str) -> bool:
    return len(word) >= 3 and word.isalpha() and word.lower() not in _LEFT_ALONE


def _slip(rng: random.Random, word: str) -> str:
    at = rng.randrange(len(word))
    kind = rng.random()
    if kind < 0.27 and at < len(word) - 1:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind < 0.55 and len(word) > 3 and at > 0:
        return word[:at] + word[at + 1 :]
    if kind < 0.75:
        return word[:at] + word[at] + word[at:]
    if kind < 0.9:
        near = _NEIGHBOURS.get(word[at].lower())
        return word if near is None else word[:at] + rng.choice(near) + word[at + 1 :]
    sounds = [pair for pair in _SOUNDS if pair[0] in word]
    if not sounds:
        return word
    right, wrong = rng.choice(sounds)
    return word.replace(right, wrong, 1)
