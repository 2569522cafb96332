"""What the grammars of all families share: where they are read from, and how a sentence is dressed."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import yaml

from sim.tasks.phrasings.augment import augment
from sim.tasks.phrasings.grammar import Grammar

_FOLDER = Path(__file__).with_name("grammars")


@cache
def rules(name: str) -> dict[str, str]:
    """The rules in `grammars/<name>.yaml`."""
    read: dict[str, str] = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return read


WRITTEN = {"put_in_bowl": 0.6, "stack_tower": 0.75, "match_bowls": 0.5}
"""Shares of the sentences from hand-written templates, not from the grammar."""

CONTEXT = 0.22  # share of requests with a remark around them
NOISE = 0.2  # share of sentences with lost, unknown or misspelt words


@cache
def _context() -> Grammar:
    return Grammar(rules("context"))


def dress(text: str, rng: random.Random) -> str:
    """`text` as somebody may say it: with a remark around it, a slip, capitals, a full stop."""
    if rng.random() < CONTEXT:
        if rng.random() < 0.55:
            text = f"{_context().expand('before', rng)} {text}"
        else:
            text = f"{text} {_context().expand('after', rng)}"
        text = text.replace(" .", ".").replace(" ;", ";").replace(" ,", ",")
    text = augment(text, rng, NOISE)
    u = rng.random()
    if u < 0.5:
        text = text[:1].upper() + text[1:]
    elif u < 0.53:
        text = text.upper()
    if text.endswith((".", "!", "?")) and rng.random() < 0.8:
        return text
    return text + rng.choice(("", "", ".", ".", "!", "?", " ..."))
