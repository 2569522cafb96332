"""A step of a run can be followed from the sentence to every command it sent."""

from __future__ import annotations

import json

import numpy as np
import pytest

from palme.agent import Agent
from palme.cli.commands.why import main
from palme.cli.errors import UsageError
from palme.report.chain import NoChain, read_chain
from palme.report.folder import OutputFolder
from palme.report.log import EventLog
from palme.report.why_page import marked, why_page
from robots.executor import Executor
from robots.robot import HasGate
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec
from robots.types import ActionChunk
from tests.agent_fakes import FakeArm, FakePlanner, FakePolicy
from tests.planner_fakes import scene, seen

PUT = "put the red block in the blue bowl"
STACK = "put the green block on the red block"


class GatedArm(FakeArm, HasGate):
    """A fake with the gate of a Panda."""

    spec = ArmSpec.load("panda")

    def __init__(self):
        super().__init__()
        self.q, self.gate, self.time = self.spec.q_home, SafetyGate(self.spec), 0.0

    def command(self, command):
        sent = self.gate.filter(command, self.q, 1.0, self.time)
        self.q, self.time = sent.q_target, self.time + self.spec.dt
        self.sent.append(sent)
        return sent


class Seeing(FakePlanner):
    probability = 0.97
    objects = seen(scene("red block", "blue bowl", "green block"))


def played(folder, steps=(PUT, STACK), far=0.3, verdicts=()):
    arm = GatedArm()

    def chunk():
        way = arm.q + far * np.linspace(0.1, 1, 6)[:, None]
        return ActionChunk(way, np.ones(6), arm.spec.control_hz)

    out = OutputFolder(folder, lambda said: None)
    with EventLog(folder / "events.jsonl", None, out.write_picture, arm.spec, planner="fake") as log:
        planner = Seeing(steps, verdicts)
        Agent(arm, planner, FakePolicy(make=chunk), Executor(arm, 0), [log]).run("tidy <up>")
    return arm, [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_one_id_leads_from_the_sentence_to_every_command(tmp_path):
    arm, lines = played(tmp_path)
    run = lines[0]["id"]
    assert all(line["id"].split("/")[0] == run for line in lines)
    acted = [line for line in lines if line["event"] == "acted"]
    assert [line["id"] for line in acted] == [f"{run}/{s}/{c}" for s in (1, 2) for c in (1, 2)]
    assert [line["id"] for line in lines if line["event"] in ("planned", "judged")][:3] == [
        f"{run}/1", f"{run}/1", f"{run}/2",
    ]  # fmt: skip
    seqs = [seq for line in acted for seq in range(line["seq"][0], line["seq"][1] + 1)]
    assert seqs == [command.seq for command in arm.sent]
    assert [line["gate"]["first_tick"] for line in acted] == [0, 6, 12, 18]


def test_what_was_asked_is_kept_where_the_gate_sent_something_else(tmp_path):
    _, lines = played(tmp_path)
    for line in (line for line in lines if line["event"] == "acted"):
        gate = line["gate"]
        assert gate["accepted"] + gate["clamped"] == len(line["q_sent"])
        assert len(gate.get("asked", ())) == gate["clamped"]
    assert any(line["gate"]["clamped"] for line in lines if line["event"] == "acted")


@pytest.mark.parametrize("n, step", [(1, PUT), (2, STACK), (3, "done")])
def test_the_page_and_the_text_hold_every_link_of_a_step(tmp_path, n, step, capsys):
    played(tmp_path)
    assert main([str(tmp_path), f"step={n}"]) == 0
    text, page = capsys.readouterr().out, (tmp_path / f"why-{n}.html").read_text()
    assert "tidy <up>" in text and "tidy &lt;up&gt;" in page and "<up>" not in page
    assert step in text and step in page and "0.97" in text
    if n < 3:
        assert all(word in text for word in ("clamped", "12 commands", "judged done"))
        assert all(word in page for word in ("panda_joint1", "Detection", "<polyline", "data:image/jpeg"))


def test_a_page_needs_no_picture_and_no_gate(tmp_path):
    played(tmp_path)
    for picture in (tmp_path / "steps").glob("*.jpg"):
        picture.unlink()
    path = tmp_path / "events.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        for name in ("gate", "tool", "limits"):
            line.pop(name, None)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "Verdict" in why_page(read_chain(tmp_path, 1))


def test_what_is_not_there_is_said_in_one_sentence(tmp_path):
    played(tmp_path / "run")
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "results.json").write_text("{}")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "events.jsonl").write_text("what is this\n")
    for words, needle in (
        ([str(tmp_path / "nowhere")], "holds no run"),
        ([str(tmp_path / "eval")], "logs=true"),
        ([str(tmp_path / "bad")], "cannot be read"),
        ([str(tmp_path / "run"), "step=9"], "1 to 3"),
        ([], "expected one DIR"),
    ):
        with pytest.raises(UsageError, match=needle) as error:
            main(words)
        assert "\n" not in str(error.value)
    with pytest.raises(NoChain):
        read_chain(tmp_path / "run", 0)


def test_a_ring_is_drawn_where_the_thing_is():
    rgb = np.full((40, 60, 3), 90, np.uint8)
    changed = np.argwhere((marked(rgb, [(20.0, 10.0)], 1) != 90).any(-1))
    np.testing.assert_allclose(changed.mean(0), [10, 20], atol=1.0)
