"""Promises of the encoders of senses: shapes, order that does not matter, padding, and clear refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from palme.models.build import build_encoder
from palme.models.encoders.base import EncoderInputError
from palme.models.modality import modality
from robots.senses import ImplicitShape, Mesh, ObjectSlots, PartAssembly, PointCloud
from robots.types import AudioClip
from tests.palme.models.test_modality import OBSERVATIONS, clip, view

SENSES = sorted(set(OBSERVATIONS) - {"image", "object", "read", "state"})


def features(name: str, *observations, train: bool = False) -> torch.Tensor:
    torch.manual_seed(0)
    encoder = build_encoder(modality(name).encoder).train(train)
    batch = encoder.prepare(observations)
    return encoder({k: torch.from_numpy(v) for k, v in batch.items()})


@pytest.mark.parametrize("name", SENSES)
def test_features_have_the_promised_shape_and_a_blank_observation_is_finite(name):
    kind, (a, b) = modality(name), OBSERVATIONS[name]
    out = features(name, a, b, a)
    dim = kind.encoder["dim"]
    assert out.shape == (3, kind.n_tokens(a) if name != "slots" else len(a), dim)
    torch.testing.assert_close(out[0], out[2])
    encoder = build_encoder(kind.encoder)
    batch = {k: torch.zeros_like(torch.from_numpy(v)) for k, v in encoder.prepare([a, b]).items()}
    batch |= {"mask": torch.ones_like(batch["mask"])} if "mask" in batch else {}
    assert torch.isfinite(encoder.eval()(batch)).all()


@pytest.mark.parametrize("name", SENSES)
def test_an_encoder_is_made_again_from_its_config(name):
    encoder = build_encoder(modality(name).encoder)
    again = build_encoder({"kind": modality(name).encoder["kind"], **encoder.config()})
    again.load_state_dict(encoder.state_dict())
    assert {k: v for k, v in modality(name).encoder.items() if k != "kind"} == encoder.config()


def test_the_order_of_points_triangles_and_samples_does_not_matter():
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 0.3, (30, 3)).astype(np.float32)
    order = rng.permutation(30)
    faces = rng.integers(0, 30, (12, 3)).astype(np.int32)
    distance = rng.normal(0, 0.02, 30).astype(np.float32)
    pairs = {
        "point_cloud": (PointCloud(points), PointCloud(points[order])),
        "mesh": (Mesh(points, faces), Mesh(points, faces[::-1])),
        "implicit": (ImplicitShape(points, distance), ImplicitShape(points[order], distance[order])),
    }
    for name, (a, b) in pairs.items():
        out = features(name, a, b)
        torch.testing.assert_close(out[0], out[1], rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing():
    points = np.random.default_rng(1).uniform(0, 0.3, (30, 3)).astype(np.float32)
    small, large = PointCloud(points[:10]), PointCloud(points)
    torch.testing.assert_close(features("point_cloud", small, large)[0], features("point_cloud", small)[0])
    one, two = OBSERVATIONS["parts"]
    longer = PartAssembly(two.parts * 3)
    torch.testing.assert_close(features("parts", one, longer)[0, :2], features("parts", one)[0])


def test_a_slot_sees_nothing_of_the_rest_of_the_picture():
    mask = np.zeros((1, 32, 48), bool)
    mask[0, 8:16, 10:20] = True
    plain = view(0)
    other = plain.rgb.copy()
    other[~mask[0]] = 255 - other[~mask[0]]
    seen = features("slots", ObjectSlots(plain, mask), ObjectSlots(replace(plain, rgb=other), mask))
    torch.testing.assert_close(seen[0], seen[1])


def test_a_tone_stands_in_the_bands_of_its_frequency():
    for name in ("spectrogram", "power_spectrum"):
        encoder = build_encoder(modality(name).encoder)
        samples = torch.from_numpy(np.stack([clip(300).samples, clip(3000).samples]))
        picture = encoder.picture(samples).mean(-1) if name == "spectrogram" else encoder.spectrum(samples)
        low, high = picture.argmax(-1).tolist()
        assert low < high - 10


REFUSED = {
    "another rate": ("spectrogram", AudioClip(clip(300).samples, 8000), "8000 samples a second"),
    "no clip": ("waveform", np.zeros(100), "AudioClip"),
    "no depth": ("depth", view(0), "no depth"),
    "no points": ("point_cloud", PointCloud(np.zeros((0, 3), np.float32)), "no points"),
    "no triangles": ("mesh", Mesh(np.zeros((3, 3), np.float32), np.zeros((0, 3), np.int32)), "no triangles"),
    "no parts": ("parts", PartAssembly(()), "no parts"),
    "no slots": ("slots", ObjectSlots(view(0), np.zeros((0, 32, 48), bool)), "no slots"),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_what_cannot_be_encoded_is_refused_with_the_reason(case):
    name, observation, says = REFUSED[case]
    with pytest.raises(EncoderInputError, match=says):
        features(name, observation)


def test_the_clip_of_another_rate_is_named_wherever_it_stands_in_the_batch():
    right, other = clip(300), AudioClip(clip(300).samples, 8000)
    for batch in ((right, other), (other, right)):
        with pytest.raises(EncoderInputError, match="8000 samples a second, this encoder takes 16000"):
            features("spectrogram", *batch)


@pytest.mark.parametrize("name", ["video", "views", "voxels", "implicit", "force", "depth"])
def test_observations_of_different_sizes_do_not_go_into_one_batch(name):
    a = OBSERVATIONS[name][0]
    larger = {
        "video": lambda: replace(a, frames=a.frames[:3]),
        "views": lambda: replace(a, frames=a.frames[:2]),
        "voxels": lambda: replace(a, occupied=a.occupied[:9]),
        "implicit": lambda: replace(a, points=a.points[:9], distance=a.distance[:9]),
        "force": lambda: replace(a, wrench=a.wrench[:9]),
        "depth": lambda: replace(a, depth=a.depth[:9]),
    }[name]()
    with pytest.raises(EncoderInputError, match="batch"):
        features(name, a, larger)
