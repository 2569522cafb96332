"""Training templates written by hand, each a way of saying it of its own: what no combination brings.

They stand in `written/*.yaml` in the grammar's notation, by kind: `put_in_bowl`, `match_bowls`,
`stack_tower` (one slot, a spoken list), and towers told without a list: `pair`, `three`, `four`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import yaml

from sim.tasks.phrasings import lists, nouns
from sim.tasks.phrasings.grammar import Grammar
from sim.tasks.phrasings.template import determiner_before

_FOLDER = Path(__file__).with_name("written")
_SLOT = re.compile(r"\{(\w+)\}")
_SPACE_BEFORE_MARK = re.compile(r"\s+(?=[.,:;?!'](?:\s|s\b|$))")
_DETERMINER = re.compile(rf"^(?:{'|'.join(sorted(set(nouns.DETERMINERS) - {''}))}) ")
_AS_TESTED = 0.5  # share of sentences whose slots are filled as a phrasings file's are

TOWERS = {2: ("pair", ("bottom", "top")), 3: ("three", ("bottom", "middle", "top")),
          4: ("four", ("first", "second", "third", "fourth"))}  # fmt: skip
"""Of so many blocks: the kind of template without a list, and its slots bottom to top."""


@cache
def templates() -> Mapping[str, tuple[str, ...]]:
    """Every template in the grammar's notation, by kind."""
    found: dict[str, list[str]] = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        for kind, lines in yaml.load(path.read_text(encoding="utf-8"), _Loader).items():
            found.setdefault(kind, []).extend(lines)
    return {kind: tuple(dict.fromkeys(lines)) for kind, lines in found.items()}


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def grammar() -> Grammar:
    """One rule a kind: any of its templates."""
    return Grammar({kind: " | ".join(lines) for kind, lines in templates().items()})


def in_bowl(block: str, bowl: str, rng: random.Random) -> str:
    """A sentence that wants `block` ("red block") in `bowl`."""
    return _filled("put_in_bowl", {"block": block, "bowl": bowl}, rng)


def matched(rng: random.Random) -> str:
    """A sentence that wants every block in the bowl of its colour."""
    return _filled("match_bowls", {}, rng)


def tower(blocks: Sequence[str], rng: random.Random) -> str:
    """A sentence that wants `blocks`, given bottom to top, on one another."""
    kind, slots = TOWERS[len(blocks)]
    if rng.random() < (0.45 if len(blocks) == 2 else 0.3):
        return _filled(kind, dict(zip(slots, blocks, strict=True)), rng)
    text = _expanded("stack_tower", rng)
    order = blocks if "{bottom_to_top}" in text else blocks[::-1]
    if rng.random() < _AS_TESTED:
        said = lists.plain(order, rng)
    else:
        said = lists.spoken(lists.items_of(order, rng), rng)
    return _SLOT.sub(lambda _: said, text)


def _expanded(kind: str, rng: random.Random) -> str:
    return _SPACE_BEFORE_MARK.sub("", grammar().expand(kind, rng))


def _filled(kind: str, things: Mapping[str, str], rng: random.Random) -> str:
    text, plainly = _expanded(kind, rng), rng.random() < _AS_TESTED
    tower = kind in ("pair", "three", "four")
    short = plainly and tower and rng.random() < 0.4  # "red" alone, for all of them

    def named(match: re.Match[str]) -> str:
        thing = things[match[1]]
        determined = determiner_before(text[: match.start()])
        if short:
            return thing.split()[0]
        if plainly:
            return thing if determined else f"the {thing}"
        phrase = nouns.name(thing, rng, alone=0.3 if tower else 0.08)
        return _DETERMINER.sub("", phrase) if determined else phrase

    return _SLOT.sub(named, text)
