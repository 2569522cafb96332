"""What is learned of a camera from points that were seen and touched; where it is kept and how it is used."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from palme.data.errors import TrainingDataError
from palme.data.reader import Dataset
from palme.policies.chunk import WEIGHTS, ChunkHead, ChunkPolicy, load_head, save_head
from palme.training.datasets.camera_correction import Pairs, fit_rigid, learn_correction, moved, rotation
from palme.training.datasets.hindsight import PickAndPlace, check_learnable, holds
from palme.training.datasets.motion_ticks import sources
from palme.training.recipes.chunk_policy import ChunkPolicyTraining
from palme.training.resources import Resources
from palme.training.trainer import Trainer
from robots.motion.arm_motion import ArmMotion
from robots.spec import ArmSpec
from tests.data_rig import BLIND, recorded
from tests.palme.test_policies import STEP, FakeArm, FakeDetector

MOTION = ArmMotion(ArmSpec.load("panda"))


def knocked(shift=(0.01, -0.025, 0.012), turn=(0.01, -0.02, 0.015)) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation(np.array(turn)), shift
    return pose


def pairs(n: int, pose: np.ndarray, rng: np.random.Generator, by_person: bool, noise=0.003) -> Pairs:
    true = np.stack([rng.uniform(0.33, 0.67, n), rng.uniform(-0.3, 0.3, n), rng.uniform(0.03, 0.1, n)], 1)
    seen = moved(np.linalg.inv(pose), true + rng.normal(0, noise, (n, 3)))
    return Pairs(seen, true, np.full((n, 3), 0.006), np.full(n, by_person))


def moves(found: Pairs) -> list[PickAndPlace]:
    return [
        PickAndPlace(k, STEP.text, 0, 99, 20, 60, bool(p), bool(p), true, np.zeros(3), seen, None)
        for k, (seen, true, p) in enumerate(zip(found.seen, found.true, found.by_person, strict=True))
    ]


def test_a_known_camera_shift_is_found_with_every_fifth_point_an_outlier() -> None:
    rng = np.random.default_rng(0)
    found = pairs(60, knocked(), rng, True)
    found.seen[::5] += rng.uniform(0.0, 0.15, (12, 3))
    pose = fit_rigid(found.seen, found.true, found.sigma, np.ones(60))
    there = pairs(200, knocked(), rng, True, noise=0.0)
    assert np.linalg.norm(moved(pose, there.seen) - there.true, axis=1).max() < 0.006
    plain = found.seen - found.true  # what a mean would have said
    assert np.linalg.norm(plain.mean(0) - (there.seen - there.true).mean(0)) > 0.01


def test_points_at_one_place_give_no_rotation() -> None:
    seen = np.tile([0.5, 0.0, 0.04], (10, 1))
    pose = fit_rigid(seen, seen + [0.0, 0.02, 0.0], np.full((10, 3), 0.006), np.ones(10))
    np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=1e-6)
    assert pose[1, 3] == pytest.approx(0.02, abs=0.001)


def test_a_person_s_points_outweigh_many_of_the_policy_s_own_that_contradict_them() -> None:
    rng = np.random.default_rng(1)
    own = pairs(40, np.eye(4), rng, False)  # the fingers closed where they looked
    person = pairs(20, knocked(turn=(0.0, 0.0, 0.0)), rng, True)
    told = moves(own) + moves(person)
    middle = np.array([[0.5, 0.0, 0.05]])
    shifts = {w: (moved(learn_correction(told, w).base_from_told, middle) - middle)[0] for w in (1.0, 8.0)}
    assert np.linalg.norm(shifts[8.0] - [0.01, -0.025, 0.012]) < 0.008
    assert np.linalg.norm(shifts[1.0]) < 0.012  # counted alike, they would be outvoted
    left_out = learn_correction(told, 0.0)
    assert left_out.by_person == 0 and np.linalg.norm(left_out.base_from_told[:3, 3]) < 0.004


def test_too_few_points_and_a_camera_that_is_elsewhere_altogether_are_refused_by_name() -> None:
    rng = np.random.default_rng(2)
    with pytest.raises(TrainingDataError, match="5 points .* at least 6"):
        learn_correction(moves(pairs(5, knocked(), rng, True)), 8.0)
    with pytest.raises(TrainingDataError, match="calibrate the camera again"):
        learn_correction(moves(pairs(80, knocked(shift=(0.3, 0.0, 0.0)), rng, True)), 8.0)


# -- kept with the weights -------------------------------------------------------------------------


def test_the_correction_is_kept_to_the_micrometre_and_older_weights_have_none(tmp_path) -> None:
    head = ChunkHead(7)
    pose = torch.from_numpy(knocked()).float()
    head.base_from_told.copy_(pose)
    save_head(head, tmp_path / "new.safetensors")
    again = load_head(tmp_path / "new.safetensors", 7)
    assert torch.equal(again.base_from_told, pose)
    np.testing.assert_allclose(again.enter.weight.detach(), head.enter.weight.detach(), atol=2e-3)
    old = {k: v for k, v in load_file(tmp_path / "new.safetensors").items() if k != "base_from_told"}
    save_file(old, tmp_path / "old.safetensors")
    assert torch.equal(load_head(tmp_path / "old.safetensors", 7).base_from_told, torch.eye(4))
    assert torch.equal(load_head(WEIGHTS, 7).base_from_told, torch.eye(4))  # the shipped ones know no table


def test_the_policy_corrects_the_calibration_and_reports_uncorrected_points() -> None:
    class Watching(FakeDetector):
        def encode(self, frame) -> None:
            self.pose = frame.base_from_camera
            super().encode(frame)

    head = load_head(WEIGHTS, 7)
    head.base_from_told.copy_(torch.from_numpy(knocked()))
    for corrected, pose in ((True, knocked()), (False, np.eye(4))):
        detector = Watching()
        policy = ChunkPolicy(detector, MOTION, head, corrected)
        observation = FakeArm(detector).observe()
        policy.act(observation, STEP)
        np.testing.assert_allclose(
            detector.pose, pose @ observation.images["front"].base_from_camera, atol=1e-6
        )
        told = next(look.xyz for look in policy.localisations if look.role == "pick")
        np.testing.assert_allclose(moved(pose, np.array([told]))[0], detector.block, atol=1e-6)


# -- hindsight and data that lack something --------------------------------------------------------


def test_a_hold_is_a_gripper_at_rest_on_an_object_while_commanded_to_close() -> None:
    measured = np.array([1.0] * 5 + [0.8, 0.6] + [0.5] * 10 + [0.7, 0.9] + [0.8, 0.5, 0.2] + [0.0] * 8)
    sent = np.array([1.0] * 5 + [0.0] * 12 + [1.0] * 2 + [0.0] * 11)
    assert holds(measured, sent) == [(8, 16)]  # closing on nothing afterwards is none
    assert holds(np.full(9, 0.5), np.full(9, 0.5)) == []  # fingers that rest where they were sent


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    return Dataset(recorded(tmp_path_factory.mktemp("blind") / "data", 1, 12, BLIND))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"arm": "xarm6"}, ["xarm6", "arm="]),
        ({"control_hz": 50.0}, ["50 Hz", "record at"]),
        ({"n_joints": 6}, ["observation.state", "[7]"]),
        ({}, ["'front'", "policy=chunk"]),
    ],
)
def test_data_that_do_not_fit_are_refused_by_name_and_remedy(blind, asked, words) -> None:
    usual = {"arm": blind.info.robot_type, "n_joints": 7, "control_hz": blind.fps, "camera": "front"}
    with pytest.raises(TrainingDataError) as refusal:
        check_learnable(blind, **(usual | asked))
    assert all(word in str(refusal.value) for word in words), str(refusal.value)


def test_data_without_a_step_s_text_or_without_takeovers_are_refused_by_name(blind) -> None:
    usual = {"arm": blind.info.robot_type, "n_joints": 7, "control_hz": blind.fps, "camera": "front"}
    steps, features = blind.steps, dict(blind.features)
    try:
        blind.steps = [""]
        with pytest.raises(TrainingDataError, match="step's text"):
            check_learnable(blind, **usual)
        blind.features = {k: v for k, v in features.items() if k != "intervention"}
        with pytest.raises(TrainingDataError, match="'intervention' is missing"):
            check_learnable(blind, **usual)
    finally:
        blind.steps, blind.features = steps, features


def test_a_folder_without_demonstrations_or_recordings_is_refused(tmp_path, blind) -> None:
    with pytest.raises(FileNotFoundError, match="palme collect what=demonstrations"):
        sources(str(tmp_path))
    (tmp_path / "a.npz").touch()
    folders, found = sources([str(tmp_path), str(blind.root)])
    assert (folders, found) == ([tmp_path], [blind.root])
    with pytest.raises(TrainingDataError):
        Trainer(
            ChunkPolicyTraining(data=str(blind.root), out=str(tmp_path)), Resources(motion=lambda _: MOTION)
        )
