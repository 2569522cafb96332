"""What of a sentence answers what of a program: the tables of `counterparts.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

Words = frozenset[str]


@dataclass(frozen=True)
class Counterparts:
    """See the comments of the file.

    Attributes:
        leads, taken: relations of a sentence, by that of a program.
        turned: words of a sentence, by the relation of a program that they say from the other end.
        said, verbs: (words of a sentence, words of a program one of which they need), by name.
        needs: words of a sentence one of which is needed, by the word of a program.
        cues: claims of a sentence one of which is needed, by the call of a program.
    """

    leads: Mapping[str, Words]
    taken: Mapping[str, Words]
    turned: Mapping[str, Words]
    said: Mapping[str, tuple[Words, Words]]
    needs: Mapping[str, Words]
    cues: Mapping[str, Words]
    verbs: Mapping[str, tuple[Words, Words]]


@cache
def counterparts() -> Counterparts:
    """The tables."""
    import yaml

    text = (files("palme.language.checks") / "counterparts.yaml").read_text(encoding="utf-8")
    raw: dict[str, dict[str, Any]] = yaml.load(text, yaml.BaseLoader)  # "on" is a word

    def words(name: str) -> Mapping[str, Words]:
        return {key: frozenset(some) for key, some in raw[name].items()}

    def pairs(name: str) -> Mapping[str, tuple[Words, Words]]:
        return {key: (frozenset(one["words"]), frozenset(one["written"])) for key, one in raw[name].items()}

    return Counterparts(
        words("leads"),
        words("taken"),
        words("turned"),
        pairs("said"),
        words("needs"),
        words("cues"),
        pairs("verbs"),
    )
