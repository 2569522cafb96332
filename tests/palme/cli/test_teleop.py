"""`palme teleop` and `palme run console=true`: a person's place, from the command line."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import threading
import time
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from palme.cli.config import load
from palme.cli.errors import UsageError
from palme.cli.main import main
from palme.cli.rig.operator_session import _serve, check_operator
from palme.cli.settings.run import TeleopConfig
from palme.operator.operator import Jog

RUN = ["run", "put the red block in the blue bowl", "seed=12", "distractors=2", "video=false"]
PRIVILEGED = ["planner=oracle", "policy=expert"]


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch):
    """A console's server whose person does what the test says, in a thread of its own."""
    server = ModuleType("palme.operator.server")
    person = ModuleType("person")
    person.beyond = []  # type: ignore[attr-defined]
    person.acts, person.asked, person.stopped = lambda desk: None, [], []  # type: ignore[attr-defined]

    class Console:
        watched = False

        def __init__(self, desk) -> None:
            self.thread = threading.Thread(target=person.acts, args=(desk,), daemon=True)
            self.thread.start()

        def stop(self) -> None:
            self.thread.join(20.0)
            person.stopped.append(not self.thread.is_alive())

    def serve(desk, host="127.0.0.1", port=0, token=None, *, beyond_loopback=False):
        person.asked.append((host, port, token))
        person.beyond.append(beyond_loopback)
        return Console(desk)

    server.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "palme.operator.server", server)
    return person


def wait_for(condition, seconds: float = 40.0) -> None:
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.01)


def test_a_run_is_taken_over_corrected_and_handed_back(console, tmp_path, capsys) -> None:
    told: dict[str, Any] = {}

    def acts(desk) -> None:
        try:
            take_and_jog(desk)
        finally:
            told["back"] = desk.hand_back("anna")  # whatever happens: the run waits for it

    def take_and_jog(desk) -> None:
        moved = desk.status().joints
        wait_for(lambda: desk.status().steps)
        wait_for(lambda: any(abs(a.q - b.q) > 0.1 for a, b in zip(moved, desk.status().joints, strict=True)))
        told["take"] = desk.take("anna")
        time.sleep(0.5)  # what the policy had begun comes to rest
        before, told["moved"], limit = desk.status().joints, 0.0, time.monotonic() + 20.0
        while told["moved"] < 0.03 and time.monotonic() < limit:
            told["jog"] = desk.jog("anna", Jog((0.0, 0.0, 0.7)))
            time.sleep(0.03)
            told["moved"] = max(abs(a.q - b.q) for a, b in zip(before, desk.status().joints, strict=True))
        wait_for(lambda: desk.picture("front") is not None)
        told["picture"] = desk.picture("front").rgb.shape

    console.acts = acts
    out = tmp_path / "run"
    assert main([*RUN, *PRIVILEGED, "console=true", f"out={out}"]) == 0
    assert all(told[k].done for k in ("take", "jog", "back")), told
    assert told["moved"] > 0.02 and told["picture"] == (176, 240, 3)
    assert console.stopped == [True] and console.asked == [("127.0.0.1", 0, None)]
    lines = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    back = next(line for line in lines if line["event"] == "handedback")
    assert back["who"] == "anna" and len(back["q_sent"]) >= 2
    judged = [line["event"] for line in lines].index("judged")
    assert judged > [line["event"] for line in lines].index("handedback")
    said = capsys.readouterr().out
    for words in ("ticks by hand", " missed, worst delay ", "done, as far as the model can see"):
        assert words in said


def test_a_run_with_a_console_waits_until_somebody_begins_it(console, tmp_path, capsys) -> None:
    told: dict[str, Any] = {}

    def acts(desk) -> None:
        told["phase"], before = desk.status().phase, desk.status().joints
        told["refused"] = [desk.take("anna"), desk.pause("anna"), desk.correct("anna", "the other bowl")]
        time.sleep(1.0)
        told["still"] = all(abs(a.q - b.q) < 2e-3 for a, b in zip(before, desk.status().joints, strict=True))
        told["steps"] = desk.status().steps
        told["begun"] = desk.start("anna")
        wait_for(lambda: desk.status().phase == "ended")
        told["end"] = desk.status().end

    console.acts = acts
    assert main([*RUN, *PRIVILEGED, "console=true", "console_wait=true", f"out={tmp_path}"]) == 0
    assert told["phase"] == "waiting" and told["still"] and not told["steps"] and told["begun"].done
    assert all("not begun" in reply.message for reply in told["refused"])
    assert told["end"].kind in ("done", "achieved")
    said = capsys.readouterr().out
    assert "waiting: the run begins" in said and "Ctrl-C ends it" in said and "begun by anna" in said
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    refused = [line for line in lines if line["event"] == "typed" and line["state"] == "refused"]
    assert [line["words"] for line in refused] == ["the other bowl"]
    assert "the other bowl" in (tmp_path / "report.html").read_text()


def test_a_run_that_crashes_says_so_in_its_console(console, tmp_path, monkeypatch) -> None:
    told: dict[str, Any] = {}

    def acts(desk) -> None:
        wait_for(lambda: desk.status().phase == "ended")
        told["end"], told["reply"] = desk.status().end, desk.stop("anna", "")

    def crash(self, instruction):
        raise RuntimeError("a bug outside of the agent's loop")

    console.acts = acts
    monkeypatch.setattr("palme.agent.Agent.run", crash)
    with pytest.raises(RuntimeError, match="a bug"):
        main([*RUN, *PRIVILEGED, "console=true", f"out={tmp_path}"])
    assert told["end"].kind == "crashed" and "RuntimeError: a bug" in told["end"].reason
    assert not told["reply"].done and "Crashed" in told["reply"].message


def test_ctrl_c_while_a_run_waits_ends_it_and_nothing_has_moved(console, tmp_path, monkeypatch) -> None:
    told: dict[str, Any] = {}

    def acts(desk) -> None:
        before = desk.status().joints
        wait_for(lambda: desk.status().phase == "ended")
        status = desk.status()
        told["end"] = status.end
        told["still"] = all(abs(a.q - b.q) < 2e-3 for a, b in zip(before, status.joints, strict=True))

    def interrupt(timeout):
        raise KeyboardInterrupt

    console.acts = acts
    monkeypatch.setattr("palme.cli.rig.operator_session.typed_line", interrupt)
    assert main([*RUN, *PRIVILEGED, "console=true", "console_wait=true", f"out={tmp_path}"]) == 130
    assert told["end"].kind == "stopped" and "before it began" in told["end"].reason and told["still"]


def test_a_console_without_its_server_is_a_plain_sentence(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setitem(sys.modules, "palme.operator.server", None)
    assert main([*RUN, *PRIVILEGED, "console=true", f"out={tmp_path}"]) == 2
    assert "palme-stack[teleop]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["teleop", "device=joystik"], ["device 'joystik'", "gamepad"]),
        (["teleop", "put it there"], ["palme run"]),
        (["teleop", "hand.liner=0.1"], ["did you mean 'hand.linear'"]),
        (["teleop", "hand.linear=-0.1", "console=true"], ["hand.linear", "> 0"]),
        ([*RUN, *PRIVILEGED, "teleop=joystik"], ["device 'joystik'", "gamepad"]),
        (["teleop", "scene=/nowhere.yaml"], ["scene=/nowhere.yaml: No such file or directory; name a scene"]),
        (
            ["teleop", "device=leader", "leader.key=nobody"],
            ["palme: device=leader: ", "palme keys new name=nobody"],
        ),
        (["teleop", "console=true", "console_port=999999"], ["console_port=999999", "0 to 65535"]),
        (["teleop", "console=true", "console_host=0.0.0.0"], ["'0.0.0.0'", "console_beyond_loopback=true"]),
        (["teleop", "console=true", "console_token=short"], ["console: a token has 16 to 128"]),
    ],
)
def test_what_cannot_be_is_named_with_what_can(arguments, words, capsys, tmp_path) -> None:
    more = [f"out={tmp_path}"] if arguments[0] == "run" else []
    assert main([*arguments, *more]) == 2
    said = capsys.readouterr().err
    for word in words:
        assert word in said, said


def test_a_leader_is_observed_with_the_same_key_as_any_arm() -> None:
    config = load(TeleopConfig)
    assert config.leader.key == config.bridge.key == "me"


@pytest.mark.parametrize("command", [["teleop"], [*RUN, *PRIVILEGED]])
def test_a_port_in_use_is_refused_by_name(command, capsys, tmp_path) -> None:
    more = [f"out={tmp_path}"] if command[0] == "run" else []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([*command, *more, "console=true", f"console_port={port}"]) == 2
    assert f"console: cannot listen at 127.0.0.1:{port}" in capsys.readouterr().err


def test_a_console_beyond_loopback_opens_where_that_is_set(console) -> None:
    config = load(TeleopConfig, ["console=true", "console_host=0.0.0.0", "console_beyond_loopback=true"])
    check_operator(config, None)
    _serve(None, config).stop()
    assert console.asked == [("0.0.0.0", 0, None)] and console.beyond == [True]


def test_a_port_taken_after_the_check_is_refused_too() -> None:
    pytest.importorskip("uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = load(TeleopConfig, ["console=true", f"console_port={taken.getsockname()[1]}"])
        with pytest.raises(UsageError, match="console: cannot listen at"):
            _serve(None, config)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("teleop=joystik", "device 'joystik'"),
        ("teleop=keyboard", "no terminal"),
        ("console_port=65536", "console_port=65536: expected 0 to 65535"),
    ],
)
def test_a_run_checks_its_operator_settings_before_it_loads_weights(
    setting, words, monkeypatch, capsys, tmp_path
) -> None:
    def load(*_) -> None:
        raise AssertionError("what takes long was loaded first")

    monkeypatch.setattr("palme.cli.rig.build.World", load)
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115
    console = ["console=true"] if "console" in setting else []
    assert main([*RUN, setting, *console, f"out={tmp_path}"]) == 2
    assert words in capsys.readouterr().err


def test_a_person_jogs_the_simulated_arm_with_the_terminal_s_keyboard() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "palme.cli.main", "teleop", "distractors=1"]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
    )  # fmt: skip
    os.close(theirs)
    said = ""

    def hear(until: str, seconds: float = 40.0) -> None:
        nonlocal said
        limit = time.monotonic() + seconds
        while until not in said and time.monotonic() < limit:
            if select.select([ours], [], [], 0.02)[0]:
                try:
                    said += os.read(ours, 65536).decode("utf-8", "replace")
                except OSError:  # the other end is closed
                    return

    def heights() -> list[float]:
        return [float(z) for z in re.findall(r"tool \S+ \S+ (\S+) m", said)]

    try:
        hear("take the arm")
        os.write(ours, b"t")
        hear("keyboard took control")
        limit = time.monotonic() + 20.0
        while time.monotonic() < limit and not (len(heights()) > 1 and max(heights()) > heights()[0] + 0.04):
            os.write(ours, b"r")
            hear("never", 0.03)
        os.write(ours, b" ")
        hear("stopped by keyboard")
        process.terminate()  # SIGINT is ignored where these tests run in a shell's background
        hear("missed, worst delay", 60.0)  # a terminal that nobody reads would keep it from ending
        assert process.wait(60) == 0, said
    finally:
        process.kill()
        os.close(ours)
    assert max(heights()) > heights()[0] + 0.03 and np.isfinite(heights()).all()
    assert "missed, worst delay" in said
