"""Promises of encoders and connectors. Backbones are tiny models made here; nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import (
    AutoModel,
    BertConfig,
    CLIPConfig,
    Dinov2Config,
    Dinov2WithRegistersConfig,
    SiglipConfig,
    ViTConfig,
)

from palme.models.build import build_encoder
from palme.models.encoders import ENCODERS
from palme.models.encoders.base import EncoderInputError
from palme.models.encoders.features import FeaturesEncoder
from palme.models.encoders.objects import ObjectsEncoder
from palme.models.encoders.pretrained import NotAVisionBackbone, PretrainedEncoder
from palme.models.encoders.small import SmallEncoder
from palme.models.encoders.state import StateEncoder
from palme.registry import UnknownName

CONFIGS = Path(__file__).parent.parent.parent.parent / "configs" / "encoder"
VISION = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 2,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
TEXT = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
    "vocab_size": 30,
}  # fmt: skip


def tiny(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    configs = {
        "clip": lambda: CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=16),
        "siglip": lambda: SiglipConfig(text_config=TEXT, vision_config=VISION),
        "dinov2": lambda: Dinov2Config(**{k: v for k, v in VISION.items() if k != "intermediate_size"}),
        "dinov2_registers": lambda: Dinov2WithRegistersConfig(
            num_register_tokens=4, **{k: v for k, v in VISION.items() if k != "intermediate_size"}
        ),
        "vit": lambda: ViTConfig(**VISION),
    }
    return AutoModel.from_config(configs[kind]())


def pictures(n: int = 2, height: int = 32, width: int = 32) -> dict[str, torch.Tensor]:
    """A batch of every modality at once: an encoder takes its own."""
    g = torch.Generator().manual_seed(n)
    return {
        "rgb": torch.randint(0, 256, (n, height, width, 3), dtype=torch.uint8, generator=g),
        "xyz": torch.rand(n, 3, height, width, generator=g),
        "state": torch.randn(n, 11, generator=g),
        "features": torch.randn(n, 5, 12, generator=g),
        "class_probs": torch.rand(n, 4, 24, generator=g),
        "size_probs": torch.rand(n, 4, 2, generator=g),
        "score": torch.rand(n, 4, generator=g),
        "feature": torch.rand(n, 4, 6, generator=g),
        "holder_probs": torch.rand(n, 4, 5, generator=g),
    }


class EncoderContract:
    """Every encoder keeps these; a new one inherits the class and overrides `make`."""

    def make(self) -> torch.nn.Module:
        raise NotImplementedError

    def batch(self, n: int) -> dict[str, torch.Tensor]:
        return pictures(n)

    def test_features_are_b_n_dim_and_finite(self):
        encoder = self.make().eval()
        features = encoder(self.batch(3))
        assert features.dim() == 3
        assert features.shape[0] == 3
        assert features.shape[2] == encoder.dim
        assert torch.isfinite(features).all()

    def test_an_observation_is_encoded_the_same_whatever_stands_beside_it(self):
        encoder = self.make().eval()
        batch = self.batch(3)
        one = {name: value[1:2] for name, value in batch.items()}
        torch.testing.assert_close(encoder(batch)[1:2], encoder(one), atol=1e-4, rtol=1e-4)

    def test_different_observations_differ(self):
        encoder = self.make().eval()
        features = encoder(self.batch(2))
        assert not torch.allclose(features[0], features[1], atol=1e-4)

    def test_a_missing_modality_is_refused_by_name(self):
        with pytest.raises(EncoderInputError, match="needs"):
            self.make()({})

    def test_it_is_built_again_from_its_own_configuration(self):
        encoder = self.make()
        kind = next(name for name in ENCODERS if ENCODERS[name] is type(encoder))
        again = build_encoder({"kind": kind, **json.loads(json.dumps(encoder.config()))})
        shapes = {name: value.shape for name, value in encoder.state_dict().items()}
        assert {name: value.shape for name, value in again.state_dict().items()} == shapes

    def test_weights_survive_a_save(self, tmp_path):
        encoder, other = self.make().eval(), self.make().eval()
        with torch.no_grad():
            for p in encoder.parameters():
                p.add_(0.01)
        torch.save(encoder.state_dict(), tmp_path / "weights.pt")
        other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
        batch = self.batch(2)
        torch.testing.assert_close(encoder(batch), other(batch))


class TestState(EncoderContract):
    def make(self):
        torch.manual_seed(0)
        return StateEncoder(dim=24, state_dim=11, hidden=32)

    def test_another_number_of_joints_is_refused(self):
        with pytest.raises(EncoderInputError, match="11"):
            self.make()({"state": torch.zeros(2, 9)})


class TestStateAsItIs(EncoderContract):
    def make(self):
        return StateEncoder(dim=11)


class TestFeatures(EncoderContract):
    def make(self):
        return FeaturesEncoder(dim=12)

    def test_observations_of_different_length_are_padded_and_marked(self):
        batch = FeaturesEncoder.prepare([np.ones((3, 12)), np.ones(12)])
        assert batch["features"].shape == (2, 3, 12) and batch["mask"].sum(1).tolist() == [3, 1]
        with pytest.raises(EncoderInputError, match=r"\(K, 12\), got \(2, 9\)"):
            FeaturesEncoder.prepare([np.ones((3, 12)), np.ones((2, 9))])


class TestObjects(EncoderContract):
    def make(self):
        return ObjectsEncoder(feature_dim=6)

    def batch(self, n):
        return {**pictures(n), "xyz": torch.rand(n, 4, 3)}

    def test_features_are_b_n_dim_and_finite(self):
        features = self.make()(self.batch(3))
        assert features.shape == (3, 4, 30 + 6 + 5) and torch.isfinite(features).all()


class TestSmall(EncoderContract):
    def make(self):
        torch.manual_seed(0)
        return SmallEncoder(dim=16, rows=4, columns=4)

    def test_a_size_that_the_trunk_cannot_halve_is_refused(self):
        with pytest.raises(EncoderInputError, match="16"):
            self.make()(pictures(1, height=30))


class PretrainedContract(EncoderContract):
    kind: str

    def make(self, **kwargs):
        return PretrainedEncoder(tiny(self.kind), **kwargs)

    def test_there_is_one_token_a_patch(self):
        assert self.make()(pictures(2, 40, 56)).shape == (2, 16, 32)

    def test_a_token_follows_its_own_patch(self):
        """Class and register tokens are gone and rows come in order: layer 0 is the embedding of a patch."""
        encoder = self.make(layer=0)
        batch = pictures(1)
        changed = batch["rgb"].clone()
        changed[:, :8, 8:16] = 255 - changed[:, :8, 8:16]  # the second patch of the first row
        moved = (encoder(batch) - encoder({"rgb": changed})).abs().amax(-1)[0]
        assert moved.argmax() == 1
        assert moved[1] > 5 * moved[[0, *range(2, 16)]].max()

    def test_frozen_means_frozen(self):
        encoder = self.make(freeze=True).train()
        assert not encoder.tower.training
        assert not encoder(pictures()).requires_grad
        assert not any(p.requires_grad for p in encoder.parameters())

    def test_fine_tuned_means_gradients_reach_the_first_layer(self):
        encoder = self.make(freeze=False)
        encoder(pictures()).square().sum().backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())

    def test_a_saved_backbone_is_loaded_by_its_folder(self, tmp_path):
        tiny(self.kind).save_pretrained(tmp_path)
        loaded = PretrainedEncoder.from_pretrained(tmp_path).eval()
        torch.testing.assert_close(loaded(pictures()), self.make().eval()(pictures()))

    def test_a_larger_picture_gives_more_tokens(self):
        assert self.make(image_size=48)(pictures()).shape == (2, 36, 32)


class TestClip(PretrainedContract):
    kind = "clip"

    def test_pixel_statistics_are_those_of_the_checkpoint(self, tmp_path):
        tiny("clip").save_pretrained(tmp_path)
        assert PretrainedEncoder.from_pretrained(tmp_path).mean[0] == pytest.approx(0.48145466)
        said = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3]}
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
        assert PretrainedEncoder.from_pretrained(tmp_path).mean == pytest.approx([0.1, 0.2, 0.3])

    def test_the_text_side_is_left_behind(self):
        assert not any("text" in name for name, _ in self.make().named_parameters())


class TestSiglip(PretrainedContract):
    kind = "siglip"


class TestDinov2(PretrainedContract):
    kind = "dinov2"


class TestDinov2WithRegisters(PretrainedContract):
    kind = "dinov2_registers"


class TestViT(PretrainedContract):
    kind = "vit"


def test_a_model_without_patches_is_refused():
    with pytest.raises(NotAVisionBackbone, match="CLIP"):
        PretrainedEncoder(AutoModel.from_config(BertConfig(**{**TEXT, "max_position_embeddings": 8})))


def test_a_layer_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="layer 9"):
        PretrainedEncoder(tiny("clip"), layer=9)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda f: f.stem)
def test_every_configured_encoder_is_built(file, tmp_path):
    config = yaml.safe_load(file.read_text())
    assert config["name"] == file.stem
    if config["kind"] == "pretrained":  # the same keys on a tiny model of its family
        tiny(file.stem).save_pretrained(tmp_path)
        config |= {"model": str(tmp_path)} | ({"image_size": 48} if "image_size" in config else {})
    features = build_encoder(config).eval()(pictures(1))
    assert features.shape[0] == 1


@pytest.mark.parametrize("config", [{"kind": "smal"}, {"kind": "small", "row": 3}])
def test_an_unknown_kind_or_key_is_refused_with_the_nearest(config):
    with pytest.raises(UnknownName, match="There are"):
        build_encoder(config)
