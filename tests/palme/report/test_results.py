"""What results.json and its page make of played episodes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from palme.cli.evaluation.episode import EpisodeResult, EpisodeSpec
from palme.cli.evaluation.gate_counts import GateCounts
from palme.cli.evaluation.results import summary
from palme.report.eval_page import eval_page
from palme.report.results import EvalResults
from robots.skills import Step

SETTINGS = {"seed": 1, "split": "test", "planner": "palme", "policy": "keypose", "complete": True}


def result(index, success, control=""):
    spec = EpisodeSpec("put_in_bowl", index, 1, control=control)
    steps, seconds = ((Step.put("red block", "table"), success),), {"plan": 0.5, "execute": 1.0}
    return EpisodeResult(
        spec, "do <it>", success, success, True, "done", "because", steps, int(not success),
        10.0, 2.0, seconds, (20.0,), (5.0, 6.0),
    )  # fmt: skip


def test_counts_intervals_and_means():
    content = summary([result(k, k < 9) for k in range(10)], ["put_in_bowl"], SETTINGS)
    row = content["tasks"]["put_in_bowl"]
    assert (row["episodes"], row["success_at_end"], row["success_ever"]) == (10, 9, 9)
    assert row["wilson95"] == pytest.approx([0.5958, 0.9821], abs=1e-4)
    assert row["steps_mean"] == 1 and row["replans_mean"] == 0.1
    assert row["failures"][0]["index"] == 9 and row["said_done_but_was_not"] == 1
    assert {"schema", "commit", "tasks", "overall", "timing"} <= set(content)


def test_timing_tells_how_much_faster_than_real_time():
    timing = summary([result(0, True)], ["put_in_bowl"], SETTINGS)["timing"]
    assert timing["planner_ms"]["median"] == 20 and timing["times_real_time"] == 5


def test_controls_are_counted_apart():
    played = [result(0, True), result(0, False, "blanked"), result(0, False, "random")]
    content = summary(played, ["put_in_bowl"], SETTINGS)
    assert content["overall"]["episodes"] == 1
    assert content["controls"]["blanked"]["put_in_bowl"]["success_at_end"] == 0
    page = eval_page(EvalResults.from_json(content))
    assert "blanked" in page and "1 of 1 episodes achieved" in page


def test_the_page_lists_failures_and_fetches_nothing():
    page = eval_page(EvalResults.from_json(summary([result(3, False)], ["put_in_bowl"], SETTINGS)))
    assert "do &lt;it&gt;" in page and "because" in page
    assert "http" not in page and "src=" not in page


def test_nothing_played_is_still_a_page():
    content = summary([], ["put_in_bowl"], SETTINGS | {"complete": False})
    assert content["tasks"]["put_in_bowl"]["wilson95"] == [0.0, 1.0]
    assert "No episode was run" in eval_page(EvalResults.from_json(content))


def test_what_the_gate_did_is_counted_by_task_and_by_episode():
    counts = [GateCounts(), GateCounts(limited=3), GateCounts(held=2), GateCounts(refused=1, limited=4), None]
    played = [replace(result(k, True), gate=gate) for k, gate in enumerate(counts)]
    content = summary(played[::-1], ["put_in_bowl"], SETTINGS)
    row = EvalResults.from_json(content).tasks["put_in_bowl"]
    assert row.gate is not None and (row.gate.held, row.gate.refused, row.gate.limited) == (2, 1, 7)
    assert row.gate.episodes_held_or_refused == 2
    assert [(e.index, e.held, e.refused, e.limited) for e in row.gate_by_episode] == [
        (0, 0, 0, 0), (1, 0, 0, 3), (2, 2, 0, 0), (3, 0, 1, 4),
    ]  # fmt: skip
    assert summary([played[-1]], ["put_in_bowl"], SETTINGS)["overall"]["gate"] is None


def test_the_page_shows_words_done_and_the_layers_that_failed():
    failed = replace(result(1, False), layer="perception", evidence="<seen> elsewhere", told=False)
    swapped = replace(result(0, False, "swapped"), told=True)
    unsaid = replace(result(0, False, "unsaid"), begun=1)
    played = [replace(result(0, True), told=True, late_s=1.5), failed, swapped, unsaid]
    page = eval_page(EvalResults.from_json(summary(played, ["put_in_bowl"], SETTINGS)))
    assert "<h2>Words</h2>" in page and "1 of 1</td><td>20.6 – 100.0 %" in page  # followed
    assert "1 of 2</td><td>9.5 – 90.5 %" in page and "median 1.5 s" in page  # said done, and it was not
    assert "<td>perception</td><td>1</td>" in page and "perception: &lt;seen&gt; elsewhere" in page
