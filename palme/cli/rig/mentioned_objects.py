"""What a typed sentence names, and so what must stand on the table.

This sets the stage before a run, as a person would who asks for a red block because there is one. The
planner never sees it: it has the sentence and the pictures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from palme.cli.errors import unknown
from robots.skills import COLOURS, KINDS
from sim.tasks.phrasings.nouns import NOUNS, SHADES

# Colours that people say and that nothing here has.
FOREIGN_COLOURS = frozenset(
    "black white grey gray brown beige silver gold maroon indigo ivory khaki olive bronze copper".split()
)
_KIND_OF = {word: kind for kind in KINDS for word in NOUNS[kind]}
_COLOUR_OF = {c: c for c in COLOURS} | {shade: c for c, shades in SHADES.items() for shade in shades}
_INTO = frozenset("in into inside within".split())
_DETERMINERS = frozenset("the a an that this your our my".split())
_AFTER_NOUN = frozenset("that is which are colored coloured painted of colour color looks".split())
_WORDS = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Mention:
    """One thing the sentence names: `kind` is None where only its colour is said ("the red one")."""

    colour: str
    kind: str | None
    at: int


def mentions(sentence: str) -> tuple[Mention, ...]:
    """Colours of `sentence` with the nouns they belong to, in reading order, each pair once.

    "the red and green blocks" names two blocks; a colour with no noun near it stands alone.

    Raises:
        UsageError: for a colour that nothing here has, with the nearest one.
    """
    words = _joined(_WORDS.findall(sentence.lower()))
    found: dict[tuple[str, str | None], Mention] = {}
    for at, word in enumerate(words):
        kind_next = _kind(words[at + 1]) if at + 1 < len(words) else None
        if kind_next and _is_foreign(word):
            raise unknown("colour", word, COLOURS)
        if word not in _COLOUR_OF:
            continue
        colour = _COLOUR_OF[word]
        kind = _noun_for(words, at)
        found.setdefault((colour, kind), Mention(colour, kind, at))
    return tuple(found.values())


def named_objects(sentence: str) -> tuple[tuple[str, str], ...]:
    """(colour, kind) of each thing `sentence` names; a bare colour is a block, or a bowl after "into"."""
    words = _joined(_WORDS.findall(sentence.lower()))
    said = mentions(sentence)
    objects = []
    for mention in said:
        kind = mention.kind
        if kind is None:
            before = [w for w in words[max(0, mention.at - 2) : mention.at] if w not in _DETERMINERS]
            kind = "bowl" if before[-1:] and before[-1] in _INTO else "block"
            if any(m.colour == mention.colour and m.kind for m in said):
                continue  # "the red block ... the red one"
        objects.append((mention.colour, kind))
    return tuple(dict.fromkeys(objects))


def _joined(words: list[str]) -> list[str]:
    """Two-word colours and nouns become one word: "light blue" and "round block"."""
    out: list[str] = []
    for word in words:
        pair = f"{out[-1]} {word}" if out else ""
        if pair in _COLOUR_OF or pair in _KIND_OF:
            out[-1] = pair
        else:
            out.append(word)
    return out


def _kind(word: str) -> str | None:
    for form in (word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("xes") + "x"):
        if form in _KIND_OF:
            return _KIND_OF[form]
    return None


def _is_foreign(word: str) -> bool:
    """A colour we lack, or a misspelt one of ours ("rad block")."""
    import difflib

    if word in _COLOUR_OF or _kind(word):
        return False
    if word in FOREIGN_COLOURS:
        return True
    return word not in _ORDINARY and bool(difflib.get_close_matches(word, COLOURS, n=1, cutoff=0.66))


_ORDINARY = frozenset(
    "the a an that this those these your our my his her their its each every all any one two three four five "
    "read reed grab round ground bread".split()
)


def _noun_for(words: list[str], at: int) -> str | None:
    """The noun that a colour belongs to: right after it, shared at the end of a list, or before "that is"."""
    for word in words[at + 1 : at + 3]:
        if kind := _kind(word):
            return kind
        if word not in ("coloured", "colored", "one", "ones") or word in _COLOUR_OF:
            break
    back = at - 1
    while back >= 0 and words[back] in _AFTER_NOUN:
        back -= 1
    if back < at - 1 and back >= 0 and (kind := _kind(words[back])):
        return kind
    ahead = at + 1
    while ahead < len(words) and (words[ahead] in ("and", "then", "the", "or") or words[ahead] in _COLOUR_OF):
        ahead += 1
    return _kind(words[ahead]) if ahead < len(words) else None
