"""Promises of encoders and connectors. Backbones are tiny models made here; nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path

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

from palme.models.connectors.basic import LinearConnector, MlpConnector
from palme.models.encoders.base import EncoderInputError, ObservationBatch
from palme.models.encoders.build import BadEncoderConfig, build_encoder
from palme.models.encoders.pretrained import NotAVisionBackbone, PretrainedEncoder
from palme.models.encoders.small import SmallEncoder
from palme.models.encoders.state import StateEncoder

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


def pictures(n: int = 2, height: int = 32, width: int = 32) -> ObservationBatch:
    g = torch.Generator().manual_seed(n)
    return ObservationBatch(
        rgb=torch.randint(0, 256, (n, height, width, 3), dtype=torch.uint8, generator=g),
        xyz=torch.rand(n, 3, height, width, generator=g),
        state=torch.randn(n, 11, generator=g),
    )


class EncoderContract:
    """Every encoder keeps these; a new one inherits the class and overrides `make`."""

    def make(self) -> torch.nn.Module:
        raise NotImplementedError

    def test_features_are_b_n_dim_and_finite(self):
        encoder = self.make().eval()
        features = encoder(pictures(3))
        assert features.dim() == 3
        assert features.shape[0] == 3
        assert features.shape[2] == encoder.dim
        assert torch.isfinite(features).all()

    def test_an_observation_is_encoded_the_same_whatever_stands_beside_it(self):
        encoder = self.make().eval()
        batch = pictures(3)
        one = ObservationBatch(batch.rgb[1:2], batch.xyz[1:2], batch.state[1:2])
        torch.testing.assert_close(encoder(batch)[1:2], encoder(one), atol=1e-4, rtol=1e-4)

    def test_different_observations_differ(self):
        encoder = self.make().eval()
        features = encoder(pictures(2))
        assert not torch.allclose(features[0], features[1], atol=1e-4)

    def test_a_missing_modality_is_refused_by_name(self):
        with pytest.raises(EncoderInputError):
            self.make()(ObservationBatch())

    def test_weights_survive_a_save(self, tmp_path):
        encoder, other = self.make().eval(), self.make().eval()
        with torch.no_grad():
            for p in encoder.parameters():
                p.add_(0.01)
        torch.save(encoder.state_dict(), tmp_path / "weights.pt")
        other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
        torch.testing.assert_close(encoder(pictures()), other(pictures()))


class TestState(EncoderContract):
    def make(self):
        torch.manual_seed(0)
        return StateEncoder(11, dim=24)

    def test_another_number_of_joints_is_refused(self):
        with pytest.raises(EncoderInputError, match="11"):
            self.make()(ObservationBatch(state=torch.zeros(2, 9)))


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
        changed = batch.rgb.clone()
        changed[:, :8, 8:16] = 255 - changed[:, :8, 8:16]  # the second patch of the first row
        moved = (encoder(batch) - encoder(ObservationBatch(rgb=changed))).abs().amax(-1)[0]
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
        assert PretrainedEncoder.from_pretrained(tmp_path).mean.tolist() == pytest.approx([0.1, 0.2, 0.3])

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


class ConnectorContract:
    """Every connector of features keeps these."""

    def make(self, d_encoder: int, d_lm: int) -> torch.nn.Module:
        raise NotImplementedError

    def test_features_become_tokens_of_the_language_models_width(self):
        assert self.make(12, 20)(torch.randn(2, 5, 12)).shape == (2, 5, 20)

    def test_gradients_reach_the_encoder(self):
        features = torch.randn(2, 5, 12, requires_grad=True)
        self.make(12, 20)(features).square().sum().backward()
        assert features.grad.abs().sum() > 0

    def test_tokens_do_not_mix(self):
        connector = self.make(12, 20)
        features = torch.randn(1, 5, 12)
        torch.testing.assert_close(connector(features)[:, 2:3], connector(features[:, 2:3]))


class TestLinear(ConnectorContract):
    def make(self, d_encoder, d_lm):
        return LinearConnector(d_encoder, d_lm)


class TestMlp(ConnectorContract):
    def make(self, d_encoder, d_lm):
        return MlpConnector(d_encoder, d_lm)


def test_patch_tokens_stand_in_the_sentence_of_the_language_model():
    from palme.language.tokenizer import build_tokenizer
    from palme.language.vocabulary import IMAGE_TOKEN
    from palme.models.embodied_lm import EmbodiedConfig, EmbodiedLM

    tokenizer = build_tokenizer()
    encoder = PretrainedEncoder(tiny("clip"))
    backbone = {
        "model_type": "llama", "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 2,
    }  # fmt: skip
    model = EmbodiedLM(EmbodiedConfig.for_tokenizer(tokenizer, backbone, image_dim=encoder.dim)).eval()
    ids = tokenizer(f"i see {' '.join([IMAGE_TOKEN] * 16)} . put", return_tensors="pt").input_ids
    assert (ids == tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)).sum() == 16
    features = encoder(pictures(2))
    said = [model(input_ids=ids, image=features[k : k + 1]).logits[0, -1] for k in range(2)]
    assert not torch.allclose(said[0], said[1])


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
    with pytest.raises(BadEncoderConfig, match="Nearest"):
        build_encoder(config)
