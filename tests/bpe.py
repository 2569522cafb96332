"""A tiny byte-level BPE tokenizer, as pretrained language models have, learned in the test from sentences."""

from __future__ import annotations

import random
from functools import cache

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from palme.training.datasets.tasks import TaskSource


@cache
def bpe_tokenizer(source: TaskSource, size: int = 420) -> PreTrainedTokenizerFast:
    """Learned from 400 instructions of `source`; it has an end-of-text token and no other special one."""
    rng = random.Random(0)
    sentences = [source.midway(rng, "train", None)[0].instruction for _ in range(400)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=["<|end|>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(sentences, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")
