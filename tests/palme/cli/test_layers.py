"""A failed episode is put down to the layer that failed: each kind is injected here."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from palme.cli.evaluation.episode import InstructionMismatch, Told
from palme.cli.evaluation.layers import LAYERS, Ending, StepTruth, attributed
from palme.cli.evaluation.results import done, followed
from palme.planners.base import Context
from robots.skills import DONE, Step
from sim.geometry.shapes import height
from sim.judging.snapshot import Snapshot
from sim.tasks import make_task
from sim.tasks.put_in_bowl import InBowl
from sim.world.state import ObjectSpec

SPECS = tuple(ObjectSpec(*name.split()) for name in ("red block", "blue bowl", "green block"))
AT = {"red block": (0.4, 0.1), "blue bowl": (0.5, -0.1), "green block": (0.6, 0.2)}
TASK = make_task("put_in_bowl", InBowl("red block", "blue bowl"), "put the {block} in the {bowl}")
PUT = Step.put("red block", "blue bowl")
READ = ("blue bowl", "red block")


class Seen:
    """What a detector saw: names, and where."""

    def __init__(self, **off):
        self.names = [spec.name for spec in SPECS if off.get(spec.name.replace(" ", "_"), 0) is not None]
        self.xyz = [np.array([*AT[n], 0.02]) + [off.get(n.replace(" ", "_"), 0), 0, 0] for n in self.names]

    def __len__(self):
        return len(self.names)

    def name(self, i):
        return self.names[i]


def table(red=None, held=None, z=None):
    rows = []
    for spec in SPECS:
        x, y = AT[spec.name] if spec.name != "red block" or red is None else red
        rows.append([x, y, height(spec) / 2 if spec.name != "red block" or z is None else z])
    return Snapshot(SPECS, np.array(rows), np.tile([0, 0, 0, 1.0], (3, 1)), held)


def truth(during=(), grips=(), after=None, step=PUT, seen=None, gate=""):
    return StepTruth(step, Seen() if seen is None else seen, table(), during, grips, after or table(), gate)


CARRIED = (table(held=0), table(held=0, z=0.2), table(AT["blue bowl"], held=0, z=0.2))
MISSED = (table(), table(), table())
LET_GO_BESIDE = (*CARRIED[:2], table((0.5, 0.0), held=0, z=0.2), table((0.5, 0.0)))
FAILED = Ending(False, "replans", "gave up", READ)
CASES = {
    "reading": ([truth(step=Step.put("green block", "blue bowl"))],
                Ending(True, "done", "", ("blue bowl", "green block"))),
    "reading, refused": ([], Ending(False, "refused", "I cannot do that.", None)),
    "perception, far": ([truth(MISSED, (1, 0, 0), seen=Seen(red_block=0.031))], FAILED),
    "perception, absent": ([truth(MISSED, (1, 0, 0), seen=Seen(blue_bowl=None))], FAILED),
    "perception, not seen": ([], Ending(False, "refused", "I do not see the red block on the table.", READ)),
    "plan": ([truth(step=Step.put("green block", "blue bowl"))], FAILED),
    "plan, done too early": ([truth(step=DONE)], Ending(True, "done", "", READ)),
    "policy": ([truth(MISSED, (1, 0, 0))], FAILED),
    "policy, let go beside": ([truth(LET_GO_BESIDE, (0, 0, 0, 0.6), table((0.5, 0.0)))], FAILED),
    "gate": ([truth(MISSED, (1, 0, 0), gate="the gate held the arm back: workspace (9 ticks)")], FAILED),
    "gate, rejected": ([], Ending(False, "rejected", "CommandNotFinite: nan", READ)),
    "physics, dropped": (
        [truth((*CARRIED[:2], table((0.45, 0.0))), (0, 0, 0), table((0.45, 0.0)))], FAILED),
    "physics, toppled": (
        [truth((*CARRIED, table((0.56, -0.02))), (0, 0, 0, 0.6), table((0.56, -0.02)))], FAILED),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_each_kind_of_failure_is_put_down_to_its_layer(kind):
    layer, evidence = attributed(TASK, *CASES[kind])
    assert layer == kind.split(",")[0] and layer in LAYERS and evidence


def test_a_detection_within_3_cm_is_no_failure_of_perception():
    near = truth(MISSED, (1, 0, 0), seen=Seen(red_block=0.029))
    assert attributed(TASK, [near], FAILED)[0] == "policy"


def test_a_step_that_was_put_right_later_is_not_the_cause():
    right = truth((*CARRIED, table(AT["blue bowl"], z=0.03)), (0, 0, 0, 0.6), table(AT["blue bowl"], z=0.03))
    wrong = truth(MISSED, (1, 0, 0))
    assert attributed(TASK, [wrong, right], FAILED)[0] == "perception"  # the success was judged a failure
    assert attributed(TASK, [right, wrong], FAILED)[0] == "policy"


def test_another_instruction_than_the_task_s_stops_the_evaluation():
    inner = SimpleNamespace(next_step=lambda context: DONE, was_successful=lambda context, step: True)
    checked = Told(inner, "tidy up")
    checked.next_step(Context("tidy up", None))
    checked.raise_if_other()
    checked.was_successful(Context("tidy", None), DONE)
    with pytest.raises(InstructionMismatch, match="'tidy'.*'tidy up'"):
        checked.raise_if_other()


def result(index=0, control="", success=True, told=True, believed=True, scene=1, late=None, begun=0):
    spec = SimpleNamespace(family="put_in_bowl", index=index, control=control)
    return SimpleNamespace(
        spec=spec, success_at_end=success, told=told, believed=believed, scene=scene,
        late_s=late, late_steps=None if late is None else 0, judged=(1, 0, 0), begun=begun,
    )  # fmt: skip


@pytest.mark.parametrize(
    "swapped, follows",
    [
        (result(control="swapped", success=False), 1),
        (result(control="swapped", success=False, told=False), 0),
        (result(control="swapped", success=True, told=False), 0),  # went where it was not told
    ],
)
def test_words_are_followed_where_both_runs_of_a_scene_go_where_they_are_told(swapped, follows):
    row = followed([result(), swapped])
    assert (row["pairs"], row["followed"]) == (1, follows)
    assert row["avoids_the_other"] == (not swapped.success_at_end)


def test_only_runs_of_one_scene_are_a_pair():
    assert followed([result(), result(control="swapped", scene=2)]) is None
    assert followed([result()]) is None


def test_what_moves_without_words_counts_without_a_pair_as_well():
    runs = [result(), result(control="unsaid", begun=2), result(1, control="unsaid")]
    row = followed(runs)
    assert (row["pairs"], row["followed"], row["unsaid"], row["moved_unsaid"]) == (0, 0, 2, 1)
    assert row["wilson95"] == [0, 1]
    with_pair = followed([*runs, result(control="swapped", success=False)])
    assert (with_pair["pairs"], with_pair["moved_unsaid"]) == (1, 1)


def test_done_is_measured_both_ways():
    row = done([result(late=0.0), result(success=False), result(believed=False), result(late=2.0)])
    assert (row["said"], row["false"], row["reached"], row["missed"]) == (3, 1, 3, 1)
    assert row["late_s"]["median"] == 1.0 and row["steps_judged"] == {"done": 4, "failed": 0, "unsure": 0}
    assert done([])["false_rate"] is None
