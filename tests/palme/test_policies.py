"""What every policy promises, and how the keypose policy copes with a world that does not hold still."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from palme.errors import StepFailed
from palme.perception.detector import Detector, Keypoint
from palme.policies.chunk import GOALS, HORIZON, PHASES, ChunkHead, ChunkPolicy
from palme.policies.keypose import KeyposePolicy
from robots.motion.arm_motion import ArmMotion
from robots.motion.kinematics import fk
from robots.skills import Step
from robots.spec import ArmSpec
from robots.types import CameraFrame, Observation, RobotState
from tests.palme.policy_contract import STEP, Bench, PolicyContract

SPEC = ArmSpec.load("panda")
EDGE = 0.042


class FakeDetector:
    """Knows where things are; `moves` maps the number of a frame to a new place of the block."""

    camera = "front"

    def __init__(self, score: float = 0.9, moves: dict[int, tuple[float, float]] | None = None) -> None:
        self.block, self.bowl = np.array([0.45, 0.10, EDGE]), np.array([0.55, -0.12, 0.004])
        self.score, self.moves, self.frames = score, moves or {}, 0

    def encode(self, frame: CameraFrame) -> None:
        self.frames += 1
        if self.frames in self.moves:
            self.block = np.array([*self.moves[self.frames], EDGE])

    def keypoints(
        self, seen: None, step: Step, want: str = "both"
    ) -> tuple[Keypoint | None, Keypoint | None]:
        heat = np.zeros((44, 60), np.float32)
        pick = Keypoint(self.block.copy(), 0.3, 0.75, self.score, heat)
        place = Keypoint(self.bowl.copy(), 0.1, 1.0, self.score, heat)
        return (None if want == "place" else pick), (None if want == "pick" else place)


class FakeArm:
    """Joints go where they are sent; the fingers stop at the block if it is between them."""

    def __init__(self, detector: FakeDetector, slippery: int = 0) -> None:
        self.detector, self.slippery = detector, slippery
        self.q, self.gripper, self.held, self.ticks = SPEC.q_home.copy(), 1.0, False, 0

    def observe(self) -> Observation:
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = np.diag([1.0, -1.0, -1.0]), (0.5, 0.0, 1.0)
        rgb, depth = np.zeros((176, 240, 3), np.uint8), np.ones((176, 240), np.float32)
        frame = CameraFrame(rgb, depth, np.eye(3), pose)
        state = RobotState(self.q.copy(), np.zeros(7), self.gripper, fk(SPEC, self.q))
        return Observation({"front": frame}, state, 0.0)

    def run(self, chunk) -> None:
        for q, opening in zip(chunk.q_targets, chunk.gripper, strict=True):
            assert np.isfinite(q).all() and ((SPEC.q_min <= q) & (q <= SPEC.q_max)).all()
            assert 0.0 <= opening <= 1.0
            self.q, self.ticks = q, self.ticks + 1
            tool = fk(SPEC, q)[:3, 3]
            if self.held:
                self.detector.block = tool + [0, 0, 0.019]
                self.held = opening < EDGE / SPEC.gripper_width + 0.05
                self.gripper = max(opening, EDGE / SPEC.gripper_width)
                continue
            near = np.linalg.norm(tool - self.detector.block + [0, 0, 0.019]) < 0.008
            closing = opening < EDGE / SPEC.gripper_width
            if near and closing and self.slippery == 0:
                self.held = True
            elif near and closing and self.gripper > 0.5:
                self.slippery -= 1
            self.gripper = EDGE / SPEC.gripper_width if self.held else opening


def play(policy, arm: FakeArm, step: Step = STEP, most: int = 90) -> None:
    policy.reset()
    for _ in range(most):
        arm.run(policy.act(arm.observe(), step))
        if policy.done:
            return
    raise AssertionError(f"not done after {most} chunks")


def keypose(detector: FakeDetector) -> KeyposePolicy:
    return KeyposePolicy(detector, ArmMotion(SPEC))  # type: ignore[arg-type]


def rested_in_bowl(detector: FakeDetector) -> bool:
    return bool(
        np.linalg.norm(detector.block[:2] - detector.bowl[:2]) < 0.01 and detector.block[2] < EDGE + 0.02
    )


class TestKeyposePolicy(PolicyContract):
    @pytest.fixture
    def bench(self) -> Bench:
        detector = FakeDetector()
        arm = FakeArm(detector)
        return Bench(keypose(detector), SPEC, arm.observe, arm.run)


class TestChunkPolicy(PolicyContract):
    @pytest.fixture
    def bench(self) -> Bench:
        detector = FakeDetector()
        arm = FakeArm(detector)
        return Bench(staying(detector), SPEC, arm.observe, arm.run)


def test_keypose_puts_the_block_where_the_detector_point_and_goes_home():
    detector = FakeDetector()
    arm = FakeArm(detector)
    play(keypose(detector), arm)
    assert rested_in_bowl(detector) and not arm.held
    assert np.abs(arm.q - SPEC.q_home).max() < 1e-3
    assert arm.ticks < 180  # 9 s of the arm's time


@pytest.mark.parametrize("look", [2, 3])
def test_keypose_follows_a_block_that_was_moved_on_the_way(look: int):
    detector = FakeDetector(moves={look: (0.50, 0.17)})
    play(keypose(detector), FakeArm(detector))
    assert rested_in_bowl(detector)


def test_keypose_tries_a_missed_grasp_again_and_gives_up_by_name():
    detector = FakeDetector()
    play(keypose(detector), FakeArm(detector, slippery=2))
    assert rested_in_bowl(detector)
    detector = FakeDetector()
    with pytest.raises(StepFailed, match="missed the grasp 4 times"):
        play(keypose(detector), FakeArm(detector, slippery=99))


def test_keypose_does_not_move_for_what_it_does_not_see():
    detector = FakeDetector(score=0.01)
    arm = FakeArm(detector)
    with pytest.raises(StepFailed, match="not found in the picture"):
        play(keypose(detector), arm)
    assert arm.ticks == 0


def test_keypose_refuses_what_is_out_of_reach_by_the_arms_own_words():
    detector = FakeDetector()
    detector.block = np.array([1.4, 0.0, EDGE])
    with pytest.raises(StepFailed, match="reach"):
        play(keypose(detector), FakeArm(detector))


def test_reset_forgets_the_step_before():
    detector = FakeDetector()
    arm, policy = FakeArm(detector), keypose(detector)
    play(policy, arm)
    detector.block, detector.bowl = np.array([0.40, -0.20, EDGE]), np.array([0.60, 0.15, 0.004])
    play(policy, arm)
    assert rested_in_bowl(detector)


def chunk(detector: FakeDetector) -> ChunkPolicy:
    torch.manual_seed(0)
    return ChunkPolicy(detector, ArmMotion(SPEC), ChunkHead())  # type: ignore[arg-type]


def staying(detector: FakeDetector) -> ChunkPolicy:
    """ "Stay, in phase 0": a head that never gets anywhere."""
    policy = chunk(detector)
    with torch.no_grad():
        policy.head.leave.weight.zero_()
        bias = policy.head.leave.bias.zero_()
        blend = bias[HORIZON * 7 : HORIZON * (7 + GOALS + 1)].view(HORIZON, GOALS + 1)
        blend[:, -1] = 50.0
    return policy


def test_chunk_hands_out_chunks_of_the_arms_shape_and_gives_up_by_name():
    detector = FakeDetector()
    policy, arm = staying(detector), FakeArm(detector)
    policy.reset()
    first = policy.act(arm.observe(), STEP)
    assert first.q_targets.shape == (8, 7) and first.gripper.shape == (8,)
    assert np.allclose(first.q_targets, arm.q, atol=1e-6)
    with pytest.raises(StepFailed, match="not finished"):
        for _ in range(70):
            policy.act(arm.observe(), STEP)


def test_chunk_policy_does_not_move_for_what_it_does_not_see():
    with pytest.raises(StepFailed, match="not found"):
        chunk(FakeDetector(score=0.01)).act(FakeArm(FakeDetector()).observe(), STEP)


def test_untrained_detector_still_answer_a_step_with_two_keypoints():
    k = np.array([[312.0, 0, 119.5], [0, 312.0, 87.5], [0, 0, 1]])
    frame = FakeArm(FakeDetector()).observe().images["front"]
    frame = CameraFrame(frame.rgb, frame.depth, k, frame.base_from_camera)
    detector = Detector().eval()
    pick, place = detector.keypoints(detector.encode(frame), STEP)
    assert pick is not None and place is not None
    assert np.isfinite(pick.xyz).all() and 0 <= pick.yaw <= np.pi and 0 <= pick.opening <= 1
    assert detector.keypoints(detector.encode(frame), STEP, "pick")[1] is None


def test_a_chunk_head_that_gives_one_goal_all_the_weight_arrives_there_exactly():
    head = ChunkHead()
    with torch.no_grad():
        head.leave.weight.zero_()
        bias = head.leave.bias.zero_()
        bias[HORIZON * 7 : HORIZON * (7 + GOALS + 1)].view(HORIZON, GOALS + 1)[:, 2] = 50.0
    q, goals = torch.randn(1, 7), torch.randn(1, GOALS, 7)
    one, two = torch.zeros(1), torch.zeros(1, 2)
    targets, openings, phases = head(q, torch.zeros(1, 7), one, goals, two, torch.tensor([0]))
    torch.testing.assert_close(targets, goals[:, 2:3].expand(1, HORIZON, 7))
    assert openings.shape == (1, HORIZON) and phases.shape == (1, len(PHASES))
