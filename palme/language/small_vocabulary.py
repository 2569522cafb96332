"""Vocabulary of the small language model, one token a word; loaded from words/*.txt when first used."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from palme.language.vocabulary import BOS, ENTITY_WORDS, EOS, MAX_OBJECTS, OBJECT_WORDS, PAD, UNK

# Special words come first. Those of observations are unused: the trained weights have rows for them.
SPECIAL = (PAD, UNK, BOS, EOS, *(f"<obj:{k}>" for k in range(1, MAX_OBJECTS + 1)), "<img>", "<state>")
READ = "<read>"  # special as well, but last: it was added after the weights were trained

# Words of the answers (rationale and step); an instruction may use them too.
ANSWER_WORDS = (
    "goal in stack match put on table nothing at under done yes no unknown where check "
    "left right centre nowhere possible successful . ; , ? : ! ' - \" ( ) / & + 1 2 3 4 5 6 7 8 9 10"
).split()


@cache
def plain_words() -> tuple[str, ...]:
    """Plain English: common words, then (words/written.txt) those of the hand-written templates."""
    return _read("plain")


@cache
def small_vocabulary() -> tuple[str, ...]:
    """Every word by its token id. The ids of trained weights depend on the order: new words come last."""
    words = [*SPECIAL, *ENTITY_WORDS, *OBJECT_WORDS, *ANSWER_WORDS, *plain_words(), *_read("written"), READ]
    return tuple(dict.fromkeys(words))


def _read(name: str) -> tuple[str, ...]:
    return tuple((files("palme.language") / "words" / f"{name}.txt").read_text(encoding="utf-8").split())
