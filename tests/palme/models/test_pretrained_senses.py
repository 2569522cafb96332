"""VideoMAE and AST of transformers as encoders: tiny random ones, by folder and by config."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import ASTConfig, ASTModel, VideoMAEConfig, VideoMAEModel

from palme.models.build import build_encoder
from palme.models.encoders.pretrained_audio import PretrainedAudioEncoder
from palme.models.encoders.pretrained_video import PretrainedVideoEncoder
from palme.weight_files import WeightsMissing
from robots.senses import VideoClip
from tests.palme.models.test_modality import clip

SMALL: dict[str, Any] = {
    "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
}  # fmt: skip
VIDEO = {**SMALL, "image_size": 32, "patch_size": 16, "num_frames": 4, "tubelet_size": 2}
AUDIO = {**SMALL, "num_mel_bins": 32, "max_length": 48, "patch_size": 16}
CASES = {
    "pretrained_video": (VideoMAEModel, VideoMAEConfig, VIDEO, PretrainedVideoEncoder, 2 * 2 * 2),
    "pretrained_audio": (ASTModel, ASTConfig, AUDIO, PretrainedAudioEncoder, 2 * 4),
}


def observations(kind: str) -> list[Any]:
    if kind == "pretrained_audio":
        return [clip(300), clip(2000)]
    rng = np.random.default_rng(0)
    return [VideoClip(rng.integers(0, 255, (6, 20, 24, 3), np.uint8), 12.0) for _ in range(2)]


@pytest.mark.parametrize("kind", sorted(CASES))
def test_a_backbone_from_a_folder_gives_a_feature_for_each_patch_and_stays_frozen(kind, tmp_path):
    model, config, keywords, encoder_kind, patches = CASES[kind]
    torch.manual_seed(0)
    model(config(**keywords)).save_pretrained(tmp_path)
    encoder = build_encoder({"kind": kind, "model": str(tmp_path)})
    assert isinstance(encoder, encoder_kind) and encoder.dim == 24
    batch = {k: torch.from_numpy(v) for k, v in encoder.prepare(observations(kind)).items()}
    out = encoder.train()(batch)
    assert out.shape == (2, patches, 24) and not out.requires_grad and not encoder.tower.training
    assert not torch.allclose(out[0], out[1])
    again = build_encoder({"kind": kind, **encoder.config()})
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(again(batch), out)


@pytest.mark.parametrize("kind", sorted(CASES))
def test_a_backbone_that_is_not_there_or_of_another_kind_is_refused(kind, tmp_path):
    *_, encoder_kind, _ = CASES[kind]
    with pytest.raises(WeightsMissing, match="in safetensors"):
        build_encoder({"kind": kind, "model": str(tmp_path / "none")})
    other = next(c for name, c in CASES.items() if name != kind)
    with pytest.raises(ValueError, match="takes no"):
        encoder_kind(other[0](other[1](**other[2])))
    with pytest.raises(ValueError, match="layer 9 is outside"):
        encoder_kind(CASES[kind][0](CASES[kind][1](**CASES[kind][2])), layer=9)


def test_a_fine_tuned_backbone_gets_gradients():
    model, config, keywords, encoder_kind, _ = CASES["pretrained_video"]
    encoder = encoder_kind(model(config(**keywords)), freeze=False)
    batch = {k: torch.from_numpy(v) for k, v in encoder.prepare(observations("pretrained_video")).items()}
    encoder(batch).sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.tower.parameters())
