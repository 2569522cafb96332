"""A word-level tokenizer, built in code: every word of `small_vocabulary` is one token, every entity too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from palme.language.small_vocabulary import READ, SPECIAL, small_vocabulary
from palme.language.vocabulary import BOS, EOS, PAD, UNK, Vocabulary
from robots.skills import ENTITIES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def build_tokenizer(more: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """The tokenizer of the small planner.

    Text is lower-cased; "red block" becomes the one token `red_block` (and is read back as "red block");
    a word outside the vocabulary becomes `<unk>`. No token is added at either end.

    Args:
        more: words beyond those of the small planner, for a model of its own.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = dict.fromkeys([*small_vocabulary(), *more])
    table = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token=UNK))
    merge = [normalizers.Replace(Regex(rf"\b{name}\b"), name.replace(" ", "_")) for name in ENTITIES]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *merge])
    word = Regex(r"[a-z]+(_[a-z0-9]+)?|\d+|[^\sa-z0-9]")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(word, behavior="removed", invert=True)
    split_entity = decoders.Replace(Regex("(?<=[a-z])_(?=[a-z])"), " ")
    tokenizer.decoder = decoders.Sequence([decoders.WordPiece(prefix="##", cleanup=False), split_entity])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNK,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=[t for t in (*SPECIAL, READ) if t not in (PAD, UNK, BOS, EOS)],
        clean_up_tokenization_spaces=False,
    )


@cache
def small_words() -> Vocabulary:
    """The vocabulary of the small planner's tokenizer; the same object at each call."""
    return Vocabulary(build_tokenizer())
