"""What people do to a sentence before it reaches a robot: manners, talk, typos, capitals and marks."""

from __future__ import annotations

import random
import re

from palme.training.datasets.instructions.chatter import Chatter
from palme.training.datasets.instructions.grammar import Grammar
from palme.training.datasets.instructions.slips import Slips, joined

CHATTY = 0.2
"""Share of hasty sentences that are said at length."""
MAX_CHATTY = 160
"""Longest sentence in letters that more is said around."""
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
    "blocks": "blks", "to": "2", "for": "4", "into": "in2", "what": "wut", "there": "thr", "that": "dat",
    "this": "dis", "bowl": "bwl", "left": "lft", "right": "rite", "small": "sml", "green": "grn",
    "yellow": "ylw", "orange": "orng", "purple": "prpl", "cylinder": "cyl", "before": "b4",
    "between": "btwn", "because": "cuz", "without": "w/o", "everything": "evrythng", "how": "hw",
    "many": "mny", "one": "1", "put": "put", "in": "n", "about": "abt", "people": "ppl", "want": "wnt",
}  # fmt: skip


class Haste:
    """Writes sentences as people do.

    Args:
        manners: symbols `before`, `after`, `between`, `story`, `asking` (before a question), `ask` (of "could
            you put ...") and `asked` (of "would you mind putting ...").
        slips: how words are misspelt.
        chatter: what is said around a request at length; None = nothing.
    """

    def __init__(self, manners: Grammar, slips: Slips, chatter: Chatter | None = None) -> None:
        self._manners, self._slips, self._chatter = manners, slips, chatter

    def written(self, rng: random.Random, sentence: str, asks: bool = True) -> str:
        """`sentence` with some of what people add and get wrong; its meaning stays.

        Args:
            asks: whether it asks for something that can be done, so that naming other things as well does
                not change what it is about.
        """
        if self._chatter is not None and rng.random() < CHATTY and len(sentence) < MAX_CHATTY:
            verb = sentence.split()[0] in _GERUNDS
            text = self._chatter.around(rng, sentence, gerund(sentence), verb, asks)
        else:
            text = self._mannered(rng, sentence)
        if rng.random() < 0.5:
            text = self._slips.misspelt(rng, text, rng.choice((0.06, 0.12, 0.25, 0.4, 0.6)))
        if rng.random() < 0.1:
            text = _abbreviated(rng, text)
        if rng.random() < 0.1:
            for _ in range(rng.choice((1, 1, 2, 3, 6))):
                text = joined(rng, text)
        return self._marked(rng, text)

    def _mannered(self, rng: random.Random, sentence: str) -> str:
        """With a few words before, after or between."""
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
        return text

    def _said(self, rng: random.Random, symbol: str) -> str:
        return self._manners.draw(rng, symbol).sentence

    @staticmethod
    def _marked(rng: random.Random, text: str) -> str:
        """Capitals, a full stop or none, articles left out, American spelling."""
        if rng.random() < 0.2:
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
