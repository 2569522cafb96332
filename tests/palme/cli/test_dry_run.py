"""dry_run=true says what would be done; nothing moves and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from palme.cli.main import main
from sim.world.arm import SimulatedArm

PUT = "put the red block in the blue bowl"
ORACLE = ["planner=oracle", "policy=expert"]


@pytest.fixture(autouse=True)
def no_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(self: SimulatedArm, command: object) -> None:
        raise AssertionError("a dry run commanded the arm")

    monkeypatch.setattr(SimulatedArm, "command", command)


@pytest.mark.parametrize("words", [[], ["planner=readout"], ORACLE])
def test_a_run_shows_the_scene_and_the_first_step(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", PUT, "seed=1", "dry_run=true", *words]) == 0
    said = capsys.readouterr().out
    assert "scene: drawn with seed=1: " in said and "red block" in said and "blue bowl" in said
    assert "\n 1 " in said and "nothing was moved" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sentence", ["sing a song", "what is the weather like"])
def test_a_refused_sentence_is_told_so(sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", sentence, "dry_run=true"]) == 1
    assert "nothing" in capsys.readouterr().out


def test_an_evaluation_lists_its_instructions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", *ORACLE, "episodes=30", "dry_run=yes", f"out={tmp_path / 'o'}"]) == 0
    said = capsys.readouterr().out
    assert "120 episodes" in said  # 30 a task, and five scenes a task without words and with those of another
    assert "put_in_bowl 0: " in said and "and 70 more" in said  # of the 90 told ones
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["scenes", "demonstrations", "perceived", "corrections"])
def test_a_collection_says_what_and_how_long(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collect", f"what={what}", "--dry-run", f"out={tmp_path / 'o'}"]) == 0
    said = capsys.readouterr().out
    assert f"{what}: " in said and str(tmp_path / "o") in said and "about " in said
    assert not list(tmp_path.iterdir())


def test_a_finished_collection_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "demos").mkdir()
    (tmp_path / "demos" / "seed000.npz").write_bytes(b"")
    assert main(["collect", "what=demonstrations", f"out={tmp_path}"]) == 0
    assert "is complete and is kept" in capsys.readouterr().out
