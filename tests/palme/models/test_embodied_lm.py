"""Promises of the sentence, its tokenizer, its grammar and the language model around it."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, OPTConfig

from palme.language.answers import Goal, Scene, answer
from palme.language.constrained_decoding import AnswerGrammar, Evidence, allowed
from palme.language.explain import explain
from palme.language.prompts import prompt_text, prompt_words
from palme.language.sentence import BadSentence, Sentence
from palme.language.small_vocabulary import small_vocabulary
from palme.language.text import split_words
from palme.language.tokenizer import build_tokenizer, small_words
from palme.language.vocabulary import BOS, ENTITY_WORDS, EOS, UNK
from palme.models.decoding import decode_batch, decode_one
from palme.models.embodied_lm import EmbodiedConfig, EmbodiedLM
from palme.models.encoders.base import EncoderInputError
from palme.models.encoders.objects import ObjectsEncoder
from palme.models.modality import modality
from palme.models.processor import EmbodiedProcessor
from palme.planners.palme import WEIGHTS
from robots.skills import COLOURS, Step
from tests.bpe import bpe_tokenizer
from tests.planner_fakes import SENSES, SOURCE, TINY, scene, seen, tiny_model

IMAGE = replace(modality("image"), encoder={"kind": "features", "dim": 5})

TEXTS = (
    "Put the Red block in a blue bowl, then obj_3!",
    "the red blocks and the reddish block: 12 <obj:4> <state> it's",
    "stack from bottom to top: red, green - and the PINK CYLINDER",
)


@pytest.mark.parametrize("text", TEXTS)
def test_fast_splitting_agrees_with_the_tokenizer(text):
    expected = [w if w in small_vocabulary() else UNK for w in split_words(text)]
    assert build_tokenizer().tokenize(text) == expected


def test_red_block_is_one_token_and_reads_back_as_two_words():
    tokenizer = build_tokenizer()
    ids = tokenizer("the Red block on obj_2")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["the", "red_block", "on", "obj_2"]
    assert tokenizer.decode(ids) == "the red block on obj_2"


def test_training_sentences_hold_few_unknown_words():
    rng = random.Random(0)
    known = frozenset(small_vocabulary())
    words = [w for _ in range(1500) for w in split_words(SOURCE.midway(rng, "train", None)[0].instruction)]
    assert (
        sum(w not in known for w in words) / len(words) < 0.03
    )  # invented words and typing errors are part of training


TWO = seen(scene("red block", "blue bowl"))


@pytest.mark.parametrize(
    ("text", "observations", "says"),
    [
        (
            "see <obj:3>",
            {"obj": seen(scene("red block", "blue bowl"))},
            "<obj:3>: 2 of modality object .* <obj:2>",
        ),
        ("see <obj:0>", {"obj": seen(scene("red block", "blue bowl"))}, "<obj:0>"),
        ("see <obj:1>", {}, "<obj:1>: 0 of modality object were found; there is none"),
        ("see <img:front>", {"img:wrist": np.ones((1, 5))}, "<img:front>: .* it has img:wrist"),
        ("see <img>", {}, "write <img:NAME>"),
        ("<state>", {}, "<state>: .* it has none"),
        ("<state:arm>", {"state": np.ones(11)}, "write <state>"),
        ("smell <odour:nose>", {}, "no modality is called 'odour'; there are .*<state>"),
        ("hear <audio:mic>", {}, "<audio:mic>: .* it has none"),
    ],
)
def test_a_placeholder_without_observation_or_modality_is_refused_by_name(text, observations, says):
    with pytest.raises(BadSentence, match=says):
        Sentence(text, observations)


def test_words_and_observations_stand_in_any_order():
    objects = seen(scene("red block", "blue bowl"))
    s = Sentence("<obj:2> , <img:wrist> what <obj:1> ?", {"img:wrist": np.ones((3, 5)), "obj": objects})
    assert [str(part) for part in s.parts] == ["<obj:2>", ",", "<img:wrist>", "what", "<obj:1>", "?"]
    assert [p.source for p in s.parts if not isinstance(p, str)] == ["obj", "img:wrist", "obj"]


def test_soft_tokens_stand_where_their_placeholders_stand():
    model = tiny_model(IMAGE)
    processor = EmbodiedProcessor(build_tokenizer())
    observations = {
        "obj": seen(scene("red block", "blue bowl", "green block > red block")),
        "img:front": np.full((2, 5), 2.0), "img:wrist": np.full((1, 5), -1.0), "state": np.arange(11.0),
    }  # fmt: skip
    text = "robot : <state> see <obj:3> <img:wrist> then <obj:1> <img:front> ."
    inputs = processor(Sentence(text, observations))
    x = model.embed(inputs["input_ids"], inputs["observations"])[0]
    words = processor.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    assert words == "robot : <pad> see <pad> <pad> then <pad> <pad> <pad> .".split()
    soft = model.soft_tokens("obj", inputs["observations"]["obj"])[0]
    picture = model.senses["img"].connector(torch.tensor([[[-1.0] * 5, [2.0] * 5]]))[0]
    assert torch.allclose(x[4], soft[2]) and torch.allclose(x[7], soft[0])
    assert torch.allclose(x[5], picture[0])
    assert torch.allclose(x[8], picture[1]) and torch.allclose(x[9], picture[1])
    assert torch.allclose(x[2], model.senses["state"].connector(torch.arange(11.0)[None, None])[0, 0])
    assert torch.allclose(x[3], model.get_input_embeddings().weight[inputs["input_ids"][0, 3]])


def test_sentences_with_and_without_observations_share_a_batch_and_change_nothing_in_one_another():
    model, processor = tiny_model(IMAGE), EmbodiedProcessor(build_tokenizer())
    objects = seen(scene("red block", "blue bowl"))
    batch = [
        Sentence("where is the red block ?"),
        Sentence("see <img:front> and <obj:2>", {"img:front": np.ones((4, 5)), "obj": objects}),
        Sentence("<state> <img:wrist>", {"img:wrist": np.full((1, 5), 3.0), "state": np.arange(11.0)}),
        Sentence("<img:front> <img:wrist>", {"img:wrist": np.ones((2, 5)), "img:front": np.ones((1, 5))}),
    ]
    for side in ("left", "right"):
        together = processor(batch, side=side)
        x = model.embed(together["input_ids"], together["observations"])
        for row, sentence in enumerate(batch):
            alone = processor(sentence)
            expected = model.embed(alone["input_ids"], alone["observations"])[0]
            torch.testing.assert_close(x[row][together["attention_mask"][row].bool()], expected)


def test_cameras_of_different_encoders_stand_in_one_sentence():
    wide = replace(IMAGE, encoder={"kind": "features", "dim": 9})
    config = EmbodiedConfig.for_tokenizer(build_tokenizer(), TINY, {"img": IMAGE, "img:wrist": wide})
    model, processor = EmbodiedLM(config).eval(), EmbodiedProcessor(build_tokenizer())
    pictures = {"img:front": np.ones((2, 5)), "img:wrist": np.ones((3, 9))}
    inputs = processor([Sentence("<img:wrist> or <img:front> ?", pictures), Sentence("no picture")])
    x = model.embed(inputs["input_ids"], inputs["observations"])
    assert torch.allclose(x[0, 0], model.senses["img:wrist"].connector(torch.ones(1, 1, 9))[0, 0])
    assert torch.allclose(x[0, 4], model.senses["img"].connector(torch.ones(1, 1, 5))[0, 0])


def test_an_observation_that_does_not_fit_the_model_is_refused_by_name():
    processor = EmbodiedProcessor(build_tokenizer())
    inputs = processor(Sentence("<img:front>", {"img:front": np.ones((2, 5))}))
    with pytest.raises(EncoderInputError, match="img:front: .* no such modality; it has obj, state"):
        tiny_model().embed(inputs["input_ids"], inputs["observations"])
    narrow = replace(IMAGE, encoder={"kind": "features", "dim": 4})
    with pytest.raises(EncoderInputError, match=r"features must be \(B, N, 4\), got \(1, 2, 5\)"):
        tiny_model(narrow).embed(inputs["input_ids"], inputs["observations"])


def batch_of(*states):
    arrays = ObjectsEncoder.prepare([seen(s) for s in states])
    return {name: torch.from_numpy(a) for name, a in arrays.items()}


def test_object_token_speaks_the_words_of_object_holder_and_cover():
    model = tiny_model()
    state = scene("red block", "blue bowl", "green block > red block")
    e = model.get_input_embeddings().weight
    ids = {w: i for i, w in enumerate(small_vocabulary())}
    objects = batch_of(state)
    for name in ("class_probs", "holder_probs"):
        objects[name] = objects[name].round()
    connector = model.senses["obj"].connector
    torch.nn.init.zeros_(connector.place.weight)
    token = model.soft_tokens("obj", objects)[0, 0]
    expected = (
        e[ids["red_block"]]
        + connector.holder(e[ids["table"]])
        + connector.cover(e[ids["green_block"]])
        + e[ids["obj_1"]]
    )
    assert torch.allclose(token, expected, atol=1e-5)


def test_padding_with_absent_objects_changes_nothing():
    model = tiny_model()
    few, many = scene("red block", "blue bowl"), scene(*(f"{c} block" for c in COLOURS))
    alone = model.soft_tokens("obj", batch_of(few))[0, :2]
    beside = model.soft_tokens("obj", batch_of(few, many))[0, :2]
    assert torch.allclose(alone, beside, atol=1e-5)


def test_loss_falls_on_labelled_words_only():
    model = tiny_model()
    ids = torch.randint(20, 200, (2, 9))
    labels = ids.clone()
    labels[:, :5] = -100
    out = model(ids, labels=labels)
    expected = torch.nn.functional.cross_entropy(out.logits[:, 4:-1].flatten(0, 1), ids[:, 5:].flatten())
    assert torch.allclose(out.loss, expected, atol=1e-5)


def test_model_and_processor_come_back_from_disk(tmp_path):
    model, processor = tiny_model(), EmbodiedProcessor(build_tokenizer())
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    again, reader = EmbodiedLM.from_pretrained(tmp_path).eval(), EmbodiedProcessor.from_pretrained(tmp_path)
    sentence = Sentence("see <obj:1> <obj:2> .", {"obj": seen(scene("red block", "blue bowl"))})
    a, b = processor(sentence), reader(sentence)
    assert torch.equal(a["input_ids"], b["input_ids"])
    out = model(a["input_ids"], observations=a["observations"]).logits
    assert torch.allclose(out, again(b["input_ids"], observations=b["observations"]).logits, atol=1e-6)


def test_generate_agrees_with_the_own_decoder_and_with_itself_in_a_batch():
    model, processor = EmbodiedLM.from_pretrained(WEIGHTS).eval(), EmbodiedProcessor(build_tokenizer())
    vocabulary, grammar = small_words(), AnswerGrammar(small_words())
    state = scene("red block", "blue bowl", "green block > red block")
    arm = {"state": np.zeros(11)}
    two = {**arm, "obj": seen(state, order=[0, 1])}
    short = Sentence(prompt_text(prompt_words("red block into blue bowl", 2)), two)
    said = prompt_words("please put the red block in the blue bowl now", 3)
    long = Sentence(prompt_text(said), {**arm, "obj": seen(state)})
    inputs = processor([short, long], side="left")
    eos = vocabulary.eos
    new = model.generate(
        inputs["input_ids"], inputs["attention_mask"], inputs["observations"],
        max_new_tokens=40, do_sample=False, logits_processor=[grammar], eos_token_id=eos, pad_token_id=eos,
    )  # fmt: skip
    for row, sentence in zip(new.tolist(), (short, long), strict=True):
        one = processor(sentence)
        x = model.embed(one["input_ids"], one["observations"])
        said = decode_batch(model, x, [x.shape[1]], vocabulary, [grammar.walk()], max_new=40)[0]
        alone = decode_one(model, x, grammar.walk(), max_new=40)
        assert len(said.ids) >= 10 and alone.ids[: len(said.ids)] == said.ids
        assert list(said.ids) == (row[: row.index(eos)] if eos in row else row)[: len(said.ids)]


def test_generate_refuses_prompts_that_are_padded_on_the_right():
    inputs = EmbodiedProcessor(build_tokenizer())([Sentence("a"), Sentence("put the red block")])
    with pytest.raises(ValueError, match="side='left'"):
        tiny_model().generate(inputs["input_ids"], inputs["attention_mask"], max_new_tokens=1)


@pytest.mark.parametrize(
    "config",
    [
        LlamaConfig(vocab_size=99, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
                    num_attention_heads=2, num_key_value_heads=2),
        GPT2Config(vocab_size=99, n_embd=16, n_layer=1, n_head=2),
        OPTConfig(vocab_size=99, hidden_size=16, ffn_dim=24, num_hidden_layers=1, num_attention_heads=2,
                  word_embed_proj_dim=16, max_position_embeddings=128),
    ],
    ids=["llama", "gpt2", "opt"],
)  # fmt: skip
def test_any_pretrained_causal_lm_can_be_the_backbone(config, tmp_path):
    tokenizer = bpe_tokenizer(SOURCE)  # as pretrained models have: no word of ours is one token of it
    config.vocab_size = len(tokenizer) + 5  # some have more rows than words
    lm = AutoModelForCausalLM.from_config(config)
    lm.save_pretrained(tmp_path / "lm")
    model = EmbodiedLM.from_backbone(tmp_path / "lm", tokenizer, modalities=SENSES).eval()
    assert torch.equal(model.get_input_embeddings().weight, lm.get_input_embeddings().weight)
    objects = {"obj": seen(scene("red block"))}
    inputs = EmbodiedProcessor(tokenizer)(Sentence("see <obj:1> .", objects), side="left")
    assert inputs["input_ids"].shape[1] > 3
    before = model(inputs["input_ids"], observations=inputs["observations"]).logits
    model.save_pretrained(tmp_path / "whole")
    again = EmbodiedLM.from_pretrained(tmp_path / "whole").eval()
    after = again(inputs["input_ids"], observations=inputs["observations"]).logits
    assert torch.allclose(before, after, atol=1e-5)
    new = model.generate(
        inputs["input_ids"], observations=inputs["observations"], max_new_tokens=3, min_new_tokens=3
    )
    assert new.shape == (1, 3)


def test_a_word_of_several_tokens_stands_for_the_mean_of_them():
    tokenizer = bpe_tokenizer(SOURCE)
    config = EmbodiedConfig.for_tokenizer(tokenizer, TINY, SENSES)
    model = EmbodiedLM(config)
    pieces = tokenizer(" purple cylinder")["input_ids"]
    assert len(pieces) > 1
    mean = model.get_input_embeddings().weight[pieces].mean(0)
    torch.testing.assert_close(model.word_embeddings(["purple_cylinder"])[0], mean)


def test_a_resized_vocabulary_is_kept_on_disk(tmp_path):
    model = tiny_model()
    model.resize_token_embeddings(3000)
    model.save_pretrained(tmp_path)
    assert EmbodiedLM.from_pretrained(tmp_path).get_input_embeddings().num_embeddings == 3000


def test_frozen_backbone_learns_through_connectors_alone():
    model = tiny_model(freeze_backbone=True)
    learning = {n for n, p in model.named_parameters() if p.requires_grad}
    assert learning and all("senses." in n for n in learning)


def test_lora_learns_little_and_comes_back_from_disk(tmp_path):
    model = tiny_model(lora={"r": 2, "target_modules": ["q_proj", "v_proj"]})
    learning = {n for n, p in model.lm.named_parameters() if p.requires_grad}
    assert learning and all("lora" in n for n in learning)
    with torch.no_grad():
        for n, p in model.named_parameters():
            if "lora_B" in n:
                p.fill_(0.1)
    model.save_pretrained(tmp_path)
    ids = torch.randint(20, 200, (1, 7))
    again = EmbodiedLM.from_pretrained(tmp_path).eval()
    assert torch.allclose(model(ids).logits, again(ids).logits, atol=1e-6)


def test_every_true_answer_is_inside_the_grammar():
    rng = random.Random(1)
    from palme.training.datasets.tasks import goal_of

    for _ in range(300):
        task, state = SOURCE.midway(rng, "test", None)
        words = [*answer(goal_of(task), Scene(state, range(len(state.objects)))), EOS]
        for k, word in enumerate(words):
            assert word in allowed(tuple(words[:k])), " ".join(words[: k + 1])


def test_what_nothing_seen_can_be_is_said_to_be_nowhere_and_nothing_is_done():
    goal = tuple("goal in blue_bowl red_block ;".split())
    seen = Evidence(frozenset({"blue_bowl"}), frozenset({"blue_bowl", "pink_block"}))
    assert allowed(goal, seen) == ("red_block",)
    assert allowed((*goal, "red_block"), seen) == ("nowhere",)
    assert allowed((*goal, "red_block", "nowhere", ";"), seen) == ("unknown",)
    both = Evidence(seen.detected, seen.possible | {"red_block"})
    assert allowed(goal, both) == ("blue_bowl",)


def test_an_untrained_model_still_writes_a_legal_step():
    model = tiny_model()
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(20)  # wild guesses
    grammar = AnswerGrammar(small_words())
    x = torch.randn(6, 5, TINY["hidden_size"])
    for said in decode_batch(
        model, x, [5] * 6, small_words(), [grammar.walk() for _ in range(6)], max_new=320
    ):
        words = list(said.words)
        assert words[-1] == "."
        step = words[len(words) - words[::-1].index(";") : -1] if ";" in words else words[:-1]
        assert step == ["unknown"] or Step.parse(" ".join(step))


def test_the_reason_reads_as_english():
    state = scene("red block", "blue bowl", "pink block > red block")
    words = answer(Goal("in", ("blue_bowl", "red_block")), Scene(state, range(3)))
    assert " ".join(words[-5:]) == "put pink_block on table ."
    assert explain(words[:-5]) == (
        "Goal: the red block in the blue bowl. The red block is on the table; it belongs in the blue bowl. "
        "The pink block is on the red block."
    )


def test_the_small_vocabulary_has_every_word_once():
    words = small_vocabulary()
    assert set(ENTITY_WORDS) < set(words) and len(set(words)) == len(words)
    config = EmbodiedConfig.for_tokenizer(build_tokenizer(), TINY, SENSES)
    assert config.words["red_block"] == [words.index("red_block")]
    assert split_words(f"{BOS} a") == [BOS, "a"]
