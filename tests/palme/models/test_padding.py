"""Prompts of different lengths: padded on the left and masked, or refused; the same answers as alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import GPT2Config, LlamaConfig, OPTConfig

from palme.language.sentence import Sentence
from palme.language.tokenizer import build_tokenizer, small_words
from palme.models.decoding import decode_batch, decode_one
from palme.models.embodied_lm import EmbodiedConfig, EmbodiedLM
from palme.models.padding import BadPadding
from palme.models.processor import EmbodiedProcessor
from tests.planner_fakes import SENSES, scene, seen, tiny_model

TWO = seen(scene("red block", "blue bowl"))
PROMPTS = [
    Sentence("put"),
    Sentence("where is the red block ?"),
    Sentence("see <obj:1> and <obj:2> , then put <obj:1> in the blue bowl", {"obj": TWO}),
    Sentence("robot : <state>", {"state": np.arange(11.0)}),
    Sentence(
        "<state> , put the pink cylinder on the table and the green block on it", {"state": np.ones(11)}
    ),
]
BACKBONES = {
    "llama": LlamaConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2),
    "gpt2": GPT2Config(n_embd=16, n_layer=2, n_head=2),
    "opt": OPTConfig(
        hidden_size=16, ffn_dim=24, num_hidden_layers=2, num_attention_heads=2, word_embed_proj_dim=16,
        max_position_embeddings=128,
    ),
}  # fmt: skip
KEYS = ("input_ids", "attention_mask", "observations")


def inputs_of(model: EmbodiedLM, prompts: list[Sentence], side: str) -> list:
    made = EmbodiedProcessor(build_tokenizer(), model.config.modalities)(prompts, side=side)
    return [made[key] for key in KEYS]


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize(
    "more", [{"do_sample": False}, {"num_beams": 2, "do_sample": False}, {"use_cache": False}]
)
def test_prompts_of_mixed_lengths_are_continued_as_each_alone(backbone, more):
    torch.manual_seed(0)
    described = BACKBONES[backbone].to_dict()
    model = EmbodiedLM(EmbodiedConfig.for_tokenizer(build_tokenizer(), described, SENSES)).eval()
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(20)  # so that answers differ
    keywords = {"max_new_tokens": 6, "min_new_tokens": 6, "pad_token_id": 0, **more}
    together = model.generate(*inputs_of(model, PROMPTS, "left"), **keywords)
    for row, prompt in enumerate(PROMPTS):
        alone = model.generate(*inputs_of(model, [prompt], "left"), **keywords)
        assert together[row].tolist() == alone[0].tolist()
    assert len({tuple(row) for row in together.tolist()}) > 1


def test_the_own_decoders_continue_prompts_padded_on_the_right_as_each_alone():
    model = tiny_model()
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(20)
    ids, mask, observations = inputs_of(model, PROMPTS, "right")
    x = model.embed(ids, observations)
    together = decode_batch(model, x, mask.sum(1).tolist(), small_words(), max_new=6)
    for said, prompt in zip(together, PROMPTS, strict=True):
        one, _, there = inputs_of(model, [prompt], "right")
        alone = model.embed(one, there)
        assert said.ids == decode_batch(model, alone, [alone.shape[1]], small_words(), max_new=6)[0].ids


ROWS = [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]
WRONG = {
    "right": ([[1, 1, 1, 0, 0], ROWS[1]], "prompt 0 is padded on the right.*side='left'"),
    "right in the second": ([ROWS[1], [1, 1, 1, 1, 0]], "prompt 1 is padded on the right"),
    "both sides": ([[0, 1, 1, 1, 0], ROWS[1]], "prompt 0 is padded on the right"),
    "a gap": ([[1, 0, 1, 1, 1], ROWS[1]], "prompt 0 has padding in its middle"),
    "a gap behind padding": ([ROWS[1], [0, 1, 0, 1, 1]], "prompt 1 has padding in its middle"),
    "empty": ([ROWS[1], [0, 0, 0, 0, 0]], "prompt 1 is empty"),
    "too short": ([[1, 1, 1, 1], [1, 1, 1, 1]], r"must be \(2, 5\)"),
    "one row": ([ROWS[1]], r"must be \(2, 5\)"),
    "one dimension": (ROWS[1], r"must be \(2, 5\)"),
    "weights": ([[2, 2, 2, 2, 2], ROWS[1]], "must hold 1"),
    "log": ([[-1, 0, 0, 0, 1], ROWS[1]], "must hold 1"),
}


@pytest.mark.parametrize("kind", [torch.long, torch.float32, torch.bool])
@pytest.mark.parametrize(("mask", "says"), WRONG.values(), ids=WRONG)
def test_a_mask_that_pads_elsewhere_than_on_the_left_is_refused(mask, says, kind):
    if kind is torch.bool and "1" in says.partition("hold")[2]:
        pytest.skip("a bool holds nothing else")
    model = tiny_model()
    with pytest.raises(BadPadding, match=says):
        model.generate(torch.randint(20, 200, (2, 5)), torch.tensor(mask).to(kind), max_new_tokens=1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_that_no_mask_names_is_refused(side):
    model = tiny_model()
    ids, _, observations = inputs_of(model, PROMPTS, side)
    with pytest.raises(BadPadding, match="is padded and no attention_mask says where"):
        model.generate(ids, observations=observations, max_new_tokens=1)


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda p: p.text[:12])
def test_one_prompt_needs_no_mask_and_may_end_with_an_observation(prompt):
    model = tiny_model()
    ids, mask, observations = inputs_of(model, [prompt], "left")
    keywords = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False}
    assert torch.equal(
        model.generate(ids, observations=observations, **keywords),
        model.generate(ids, mask, observations, **keywords),
    )


@pytest.mark.parametrize("shape", [(0, 5), (2, 0), (5,), (1, 2, 5)])
def test_prompts_that_are_no_batch_of_sentences_are_refused(shape):
    with pytest.raises(BadPadding, match=r"input_ids must be \(B, T\)"):
        tiny_model().generate(torch.zeros(shape, dtype=torch.long), max_new_tokens=1)


@pytest.mark.parametrize("lengths", [[5], [5, 5, 5], [0, 5], [5, 6], [-1, 5], []])
def test_lengths_that_are_not_those_of_the_prompts_are_refused(lengths):
    with pytest.raises(BadPadding, match=r"must be 2 numbers in \[1, 5\]"):
        decode_batch(tiny_model(), torch.zeros(2, 5, 32), lengths, small_words(), max_new=1)


def test_a_decoder_of_one_prompt_refuses_two():
    with pytest.raises(BadPadding, match="must be 1 numbers"):
        decode_one(tiny_model(), torch.zeros(2, 5, 32), None)
