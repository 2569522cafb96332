"""Sentences as words: splitting, and the colours that a sentence names."""

from __future__ import annotations

import re
from typing import NamedTuple

from robots.skills import COLOURS, KINDS, SHADES

_KINDS = "|".join(KINDS)
_ENTITY = re.compile(rf"\b({'|'.join(COLOURS)}) ({_KINDS})\b")
_WORD = re.compile(r"<[a-z][a-z_]*(?::\w+)?>|[a-z]+(?:_[a-z0-9]+)?|\d+|[^\sa-z0-9]")


_COLOUR = re.compile(rf"\b({'|'.join([*sorted(SHADES, key=len, reverse=True), *COLOURS])}|obj_\d+)\b")

_OTHER_KIND = re.compile(
    rf"\b(?:{'|'.join([*sorted(SHADES, key=len, reverse=True), *COLOURS])})[ _](?:colou?red )?"
    r"(?:bowl|dish|basin|container|plate|cylinder|can|tin|tube)\w*"
)
_BLOCK = re.compile(r"\b(?:block|cube|brick|box|cuboid)\b")
_EXCLUDES = re.compile(r"\b(?:not?|never|without|except|but|leave|ignore|instead|rather|\w+n['’]?t)\b")

_CANONICAL = ("red", "blue", "green", "yellow", "orange", "purple", "pink", "cyan")


def mentions(text: str) -> list[str]:
    """Colours and `obj_k` in the order in which `text` first names them; shades as their colour."""
    return list(
        dict.fromkeys(
            SHADES.get(w, w) for w in _COLOUR.findall(text.lower().replace("_", " ").replace("obj ", "obj_"))
        )
    )


class BlocksSaid(NamedTuple):
    """Which blocks a sentence names, as words, and whether others may be meant as well."""

    blocks: frozenset[str] = frozenset()
    others: bool = True


NOT_SAID = BlocksSaid()


def blocks_said(text: str) -> BlocksSaid:
    """The blocks of the colours that `text` names, but for bowls and cylinders.

    None where it also says what is not meant: then not all that it names need belong together. Others may be
    meant where it names one block alone, or has more nouns for blocks than colours: some colour was misspelt.
    """
    text = text.lower().replace("_", " ")
    if _EXCLUDES.search(text):
        return NOT_SAID
    blocks = frozenset(f"{c}_block" for c in mentions(_OTHER_KIND.sub(" ", text)) if c in COLOURS)
    return BlocksSaid(blocks, len(blocks) < 2 or len(_BLOCK.findall(text)) > len(blocks))


def recoloured(text: str) -> str:
    """`text` in lower case, its colours replaced by red, blue, green, ... in the order of first mention.

    The kind of goal does not depend on which colours are named, so `InstructionEncoder` need not learn them.
    """
    text = text.lower().replace("_", " ").replace("obj ", "obj_")
    order = {name: _CANONICAL[k % len(_CANONICAL)] for k, name in enumerate(mentions(text))}
    return _COLOUR.sub(lambda m: order[SHADES.get(m[0], m[0])], text)


def split_words(text: str) -> list[str]:
    """Lower-cased words of `text`, entities merged: "the Red block." -> ["the", "red_block", "."].

    The tokenizer splits the same way; this function is faster and makes training data.
    """
    return _WORD.findall(_ENTITY.sub(r"\1_\2", text.lower()))
