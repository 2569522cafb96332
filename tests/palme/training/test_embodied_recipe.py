"""A pretrained language model learns to read scenes: right questions, only connectors and adapter learn."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from palme.errors import NoMotion
from palme.language.answers import NO, YES
from palme.language.constrained_decoding import AnswerGrammar, Evidence
from palme.language.vocabulary import NOTHING, Vocabulary
from palme.models.pretrained.embodied import embodied_around, embodied_senses, load_embodied
from palme.planners.base import Context
from palme.planners.palme import PalmePlanner
from palme.training.datasets.asked_batches import AskedBatch, batch_of
from palme.training.datasets.asked_scenes import (
    KINDS,
    NEXT,
    SUCCESS,
    AskedScene,
    SceneMaker,
    epochs,
    examples,
)
from palme.training.datasets.detection_noise import SHARP, perceive
from palme.training.datasets.scene_questions import ShortQuestions
from palme.training.devices import SettingError
from palme.training.embodied_eval import evaluate, senses_of, walk_of
from palme.training.models.embodied import EmbodiedWriter
from palme.training.processes import Processes
from palme.training.recipes.embodied import EmbodiedTraining
from palme.training.trainer import Trainer
from robots.skills import Step
from tests.bpe import bpe_tokenizer
from tests.planner_fakes import RESOURCES, SOURCE, observation, scene, seen, tiny_model

TABLE = scene(
    "red block", "green block > red block", "blue bowl", "pink bowl", "yellow block > pink bowl", "cyan block"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers with a byte-level BPE, as pretrained models have."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = bpe_tokenizer(SOURCE)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 3, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _settings(base: Path, out: Path, **more: object) -> EmbodiedTraining:
    settings = {"base": str(base), "out": str(out), "steps": 8, "examples": 30, "scenes": 2, "rank": 4,
                "layers": 1, "lr": 0.02, "lora_lr": 0.02, "evaluate_n": 0}  # fmt: skip
    return EmbodiedTraining(**{**settings, **more})  # type: ignore[arg-type]


def _asking(kind: str, seed: int = 0, state=TABLE):
    rng = random.Random(seed)
    listed = list(range(len(state.objects)))
    return ShortQuestions(SOURCE, rng, state, listed, perceive(state, listed, rng, SHARP)).draw(kind)


# -- questions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "answer"),
    [
        ("q1", "what colour is obj_2 ?", "green"),
        ("q1", "what colour is obj_4 ?", "pink"),
        ("q3", "is green_block on , under , left or right of red_block ?", "on"),
        ("q3", "is pink_bowl on , under , left or right of yellow_block ?", "under"),
        ("q4", "is it possible to grasp green_block , put it in blue_bowl , then grasp red_block ?", YES),
        ("q4", "is it possible to grasp cyan_block , put it in blue_bowl , then grasp red_block ?", NO),
        ("q4", "is it possible to grasp red_block , put it in blue_bowl , then grasp cyan_block ?", NO),
        ("bowl_colour", "what colour is the block in pink_bowl ?", "yellow"),
        ("bowl_colour", "what colour is the block in blue_bowl ?", NOTHING),
        ("affordance", "is it possible to put red_block in blue_bowl now ?", NO),
        ("affordance", "is it possible to put cyan_block on green_block now ?", YES),
        ("failure", "did put yellow_block in pink_bowl fail ?", NO),
        ("failure", "did put yellow_block in blue_bowl fail ?", YES),
    ],
)
def test_each_question_has_the_answer_that_a_person_gives(kind: str, text: str, answer: str) -> None:
    drawn = {q.text: q.answer for seed in range(500) if (q := _asking(kind, seed)) is not None}
    assert drawn[text] == answer


def test_sides_are_those_of_the_positions_that_were_detected() -> None:
    for seed in range(60):
        rng = random.Random(seed)
        objects = perceive(TABLE, range(6), rng, SHARP)
        asking = ShortQuestions(SOURCE, rng, TABLE, range(6), objects)
        y = {o.name.replace(" ", "_"): objects["xyz"][k][1] for k, o in enumerate(TABLE.objects)}
        if (q := asking.q2()) is not None:
            at = y[q.text.split()[1]]
            assert q.answer == ("centre" if abs(at) < 0.12 else "left" if at > 0 else "right")
        q = asking.q3()
        if q is not None and q.answer in ("left", "right"):
            words = q.text.split()
            assert (y[words[1]] > y[words[-2]]) == (q.answer == "left")


def test_yes_and_no_are_about_as_frequent_and_no_answer_is_most_of_any_kind() -> None:
    maker, said = SceneMaker(SOURCE, 1), {kind: Counter() for kind in KINDS if kind != NEXT}
    for _ in range(150):
        for one in maker.scene(list(said)).asked:
            said[one.kind][one.reply[-1]] += 1
    for kind, counts in said.items():
        assert sum(counts.values()) > 90 and max(counts.values()) < 0.8 * sum(counts.values()), (kind, counts)


def test_every_answer_can_be_decoded_and_its_step_is_acceptable() -> None:
    vocabulary = Vocabulary(bpe_tokenizer(SOURCE))
    maker, steps = SceneMaker(SOURCE, 2, noise=SHARP), 0
    for _ in range(60):
        one_scene = maker.scene(KINDS)
        for one in one_scene.asked:
            if one.kind != NEXT:
                walk = walk_of(one, vocabulary)
            else:
                evidence = Evidence.of(one_scene.objects["class_probs"], refer=True)
                walk = AnswerGrammar(vocabulary, evidence).walk()
            for token in vocabulary.encode(one.reply):
                walk.push(token)
            if one.kind == NEXT and one.reply[-4] == "put":
                names = [_name(row) for row in one_scene.objects["class_probs"]]
                step = Step.parse(" ".join(one.reply[-4:])).resolve(names)
                assert step in one_scene.task.acceptable_steps(one_scene.state)
                assert one.reply[-3].startswith("obj_")
                steps += 1
    assert steps > 25


def _name(row: np.ndarray) -> str:
    from robots.skills import ENTITIES

    return ENTITIES[int(row.argmax())]


def test_as_many_distinct_examples_as_asked_for_again_and_again() -> None:
    scenes = examples(SceneMaker(SOURCE, 3), 57)
    assert sum(len(s.asked) for s in scenes) == 57
    assert {kind for s in scenes for kind in (one.kind for one in s.asked)} == set(KINDS)
    stream = epochs(scenes, 2, 0, 0)
    whole = len(scenes) // 2
    first, second = ([id(s) for _ in range(whole) for s in next(stream)] for _ in range(2))
    assert len(set(first)) == 2 * whole and first != second
    later = epochs(scenes, 2, 0, whole)  # resumed after the first epoch
    assert [id(s) for _ in range(whole) for s in next(later)] == second


# -- batches --------------------------------------------------------------------------------------------


def test_questions_behind_one_scene_do_not_see_each_other(base: Path) -> None:
    model, tokenizer = embodied_around(str(base), embodied_senses())
    net, vocabulary = EmbodiedWriter(model.float().eval(), Vocabulary(tokenizer)), Vocabulary(tokenizer)
    senses = senses_of(model)
    scenes = [SceneMaker(SOURCE, seed).scene() for seed in (4, 5)]
    together = batch_of(scenes, vocabulary, senses, True)
    alone = [
        batch_of([AskedScene(s.objects, s.robot, s.task, s.state, (one,))], vocabulary, senses, True)
        for s in scenes
        for one in s.asked
    ]
    with torch.no_grad():
        torch.testing.assert_close(net(together), torch.cat([net(b) for b in alone]), atol=1e-4, rtol=1e-3)


def test_a_batch_holds_tensors_alone(base: Path) -> None:
    """What else it held would be copied at each step, with every scene in it."""
    model, tokenizer = embodied_around(str(base), embodied_senses())
    batch = batch_of([SceneMaker(SOURCE, 4).scene()], Vocabulary(tokenizer), senses_of(model), True)
    held = [value for name, value in vars(batch).items() if name != "observations"]
    held += [value for arrays in batch.observations.values() for value in arrays.values()]
    assert len(held) > 10 and all(isinstance(value, torch.Tensor) for value in held)


def test_an_object_begins_as_the_words_for_it(base: Path) -> None:
    model, tokenizer = embodied_around(str(base), embodied_senses())
    words = Vocabulary(tokenizer)
    objects = seen(TABLE)
    for probabilities in (objects.class_probs, objects.holder_probs):
        probabilities[:] = probabilities.round()  # a detector without a doubt
    inputs = model.senses["obj"].encoder.prepare([objects])
    batch = {k: torch.from_numpy(v) for k, v in inputs.items()} | {"row": torch.zeros(1, dtype=torch.long)}
    soft = model.soft_tokens("obj", batch)[0].reshape(6, 5, -1)
    table = model.get_input_embeddings().weight.float()

    def word(text: str) -> torch.Tensor:
        return table[list(words.pieces(text))].mean(0)

    for row, expected in ((1, ["obj_2", "green", "block", "red_block", "nothing"]),
                          (3, ["obj_4", "pink", "bowl", "table", "yellow_block"])):  # fmt: skip
        for slot, text in enumerate(expected):
            torch.testing.assert_close(soft[row, slot], word(text), atol=1e-3, rtol=0.01, msg=text)


# -- the recipe -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [0, 4], ids=["frozen", "LoRA"])
def test_only_connectors_and_adapter_learn_and_are_kept(base: Path, tmp_path: Path, rank: int) -> None:
    trainer = Trainer(_settings(base, tmp_path, rank=rank, steps=25), RESOURCES)
    net = trainer.recipe.net
    frozen = {n: p.clone() for n, p in net.named_parameters() if not p.requires_grad}
    batch = next(trainer.recipe.batches(0, trainer.processes))
    before = trainer.recipe.loss(batch)[0].item()
    trainer.fit()
    gained = before - trainer.recipe.loss(batch)[0].item()
    assert gained > (0.15 if rank else 0.02)  # around a random model there is little to be learned
    assert frozen and all(torch.equal(p, frozen[n]) for n, p in net.named_parameters() if n in frozen)
    learned = {n for n, p in net.named_parameters() if p.requires_grad}
    assert all(".senses." in n or "lora_" in n for n in learned)
    assert any("lora_" in n for n in learned) == bool(rank)
    shipped = load_file(trainer.shipped / "model.safetensors")
    assert {f"model.{n}" for n in shipped} == learned
    assert all(v.dtype == torch.bfloat16 for v in shipped.values())


@pytest.mark.parametrize("world", [2, 3, 4])
def test_processes_share_the_scenes_of_a_batch(base: Path, tmp_path: Path, world: int) -> None:
    recipe = Trainer(_settings(base, tmp_path, scenes=3), RESOURCES).recipe

    def rows(rank: int, world: int) -> list[tuple[int, ...]]:
        batch: AskedBatch = next(recipe.batches(0, Processes(rank, world)))
        return sorted(tuple(t for t in row if t != recipe.vocabulary.pad) for row in batch.ids.tolist())

    whole = rows(0, 1)
    parts = [rows(rank, world) for rank in range(world)]
    assert len(set(whole)) == 3 and sorted(row for part in parts[:3] for row in part) == whole
    assert parts[3:] in ([], [whole])  # without one of its own, a process takes all


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("rank", -1, 0), ("layers", 0, 1), ("layers", -3, 1), ("scenes", 0, 1), ("examples", 0, 1),
     ("evaluate_n", -1, 0)],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused(name: str, value: int, least: int) -> None:
    with pytest.raises(SettingError, match=f"^{name}={value}: must be at least {least}$"):
        EmbodiedTraining(steps=1, **{name: value})  # type: ignore[arg-type]
    assert getattr(EmbodiedTraining(steps=1, **{name: least}), name) == least  # type: ignore[arg-type]


def test_a_run_goes_on_where_it_stopped(base: Path, tmp_path: Path) -> None:
    Trainer(_settings(base, tmp_path, max_steps=3), RESOURCES).fit()
    resumed = Trainer(_settings(base, tmp_path), RESOURCES)
    assert resumed.step == 3
    resumed.fit()
    assert resumed.step == 8


@pytest.mark.parametrize("rank", [0, 4], ids=["frozen", "LoRA"])
def test_what_is_shipped_gives_the_trained_model_and_plans(base: Path, tmp_path: Path, rank: int) -> None:
    trainer = Trainer(_settings(base, tmp_path, rank=rank), RESOURCES)
    trainer.fit()
    model, processor = load_embodied(trainer.shipped)
    vocabulary = Vocabulary(processor.tokenizer)
    batch = batch_of([SceneMaker(SOURCE, 6).scene()], vocabulary, senses_of(model), True)
    with torch.no_grad():
        a = trainer.recipe.net(batch)
        b = EmbodiedWriter(model, vocabulary)(batch)
    torch.testing.assert_close(a, b, atol=0.15, rtol=0.1)
    counts = evaluate(EmbodiedWriter(model, vocabulary), vocabulary, SOURCE, 4, 0)
    assert {SUCCESS, NEXT, "q1", "q4"} <= set(counts) and counts[NEXT][1] == 6
    planner = PalmePlanner.load(lambda _: seen(TABLE), trainer.shipped)
    for sentence in ("put the red block in the blue bowl", "stack green on red", "sort the blocks"):
        step = None
        with contextlib.suppress(NoMotion):
            step = planner.next_step(Context(sentence, observation())).step
        text = planner.last_sentence.text
        assert text.startswith("<state> i see <obj:1>") and text.endswith("next :") and sentence in text
        if step is not None:
            assert Step.parse(step.text) == step
            planner.was_successful(Context(sentence, observation()), step)
            assert planner.last_sentence.text != text


def test_a_small_planner_is_trained_on_the_same_examples(tmp_path: Path) -> None:
    from palme.training.models.planner import save_planner

    save_planner(tiny_model(), tmp_path / "small")
    settings = EmbodiedTraining(
        base="", start=str(tmp_path / "small"), out=str(tmp_path / "run"), steps=20, examples=10, scenes=1,
        lr=0.01, evaluate_n=0,
    )  # fmt: skip
    trainer = Trainer(settings, RESOURCES)
    batch = next(trainer.recipe.batches(0, trainer.processes))
    before = trainer.recipe.loss(batch)[0].item()
    trainer.fit()
    assert trainer.recipe.loss(batch)[0].item() < before - 0.5
    PalmePlanner.load(lambda _: seen(TABLE), trainer.shipped)


# -- steps that name obj_k ------------------------------------------------------------------------------


def test_of_two_things_alike_the_step_says_which() -> None:
    """Each red block can be named by its row, and what is named is where it was seen."""
    from palme.planners.palme import _named

    twins = scene("red block", "blue bowl", "green block")
    objects = seen(twins)
    objects.class_probs[2] = objects.class_probs[0]
    evidence = Evidence.of(objects.class_probs, refer=True)
    assert evidence.named("red_block") == ("obj_1", "obj_3") and evidence.named("blue_bowl") == ("obj_2",)
    for row in (1, 3):
        step = _named(Step.parse(f"put obj_{row} in obj_2"), objects)
        assert step.words == "put the red block in the blue bowl" and step.target_at is None
        assert step.what_at == pytest.approx(tuple(objects.xyz[row - 1]), abs=1e-3)


def test_a_step_by_row_follows_from_the_rationale() -> None:
    vocabulary = Vocabulary(bpe_tokenizer(SOURCE))
    objects = seen(scene(*(f"{c} block" for c in ("red", "blue", "green", "pink")), "blue bowl"))
    walk = AnswerGrammar(vocabulary, Evidence.of(objects.class_probs, refer=True)).walk()
    said = "goal in blue_bowl green_block ; blue_bowl green_block table no ; under green_block nothing ; put"
    for token in vocabulary.encode(said.split()):
        walk.push(token)
    for word in ("obj_3", "in", "obj_5", "."):
        pieces = vocabulary.pieces(word)
        for token in pieces:
            assert walk.allowed() == [token]
            walk.push(token)
    assert walk.words[-5:] == ("put", "obj_3", "in", "obj_5", ".")
