"""Promises of the planner's data and recipe: right answers, no leaks, it learns, it can be resumed."""

from __future__ import annotations

import json
import random
import time
from collections import Counter

import numpy as np
import pytest
import torch

from palme.language.answers import Goal
from palme.language.prompts import prompt_text
from palme.language.sentence import Sentence
from palme.language.small_vocabulary import plain_words
from palme.language.text import mentions
from palme.language.tokenizer import build_tokenizer, small_words
from palme.language.vocabulary import EOS, UNK, Vocabulary
from palme.models.embodied_lm import EmbodiedConfig, EmbodiedLM
from palme.models.processor import EmbodiedProcessor, tensors
from palme.training import planner_eval
from palme.training.datasets.detection_noise import SHARP, DetectionNoise, perceive
from palme.training.datasets.perceived import (
    BadPerceivedFile,
    DetectedQuestions,
    PerceivedFile,
    save_perceived,
)
from palme.training.datasets.planner_batches import Batch, collate, start_workers, stop_workers
from palme.training.datasets.questions import QuestionMaker
from palme.training.datasets.tasks import goal_of
from palme.training.datasets.word_noise import drop_words
from palme.training.losses.answers import QuestionTensors, answer_loss
from palme.training.planner_eval import closed_loop, step_text
from palme.training.recipes.planner import PlannerTraining
from palme.training.trainer import Trainer
from robots.skills import ENTITIES
from sim.tasks.splits import HELD_OUT_IN_BOWL, HELD_OUT_ON_BLOCK
from tests.bpe import bpe_tokenizer
from tests.planner_fakes import RESOURCES, SENSES, SOURCE, TINY, scene, seen, tiny_model

PAD_ID = small_words().pad
FAMILIES = ("put_in_bowl", "stack_tower", "match_bowls")


def answer_of(example) -> list[str]:
    _, _, start, end = example.spans[0]
    return small_words().words(example.ids[start : end - 1])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_answer_ends_in_an_acceptable_step(family):
    for split in ("train", "validation", "test", "held_out"):
        maker = QuestionMaker(SOURCE, 3, split, SHARP, 0.0, {})
        for _ in range(80):
            if split == "held_out" and family == "match_bowls":
                continue
            e = maker.example(family)
            assert step_text(answer_of(e)) in map(str, e.task.acceptable_steps(e.state)), e.task.instruction


def test_noise_on_words_keeps_every_word_that_gives_a_direction():
    maker = QuestionMaker(SOURCE, 5)
    said = "kindly would you please stack it for me from cellar to attic , top last , buddy"
    words = ["<s>", "human", ":", *said.split(), "robot", ":"]
    telling = {"cellar", "attic", "top", "last", "from", "to"}
    changed = 0
    for _ in range(400):
        now = drop_words(words, len(words), maker.rng)
        assert [w for w in now if w in telling] == [w for w in words if w in telling]
        new = set(now) - set(words) - {UNK}
        assert new <= frozenset(plain_words())
        changed += now != words
    assert changed > 40


def test_the_same_seed_gives_the_same_questions():
    a, b = (QuestionMaker(SOURCE, 5) for _ in range(2))
    for _ in range(30):
        x, y = a.example(), b.example()
        assert x.ids == y.ids
        assert np.array_equal(x.objects["holder_probs"], y.objects["holder_probs"])


def test_training_never_asks_for_a_held_out_pair():
    maker = QuestionMaker(SOURCE, 6, rates={"goal": 1.0})
    kinds: Counter[str] = Counter()
    for _ in range(400):
        goal = goal_of(maker.example().task)
        kinds[goal.kind] += 1
        colours = [w.split("_")[0] for w in goal.order]
        if goal.kind == "in":
            assert (colours[1], colours[0]) not in HELD_OUT_IN_BOWL
        for low, high in zip(colours[:-1], colours[1:], strict=True):
            assert goal.kind != "stack" or not {(high, low), (low, high)} & HELD_OUT_ON_BLOCK
    assert kinds["in"] > 20 and kinds["stack"] > 100


def test_history_does_not_reveal_the_answer():
    """The step said last is the answer about as often as any other feasible step would be."""
    maker = QuestionMaker(SOURCE, 7, noise=SHARP, follow_ups=0.0, rates={})
    told = same = 0
    for _ in range(600):
        e = maker.example("put_in_bowl")
        words = e.words[: e.prompt]
        said = answer_of(e)
        if ";" not in words[words.index("robot") :] or said[-2] == "done":
            continue
        history = words[: words.index("<state>")]
        last = history[len(history) - 6 : -2]
        told += 1
        same += last == said[-5:-1]
    assert told > 60 and same / told < 0.15


def test_objects_come_in_any_order_and_keep_their_meaning():
    state = scene("red block", "green block > red block", "blue bowl")
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        fields = perceive(state, order, random.Random(0), SHARP)
        names = [ENTITIES[c] for c in fields["class_probs"].argmax(1)]
        assert names == [state.objects[i].name for i in order]
        below = fields["holder_probs"][order.index(1)].argmax()
        assert below == order.index(0)
        assert fields["holder_probs"][order.index(2)].argmax() == 3


def test_an_imitated_detector_errs_as_often_as_it_says():
    state = scene("red block", "green block > red block", "blue bowl")
    rng, noise = random.Random(0), DetectionNoise(wrong=0.1, extra=0.2)
    rows = [perceive(state, [0, 1, 2], rng, noise) for _ in range(1500)]
    wrong = np.mean([r["class_probs"][0].argmax() != ENTITIES.index("red block") for r in rows])
    assert abs(wrong - 0.1) < 0.03
    assert abs(np.mean([len(r["score"]) for r in rows]) - 3.6) < 0.1
    for r in rows[:50]:
        assert np.allclose(r["class_probs"].sum(1), 1) and np.allclose(r["holder_probs"].sum(1), 1)


def test_mentions_are_read_in_their_order_shades_included():
    said = "put the crimson cube on the light blue one, then obj_3 and red again"
    assert mentions(said) == ["red", "cyan", "obj_3"]
    goal = Goal("stack", ("green_block", "red_block"), ("red_block", "green_block"))
    assert "down" in goal.words() and goal.words()[-3:] == ["green_block", "red_block", ";"]


def test_each_question_weighs_the_same_however_long():
    maker = QuestionMaker(SOURCE, 8, rates={}, follow_ups=0.0)
    batch = collate([maker.example(f) for f in ("put_in_bowl", "match_bowls") for _ in range(6)], PAD_ID)
    rows = batch.at // batch.ids.shape[1]
    sums = np.bincount(rows, batch.weight)
    assert np.allclose(sums, 1, atol=1e-5)


def test_the_loss_is_the_cross_entropy_of_the_answer_tokens():
    model = tiny_model()
    example = QuestionMaker(SOURCE, 9, follow_ups=0.0).example()
    batch = collate([example], PAD_ID)
    each = answer_loss(model, QuestionTensors.of(batch))[1]
    x = model.embed(torch.from_numpy(batch.ids), tensors(batch.observations))
    logits = model(inputs_embeds=x).logits[0, batch.at]
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(batch.target), reduction="none")
    torch.testing.assert_close(each, expected, rtol=1e-3, atol=1e-3)


def test_rate_warms_up_holds_and_decays_to_zero():
    config = PlannerTraining(minutes=10, warmup=100, decay_share=0.5)
    assert config.rate(0, 0) == 0.01
    assert config.rate(500, 200) == 1.0
    assert abs(config.rate(5000, 450) - 0.5) < 1e-9
    assert config.rate(5000, 600) == 0.0


def test_the_loss_falls_on_a_repeated_batch():
    model = tiny_model()
    maker = QuestionMaker(SOURCE, 10, rates={"goal": 1.0})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    first = last = 0.0
    batch: Batch = collate([maker.example("put_in_bowl") for _ in range(8)], PAD_ID)
    for _ in range(25):
        loss, _ = answer_loss(model, QuestionTensors.of(batch))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        last = loss.item()
        first = first or last
    assert last < 0.35 * first


def test_training_goes_on_where_it_stopped_and_its_weights_load(tmp_path):
    from palme.planners.palme import PalmePlanner

    small = {"width": 32, "layers": 1, "heads": 2, "inner": 48, "tokens": 512, "evaluate_n": 2}
    config = PlannerTraining(out=str(tmp_path), minutes=9, max_steps=2, evaluate_every_s=1e9, **small)
    results = Trainer(config, RESOURCES).fit()
    assert "next_step/validation/stack_tower" in results
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    config = PlannerTraining(out=str(tmp_path), minutes=9, max_steps=4, evaluate_every_s=1e9, **small)
    Trainer(config, RESOURCES).fit()
    more = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert (log[-1]["step"], more[-1]["step"]) == (2, 4)
    planner = PalmePlanner.load(lambda _: seen(scene("red block", "blue bowl")), tmp_path / "model")
    assert planner.model.config.backbone["hidden_size"] == 32


def test_no_worker_outlives_its_trainer_whatever_the_trainer_does_on_sigterm():
    import signal

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        queue, workers = start_workers(lambda seed: ([QuestionMaker(SOURCE, seed)], [1.0]), 512, [1, 2])
        queue.get()
        time.sleep(1.0)  # until the pipe is full and nobody reads it
        stop_workers(workers)
        assert not any(worker.is_alive() for worker in workers)
        assert [worker.exitcode for worker in workers] == [-signal.SIGTERM] * 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_closed_loop_counts_the_tasks_that_right_answers_finish_and_no_others(monkeypatch):
    def right(model, examples, **_):
        steps = [min(e.task.acceptable_steps(e.state), key=str) for e in examples]
        return [
            ["done"]
            if step.is_done
            else ["put", step.what.replace(" ", "_"), step.text.split()[4], step.target.replace(" ", "_")]
            for step in steps
        ]

    def too_soon(model, examples, **_):
        return [["done"] for _ in examples]

    def loop(**more) -> float:
        return closed_loop(tiny_model(), SOURCE, "stack_tower", 6, 0, SHARP, **more)

    monkeypatch.setattr(planner_eval, "answers", right)
    assert loop() == 1.0 and loop(max_steps=1) < 1.0
    monkeypatch.setattr(planner_eval, "answers", too_soon)
    maker = QuestionMaker(SOURCE, 0, "validation", SHARP, 0.0, {})
    begun = [maker.example("stack_tower") for _ in range(6)]
    assert loop() == sum(e.task.is_success(e.state) for e in begun) / 6 < 1.0


def test_prompt_of_training_and_of_the_planner_are_the_same_tokens():
    maker = QuestionMaker(SOURCE, 11, noise=SHARP, rates={}, follow_ups=0.0)
    processor = EmbodiedProcessor(build_tokenizer())
    compared = 0
    for _ in range(20):
        e = maker.example()
        if UNK in e.words[: e.prompt]:
            continue
        compared += 1
        sentence = Sentence(prompt_text(e.words[: e.prompt]), {"obj": seen(e.state), "state": np.zeros(11)})
        again = processor(sentence, begin=True)
        assert again["input_ids"][0].tolist() == e.ids[: e.prompt]
        places = [column for column, _ in e.places]
        assert sorted(again["observations"]["obj"]["place"][:, 1].tolist()) == places[1:]
    assert compared > 5


def test_questions_are_asked_in_the_tokens_of_any_tokenizer():
    vocabulary = Vocabulary(bpe_tokenizer(SOURCE))
    small, large = (QuestionMaker(SOURCE, 12, rates={}, vocabulary=v) for v in (small_words(), vocabulary))
    for _ in range(20):
        a, b = small.example(), large.example()
        assert a.words == b.words and len(b.ids) > len(a.ids)
        for (kind, _, begin, stop), (_, _, first, last) in zip(b.spans, a.spans, strict=True):
            assert vocabulary.words(b.ids[begin:stop]) == [w for w in a.words[first:last] if w != EOS], kind
        assert [part for _, part in a.places] == [part for _, part in b.places]
    batch = collate([large.example() for _ in range(4)], vocabulary.pad)
    config = EmbodiedConfig.for_tokenizer(vocabulary.tokenizer, TINY, SENSES)
    assert torch.isfinite(answer_loss(EmbodiedLM(config), QuestionTensors.of(batch))[0])


def test_perceived_scenes_come_back_with_true_answers(tmp_path):
    states = [
        scene("red block", "green block > red block", "blue bowl", "pink bowl", "yellow block > pink bowl")
    ] * 3
    orders = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 0, 2, 4, 3]]
    path = tmp_path / "seen.npz"
    save_perceived(path, [seen(s, order=o) for s, o in zip(states, orders, strict=True)], orders, states)
    maker = DetectedQuestions(SOURCE, PerceivedFile(path), seed=1)
    for _ in range(60):
        e = maker.example(kind="next")
        assert step_text(answer_of(e)) in map(str, e.task.acceptable_steps(e.state))
        names = [ENTITIES[c] for c in e.objects["class_probs"].argmax(1)]
        assert sorted(names) == sorted(o.name for o in e.state.objects)
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(BadPerceivedFile, match="bad.npz"):
        PerceivedFile(tmp_path / "bad.npz")


def test_what_the_detector_missed_is_not_asked_for(tmp_path):
    state = scene("red block", "green block", "blue bowl", "pink bowl")
    path = tmp_path / "seen.npz"
    save_perceived(path, [seen(state, order=[1, 2, 3])], [[1, 2, 3]], [state])
    maker = DetectedQuestions(SOURCE, PerceivedFile(path), seed=1)
    for _ in range(30):
        assert "red_block" not in goal_of(maker.example(kind="next").task).order
