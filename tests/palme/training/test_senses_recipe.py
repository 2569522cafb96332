"""Promises of the senses: events are kept as they were, answers are words, blanks are no help."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from palme.cli.main import main
from palme.models.modality import modality
from palme.report.sense_picture import sense_picture, sheet
from palme.training.datasets.observation_files import load_observations, save_observations
from palme.training.datasets.sense_examples import Draw, event_seed, events
from palme.training.datasets.sense_questions import SENSE_TASKS, asked, words
from palme.training.processes import Processes
from palme.training.recipes.senses import SensesTraining
from palme.training.resources import Resources
from palme.training.trainer import Trainer
from palme.weight_files import BadWeights
from robots.senses import Part, PartAssembly, WrenchSignal
from robots.types import AudioClip, RobotState
from sim.sensing import SOURCES
from tests.palme.models.test_modality import OBSERVATIONS

TINY = {"width": 32, "layers": 1, "heads": 2, "inner": 48, "batch": 16, "validation": 30}


def pull(rng: np.random.Generator) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """A wrist that feels a weight, without a simulator."""
    held = str(rng.choice(["nothing", "light", "heavy"]))
    force = {"nothing": 0.0, "light": 1.0, "heavy": 3.0}[held]
    wrench = rng.normal(0, 0.1, (16, 6)).astype(np.float32)
    wrench[:, 2] -= force
    return {"wrist": WrenchSignal(wrench, 20.0)}, {"held": held}


@contextmanager
def both(source: str) -> Iterator[Draw]:
    """The same, with the arm's own state beside it."""

    def draw(rng: np.random.Generator) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        observations, truth = pull(rng)
        state = RobotState(np.zeros(7), np.zeros(7), 0.5, np.eye(4))
        return {**observations, "proprioception": state}, {**truth, "place": "centre"}

    yield draw


@contextmanager
def weights(source: str) -> Iterator[Draw]:
    assert source == "lift"
    yield pull


def test_every_sense_with_questions_has_a_source_and_a_modality():
    for name, task in SENSE_TASKS.items():
        assert modality(name).name == name
        assert task.source in SOURCES and task.questions
        for question in task.questions:
            assert len(question.answers) >= 2
            assert all("{it}" in phrasing for phrasing in question.phrasings)
            assert {*question.answers} <= {*words()}


def test_events_come_back_from_their_file_as_they_were(tmp_path):
    parts = PartAssembly((Part(np.eye(4)), Part(np.eye(4), "slide", 0.1, 0.0, 0.2)))
    clip = AudioClip(np.arange(5, dtype=np.float32), 16_000)
    save_observations(tmp_path / "e.safetensors", [{"joints": parts, "microphone": clip}], [{"open": "top"}])
    (found,), (truth,) = load_observations(tmp_path / "e.safetensors")
    assert truth == {"open": "top"} and found["joints"].parts[1].joint == "slide"
    assert found["joints"].parts[1].upper == 0.2
    np.testing.assert_array_equal(found["microphone"].samples, clip.samples)
    (tmp_path / "e.safetensors").write_bytes(b"no such thing" * 20)
    with pytest.raises(BadWeights, match="made again"):
        load_observations(tmp_path / "e.safetensors")


def test_events_are_the_same_from_the_file_and_splits_never_share_a_seed(tmp_path):
    drawn = events(pull, "lift", "train", 3, 5, tmp_path)
    kept = events(pull, "lift", "train", 3, 5, tmp_path)
    for a, b in zip(drawn.observations, kept.observations, strict=True):
        np.testing.assert_array_equal(a["wrist"].wrench, b["wrist"].wrench)
    seeds = [
        event_seed("lift", split, seed, k) for split in ("train", "bench") for seed in (0, 1) for k in (0, 1)
    ]
    assert len({tuple(s) for s in seeds}) == len(seeds)


def test_events_are_shown_as_they_are_simulated_and_not_when_they_are_read(tmp_path):
    shown: list[tuple[str, int]] = []

    def watched(numbers: Sequence[int], title: str) -> Iterator[int]:
        for k in numbers:
            yield k
            shown.append((title, k))

    for _ in range(2):
        events(pull, "lift", "train", 3, 4, tmp_path, watched)
    assert shown == [("lift, train", k) for k in range(4)]


def test_a_question_about_a_slot_is_answered_by_that_slot():
    truth = {"colour:1": "red", "colour:2": "blue", "kind:1": "ball", "hidden": "green"}

    class Two(tuple):
        pass

    seen = set()
    for k in range(40):
        sentence, answer, fact = asked("slots", {"slots": Two((1, 2))}, truth, np.random.default_rng(k))
        index = 1 if "<slot:1>" in sentence.text else 2
        assert answer == truth[f"{fact}:{index}"]
        seen.add((fact, index))
    assert seen == {("colour", 1), ("colour", 2), ("kind", 1)}


def test_a_sense_is_learned_to_an_answer_in_words_and_measured_by_the_bench(tmp_path, monkeypatch, capsys):
    config = SensesTraining(
        senses=("force",), data=str(tmp_path / "data"), out=str(tmp_path), steps=400, examples=400, lr=3e-3,
        lr_words=3e-3, warmup=10, validate_every=0, device="cpu", **TINY,
    )  # fmt: skip
    trainer = Trainer(config, Resources(senses=weights))
    figures = trainer.fit()
    assert figures["force"] > 0.95 and figures["force/blanked"] < 0.7
    monkeypatch.setattr("palme.cli.rig.sense_sources.sense_source", weights)
    out = tmp_path / "bench"
    assert main(["bench", "senses", f"weights={trainer.shipped}", "n=90", "seed=5", f"out={out}"]) == 0
    row = json.loads((out / "results.json").read_text())["senses"]["force"]
    assert row["n"] == 90 and row["right"] > 80
    assert row["by_question"] == {"held": [row["right"], 90]}
    assert row["blanked_right"] <= 90 * row["chance"] + 1e-6
    assert "force" in capsys.readouterr().out
    assert main(["sense", "force", f"weights={trainer.shipped}", f"out={out}"]) == 0
    printed = capsys.readouterr().out
    assert "<force>" in printed and "truth" in printed and "blanked" in printed
    assert (out / "force.png").stat().st_size > 200


def test_a_sense_that_is_named_twice_is_trained_twice_as_often(tmp_path):
    config = SensesTraining(
        senses=("force", "state", "force"),
        data=str(tmp_path),
        steps=1,
        examples=4,
        **{**TINY, "validation": 4},
    )
    recipe = config.build(Resources(senses=both))
    assert list(recipe.net.senses) == ["force", "state"]
    batches = recipe.batches(0, Processes())
    assert [next(batches).name for _ in range(6)] == ["force", "state", "force"] * 2
    assert set(recipe.evaluate(True)) == {"force", "force/blanked", "state", "state/blanked"}


@pytest.mark.parametrize("name", sorted(set(OBSERVATIONS) & set(SENSE_TASKS)))
def test_the_picture_of_a_sense_shows_what_was_measured(name):
    one, other = (sense_picture(name, observation) for observation in OBSERVATIONS[name])
    assert one.dtype == np.uint8 and one.ndim == 3 and one.shape[2] == 3
    if name not in ("depth", "force", "implicit"):  # drawn over the range of their own, here one number
        assert (one != other).any()
    assert sheet({"one": one, "other": other}).shape[1] > 640


def test_an_unknown_sense_is_refused_with_those_there_are(tmp_path, capsys):
    assert main(["train", "senses", "senses=[smell]", "steps=1", f"out={tmp_path}"]) == 2
    assert "'smell' has no questions; there are spectrogram" in capsys.readouterr().err
