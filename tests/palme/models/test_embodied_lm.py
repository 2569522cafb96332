"""Promises of the sentence, its tokenizer, its grammar and the language model around it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, OPTConfig

from palme.language.answers import Goal, Scene, answer
from palme.language.constrained_decoding import AnswerGrammar, Evidence, allowed
from palme.language.explain import explain
from palme.language.prompts import prompt_words
from palme.language.sentence import BadSentence, Sentence
from palme.language.tokenizer import build_tokenizer
from palme.language.vocabulary import BOS, ENTITY_WORDS, EOS, UNK, VOCABULARY, split_words
from palme.models.decoding import say, say_one
from palme.models.embodied_lm import EmbodiedConfig, EmbodiedLM
from palme.models.object_batch import collate_objects
from palme.models.processor import EmbodiedProcessor, add_words
from robots.skills import COLOURS, Step
from sim.tasks import sample
from tests.planner_fakes import SOURCE, TINY, observation, scene, seen, tiny_model

TEXTS = (
    "Put the Red block in a blue bowl, then obj_3!",
    "the red blocks and the reddish block: 12 <obj:4> <state> it's",
    "stack from bottom to top: red, green - and the PINK CYLINDER",
)


@pytest.mark.parametrize("text", TEXTS)
def test_fast_splitting_agrees_with_the_tokenizer(text):
    expected = [w if w in VOCABULARY else UNK for w in split_words(text)]
    assert build_tokenizer().tokenize(text) == expected


def test_red_block_is_one_token_and_reads_back_as_two_words():
    tokenizer = build_tokenizer()
    ids = tokenizer("the Red block on obj_2")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["the", "red_block", "on", "obj_2"]
    assert tokenizer.decode(ids) == "the red block on obj_2"


def test_training_sentences_hold_few_unknown_words():
    rng = random.Random(0)
    words = [w for _ in range(1500) for w in split_words(SOURCE.midway(rng, "train", None)[0].instruction)]
    assert (
        sum(w not in VOCABULARY for w in words) / len(words) < 0.03
    )  # invented words and typing errors are part of training


def test_placeholder_without_observation_is_refused_by_name():
    with pytest.raises(BadSentence, match="<obj:3>: the detector found 2 objects"):
        Sentence("see <obj:3>", objects=seen(scene("red block", "blue bowl")))
    with pytest.raises(BadSentence, match="<img:front>"):
        Sentence("see <img:front>")
    with pytest.raises(BadSentence, match="<state>"):
        Sentence("<state>")


def test_words_and_observations_stand_in_any_order():
    s = Sentence(
        "<obj:2> , <img:wrist> what <obj:1> ?",
        {"wrist": np.ones((3, 5))},
        None,
        seen(scene("red block", "blue bowl")),
    )
    assert [kind for kind, _ in s.parts] == ["obj", "words", "img", "words", "obj", "words"]


def test_soft_tokens_stand_where_their_placeholders_stand():
    model = tiny_model(image_dim=5)
    processor = EmbodiedProcessor(build_tokenizer())
    objects = seen(scene("red block", "blue bowl", "green block > red block"))
    images = {"front": np.full((2, 5), 2.0), "wrist": np.full((1, 5), -1.0)}
    text = "robot : <state> see <obj:3> <img:wrist> then <obj:1> <img:front> ."
    inputs = processor(Sentence(text, images, np.arange(11.0), objects))
    x = model.embed(inputs["input_ids"], inputs["objects"], inputs["state"], inputs["image"])[0]
    words = processor.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    assert words == "robot : <state> see <obj:3> <img> then <obj:1> <img> <img> .".split()
    soft = model.object_tokens(inputs["objects"])[0]
    picture = model.image_connector(torch.tensor([[-1.0] * 5, [2.0] * 5]))
    assert torch.allclose(x[4], soft[2]) and torch.allclose(x[7], soft[0])
    assert (
        torch.allclose(x[5], picture[0])
        and torch.allclose(x[8], picture[1])
        and torch.allclose(x[9], picture[1])
    )
    assert torch.allclose(x[2], model.state_connector(torch.arange(11.0)[None])[0])
    assert torch.allclose(x[3], model.get_input_embeddings().weight[inputs["input_ids"][0, 3]])


def test_object_token_speaks_the_words_of_object_holder_and_cover():
    model = tiny_model()
    state = scene("red block", "blue bowl", "green block > red block")
    e = model.get_input_embeddings().weight
    ids = {w: i for i, w in enumerate(VOCABULARY)}
    objects = collate_objects([seen(state)])
    for name in ("class_probs", "holder_probs"):
        objects[name] = objects[name].round()
    connector = model.object_connector
    torch.nn.init.zeros_(connector.place.weight)
    token = model.object_tokens(objects)[0, 0]
    expected = (
        e[ids["red_block"]]
        + connector.holder(e[ids["table"]])
        + connector.cover(e[ids["green_block"]])
        + e[ids["obj_1"]]
    )
    assert torch.allclose(token, expected, atol=1e-5)


def test_padding_with_absent_objects_changes_nothing():
    model = tiny_model()
    few, many = seen(scene("red block", "blue bowl")), seen(scene(*(f"{c} block" for c in COLOURS)))
    alone = model.object_tokens(collate_objects([few]))[0, :2]
    beside = model.object_tokens(collate_objects([few, many]))[0, :2]
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
    sentence = Sentence("see <obj:1> <obj:2> .", objects=seen(scene("red block", "blue bowl")))
    a, b = processor(sentence), reader(sentence)
    assert torch.equal(a["input_ids"], b["input_ids"])
    out = model(a["input_ids"], objects=a["objects"]).logits
    assert torch.allclose(out, again(b["input_ids"], objects=b["objects"]).logits, atol=1e-6)


def test_generate_agrees_with_the_own_decoder_and_with_itself_in_a_batch():
    model, processor = tiny_model(), EmbodiedProcessor(build_tokenizer())
    grammar = AnswerGrammar()
    state = scene("red block", "blue bowl", "green block > red block")
    short = Sentence(" ".join(prompt_words("sort", 1)), None or {}, np.zeros(11), seen(state, order=[0]))
    long = Sentence(" ".join(prompt_words("put the red block in it", 3)), {}, np.zeros(11), seen(state))
    inputs = processor([short, long], side="left")
    eos = VOCABULARY.index(EOS)
    new = model.generate(
        inputs["input_ids"], inputs["attention_mask"], inputs["objects"], inputs["state"],
        max_new_tokens=40, do_sample=False, logits_processor=[grammar], eos_token_id=eos, pad_token_id=eos,
    )  # fmt: skip
    for row, sentence in zip(new.tolist(), (short, long), strict=True):
        one = processor(sentence)
        x = model.embed(one["input_ids"], one["objects"], one["state"])
        said = say(model, x, [x.shape[1]], grammar.follow, eos, max_new=40)[0]
        assert say_one(model, x, grammar.follow, eos, max_new=40).ids[: len(said.ids)] == said.ids
        assert list(said.ids) == (row[: row.index(eos)] if eos in row else row)[: len(said.ids)]


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
    tokenizer = build_tokenizer()  # stands for the backbone's own: ids below 99 are its words
    lm = AutoModelForCausalLM.from_config(config)
    lm.save_pretrained(tmp_path / "lm")
    model = EmbodiedLM.from_backbone(tmp_path / "lm", add_words(tokenizer)).eval()
    old = lm.get_input_embeddings().weight
    table = model.get_input_embeddings().weight
    assert len(table) == len(tokenizer)
    plain = [i for i, w in enumerate(VOCABULARY[:99]) if w not in ENTITY_WORDS and not w.startswith("obj_")]
    assert len(plain) > 20 and torch.equal(table[plain], old[plain])
    inputs = EmbodiedProcessor(tokenizer)(Sentence("see <obj:1> .", objects=seen(scene("red block"))))
    before = model(inputs["input_ids"], objects=inputs["objects"]).logits
    model.save_pretrained(tmp_path / "whole")
    again = EmbodiedLM.from_pretrained(tmp_path / "whole").eval()
    assert torch.allclose(before, again(inputs["input_ids"], objects=inputs["objects"]).logits, atol=1e-5)
    assert model.generate(inputs["input_ids"], objects=inputs["objects"], max_new_tokens=3).shape[0] == 1


def test_frozen_backbone_learns_through_connectors_alone():
    model = tiny_model(freeze_backbone=True)
    learning = {n for n, p in model.named_parameters() if p.requires_grad}
    assert learning and all("connector" in n for n in learning)


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
    from palme.training.datasets.questions import goal_of

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
    both = Evidence(seen.there, seen.possible | {"red_block"})
    assert allowed(goal, both) == ("blue_bowl",)


def test_an_untrained_model_still_writes_a_legal_step():
    model = tiny_model()
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(20)  # wild guesses
    grammar, eos = AnswerGrammar(), VOCABULARY.index(EOS)
    x = torch.randn(6, 5, TINY["hidden_size"])
    for said in say(model, x, [5] * 6, grammar.follow, eos, max_new=320):
        words = [VOCABULARY[i] for i in said.ids]
        assert words[-1] == "."
        step = words[len(words) - words[::-1].index(";") : -1] if ";" in words else words[:-1]
        assert step == ["unknown"] or Step.parse(" ".join(step))


def test_the_reason_reads_as_english():
    state = scene("red block", "blue bowl", "pink block > red block")
    words = answer(Goal("in", ("blue_bowl", "red_block")), Scene(state, range(3)))
    assert " ".join(words[-5:]) == "put pink_block on table ."
    assert explain(words[:-5]) == (
        "goal: the red block in the blue bowl; the red block is on the table: it should be in the blue bowl; "
        "on the red block lies the pink block"
    )


def test_answers_do_not_depend_on_unseen_words_of_the_vocabulary():
    assert set(ENTITY_WORDS) < set(VOCABULARY) and len(set(VOCABULARY)) == len(VOCABULARY)
    assert EmbodiedConfig.for_tokenizer(build_tokenizer()).words["red_block"] == VOCABULARY.index("red_block")
    assert split_words(f"{BOS} a") == [BOS, "a"]
    assert sample and observation
