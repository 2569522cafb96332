"""Vocabulary: the port between words of the planner's grammar and the tokens of any tokenizer.

Grammar, questions and planner use words ("red_block", "put", "obj_3"); a tokenizer may encode each as one
token (the small model's) or as several (a byte-level BPE). Both work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from palme.language.text import split_words
from robots.skills import ENTITIES

MAX_OBJECTS = 16

PAD, UNK, BOS, EOS = "<pad>", "<unk>", "<s>", "</s>"  # as words, whatever the tokenizer calls them
OBJECT_WORDS = tuple(f"obj_{k}" for k in range(1, MAX_OBJECTS + 1))  # how a sentence refers to an object
ENTITY_WORDS = tuple(name.replace(" ", "_") for name in ENTITIES)
TABLE, NOTHING = "table", "nothing"


class Vocabulary:
    """Words of the grammar as token ids of one tokenizer, and back.

    Args:
        tokenizer: any tokenizer of `transformers`.

    Raises:
        ValueError: if it has no token for the end of a text, without which an answer never ends.
    """

    def __init__(self, tokenizer: Any) -> None:
        if tokenizer.eos_token_id is None:
            raise ValueError("the tokenizer has no end-of-text token; set tokenizer.eos_token")
        self.tokenizer = tokenizer
        self.eos: int = tokenizer.eos_token_id
        self.pad: int = self.eos if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        bos, unk = tokenizer.bos_token_id, tokenizer.unk_token_id
        self._pieces: dict[str, tuple[int, ...]] = {
            PAD: (self.pad,),
            EOS: (self.eos,),
            BOS: () if bos is None else (bos,),
            UNK: () if unk is None else (unk,),
        }
        self._tries: dict[tuple[str, ...], Trie] = {}

    def pieces(self, word: str) -> tuple[int, ...]:
        """Token ids of `word` in the middle of a sentence; entities are written in English ("red block")."""
        found = self._pieces.get(word)
        if found is None:
            surface = word.replace("_", " ") if word in _ENTITIES else word
            found = tuple(self.tokenizer(f" {surface}", add_special_tokens=False)["input_ids"])
            self._pieces[word] = found
        return found

    def encode(self, words: Iterable[str]) -> list[int]:
        """Token ids of `words` in a row."""
        return [i for word in words for i in self.pieces(word)]

    def words(self, ids: Sequence[int]) -> list[str]:
        """Words of the text of `ids`, special tokens left out."""
        return split_words(self.tokenizer.decode(ids, skip_special_tokens=True))

    def trie(self, words: tuple[str, ...]) -> Trie:
        """The token sequences of `words`; the same object for the same words.

        Raises:
            ValueError: if one of them has no tokens, so that no answer could contain it.
        """
        if words not in self._tries:
            root = Trie()
            for word in words:
                node, pieces = root, self.pieces(word)
                if not pieces:
                    raise ValueError(f"the tokenizer has no tokens for {word!r}, which an answer may need")
                for token in pieces:
                    node = node.children.setdefault(token, Trie())
                node.word = word
            self._tries[words] = root
        return self._tries[words]


class Trie:
    """A node of a trie of token sequences.

    Attributes:
        children: the nodes after it, by token.
        word: the word that ends here, None = none does.
    """

    __slots__ = ("children", "word")

    def __init__(self) -> None:
        self.children: dict[int, Trie] = {}
        self.word: str | None = None


_ENTITIES = frozenset(ENTITY_WORDS)
