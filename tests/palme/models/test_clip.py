"""CLIP: pictures and texts in one space, the published loss, ours saved and loaded, any of transformers."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from palme.models.clip import trained
from palme.models.clip.base import Clip, probabilities
from palme.models.clip.load import load_clip
from palme.models.clip.search import apart, search, windows
from palme.models.clip.towers import Towers
from palme.models.clip.trained import TrainedClip
from palme.training.losses.contrastive import clip_loss, retrieved
from palme.weight_files import BadWeights, WeightsMissing

TEXTS = ["a red block", "a blue bowl", "the shiny duck"]


class Reader:
    """A sentence encoder that needs no file: characters, counted."""

    dim = 24

    def vectors(self, texts: list[str]) -> torch.Tensor:
        rows = [[text.count(chr(97 + k)) for k in range(self.dim)] for text in texts]
        return torch.tensor(rows, dtype=torch.float32)


@pytest.fixture
def ours() -> TrainedClip:
    torch.manual_seed(0)
    return TrainedClip(Towers(Reader.dim, 16), Reader())  # type: ignore[arg-type]


@pytest.fixture
def published(tmp_path: Path) -> Clip:
    """A tiny CLIPModel of transformers, from its folder."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    size = save_tokenizer(tmp_path)
    words = small | {"vocab_size": size, "max_position_embeddings": 77, "eos_token_id": size - 1}
    eyes = small | {"image_size": 32, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=words, vision_config=eyes, projection_dim=20))
    model.save_pretrained(tmp_path)
    return load_clip(tmp_path)


def save_tokenizer(folder: Path) -> int:
    """One token a word of `TEXTS`, and an end; returns how many tokens there are."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", *sorted({word for text in TEXTS for word in text.split()}), "<end>"]
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    end = ("<end>", len(words) - 1)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <end>", special_tokens=[end])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>", pad_token="<end>"
    )
    fast.save_pretrained(folder)
    return len(words)


def pictures(n: int = 3, size: int = 64) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (n, size, size, 3)).astype(np.uint8)


def check_contract(clip: Clip) -> None:
    images, texts = clip.images(pictures()), clip.texts(TEXTS)
    assert images.shape[1] == texts.shape[1]
    for rows in (images, texts):
        assert rows.dtype == np.float32
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-3)
    assert clip.images(pictures(0)).shape == (0, images.shape[1])
    assert clip.texts([]).shape == (0, images.shape[1])
    assert clip.images(pictures(2, 48)).shape[0] == 2
    assert np.allclose(clip.texts(TEXTS[::-1]), texts[::-1], atol=1e-5)
    assert probabilities(clip, images, texts).sum(1) == pytest.approx(1.0, abs=1e-5)


def test_ours_keeps_the_contract(ours: TrainedClip) -> None:
    check_contract(ours)


def test_one_of_transformers_keeps_the_contract(published: Clip) -> None:
    check_contract(published)
    assert published.scale == pytest.approx(1 / 0.07, rel=1e-2)


def test_the_temperature_starts_as_published_and_its_factor_stays_at_most_a_hundred() -> None:
    towers = Towers(8, 4)
    assert towers.logit_scale.item() == pytest.approx(math.log(1 / 0.07))
    with torch.no_grad():
        towers.logit_scale.fill_(9.0)
    assert towers.scale.item() == pytest.approx(100.0, rel=1e-4)


def test_the_loss_is_the_mean_of_both_cross_entropies() -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, 6)
    at = torch.arange(6)
    expected = (F.cross_entropy(logits, at) + F.cross_entropy(logits.T, at)) / 2
    assert torch.allclose(clip_loss(logits, torch.eye(6, dtype=torch.bool)), expected)


def test_a_text_that_is_true_of_another_picture_is_no_wrong_answer_there() -> None:
    logits = torch.tensor([[2.0, 50.0], [0.0, 3.0]])
    true = torch.tensor([[True, True], [False, True]])
    assert clip_loss(logits, true) < 0.1 < clip_loss(logits, torch.eye(2, dtype=torch.bool))
    right, found = retrieved(logits, true)
    assert (right, found) == (1.0, 1.0)


def test_saved_towers_load_and_answer_alike(
    ours: TrainedClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = tmp_path / "reader"
    reader.mkdir()
    (reader / "model.safetensors").write_bytes(b"weights")
    folder = trained.save(ours.towers, reader, tmp_path / "clip", 0.25)
    monkeypatch.setattr(trained, "sentence_encoder", lambda folder: Reader())
    again = TrainedClip.load(folder, reader)
    assert np.abs(again.images(pictures()) - ours.images(pictures())).max() < 0.05
    assert again.least == 0.25
    assert again.scale == pytest.approx(ours.scale, rel=0.01)
    (reader / "model.safetensors").write_bytes(b"others")
    with pytest.raises(BadWeights, match="another|digest.*palme train clip"):
        TrainedClip.load(folder, reader)


def test_a_missing_folder_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="palme train clip"):
        TrainedClip.load(tmp_path / "none")
    with pytest.raises(WeightsMissing, match="CLIP"):
        load_clip(str(tmp_path / "none"))


class Brightness:
    """A CLIP of one dimension and its opposite: how bright a picture is."""

    scale, least = 10.0, -1.0

    def images(self, rgb: np.ndarray) -> np.ndarray:
        x = rgb.reshape(len(rgb), -1).mean(1) / 255
        return np.stack([x, np.sqrt(1 - x**2)], 1).astype(np.float32)

    def texts(self, texts: list[str]) -> np.ndarray:
        return np.array([[1.0, 0.0] if "bright" in text else [0.0, 1.0] for text in texts], np.float32)


def test_windows_cover_a_picture_without_leaving_it() -> None:
    places = windows(60, 100, 20.0)
    assert places.min() >= 10
    assert (places <= [90 + 1e-6, 50 + 1e-6]).all()
    assert places.max(0) == pytest.approx([90, 50], abs=7)
    assert len(windows(10, 10, 40.0)) == 1


def test_search_finds_the_bright_spot_and_the_brighter_picture() -> None:
    dark, light = np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80, 3), np.uint8)
    light[20:40, 50:70] = 255
    clip = Brightness()
    found = list(
        search(clip, clip.texts(["bright"])[0], np.zeros((0, 2)), [((0, 0), dark), ((0, 9), light)], (0.2,))
    )
    best = apart(found, 1, 1)[0]
    assert best.key == (0, 9)
    assert abs(best.u - 60) < 8
    assert abs(best.v - 30) < 8


def test_moments_of_one_episode_keep_their_distance() -> None:
    dark = np.zeros((40, 40, 3), np.uint8)
    clip = Brightness()
    keys = [(0, 0), (0, 5), (0, 30), (1, 5)]
    found = list(search(clip, clip.texts(["bright"])[0], np.zeros((0, 2)), [(k, dark) for k in keys], (0.5,)))
    assert [hit.key for hit in apart(found, 9, 10)] == [(0, 0), (0, 30), (1, 5)]
