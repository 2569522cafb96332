"""The registry of modalities, the contract of every one, and a new sense in one file and one YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from palme.language.sentence import BadSentence, Sentence
from palme.language.tokenizer import build_tokenizer, small_words
from palme.models import modality as registry
from palme.models.embodied_lm import EmbodiedConfig, EmbodiedLM
from palme.models.encoders import ENCODERS
from palme.models.encoders.base import Arrays, Encoder, entry
from palme.models.modality import BadModality, Modality, load, modalities, modality, register
from palme.models.processor import EmbodiedProcessor
from robots.senses import (
    ImplicitShape,
    Mesh,
    MultiView,
    ObjectSlots,
    Part,
    PartAssembly,
    PointCloud,
    VideoClip,
    VoxelGrid,
    WrenchSignal,
)
from robots.types import AudioClip, CameraFrame, RobotState
from tests.planner_fakes import TINY, scene, seen

POINTS = np.random.default_rng(0).uniform(0, 0.3, (20, 3)).astype(np.float32)


def clip(hz: float) -> AudioClip:
    """0.4 s of one tone."""
    return AudioClip(np.sin(2 * np.pi * hz * np.arange(6400) / 16_000).astype(np.float32), 16_000)


def view(k: int) -> CameraFrame:
    """A picture in one colour."""
    return CameraFrame(np.full((32, 48, 3), 50 + 150 * k, np.uint8), None, np.eye(3), np.eye(4))


# A new sense adds one line here: its name and two different observations of it.
OBSERVATIONS: dict[str, tuple[Any, Any]] = {
    "image": (np.full((3, 64), 0.5), np.ones((3, 64))),
    "object": (seen(scene("red block", "blue bowl")), seen(scene("pink block", "cyan bowl"))),
    "read": (np.full(384, 0.5), np.ones(384)),
    "depth": tuple(replace(view(k), depth=np.full((32, 48), 0.8 + 0.1 * k, np.float32)) for k in (0, 1)),
    "force": tuple(WrenchSignal(np.full((16, 6), x, np.float32), 20.0) for x in (0.1, 0.9)),
    "implicit": tuple(ImplicitShape(POINTS, np.full(20, x, np.float32)) for x in (0.0, 0.02)),
    "mesh": tuple(Mesh(POINTS * x, np.array([[0, 1, 2], [3, 4, 5]], np.int32)) for x in (1, 2)),
    "parts": tuple(PartAssembly((Part(np.eye(4)), Part(np.eye(4), "slide", x, 0, 1))) for x in (0.1, 0.9)),
    "point_cloud": tuple(PointCloud(POINTS * x) for x in (1, 2)),
    "power_spectrum": (clip(300), clip(900)),
    "slots": tuple(ObjectSlots(view(k), np.ones((2, 32, 48), bool)) for k in (0, 1)),
    "spectrogram": (clip(300), clip(900)),
    "video": tuple(VideoClip(np.full((6, 32, 40, 3), x, np.uint8), 12.0) for x in (10, 200)),
    "views": tuple(MultiView((view(k), view(k), view(k))) for k in (0, 1)),
    "voxels": tuple(VoxelGrid(np.indices((30, 35, 14)).sum(0) > x, np.zeros(3), 0.008) for x in (20, 50)),
    "waveform": (clip(300), clip(900)),
    "state": tuple(RobotState(np.full(7, x), np.zeros(7), x, np.eye(4)) for x in (0.1, 0.9)),
}
SUFFIX = {"one": "", "name": ":front", "index": ":2"}


def spoken(kind: Modality, observation: Any) -> Sentence:
    """A sentence with one observation in it."""
    text = f"see <{kind.placeholder}{SUFFIX[kind.addressing]}> and say"
    source = f"{kind.placeholder}:front" if kind.addressing == "name" else kind.placeholder
    return Sentence(text, {source: observation})


def test_every_modality_keeps_the_contract_below():
    assert {m.name for m in modalities() if m.name != "touch"} == set(OBSERVATIONS)


@pytest.mark.parametrize("name", sorted(OBSERVATIONS))
def test_a_modality_goes_from_observation_to_words(name, tmp_path):
    kind, (a, b) = modality(name), OBSERVATIONS[name]
    assert Modality.from_dict(kind.to_dict()) == kind
    torch.manual_seed(0)
    model = EmbodiedLM(EmbodiedConfig.for_tokenizer(build_tokenizer(), TINY, [kind])).eval()
    processor = EmbodiedProcessor(build_tokenizer())
    rows = []
    for observation in (a, b):
        inputs = processor(spoken(kind, observation))
        n = kind.n_tokens(observation)
        assert inputs["input_ids"].shape[1] == 3 + n
        x = model.embed(inputs["input_ids"], inputs["observations"])[0]
        words = model.embed(inputs["input_ids"])[0]
        stands = (x - words).abs().amax(-1) > 0
        assert stands.nonzero()[:, 0].tolist() == list(range(1, 1 + n))
        rows.append(model(input_ids=inputs["input_ids"], observations=inputs["observations"]).logits[0, -1])
    assert not torch.allclose(rows[0], rows[1])
    model.save_pretrained(tmp_path)
    again = EmbodiedLM.from_pretrained(tmp_path).eval()
    out = again(input_ids=inputs["input_ids"], observations=inputs["observations"]).logits[0, -1]
    torch.testing.assert_close(out, rows[1])


class TouchEncoder(Encoder):
    """A toy sense: pressures (3,) of a finger tip, as a feature for each third of it."""

    dim = 2

    def config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def prepare(observations: Sequence[Any]) -> Arrays:
        return {"pressure": np.stack([np.asarray(o, np.float32) for o in observations])}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        pressure = entry(batch, "pressure", "(B, 3)")
        return torch.stack([pressure, 1 - pressure], -1)  # (B, 3, 2)


TOUCH = """\
name: touch
placeholder: touch
addressing: name
encoder: {kind: touch}
connector: {kind: linear}
tokens: 3
shown: numbers
"""


@pytest.fixture
def touch(tmp_path, monkeypatch):
    """The toy sense: its encoder in this file, its YAML on disk, and nothing else."""
    (tmp_path / "touch.yaml").write_text(TOUCH)
    there = dict(registry._registered())
    monkeypatch.setattr(ENCODERS, "_entries", {**ENCODERS._entries})
    monkeypatch.setattr(registry, "_registered", lambda: there)
    ENCODERS.register("touch", lambda: TouchEncoder)
    return register(load(tmp_path / "touch.yaml"))


def test_a_toy_sense_is_trained_from_observation_to_a_right_answer(touch):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    config = EmbodiedConfig.for_tokenizer(build_tokenizer(), TINY, [touch])
    model, processor, words = EmbodiedLM(config), EmbodiedProcessor(build_tokenizer()), small_words()
    answers = ("left", "centre", "right")

    def batch(n: int):
        where = rng.integers(0, 3, n)
        pressures = [np.eye(3)[k] * rng.uniform(0.5, 1) for k in where]
        text = "where do you feel <touch:left_finger> ?"
        sentences = [Sentence(text, {"touch:left_finger": p}, "where") for p in pressures]
        return processor(sentences), torch.tensor([words.pieces(answers[k])[0] for k in where])

    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(60):
        inputs, answer = batch(32)
        logits = model(inputs["input_ids"], observations=inputs["observations"]).logits[:, -1]
        loss = torch.nn.functional.cross_entropy(logits, answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    inputs, answer = batch(100)
    said = model(inputs["input_ids"], observations=inputs["observations"]).logits[:, -1].argmax(-1)
    assert (said == answer).float().mean() > 0.95
    blanked = {"touch:left_finger": {**inputs["observations"]["touch:left_finger"]}}
    blanked["touch:left_finger"]["pressure"] = torch.zeros(100, 3)
    said = model(inputs["input_ids"], observations=blanked).logits[:, -1].argmax(-1)
    assert (said == answer).float().mean() < 0.6


def test_a_placeholder_belongs_to_one_modality(touch):
    with pytest.raises(BadModality, match="<touch> belongs to modality touch"):
        register(replace(touch, name="grip"))


def test_without_its_modality_the_same_sentence_is_refused():
    with pytest.raises(BadSentence, match="no modality is called 'touch'"):
        Sentence("<touch:left_finger>", {"touch:left_finger": np.zeros(3)})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"placeholder": "Img 2"}, "one lower-case word"),
        ({"addressing": "both"}, "none of one, name, index"),
        ({"shown": "loud"}, "none of numbers, picture, object, text"),
        ({"tokens": 0}, "at least 1"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused_by_its_key(change, says):
    with pytest.raises(BadModality, match=says):
        Modality.from_dict({"name": "x", "placeholder": "x", **change})
    with pytest.raises(BadModality, match="unknown modality 'smell'; there are depth, force, image"):
        modality("smell")
