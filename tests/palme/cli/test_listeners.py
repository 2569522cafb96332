"""A listener never ends a run: its episode is finished and saved, and the exit code tells what was lost."""

from __future__ import annotations

import errno
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from palme.cli.main import LONG, main
from palme.cli.rig.recording import LEAST_FREE, Recording
from palme.data.check import check
from palme.data.errors import EncoderError, InvalidFrameError, WriteError
from palme.data.writer import EpisodeWriter
from robots.output import Output

PUT = "put the red block in the blue bowl"
SMALL = ("camera.front_size=[64,48]", "camera.wrist_size=[64,64]")
CHEAP = ("planner=oracle", "policy=expert", "look=fast", "video=false", "seed=3", *SMALL)


def run(tmp_path: Path, *more: str) -> int:
    return main(["run", PUT, *CHEAP, f"out={tmp_path / 'o'}", f"record={tmp_path / 'd'}", *more])


def episodes(tmp_path: Path, folder: str = "d") -> int:
    assert check(tmp_path / folder) == []
    return int(json.loads((tmp_path / folder / "meta" / "info.json").read_text())["total_episodes"])


class Broken(io.StringIO):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", (errno.EPIPE, errno.ENOSPC))
def test_a_run_whose_output_fails_is_carried_out_and_saved(number, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken(number))
    monkeypatch.setattr(sys, "stderr", Broken(number))
    assert run(tmp_path) == 0 and episodes(tmp_path) == 1


@pytest.mark.parametrize("encoding", ("ascii",))
def test_a_run_prints_in_an_encoding_that_lacks_its_quotes(encoding, tmp_path, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["run", PUT, *CHEAP, f"out={tmp_path / 'o'}"]) == 0
    assert f'"{PUT}"' in stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", LONG)
@pytest.mark.parametrize("number", (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF))
def test_every_long_command_prints_through_a_port_that_never_fails(command, number, monkeypatch):
    seen = []

    def body(words: Any) -> int:
        seen.append((type(sys.stdout), type(sys.stderr)))
        for _ in range(3):
            print("“a line”", flush=True)
            print("an error", file=sys.stderr)
        return 0

    monkeypatch.setitem(sys.modules, f"palme.cli.commands.{command}", SimpleNamespace(main=body))
    monkeypatch.setattr(sys, "stdout", Broken(number))
    monkeypatch.setattr(sys, "stderr", Broken(number))
    assert main([command]) == 0 and seen == [(Output, Output)]


@pytest.mark.parametrize("command", LONG)
@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT))
def test_every_long_command_ends_by_a_signal_with_its_number(command, number, monkeypatch):
    def body(words: Any) -> int:
        os.kill(os.getpid(), number)
        time.sleep(5)
        return 0

    before = signal.signal(number, signal.SIG_DFL)
    monkeypatch.setitem(sys.modules, f"palme.cli.commands.{command}", SimpleNamespace(main=body))
    try:
        assert main([command]) == 128 + number
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(("number", "code"), [(errno.EPIPE, 0), (errno.ENOSPC, 4)])
def test_a_command_that_only_prints_tells_of_a_full_disk_and_not_of_a_closed_pipe(number, code, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken(number))
    assert main(["tasks"]) == code


@pytest.mark.parametrize("number", (errno.EDQUOT,))
def test_a_full_disk_for_out_costs_its_files_and_not_the_episode(number, tmp_path, monkeypatch, capsys):
    calls = {"pwrite": os.pwrite, "replace": os.replace}

    def full(call: str) -> Any:
        def fails(*given: Any, **more: Any) -> Any:
            path = given[0]
            if isinstance(path, int):
                path = os.readlink(f"/proc/self/fd/{path}")
            if str(path).startswith(str(tmp_path / "o")):
                raise OSError(number, os.strerror(number))
            return calls[call](*given, **more)

        return fails

    for call in calls:
        monkeypatch.setattr(os, call, full(call))
    assert run(tmp_path) == 4 and episodes(tmp_path) == 1
    said = capsys.readouterr()
    assert said.err.count(os.strerror(number).lower()) == 1 and "Traceback" not in said.err
    assert "events.jsonl: not written" in said.out and "report.html: not written" in said.out


class Sent:
    """Stands for an arm's recorder in `Recording`: what it is asked to save."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def save(self, truth: bool | None) -> None:
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    "error",
    [
        WriteError("full"),
        EncoderError("ended"),
        InvalidFrameError("nan"),
        OSError(28, "full"),
        ValueError("bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_save_that_fails_is_named_and_raises_nothing(error, capsys):
    recording = Recording("d", None, None, "h264")  # type: ignore[arg-type]
    recording._recorder = Sent(error)
    assert "NOT RECORDED" in recording.save(None) and str(error) in recording.fault
    assert str(error) in capsys.readouterr().err
    recording._recorder = Sent()
    assert "NOT RECORDED" not in recording.save(None) and str(error) in recording.fault  # the first is kept


@pytest.mark.parametrize("left", (0, 8_192, 61_440, 225_280, LEAST_FREE - 1))
def test_a_disk_without_room_is_refused_before_anything_moves(left, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=left, f_frsize=1))
    assert run(tmp_path) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"palme: record={tmp_path / 'd'}: ") and "free some space" in said.err
    assert "judged" not in said.out and not (tmp_path / "d").exists()


@pytest.mark.parametrize("k", (0, 5))
def test_a_recording_that_fails_in_motion_holds_the_arm_and_is_exit_3(k, tmp_path, monkeypatch, capsys):
    add = EpisodeWriter.add

    def full(self, row):
        if self.n >= k:
            raise WriteError("d/front.mp4: no space left on device; free some space")
        add(self, row)

    monkeypatch.setattr(EpisodeWriter, "add", full)
    assert run(tmp_path) == 3
    said = capsys.readouterr()
    assert said.err.count("no space left") == 1 and "Traceback" not in said.err
    assert "not recorded" in (tmp_path / "o" / "report.html").read_text()
    log = [json.loads(line) for line in (tmp_path / "o" / "events.jsonl").read_text().splitlines()]
    assert any(line["event"] == "recording" and "no space" in line["lost"] for line in log)


def test_an_evaluation_goes_on_without_its_recording_and_says_so(tmp_path, monkeypatch, capsys):
    save, n = EpisodeWriter.save, []

    def once(self, run=None):
        n.append(self)
        if len(n) == 1:
            self.discard()
            raise WriteError("d/data: no space left on device")
        return save(self, run)

    monkeypatch.setattr(EpisodeWriter, "save", once)
    words = ["eval", "planner=oracle", "policy=expert", "tasks=[put_in_bowl]", "episodes=2", *SMALL]
    assert main([*words, f"out={tmp_path / 'o'}", f"record={tmp_path / 'd'}"]) == 3
    assert episodes(tmp_path) == 1
    results = json.loads((tmp_path / "o" / "results.json").read_text())
    assert results["tasks"]["put_in_bowl"]["episodes"] == 2
    assert "no space left" in capsys.readouterr().err


def in_its_own_process(tmp_path: Path, *more: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-u", "-m", "palme.cli.main", "run", PUT, *CHEAP, f"out={tmp_path / 'o'}"]
    return subprocess.Popen(
        [*words, f"record={tmp_path / 'd'}", *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


@pytest.fixture
def _hears_hangups() -> Iterator[None]:
    before = [(n, signal.signal(n, signal.SIG_DFL)) for n in (signal.SIGHUP, signal.SIGINT)]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.usefixtures("_hears_hangups")
def test_a_terminal_that_closes_and_two_more_signals_to_all_processes_leave_a_whole_episode(tmp_path):
    process = in_its_own_process(tmp_path)
    assert process.stdout is not None and process.stderr is not None
    for line in process.stdout:
        if line.startswith(" 1 "):
            break
    process.stdout.close()
    time.sleep(0.1)  # the arm moves
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        os.killpg(process.pid, number)
        time.sleep(0.05)
    said = process.stderr.read()
    assert process.wait(60) == 128 + signal.SIGHUP and "Traceback" not in said
    assert episodes(tmp_path) == 1
    log = [json.loads(line) for line in (tmp_path / "o" / "events.jsonl").read_text().splitlines()]
    assert next(line for line in log if line["event"] == "finished")["cause"] == "stopped"
    assert np.isfinite([q for line in log if line["event"] == "acted" for q in line["q_sent"]]).all()


@pytest.mark.parametrize("blocks", (0,))
def test_where_no_file_may_grow_nothing_begins(blocks, tmp_path):
    """A limit on the size of files is a full disk that needs no other disk."""
    done = subprocess.run(
        ["bash", "-c", f'ulimit -f {blocks}; exec "$@"', "-", sys.executable, "-m", "palme.cli.main",
         "run", PUT, *CHEAP, f"out={tmp_path / 'o'}", f"record={tmp_path / 'd'}"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "palme: not begun: " in done.stderr and "Traceback" not in done.stderr


@pytest.mark.usefixtures("_hears_hangups")
def test_a_teleoperation_whose_terminal_closes_is_saved(tmp_path):
    words = ["teleop", "device=keyboard", "task=to and fro", f"record={tmp_path / 'd'}"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "palme.cli.main", *words])
    shown, limit = b"", time.monotonic() + 60
    while b"tool" not in shown and time.monotonic() < limit:
        shown += os.read(terminal, 4096)
    os.write(terminal, b"t")
    for _ in range(20):
        os.write(terminal, b"w")
        time.sleep(0.05)
        while select.select([terminal], [], [], 0)[0]:
            os.read(terminal, 65536)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert episodes(tmp_path) == 1
