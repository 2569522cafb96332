"""Sentence: words and observations in any order; an observation stands where its placeholder does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from palme.models.modality import Modality, modalities, modality_at

PLACEHOLDER = re.compile(r"<([a-z][a-z_]*)(?::(\w+))?>")
"""`<state>`, `<img:front>`, `<obj:3>`: the modality's word, then its name or its index."""


class BadSentence(ValueError):
    """A placeholder without an observation, or of a modality that does not exist."""


@dataclass(frozen=True)
class Placeholder:
    """One placeholder of a sentence.

    Attributes:
        modality: what kind of observation it stands for.
        which: the name or the index after the colon, "" = there is only one.
    """

    modality: Modality
    which: str = ""

    @property
    def source(self) -> str:
        """Key of its observation in `Sentence.observations`: "state", "img:front", "obj"."""
        named = self.modality.addressing == "name"
        return f"{self.modality.placeholder}:{self.which}" if named else self.modality.placeholder

    @property
    def index(self) -> int:
        """Which of the observation's soft tokens it begins with: 2 for `<obj:3>`, else 0."""
        return int(self.which) - 1 if self.modality.addressing == "index" else 0

    def __str__(self) -> str:
        which = f":{self.which}" if self.which else ""
        return f"<{self.modality.placeholder}{which}>"


@cache
def placeholder(word: str) -> Placeholder | None:
    """The placeholder that `word` is ("<obj:3>"), None = it is none of a known modality."""
    match = PLACEHOLDER.fullmatch(word)
    kind = modality_at(match[1]) if match else None
    return Placeholder(kind, match[2] or "") if match and kind else None


@dataclass(frozen=True)
class Sentence:
    """A dialogue of person and robot, with the robot's observations in it.

    Attributes:
        text: words and placeholders, such as "human : where is obj_2 ? robot : <state> i see <img:front>".
        observations: what stands at the placeholders, by source ("state", "img:front", "obj"); any modality
            of `palme.models.modality`.
        instruction: the request, for connectors that condition on it.

    Raises:
        BadSentence: if a placeholder has no modality or no observation; the message says which there are.
    """

    text: str
    observations: Mapping[str, Any] = field(default_factory=dict)
    instruction: str = ""

    def __post_init__(self) -> None:
        for part in self.parts:
            if isinstance(part, Placeholder):
                self._check(part)

    def _check(self, part: Placeholder) -> None:
        kind = part.modality
        if bool(part.which) != (kind.addressing != "one"):
            example = {"one": "", "name": ":NAME", "index": ":1"}[kind.addressing]
            raise BadSentence(f"{part}: write <{kind.placeholder}{example}>")
        if part.source not in self.observations and kind.addressing != "index":
            given = ", ".join(sorted(self.observations)) or "none"
            raise BadSentence(f"{part}: the sentence has no such observation; it has {given}")
        if kind.addressing == "index":
            n = len(self.observations.get(part.source, ()))
            if not (part.which.isdigit() and 1 <= int(part.which) <= n):
                last = f"use <{kind.placeholder}:1> to <{kind.placeholder}:{n}>" if n else "there is none"
                raise BadSentence(f"{part}: {n} of modality {kind.name} were found; {last}")

    @property
    def parts(self) -> tuple[str | Placeholder, ...]:
        """Stretches of words and placeholders in turn.

        Raises:
            BadSentence: for a placeholder of an unknown modality.
        """
        parts: list[str | Placeholder] = []
        at = 0
        for match in PLACEHOLDER.finditer(self.text):
            kind = modality_at(match[1])
            if kind is None:
                known = ", ".join(sorted(f"<{m.placeholder}>" for m in modalities()))
                raise BadSentence(f"{match[0]}: no modality is called {match[1]!r}; there are {known}")
            if words := self.text[at : match.start()].strip():
                parts.append(words)
            parts.append(Placeholder(kind, match[2] or ""))
            at = match.end()
        if words := self.text[at:].strip():
            parts.append(words)
        return tuple(parts)
