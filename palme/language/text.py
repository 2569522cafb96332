"""Sentences as words: split, and with the colours that they name."""

from __future__ import annotations

import re

from robots.skills import COLOURS, KINDS, SHADES

_KINDS = "|".join(KINDS)
_ENTITY = re.compile(rf"\b({'|'.join(COLOURS)}) ({_KINDS})\b")
_WORD = re.compile(r"<[a-z][a-z_]*(?::\w+)?>|[a-z]+(?:_[a-z0-9]+)?|\d+|[^\sa-z0-9]")


_COLOUR = re.compile(rf"\b({'|'.join([*sorted(SHADES, key=len, reverse=True), *COLOURS])}|obj_\d+)\b")

_IN_TURN = ("red", "blue", "green", "yellow", "orange", "purple", "pink", "cyan")


def mentions(text: str) -> list[str]:
    """Colours and `obj_k` in the order in which `text` first names them; shades as their colour."""
    return list(
        dict.fromkeys(
            SHADES.get(w, w) for w in _COLOUR.findall(text.lower().replace("_", " ").replace("obj ", "obj_"))
        )
    )


def recoloured(text: str) -> str:
    """`text` in lower case, what it names first called red, then blue, green, yellow and so on.

    Which colours are named says nothing of what is to become of them; what reads a sentence as a whole
    (`InstructionEncoder`) need not learn that.
    """
    text = text.lower().replace("_", " ").replace("obj ", "obj_")
    order = {name: _IN_TURN[k % len(_IN_TURN)] for k, name in enumerate(mentions(text))}
    return _COLOUR.sub(lambda m: order[SHADES.get(m[0], m[0])], text)


def split_words(text: str) -> list[str]:
    """Lower-cased words of `text`, entities merged: "the Red block." -> ["the", "red_block", "."].

    The tokenizer splits the same way; this function is its fast twin for making training data.
    """
    return _WORD.findall(_ENTITY.sub(r"\1_\2", text.lower()))
