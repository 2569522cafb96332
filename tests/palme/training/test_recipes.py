"""Promises of every recipe: it learns from tiny data, ships what loads, and runs wholly on its device."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from palme.cli.main import main
from palme.models.embodied_lm import EmbodiedLM
from palme.models.processor import EmbodiedProcessor
from palme.perception.detector import Detector
from palme.perception.rgbd import project, xyz_map
from palme.policies.chunk import load_head
from palme.training.config import TrainerConfig
from palme.training.datasets.rendered_scenes import RenderedScenes
from palme.training.recipes.chunk_policy import ChunkPolicyTraining
from palme.training.recipes.detector import DetectorTraining
from palme.training.recipes.planner import PlannerTraining
from palme.training.recipes.vision import VisionTraining
from palme.training.trainer import Trainer
from robots.skills import ENTITIES
from sim.data.demonstrations import write_demonstrations
from sim.data.detection_scenes import write_part
from tests.fake_gpu import GPU, FakeGpu
from tests.palme.test_perception import camera, points_on_table
from tests.planner_fakes import RESOURCES

TINY = {"width": 32, "layers": 1, "heads": 2, "inner": 48, "tokens": 512, "evaluate_n": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Scenes of two parts, and demonstrations."""
    folder = tmp_path_factory.mktemp("data")
    for part in range(2):
        write_part(folder / "scenes" / f"part{part:03d}", 6, part)
    write_demonstrations(folder / "demos" / "some.npz", 6, 0)
    return folder


def settings(recipe: str, data: Path, out: Path) -> TrainerConfig:
    if recipe == "detector":
        c = {"batch": 3, "texts": 3, "crops": 3}
        return DetectorTraining(data=str(data / "scenes"), out=str(out), steps=2, **c)
    if recipe == "chunk":
        return ChunkPolicyTraining(data=str(data / "demos"), out=str(out), steps=2, batch=32)
    return PlannerTraining(out=str(out), minutes=9, max_steps=2, evaluate_every_s=0, **TINY)


@pytest.mark.parametrize("recipe", ["detector", "chunk", "planner"])
def test_a_recipe_computes_on_the_gpu_what_it_computes_on_the_cpu(recipe, data, tmp_path, monkeypatch):
    monkeypatch.setattr("palme.precision.has_fast_bf16", lambda kind="cpu": False)  # it rounds differently
    on_cpu = Trainer(settings(recipe, data, tmp_path / "cpu"), RESOURCES).fit()
    monkeypatch.setattr("palme.training.trainer.choose_device", lambda name, rank: GPU)
    with FakeGpu() as gpu:
        trainer = Trainer(settings(recipe, data, tmp_path / "gpu"), RESOURCES)
        on_gpu = trainer.fit()
        assert all(gpu.holds(p) for p in trainer.parameters)
    assert on_gpu == pytest.approx(on_cpu, rel=1e-4, nan_ok=True)


def test_perception_is_trained_from_the_command_line_detector_first(data, tmp_path, capsys):
    words = "train perception install=false device=cpu batch=3 steps=2 name_steps=2 texts=3 crops=3".split()
    assert main([*words, f"data={data / 'scenes'}", f"out={tmp_path}"]) == 0
    shipped = tmp_path / "names" / "detector.safetensors"
    assert capsys.readouterr().out.splitlines()[-1] == str(shipped)
    detector = Detector.load(shipped)  # refuses missing and unknown weights
    assert detector.localiser.width > 0
    log = (tmp_path / "names" / "log.jsonl").read_text().splitlines()
    assert {json.loads(line)["kind"] for line in log} == {"train", "final"}


def test_the_classifier_leaves_the_detector_as_it_is(data, tmp_path):
    detector = Trainer(settings("detector", data, tmp_path))
    detector.fit()
    following = detector.config.following()
    following.steps, following.batch = 2, 3
    classifier = Trainer(following)
    before = {k: v.clone() for k, v in classifier.recipe.net.state_dict().items()}
    classifier.fit()
    moved = {k for k, v in classifier.recipe.net.state_dict().items() if not torch.equal(v, before[k])}
    assert moved and all(name.startswith("namer.") for name in moved)


def test_the_chunk_policy_ships_a_head_that_loads(data, tmp_path):
    trainer = Trainer(settings("chunk", data, tmp_path))
    figures = trainer.fit()
    assert np.isfinite(figures["mrad"])
    head = load_head(trainer.shipped, 7)
    assert torch.allclose(head.enter.weight, trainer.recipe.net.enter.weight, atol=1e-2)


def test_geometry_is_exact_under_autocast():
    k, pose = camera()
    points, depth = points_on_table(), torch.full((1, 176, 240), 1.1)
    exact = project(points, k, pose), xyz_map(depth, k, pose)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = project(points, k, pose), xyz_map(depth, k, pose)
    for a, b in zip(exact, rounded, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("connector", ["linear", "mlp", "token_learner", "q_former"])
def test_any_connector_behind_an_encoder_is_trained_from_the_command_line(connector, data, tmp_path, capsys):
    small = [
        "steps=3",
        "batch=4",
        "width=32",
        "layers=1",
        "heads=2",
        "inner=48",
        "evaluate_n=6",
        "validate_every=0",
    ]
    encoder = ["encoder=small", "encoder.dim=16", "encoder.rows=2", "encoder.columns=3"]
    chosen = [f"data={data / 'scenes'}", f"out={tmp_path}", f"connector={connector}", *encoder, *small]
    assert main(["train", "vision", *chosen]) == 0
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == 3 and 0 <= log[-1]["right"] <= 1 and "blanked" in log[-1]
    model = EmbodiedLM.from_pretrained(tmp_path / "model")
    assert model.config.modalities["img"]["connector"]["kind"] == connector
    assert EmbodiedProcessor.from_pretrained(tmp_path / "model").modalities == model.config.modalities
    assert main(["train", "vision", *chosen, "encoder=smal"]) == 2
    assert "small" in capsys.readouterr().err


def test_what_is_learned_of_pictures_is_lost_without_them(data, tmp_path, monkeypatch):
    """One question, whose answer only the picture tells: learned by heart, at chance with blank pictures."""
    scenes = RenderedScenes(data / "scenes")
    there = [
        set(entities[entities >= 0].tolist()) for entities in scenes.batch(np.arange(len(scenes)))["entity"]
    ]
    entity = max(range(24), key=lambda e: -abs(sum(e in t for t in there) - len(there) / 2))
    share = sum(entity in t for t in there) / len(there)
    assert 0.2 < share < 0.8

    def asked(labels, i, rng):
        seen = bool((labels["entity"][i] == entity).any())
        return f"is there a {ENTITIES[entity]} ?", ["yes" if seen else "no"]

    monkeypatch.setattr("palme.training.datasets.picture_questions.question_about", asked)
    vit = {"model_type": "vit", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1}
    vit |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    encoder = {"kind": "pretrained", "backbone": vit, "freeze": False}
    c = VisionTraining(data=str(data / "scenes"), out=str(tmp_path), steps=120, batch=6, lr=3e-3, **TINY_LM)
    trainer = Trainer(replace(c, encoder=encoder, evaluate_n=len(scenes)), RESOURCES)
    trainer.recipe.scenes = trainer.recipe.held_out = scenes
    learned = trainer.fit()
    assert learned["right"] > 0.9 and learned["blanked"] <= max(share, 1 - share) + 1e-6


TINY_LM = {"width": 48, "layers": 2, "heads": 2, "inner": 64, "evaluate_n": 6, "validate_every": 0}
