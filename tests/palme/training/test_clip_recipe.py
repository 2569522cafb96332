"""The recipe of CLIP learns colours from a few pictures, and what it writes loads."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from palme.models.clip import trained
from palme.models.clip.trained import TrainedClip
from palme.training.datasets.appearance_crops import AppearanceCrops, captioned
from palme.training.recipes import clip as recipe
from palme.training.recipes.clip import ClipTraining
from palme.training.resources import Resources
from palme.training.trainer import Trainer
from robots.skills import COLOURS
from sim.appearances.registry import SHAPES, TEXTURES
from sim.world.appearance import nominal_colour


class Reader:
    """A sentence encoder that needs no file: which of the words it knows are there."""

    words = (*COLOURS, "block", "bowl", "in", "nothing", "empty")
    dim = len(words)

    def vectors(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([[float(word in text) for word in self.words] for text in texts])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two parts of crops: blocks are squares of their colour, bowls squares around what is in them."""
    monkeypatch.setattr(recipe, "sentence_encoder", lambda folder: Reader())
    rng = np.random.default_rng(0)
    shape = {name: list(SHAPES).index(name) for name in ("block", "bowl")}
    for k in range(2):
        n = 96
        rgb = rng.integers(90, 130, (n, 64, 64, 3)).astype(np.uint8)
        items, relations = np.full((n, 4, 3), -1, np.int8), np.full((n, 3), -1, np.int8)
        pile = np.arange(n) % 2 == 1
        for i in range(n):
            a, b = rng.integers(len(COLOURS), size=2)
            first = [255 * c for c in nominal_colour(COLOURS[a])]
            rgb[i, 12:52, 12:52] = first
            items[i, 0] = (a, shape["bowl" if pile[i] else "block"], 0)
            if pile[i]:
                rgb[i, 24:40, 24:40] = [255 * c for c in nominal_colour(COLOURS[b])]
                items[i, 1], relations[i, 0] = (b, shape["block"], 0), 0
        part = tmp_path / "crops" / f"part{k:03d}"
        part.mkdir(parents=True)
        for name, array in (("rgb", rgb), ("pile", pile), ("items", items), ("relations", relations)):
            np.save(part / f"{name}.npy", array)
        names = {"colours": COLOURS, "shapes": list(SHAPES), "textures": TEXTURES}
        (part / "done.json").write_text(json.dumps({"n": n, **names}))
    return tmp_path


def test_colours_are_learned_and_the_result_loads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = folder / "reader"
    reader.mkdir()
    (reader / "model.safetensors").write_bytes(b"weights")
    settings = ClipTraining(
        data=str(folder / "crops"), out=str(folder / "run"), reader=str(reader), steps=40, batch=32, dim=16,
        piles=0.3, warmup=5, validate_every=0, evaluate_n=48, seed=1,
    )  # fmt: skip
    trainer: Trainer = Trainer(settings, Resources(lambda: None, lambda arm: None))  # type: ignore[arg-type, return-value]
    figures = trainer.fit()
    assert figures["solids/text"] > 0.5  # by chance: about an eighth
    monkeypatch.setattr(trained, "sentence_encoder", lambda folder: Reader())
    clip = TrainedClip.load(trainer.shipped, reader)
    red = np.full((1, 64, 64, 3), 110, np.uint8)
    red[:, 12:52, 12:52] = [round(255 * c) for c in nominal_colour("red")]
    assert -1 < clip.least < 1
    cosines = clip.images(red) @ clip.texts([f"a {colour} block" for colour in COLOURS]).T
    assert COLOURS[int(cosines.argmax())] == "red"


def test_batches_are_the_same_whenever_the_run_is_resumed(folder: Path) -> None:
    crops = AppearanceCrops(folder / "crops")
    rows = crops.rows[True][:8]

    def draw() -> object:
        import random

        return captioned(crops, rows, Reader().vectors, random.Random(3), variants=4)

    first, second = draw(), draw()
    for name in ("rgb", "vectors", "true"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert torch.diagonal(first.true).all()  # type: ignore[attr-defined]


def test_no_crops_are_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="palme collect what=appearances"):
        AppearanceCrops(tmp_path / "none")
