"""A language model small enough for a test, with one token for each word of the program language."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from palme.language.programs.parser import ALL_WORDS

SPECIAL = ("<unk>", "<|endoftext|>", "<|im_start|>", "<|im_end|>")
SPOKEN = "user assistant please put place the a in into on onto and then cube is there what how many".split()


def tiny_lm(folder: Path) -> Path:
    """A Llama of two layers and its tokenizer in `folder`, as `save_pretrained` leaves them."""
    words = dict.fromkeys((*SPECIAL, *ALL_WORDS, *SPOKEN))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    fast = Tokenizer(models.WordLevel({word: k for k, word in enumerate(words)}, "<unk>"))
    fast.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=fast, unk_token="<unk>", eos_token="<|im_end|>", pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    return folder
