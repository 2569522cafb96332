"""What is refused whatever it was read as: to hurt, to break, to fling, to set rules aside."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_INNOCENT = re.compile(
    r"\b(?:(?:do not|don't|dont|never|without|avoid|not|no|careful not to) (?:\w+ ){0,2}?"
    r"(?:hurt|harm|break|damag|drop|throw|hit|smash|crush|knock|touch|toss|kick|squash|dent)\w*"
    r"|break (?:\w+ ){0,4}?(?:tower|stack|pile|towers|stacks|piles|them)(?: (?:apart|down|up))?"
    r"|throw in|toss in|throw it in|toss it in|hit the spot|hit the mark|hit the target|launch pad"
    r"|(?:throw|toss|chuck|lob)(?= (?:\S+ ){1,6}?(?:in|into|inside) "
    r"(?:\S+ ){1,4}?(?:bowls?|dish|pot|basin|container)\b))"
)


def unsafe_reason(sentence: str) -> str | None:
    """Why a sentence is refused whatever it was read as; None = it is not.

    Returns:
        "harm", "break", "fling", "speed" or "rules": the part of `unsafe.yaml` that a word of it stands in.
    """
    text = " ".join(re.sub(r"[^\w\s']+", " ", sentence.lower().replace("’", "'")).split())
    text = _INNOCENT.sub(" ", text)
    return next((reason for reason, pattern in _patterns() if pattern.search(text)), None)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    import yaml

    stems = yaml.safe_load((files("palme.language.checks") / "unsafe.yaml").read_text(encoding="utf-8"))
    return tuple((reason, re.compile("|".join(map(_pattern, some)))) for reason, some in stems.items())


def _pattern(stem: str) -> str:
    whole = stem.endswith("$")
    return rf"\b{re.escape(stem.rstrip('$'))}" + (r"\b" if whole else r"\w*")
