"""Progress in a log is lines at a sensible rate; bars of other packages are silent; nothing is on stdout."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from palme.cli.progress import EVERY, FIRST, Progress, duration, over, plural, silence_others

ROOT = Path(__file__).parents[3]
ORACLE = ["planner=oracle", "policy=expert"]
FOREIGN = ("Loading weights", "it/s]", "%|", "█", "Fetching", "Generating", "Map:", "INFO", "[hydra", "\x1b[")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines_of(total: int, each: float) -> list[str]:
    stream, clock = io.StringIO(), Clock()
    with Progress("eval", total, "episode", stream, clock) as progress:
        for _ in range(total):
            clock.now += each
            progress.set_postfix_str("all achieved", refresh=False)
            progress.update()
    text = stream.getvalue()
    assert "\r" not in text and "\x1b" not in text
    return text.splitlines()


@pytest.mark.parametrize("total", [1, 2, 7, 1000])
@pytest.mark.parametrize("each", [0.0001, 0.3, 5.0, 400.0])
def test_a_log_gets_lines_at_a_sensible_rate(total: int, each: float) -> None:
    lines = lines_of(total, each)
    assert len(lines) <= min(total, 2 + total * each / EVERY)
    assert len(lines) <= 200
    if total * each > FIRST:
        assert lines[-1].startswith(f"eval: {total} of {plural(total, 'episode')}, all achieved, in ")
    else:
        assert not lines


def test_a_line_says_how_fast_and_how_long_still() -> None:
    assert "eval: 1 of 7 episodes, all achieved, 5 s each, about 30 s left" in lines_of(7, 5.0)


def test_what_is_left_is_told_anew_as_it_runs() -> None:
    lines = lines_of(1000, 5.0)
    assert len({line.rpartition("about ")[2] for line in lines}) > 10


class Broken(io.StringIO):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def write(self, text: str) -> int:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left"), ValueError("I/O on closed file")],
)
def test_an_output_that_fails_ends_no_task(error: Exception) -> None:
    clock = Clock()
    with Progress("eval", 5, "episode", Broken(error), clock) as progress:
        for _ in range(5):
            clock.now += 100
            progress.update()
    assert progress.n == 5


def test_items_pass_unchanged() -> None:
    assert list(over(range(5), "steps")) == [0, 1, 2, 3, 4]
    assert list(over(iter("abc"), "steps", total=3)) == ["a", "b", "c"]


def test_a_terminal_gets_a_bar() -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))  # else it has no columns
    code = (
        "import sys\nfrom palme.cli.progress import Progress, silence_others\nsilence_others()\n"
        "with Progress('eval', 3, 'episode') as p:\n    [p.update() for _ in range(3)]\n"
    )
    environment = {**os.environ, "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", code], stderr=slave, check=True, cwd=ROOT, env=environment)
    os.set_blocking(master, False)
    shown = os.read(master, 65536).decode()
    os.close(slave)
    os.close(master)
    assert "eval" in shown and "\r" in shown


@pytest.mark.parametrize(("seconds", "text"), [(4, "4 s"), (240, "4 min"), (9000, "2.5 h")])
def test_times_are_rough(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_foreign_bar_is_silent_in_this_process_and_in_workers(tmp_path: Path) -> None:
    code = (
        "import multiprocessing, sys\nfrom palme.cli.progress import silence_others\n"
        "def bars(_=0):\n"
        "    from tqdm import tqdm\n    from tqdm.auto import tqdm as auto\n"
        "    from transformers.utils import logging\n"
        "    for bar in (tqdm, auto, logging.tqdm): list(bar(range(9), desc='Loading weights'))\n"
        "    logging.get_logger('transformers.x').warning('a warning')\n"
        "if __name__ == '__main__':\n"
        "    silence_others(); bars()\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        pool.map(bars, [0])\n"
    )
    script = tmp_path / "bars.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name in ("TQDM_DISABLE", "HF_HUB_DISABLE_PROGRESS_BARS", "TRANSFORMERS_VERBOSITY"):
        environment.pop(name, None)  # as this process may have set them
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == ""
    assert not [mark for mark in ("\r", "a warning", *FOREIGN) if mark in done.stderr], done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["run", "put the red block in the blue bowl", "look=fast", "seed=1", "out={}"],
        ["eval", "tasks=put_in_bowl", "episodes=2", "workers=2", "policy=expert", "out={}"],
        ["collect", "what=scenes", "parts=2", "pictures=2", "out={}"],
        ["bench", "gate", "commands=400", "arms=panda"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_command_writes_a_carriage_return_or_a_foreign_bar(words: list[str], tmp_path: Path) -> None:
    out, err = tmp_path / "stdout", tmp_path / "stderr"
    environment = {k: v for k, v in os.environ.items() if k not in ("TQDM_DISABLE", "TRANSFORMERS_VERBOSITY")}
    with out.open("w") as stdout, err.open("w") as stderr:
        command = [word.format(tmp_path / "o") if "out=" in word else word for word in words]
        code = subprocess.run(
            [sys.executable, "-m", "palme.cli.main", *command],
            stdout=stdout, stderr=stderr, cwd=ROOT, env=environment, check=False,
        ).returncode  # fmt: skip
    assert code in (0, 1), err.read_text()
    for text in (out.read_text(), err.read_text()):
        assert "\r" not in text
        assert not [mark for mark in FOREIGN if mark in text], text


def test_what_a_person_has_set_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "info")
    silence_others()
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "info"
