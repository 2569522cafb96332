"""Text that cannot be written is refused at every entrance, before an arm moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from palme.agent import Agent
from palme.cli.main import main
from palme.data.errors import InvalidFrameError
from palme.data.sidecar import EpisodeEvent, Run
from palme.data.writer import DatasetWriter
from palme.operator.run_operator import RunOperator
from robots.errors import MessageRefused
from robots.policy_servers.errors import FieldRefused
from robots.policy_servers.keys import keys_for
from robots.policy_servers.msgpack_numpy import decode, encode
from robots.policy_servers.observations import ObservationReader
from robots.text import TextRefused, checked_text, escaped, text_problem
from sim.tasks.phrasings.template import BadPhrasing, load_phrasings
from tests.data_rig import BLIND

BAD = ("caf\udce9", "\ud800", "put \udfff it", "put\x00it", "\x1b[2J", "a\x7f", "a\x85b", "\x08")
GOOD = (
    "put the red block in the blue bowl",
    "leg den Würfel in die Schüssel",
    "把红色方块放进碗里",
    "🤖\n\tok",
    "",
)


@pytest.mark.parametrize("text", GOOD)
def test_text_of_any_language_passes(text):
    assert text_problem(text) == "" and checked_text(text, "task") == text == escaped(text)


@pytest.mark.parametrize("text", BAD)
def test_what_no_file_can_carry_is_named_with_its_place(text):
    with pytest.raises(TextRefused, match=r"^task: character \d+ of '.*' is U\+[0-9A-F]{4}.* in UTF-8$"):
        checked_text(text, "task")
    assert text_problem(escaped(text)) == "" and escaped(text).isascii()
    assert text_problem(escaped(text).encode() and text) and text_problem(None) and text_problem(b"put")


def _agent(text: str, _: Any) -> None:
    agent: Any = Agent.__new__(Agent)  # without an arm: it is refused before anything is asked of one
    Agent.run(agent, text)


def _prompt(text: str, _: Any) -> None:
    from robots.spec import ArmSpec

    reader = ObservationReader(ArmSpec.load("panda"), "front", keys_for("openpi"))
    reader.prompt({reader.keys.prompt: text})


def _phrasings(text: str, folder: Any) -> None:
    import json

    path = folder / "p.yaml"
    path.write_text(f"put_in_bowl: [{json.dumps('put {block} in {bowl}' + text)}]")  # spelled as \udce9
    load_phrasings(path)


def _begin(text: str, folder: Any) -> None:
    with DatasetWriter(folder / "d", BLIND) as dataset:
        dataset.begin(text)


ENTRANCES: dict[str, tuple[Callable[[str, Any], Any], type[Exception]]] = {
    "agent": (_agent, TextRefused),
    "prompt of a policy server": (_prompt, FieldRefused),
    "phrasings of eval": (_phrasings, BadPhrasing),
    "data set": (_begin, InvalidFrameError),
    "run of a sidecar": (lambda text, _: Run(text), InvalidFrameError),
    "event of a sidecar": (lambda text, _: EpisodeEvent(0, 0.0, "judged", answer=text), InvalidFrameError),
}


@pytest.mark.parametrize("text", BAD)
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_every_entrance_refuses_it(entrance, text, tmp_path):
    enter, error = ENTRANCES[entrance]
    with pytest.raises(error, match=r"U\+"):
        enter(text, tmp_path)


@pytest.mark.parametrize("text", BAD)
@pytest.mark.parametrize(
    "words",
    [
        ["run", "{}"],
        ["run", "put the red block in the blue bowl", "out={}"],
        ["teleop", "device=keyboard", "task={}"],
        ["eval", "phrasings={}"],
        ["data", "check", "{}"],
        ["{}"],
    ],
)
def test_every_command_refuses_it_before_it_begins(words, text, capsys):
    assert main([word.format(text) for word in words]) == 2
    said = capsys.readouterr().err
    assert "palme: argument" in said and "U+" in said and "Traceback" not in said


@pytest.mark.parametrize("text", BAD)
def test_the_words_of_an_operator_are_refused(text):
    operator: Any = RunOperator.__new__(RunOperator)
    takeover = type("Takeover", (), {"holder": ""})()
    operator.shared = type("Shared", (), {"takeover": takeover})()
    operator.run_status = object()
    reply = RunOperator.correct(operator, "console 1", text)
    assert not reply.done and "U+" in reply.message


def test_a_client_of_a_policy_server_says_so_before_it_sends():
    with pytest.raises(MessageRefused, match=r"U\+DCE9"):
        encode({"prompt": "caf\udce9", "state": np.zeros(8)})
    with pytest.raises(MessageRefused):
        decode(b"\x81\xa6prompt\xa4caf\xe9")
