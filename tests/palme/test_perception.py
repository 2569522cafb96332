"""What the detector promises: calibrated geometry, mirrored data that stays true, clear refusals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from palme.perception.detector import Detector
from palme.perception.grasp_refiner import YAW_BINS, GraspRefinement
from palme.perception.localiser import Localiser
from palme.perception.objects import PerceivedObjects
from palme.perception.rgbd import pixel_rays, plane_points, project, rectified_crops, xyz_map
from palme.perception.step_query import MAX_WORDS, UnknownWord, encode_words
from palme.training.datasets.augmentation import mirrored
from robots.skills import ENTITIES
from robots.types import CameraFrame


def camera(shift: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """A camera at (1.15, shift, 0.85) that looks at the table, 240 x 176: intrinsics and pose, batched."""
    eye, target = np.array([1.15, shift, 0.85]), np.array([0.49, 0.02, 0.03])
    z = (target - eye) / np.linalg.norm(target - eye)
    x = np.cross(z, [0, 0, 1.0])
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.stack([x, np.cross(z, x), z], 1), eye
    k = np.array([[312.0, 0, 119.5], [0, 312.0, 87.5], [0, 0, 1]])
    return torch.tensor(k, dtype=torch.float32)[None], torch.tensor(pose, dtype=torch.float32)[None]


def points_on_table(n: int = 50) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    return torch.rand(1, n, 3, generator=g) * torch.tensor([0.3, 0.5, 0.0]) + torch.tensor(
        [0.35, -0.25, 0.04]
    )


def test_a_point_projected_and_met_again_on_its_plane_is_the_same_point():
    k, pose = camera()
    points = points_on_table()
    uvd = project(points, k, pose)
    back = plane_points(k, pose, uvd[..., 0], uvd[..., 1], 0.04)
    assert (back - points).abs().max() < 1e-4


def test_depth_times_ray_is_the_xyz_map():
    k, pose = camera(0.03)
    depth = torch.full((1, 176, 240), 1.1)
    xyz = xyz_map(depth, k, pose)
    ray = pixel_rays(k, pose, torch.tensor([[7.0]]), torch.tensor([[31.0]]))
    assert torch.allclose(xyz[0, :, 31, 7], pose[0, :3, 3] + 1.1 * ray[0, 0], atol=1e-5)


def test_a_rectified_crop_shows_the_table_metric_and_unturned():
    """A picture whose red is x and whose green is y is sampled at exactly the grid's own x and y."""
    k, pose = camera()
    v, u = torch.meshgrid(torch.arange(176.0), torch.arange(240.0), indexing="ij")
    plane = plane_points(k, pose, u[None], v[None], 0.0)[0]  # (H, W, 3)
    painted = torch.stack([plane[..., 0] * 200, plane[..., 1] * 200 + 100, torch.zeros_like(u)], 0)[None]
    crop = rectified_crops(
        painted, plane.permute(2, 0, 1)[None], k, pose, torch.tensor([[[0.5, 0.05, 0.0]]]), 9, 0.01
    )
    x = (crop[0, 0, 0] + 1) * 127.5 / 200
    y = ((crop[0, 0, 1] + 1) * 127.5 - 100) / 200
    line = (torch.arange(9) - 4) * 0.01
    assert (x - (0.5 + line[:, None])).abs().max() < 1e-3
    assert (y - (0.05 + line[None, :])).abs().max() < 1e-3
    assert crop[0, 0, 3:].abs().max() < 0.2  # what is seen lies on the grid, within a pixel of 3 mm


def test_a_mirrored_scene_is_seen_by_a_proper_camera_at_mirrored_pixels():
    k, pose = camera(0.04)
    points = points_on_table(5)
    batch = {
        "rgb": torch.zeros(1, 3, 176, 240, dtype=torch.uint8), "depth_mm": torch.ones(1, 176, 240),
        "free": torch.zeros(1, 44, 60, dtype=torch.uint8), "intrinsics": k, "base_from_camera": pose,
        "point": points, "centre": points, "place_in": points,
        "yaw": torch.eye(YAW_BINS, dtype=torch.uint8)[None, :5], "place_yaw": torch.zeros(1, 5, YAW_BINS),
    }  # fmt: skip
    twin = mirrored(batch, torch.ones(1))
    rotation = twin["base_from_camera"][0, :3, :3]
    assert torch.allclose(rotation @ rotation.T, torch.eye(3), atol=1e-5)
    assert torch.linalg.det(rotation) > 0.99
    here = project(points, k, pose)
    there = project(twin["point"], twin["intrinsics"], twin["base_from_camera"])
    assert torch.allclose(there[..., 0], 239 - here[..., 0], atol=1e-2)
    assert torch.allclose(there[..., 1:], here[..., 1:], atol=1e-2)
    assert twin["yaw"][0, 0].argmax() == YAW_BINS - 1  # yaw and pi - yaw


@pytest.mark.parametrize("yaw_deg", [0.5, 44.0, 91.0, 178.5])
def test_yaw_is_read_between_bins_and_across_the_half_turn(yaw_deg: float):
    centres = (np.arange(YAW_BINS) + 0.5) * 180 / YAW_BINS
    away = (centres - yaw_deg + 90) % 180 - 90
    logits = torch.tensor(-0.5 * (away / 4.0) ** 2, dtype=torch.float32)[None]
    found = math.degrees(GraspRefinement(torch.zeros(1, 3), logits, torch.zeros(1)).yaw().item())
    assert abs((found - yaw_deg + 90) % 180 - 90) < 1.5


def test_a_word_outside_the_grammar_is_refused_by_name():
    with pytest.raises(UnknownWord, match="banana"):
        encode_words("put the banana in the blue bowl")
    assert len(encode_words("put the red block on the table")) == MAX_WORDS


def test_entities_are_named_in_the_order_of_the_heatmaps():
    assert ENTITIES[0] == "red block" and ENTITIES[-1] == "pink bowl" and len(set(ENTITIES)) == 24


def test_a_heatmap_points_at_its_maximum():
    localiser = Localiser().eval()
    k, pose = camera()
    with torch.no_grad():
        dense = localiser(torch.zeros(1, 6, 176, 240), k, pose)
        dense.offsets.zero_()
        heat = torch.full((1, 1, 44, 60), -20.0)
        heat[0, 0, 20, 33] = 20.0
        point, peak = localiser.read_point(heat, dense, torch.zeros(1, 1, dtype=torch.long))
    assert peak.item() == 20 * 60 + 33
    assert torch.allclose(point[0, 0], dense.anchors[0, :, 20, 33], atol=1e-4)


def frame(depth: bool = True, size: tuple[int, int] = (176, 240)) -> CameraFrame:
    k, pose = camera()
    metres = np.ones(size, np.float32) if depth else None
    return CameraFrame(
        np.zeros((*size, 3), np.uint8), metres, k[0].double().numpy(), pose[0].double().numpy()
    )


def test_detector_refuse_pictures_they_cannot_read():
    detector = Detector().eval()
    with pytest.raises(ValueError, match="depth"):
        detector.encode(frame(depth=False))
    with pytest.raises(ValueError, match="250 x 170"):
        detector.encode(frame(size=(170, 250)))


def test_detector_report_well_formed_objects():
    detector = Detector().eval()
    with torch.no_grad():
        detector.localiser.text.out.bias[-1] = 3.0  # untrained: make it see things everywhere
    objects = detector.objects(detector.encode(frame()))
    n = len(objects)
    assert n > 0
    assert objects.class_probs.shape == (n, 24) and objects.holder_probs.shape == (n, n + 1)
    assert np.allclose(objects.class_probs.sum(1), 1, atol=1e-4)
    assert np.allclose(objects.holder_probs.sum(1), 1, atol=1e-4)
    assert np.allclose(np.diag(objects.holder_probs[:, :n]), 0, atol=1e-6)  # nothing holds itself


def test_objects_listed_from_another_start_keep_their_holders():
    r, n = np.random.default_rng(0), 5
    objects = PerceivedObjects(
        r.random((n, 24)), r.random((n, 2)), r.random((n, 3)), r.random((n, n + 1)), r.random(n),
        r.random((n, 8)), r.random((n, 2)),
    )  # fmt: skip
    turned = objects.rotated(2)
    assert turned.score[0] == objects.score[2]
    assert turned.holder_probs[0, 1] == objects.holder_probs[2, 3]
    assert turned.holder_probs[0, n] == objects.holder_probs[2, n]
    assert np.array_equal(objects.rotated(n).xyz, objects.xyz)


def counting(detector: Detector) -> list[int]:
    """Grows by one with each pass of the network over a picture."""
    passes: list[int] = []
    detector.localiser.register_forward_hook(lambda *_: passes.append(1))
    return passes


def test_the_same_frame_is_encoded_once_and_any_other_anew():
    detector = Detector().eval()
    passes = counting(detector)
    first = frame()
    seen = detector.encode(first)
    assert detector.encode(first) is seen and len(passes) == 1
    white = replace(first, rgb=np.full_like(first.rgb, 255))
    assert not torch.equal(detector.encode(white).dense.features, seen.dense.features)
    assert torch.equal(detector.encode(first).dense.features, seen.dense.features) and len(passes) == 3
    detector.encode(replace(first))  # equal content, another frame: not compared, encoded
    assert len(passes) == 4


def test_a_frame_at_the_address_of_one_that_is_gone_is_not_taken_for_it():
    detector = Detector().eval()
    passes = counting(detector)
    for k in range(6):  # each is freed before the next is made
        value = 40 * k
        one = frame()
        one.rgb[:] = value
        assert (detector.encode(one).rgb == value).all()
        del one
    assert len(passes) == 6


def test_nothing_is_kept_while_weights_change():
    detector, one = Detector().eval(), frame()
    before = detector.encode(one).dense.features
    detector.train()
    with torch.no_grad():
        for p in detector.localiser.parameters():
            p.mul_(1.5)
    assert detector.encode(one) is not detector.encode(one)
    detector.eval()
    assert not torch.equal(detector.encode(one).dense.features, before)
