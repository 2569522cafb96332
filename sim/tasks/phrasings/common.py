"""What the grammars of all families share: where they are read from, and how a sentence is dressed."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import yaml

_FOLDER = Path(__file__).with_name("grammars")


@cache
def rules(name: str) -> dict[str, str]:
    """The rules in `grammars/<name>.yaml`."""
    read: dict[str, str] = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return read


def dress(text: str, rng: random.Random) -> str:
    """`text` with the capitals and the full stop that people may or may not write."""
    u = rng.random()
    if u < 0.5:
        text = text[:1].upper() + text[1:]
    elif u < 0.53:
        text = text.upper()
    return text + rng.choice(("", "", ".", ".", "!", "?", " ..."))
