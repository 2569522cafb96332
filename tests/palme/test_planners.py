"""The contract of every planner, kept by the language model's and by the symbolic baseline."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from palme.agent import AgentLimits
from palme.errors import NoMotion
from palme.events import Judged, Planned
from palme.language.answers import Goal
from palme.language.tokenizer import build_tokenizer
from palme.models.embodied_lm import EmbodiedLM
from palme.models.processor import EmbodiedProcessor
from palme.planners.base import Context, Verdict
from palme.planners.palme import PalmePlanner
from palme.planners.readout import ReadoutPlanner, parse_goal
from robots.skills import COLOURS, BadStep, Step
from sim.tasks import make_task
from sim.tasks.match_bowls import Matched
from sim.tasks.put_in_bowl import InBowl
from sim.tasks.stack_tower import Tower
from tests.agent_fakes import FakeArm, FakePolicy, agent
from tests.bpe import bpe_tokenizer
from tests.planner_fakes import SENSES, SOURCE, observation, scene, seen, tiny_model

TABLE = scene("red block", "green block > red block", "blue bowl", "blue block > blue bowl", "pink bowl")


class PlannerContract:
    """Inherit and override `planner(state)`."""

    def planner(self, state):
        raise NotImplementedError

    @pytest.mark.parametrize(
        "sentence", ["put the red block in the blue bowl", "stack red on blue", "sing", ""]
    )
    def test_answers_with_a_step_of_the_grammar_or_refuses_in_words(self, sentence):
        try:
            plan = self.planner(TABLE).next_step(Context(sentence, observation()))
        except NoMotion as answer:
            assert len(str(answer)) > 10
        else:
            assert isinstance(plan.step, Step) and Step.parse(plan.step.text) == plan.step
            assert 0 <= plan.probability <= 1
            assert plan.rationale
            assert len(plan.objects) == len(TABLE.objects)

    def test_verdict_is_true_or_false_with_a_probability(self):
        context = Context("", observation())
        for text in ("put the red block in the blue bowl", "put the blue block in the blue bowl"):
            verdict = self.planner(TABLE).was_successful(context, Step.parse(text))
            assert isinstance(verdict, Verdict) and bool(verdict) == verdict.success
            assert 0 <= verdict.probability <= 1

    def test_an_answer_stays_one_after_many_steps(self):
        failed = Step.parse("put the green block on the table")
        context = Context("put the red block in the blue bowl", observation(), ((failed, False),) * 9)
        try:
            planned = self.planner(TABLE).next_step(context)
        except NoMotion as answer:
            assert len(str(answer)) > 10
        else:
            assert Step.parse(planned.step.text) == planned.step

    @pytest.mark.parametrize("sentence", ["put the red block in the blue bowl", "stack red on blue"])
    def test_nothing_is_done_with_what_is_not_there(self, sentence):
        with pytest.raises(NoMotion, match="see"):
            self.planner(scene()).next_step(Context(sentence, observation()))


class TestPalmePlanner(PlannerContract):
    def planner(self, state):
        return PalmePlanner(tiny_model(), EmbodiedProcessor(build_tokenizer()), lambda _: seen(state))

    def test_tells_what_it_read(self):
        planner = self.planner(TABLE)
        try:
            planner.next_step(Context("put obj_1 in the blue bowl", observation()))
        except (NoMotion, BadStep):
            pass
        placeholders = [str(p) for p in planner.last_sentence.parts if not isinstance(p, str)]
        assert placeholders == ["<state>", *(f"<obj:{k}>" for k in range(1, 6))]
        assert len(planner.last_sentence.observations["obj"]) == 5

    def test_reads_the_last_three_steps_and_how_they_went(self):
        planner = self.planner(TABLE)
        step = Step.parse("put the green block on the table")
        history = ((step, True), (step, False), (step, True), (step, False))
        with contextlib.suppress(NoMotion):
            planner.next_step(Context("sort", observation(), history))
        said = planner.last_sentence.text
        assert [w for w in said.split() if w in ("yes", "no")] == ["no", "yes", "no"]
        assert said.count("put green block on table") == 3

    @pytest.mark.parametrize("typed", ["put <b>red</b> in blue", "<img:goal>", "<obj:99>", "<audio:mic>"])
    def test_what_looks_like_an_observation_and_is_none_is_refused(self, typed):
        with pytest.raises(NoMotion, match="<"):
            self.planner(TABLE).next_step(Context(typed, observation()))

    def test_comes_back_from_a_folder_and_says_how_to_get_weights(self, tmp_path):
        planner = self.planner(TABLE)
        planner.model.save_pretrained(tmp_path)
        planner.processor.save_pretrained(tmp_path)
        again = PalmePlanner.load(lambda _: seen(TABLE), tmp_path)
        step = Step.parse("put the red block in the blue bowl")
        a, b = (p.was_successful(Context("", observation()), step) for p in (planner, again))
        assert a == b
        with pytest.raises(FileNotFoundError, match="palme train planner"):
            PalmePlanner.load(lambda _: seen(TABLE), tmp_path / "nothing")


TALL = ("green_block", "red_block", "pink_block")


@pytest.mark.parametrize(
    "goal",
    [
        Goal("in", ("blue_bowl", "red_block")),
        Goal("stack", ("green_block", "red_block"), ("green_block", "red_block")),
        Goal("stack", ("green_block", "red_block"), ("red_block", "green_block")),
        Goal("stack", TALL, (TALL[1], TALL[2], TALL[0])),
        Goal("match"),
    ],
)
@pytest.mark.parametrize("family", ["palme", "another tokenizer", "readout"])
def test_a_goal_that_was_read_is_kept_whatever_the_sentence_says(goal, family):
    table = scene(*(f"{colour} {kind}" for colour in COLOURS for kind in ("block", "bowl")))
    kind = {
        "palme": TestPalmePlanner,
        "another tokenizer": TestPalmePlannerOfAnotherTokenizer,
        "readout": TestReadoutPlanner,
    }[family]
    planner = kind().planner(table)
    for sentence in ("put the red block in the blue bowl", "sort the blocks by colour", "sing"):
        try:
            plan = planner.next_step(Context(sentence, observation(), (), goal))
        except NoMotion:  # of an untrained model, or of what is not there: it may refuse, not read again
            continue
        assert plan.goal == goal
    assert Goal.parse([*goal.words(), "done", "."]) == goal


class TestPalmePlannerOfAnotherTokenizer(PlannerContract):
    """A backbone with a byte-level BPE, as pretrained models have."""

    def planner(self, state):
        torch.manual_seed(0)
        tokenizer = bpe_tokenizer(SOURCE)
        lm = AutoModelForCausalLM.from_config(
            LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=2048)
        )  # fmt: skip
        model = EmbodiedLM.from_backbone(lm, tokenizer, modalities=SENSES)
        return PalmePlanner(model, EmbodiedProcessor(tokenizer), lambda _: seen(state))

    def test_it_plans_through_the_whole_loop(self):
        """Untrained, it plans something legal or refuses; the loop plans, acts, judges and plans again."""
        events = []
        arm = FakeArm()
        table = scene(*(f"{colour} {kind}" for colour in COLOURS for kind in ("block", "bowl")))
        for sentence in ("put the red block in the blue bowl", "stack red on green", "sort the blocks"):
            limits = AgentLimits(max_steps=3, max_replans=3)
            agent(self.planner(table), FakePolicy(), arm, (events.append,), limits).run(sentence)
        planned = [e for e in events if isinstance(e, Planned)]
        assert planned and any(isinstance(e, Judged) for e in events) and arm.sent
        assert all(Step.parse(e.step.text) == e.step for e in planned)


class TestReadoutPlanner(PlannerContract):
    def planner(self, state):
        return ReadoutPlanner(lambda _: seen(state))

    @pytest.mark.parametrize(
        "task",
        [
            make_task("put_in_bowl", InBowl("red block", "pink bowl"), "move {block} into {bowl}"),
            make_task(
                "stack_tower", Tower(("blue block", "red block")), "stack from bottom to top: {bottom_to_top}"
            ),
            make_task("match_bowls", Matched(), "sort the blocks by colour"),
        ],
        ids=lambda t: t.family,
    )
    def test_its_steps_are_acceptable_and_lead_to_the_goal(self, task):
        from sim.tasks.steps import apply_step

        rows = ("red block", "green block > red block", "blue bowl", "blue block > blue bowl", "pink bowl")
        state = scene(*rows, "red bowl", "green bowl")
        for _ in range(12):
            step = self.planner(state).next_step(Context(task.instruction, observation())).step
            assert step in task.acceptable_steps(state)
            if step.is_done:
                return
            after = apply_step(state, step)
            context = Context(task.instruction, observation())
            assert self.planner(after).was_successful(context, step)
            assert not self.planner(state).was_successful(context, step)
            state = after
        pytest.fail("never done")

    def test_two_things_said_to_hold_one_another_do_not_hang_it(self):
        objects = seen(scene("red block", "green block"))
        objects.holder_probs[:] = np.array([[0, 1, 0], [1, 0, 0]])
        planner = ReadoutPlanner(lambda _: objects)
        planner.next_step(Context("stack green on red", observation()))


def test_what_was_seen_in_another_run_is_not_remembered():
    tables = [scene("red block", "blue bowl")] * 3 + [scene("pink block", "green bowl")]
    looks = iter([seen(table) for table in tables])
    planner = PalmePlanner(tiny_model().eval(), EmbodiedProcessor(build_tokenizer()), lambda _: next(looks))
    for _ in tables:
        planner.was_successful(Context("", observation()), Step.parse("put the red block in the blue bowl"))
    found = planner._detected[1]
    assert sorted(found.name(i) for i in range(len(found))) == ["green bowl", "pink block"]


@pytest.mark.parametrize(
    ("sentence", "order"),
    [
        ("put the red cube on the blue one", ("blue_block", "red_block")),
        ("from top to bottom: red, blue, green", ("green_block", "blue_block", "red_block")),
        ("put the red block in the blue dish", ("blue_bowl", "red_block")),
        ("put obj_2 in obj_1", ("pink_bowl", "red_block")),
    ],
)
def test_keywords_make_a_goal(sentence, order):
    assert parse_goal(sentence, ["pink bowl", "red block"]).order == order
