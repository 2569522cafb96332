"""How a sentence is put to a language model, and a program as its tokens."""

from __future__ import annotations

from typing import Any

from palme.language.programs.calls import Program
from palme.language.vocabulary import EOS, Vocabulary

BEFORE = "<|im_start|>"
AFTER = "<|im_end|>"
"""Marks of Qwen's chat models, its words left out: a fourth of the tokens; others read them as plain text."""
MAX_SENTENCE = 120
"""Longest sentence in tokens: about 90 words."""


class SentenceTooLong(ValueError):
    """A sentence has more tokens than a model was trained to read."""


def prompt_ids(tokenizer: Any, sentence: str) -> list[int]:
    """Token ids of the prompt.

    Raises:
        SentenceTooLong: with the number of tokens and the limit.
    """
    said = tokenizer(" ".join(sentence.split()), add_special_tokens=False)["input_ids"]
    if len(said) > MAX_SENTENCE:
        raise SentenceTooLong(
            f"the sentence has {len(said)} tokens, and at most {MAX_SENTENCE} are read; say it in fewer words"
        )
    before, after = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in (BEFORE, AFTER))
    return [*before, *said, *after]


def program_ids(vocabulary: Vocabulary, program: Program) -> list[int]:
    """Token ids of a program, the end of the text included."""
    return vocabulary.encode([*program.text.split(), EOS])


def answer_tokens(vocabulary: Vocabulary) -> list[int]:
    """Every token that a program can contain, in rising order: the rows of the output layer that count."""
    from palme.language.programs.parser import ALL_WORDS

    return sorted({token for word in (*ALL_WORDS, EOS) for token in vocabulary.pieces(word)})
