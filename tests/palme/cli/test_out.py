"""No output is replaced before there is something better, and one process at a time writes to an `out=`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from palme.cli.errors import UsageError
from palme.cli.evaluation.writing import is_better
from palme.cli.main import main
from palme.cli.out_lock import FILE, locked
from palme.cli.rig.previous_run import FILES, set_aside
from palme.cli.signals import interruptible
from robots.files import replacing, replacing_files, write_text, write_texts

ORACLE = ["planner=oracle", "policy=expert", "tasks=put_in_bowl"]
ROOT = Path(__file__).parents[3]


def files(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


# -- files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError()])
@pytest.mark.parametrize("wrote", ["", "half"])
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, error: BaseException, wrote: str) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")
    with pytest.raises(type(error)), replacing(path) as beside:
        if wrote:
            beside.write_text(wrote)
        raise error
    assert files(tmp_path) == {"results.json": "old"}


def test_a_kill_at_any_instant_leaves_old_or_new(tmp_path: Path) -> None:
    """Every call of the operating system that a write makes is the last one, in turn."""
    path, page = tmp_path / "results.json", tmp_path / "report.html"
    code = (
        "import os, sys, pathlib\n"
        "from robots.files import write_texts\n"
        "calls, last = 0, int(sys.argv[1])\n"
        "def killer(event, args):\n"
        "    global calls\n"
        "    if event in ('open', 'os.rename', 'os.mkdir', 'os.remove'):\n"
        "        calls += 1\n"
        "        if calls == last: os.kill(os.getpid(), 9)\n"
        "sys.addaudithook(killer)\n"
        "folder = pathlib.Path(sys.argv[2])\n"
        "write_texts({folder / 'results.json': 'new' * 9999, folder / 'report.html': 'new page'})\n"
    )
    found = set()
    for last in range(1, 15):
        path.write_text("old")
        page.write_text("old page")
        subprocess.run([sys.executable, "-c", code, str(last), str(tmp_path)], cwd=ROOT, check=False)
        assert path.read_text() in ("old", "new" * 9999) and page.read_text() in ("old page", "new page")
        found.add(path.read_text()[:3])
    assert found == {"old", "new"}


def test_several_texts_take_their_places_together(tmp_path: Path) -> None:
    write_texts({tmp_path / "a": "1", tmp_path / "b": "1"})
    with pytest.raises(UnicodeEncodeError):
        write_texts({tmp_path / "a": "2", tmp_path / "b": "\udcff"})
    assert files(tmp_path) == {"a": "1", "b": "1"}


def test_a_link_is_followed_and_a_device_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "new"
    write_text(Path("/dev/null"), "nothing")
    assert not Path("/dev/null").is_file()


def test_files_of_a_folder_change_together_and_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    for text in ("old", "new"):
        with replacing_files(folder) as beside:
            (beside / "sub").mkdir()
            (beside / "sub" / "weights").write_text(text)
            (beside / "config").write_text(text)
        (folder / "README").write_text("kept")
    with pytest.raises(RuntimeError), replacing_files(folder) as beside:
        (beside / "config").write_text("broken")
        raise RuntimeError
    assert files(tmp_path) == {"model/sub/weights": "new", "model/config": "new", "model/README": "kept"}


# -- locks --------------------------------------------------------------------------------------------


def holder(out: Path, is_file: bool = False) -> subprocess.Popen[str]:
    code = (
        "import sys, time\nfrom palme.cli.out_lock import locked\n"
        f"with locked(sys.argv[1], is_file={is_file}):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize(
    ("words", "is_file"),
    [
        (["run", "put the red block in the blue bowl", "out={}"], False),
        (["eval", *ORACLE, "episodes=1", "out={}"], False),
        (["collect", "what=demonstrations", "out={}/../.."], True),
        (["collect", "what=scenes", "out={}/.."], False),
        (["train", "planner", "install=false", "out={}"], False),
        (["bench", "gate", "commands=10", "out={}"], True),
        (["bench", "corrections", "out={}"], False),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_an_out_in_use_is_refused_by_every_command(
    words: list[str], is_file: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "x.json"
    if words[0] == "collect":
        name = "demos/seed000.npz" if is_file else "scenes"
    out = tmp_path / name
    process = holder(out, is_file)
    try:
        assert main([word.format(out) if "out=" in word else word for word in words]) == 2
        said = capsys.readouterr().err
        assert "out=" in said or str(out) in said
        assert f"is in use by process {process.pid}" in said and "name another folder" in said
        assert said.count("\n") == 1, said
        left = {p.name for p in tmp_path.rglob("*") if p.is_file()}
        assert left == {f".{out.name}.lock" if is_file else FILE}
    finally:
        process.kill()
        process.wait()
    with locked(out, is_file=is_file):
        pass  # free, although its holder was killed


def test_a_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    with locked(tmp_path / "a"), locked(tmp_path / "a.json", is_file=True):
        pass
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_the_same_process_may_not_hold_it_twice(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(UsageError, match=f"in use by process {os.getpid()}"):
        with locked(f"{tmp_path}/."):
            pass


def test_of_many_at_once_one_gets_it(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom palme.cli.out_lock import locked\nfrom palme.cli.errors import UsageError\n"
        "for _ in range(40):\n"
        "    try:\n"
        "        with locked(sys.argv[1]) as out:\n"
        "            with open(out / 'mine', 'x'): time.sleep(0.001)\n"
        "            (out / 'mine').unlink()\n"
        "    except UsageError: pass\n"
    )
    several = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    errors = [process.communicate()[1] for process in several]
    assert not any(errors), errors
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="Permission denied; name a folder"), locked(tmp_path / "a"):
        pass


def test_an_out_that_is_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_text("")
    assert main(["eval", *ORACLE, f"out={tmp_path / 'a'}"]) == 2
    assert f"out={tmp_path / 'a'}: " in capsys.readouterr().err


# -- evaluations --------------------------------------------------------------------------------------


class Played:
    """Stands for the workers: plays `n` episodes, then does `then`."""

    def __init__(self, n: int, then: Callable[[], None] = lambda: None) -> None:
        self._n, self._then = n, then

    def __call__(self, config: Any, specs: Any) -> Any:
        from palme.cli.evaluation.episode import EpisodeResult

        for spec in specs[: self._n]:
            yield EpisodeResult(spec, "put it there", True, True, True, "done", "", (), 0, 1.0, 1.0)
        if self._n < len(specs):
            self._then()


def interrupted() -> None:
    with interruptible():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1.0)


def evaluate(
    out: Path, n: int, episodes: int, monkeypatch: pytest.MonkeyPatch, then: Any = interrupted
) -> int:
    from palme.cli.evaluation import workers

    monkeypatch.setattr(workers, "play", Played(n, then))
    return main(["eval", *ORACLE, f"out={out}", f"episodes={episodes}", "counterfactual=0"])


def told(path: Path) -> tuple[int, bool]:
    content = json.loads(path.read_text())
    return content["overall"]["episodes"], content["settings"]["complete"]


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_an_interrupted_evaluation_does_not_replace_a_complete_one(
    n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tmp_path, 2, 2, monkeypatch) == 0
    before = files(tmp_path)
    capsys.readouterr()
    assert evaluate(tmp_path, n, 4, monkeypatch) == 130
    after, said = files(tmp_path), capsys.readouterr()
    assert {name: after[name] for name in before} == before
    if n:
        assert told(tmp_path / "results.partial.json") == (n, False)
        assert set(after) - set(before) == {"results.partial.json", "report.partial.html"}
        assert "stays as it was" in said.out and "results.partial.json" in said.out
    else:
        assert after == before and "stays as it was" in said.err
    assert evaluate(tmp_path, 4, 4, monkeypatch) == 0
    assert told(tmp_path / "results.json") == (4, True)
    assert set(files(tmp_path)) == {"results.json", "report.html"}


@pytest.mark.parametrize(("first", "second", "kept"), [(2, 3, 3), (2, 2, 2), (3, 1, 3), (0, 1, 1)])
def test_of_two_interrupted_evaluations_the_longer_one_is_kept(
    first: int, second: int, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert evaluate(tmp_path, first, 9, monkeypatch) == 130
    assert (tmp_path / "results.json").exists() is (first > 0)
    assert evaluate(tmp_path, second, 9, monkeypatch) == 130
    assert told(tmp_path / "results.json") == (kept, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"settings": 1}',
        '{"tasks": {}}',
        "\x00",
        '{"settings": {"complete": null}, "overall": {"episodes": 1}}',
    ],
)
def test_a_file_that_is_none_of_ours_is_kept(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    assert is_better(tmp_path / "results.json", {"overall": {"episodes": 100}})


def test_an_arm_that_is_gone_counts_as_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from robots.errors import RobotError

    def gone() -> None:
        raise RobotError("the server is gone")

    assert evaluate(tmp_path, 2, 2, monkeypatch) == 0
    before = files(tmp_path)
    assert evaluate(tmp_path, 1, 3, monkeypatch, gone) == 1
    assert {name: files(tmp_path)[name] for name in before} == before


def test_an_evaluation_says_what_it_is_about_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tmp_path / "e", 2, 2, monkeypatch) == 0
    said = capsys.readouterr().out
    for words in ("2 episodes", "put_in_bowl", "1 worker", f"results go to {tmp_path / 'e'}", "about "):
        assert words in said, said


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("after", [0.3, 0.9, 1.6])
def test_ctrl_c_while_an_evaluation_starts_leaves_the_finished_one(
    workers: int, after: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert evaluate(tmp_path, 2, 2, monkeypatch) == 0
    before = files(tmp_path)
    command = [sys.executable, "-m", "palme.cli.main", "eval", *ORACLE, "episodes=400", f"workers={workers}"]
    process = subprocess.Popen(
        [*command, f"out={tmp_path}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, cwd=ROOT,
    )  # fmt: skip
    time.sleep(after)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert {name: files(tmp_path)[name] for name in before} == before
    assert process.returncode in (130, -signal.SIGINT), said  # before Python itself has started, the signal
    if process.returncode == 130:
        assert "Traceback" not in said, said


# -- runs ---------------------------------------------------------------------------------------------


def test_files_of_an_earlier_run_are_set_aside_whole(tmp_path: Path) -> None:
    for generation in ("1", "2", "3"):
        set_aside(tmp_path)
        assert not set(FILES) & {p.name for p in tmp_path.iterdir()}
        for name in FILES:
            (tmp_path / name).write_text(generation)
    (tmp_path / "mine.txt").write_text("a person's")
    set_aside(tmp_path)
    assert files(tmp_path) == {f"previous/{name}": "3" for name in FILES} | {"mine.txt": "a person's"}


def test_a_killed_run_does_not_take_the_place_of_a_whole_one(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text("whole")
    set_aside(tmp_path)
    (tmp_path / "events.jsonl").write_text("killed")
    set_aside(tmp_path)
    assert files(tmp_path) == {f"previous/{name}": "whole" for name in FILES}


def test_what_is_no_run_is_not_moved(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("of an evaluation")
    set_aside(tmp_path)
    assert files(tmp_path) == {"report.html": "of an evaluation"}


def test_a_signal_while_a_configuration_is_joined_is_no_error_of_it() -> None:
    from palme.cli.config import load
    from palme.cli.settings.run import TeleopConfig
    from palme.cli.signals import Stopped, stoppable

    tries = 0
    for after in range(0, 60, 4):  # [ms] into the joining
        code = Path(__file__).name  # what is loaded is of no matter; each round joins anew
        with stoppable():
            signal.setitimer(signal.ITIMER_REAL, 0)
            before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
            try:
                from palme.cli import config

                config._joined.cache_clear()
                signal.setitimer(signal.ITIMER_REAL, 0.001 + after / 1e3)
                load(TeleopConfig, [f"task={code}"])
                time.sleep(0.1)
                raise AssertionError("the signal was lost")
            except Stopped:
                tries += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)
    assert tries == 15
