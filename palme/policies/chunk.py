"""Chunk policy: key points from the localiser, then a learned head from key points and joints to chunks.

The head is closed loop: every chunk depends on the current joints and the current key points. Key points
enter as joint goals, so that reaching one is closing a gap. The phase ("grip", "carry", ...) is a discrete
recurrent state: an output of the head that is its next input.

Action chunks: ACT (Zhao et al., 2023). Receding execution: Diffusion Policy (Chi et al., 2023).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from palme.errors import OutOfReach, StepFailed
from palme.events import Localisation
from palme.perception.detector import Detector, Keypoint
from palme.policies.base import Motion, accepted, chosen_ahead
from palme.policies.keypose import AIMS, MIN_SCORE, MOVED, localisation
from palme.types import Goal
from palme.weight_files import load_state
from robots.errors import Unreachable
from robots.files import replacing
from robots.motion.pick_place import DROP, GRASP_DEPTH, HOVER, PHASES, RELEASE, TRAVEL_Z
from robots.skills import TABLE, Step
from robots.types import ActionChunk, CameraFrame, Observation

Array = NDArray[np.float64]

GOALS = 5  # hover, grasp, lifted, over the place, at the place
HORIZON = 16
EXECUTED = 8  # ticks of a chunk that are executed before the next one
ACTION_SCALE = 0.15  # [rad] per unit of the head's output
MAX_CHUNKS = 60  # 24 s at 20 Hz
HIDDEN = 0.08  # [m] horizontal distance of tool and place below which the place is hidden by the load
WEIGHTS = Path(__file__).parent.parent / "weights" / "chunk.safetensors"
REMEDY = "train the chunk policy's weights with `palme train policy`"


class ChunkHead(nn.Module):
    """Joints, key points and phase to `HORIZON` targets and the phase after `EXECUTED` ticks.

    A target is a weighted mean of the joints and the goals, plus a small residual: all weight on one goal is
    exact, where a regression to free joint angles misses by more than a milliradian.

    The buffer `base_from_told` (4, 4) corrects a camera's calibration: from the frame of points by the
    calibration as received to the base frame. Learned from corrections at one table, else the identity.
    """

    base_from_told: Tensor

    def __init__(self, n_joints: int = 7, hidden: int = 512) -> None:
        super().__init__()
        self.n_joints = n_joints
        n_in = 2 * n_joints + 1 + GOALS * n_joints + 2 + len(PHASES)
        self.enter = nn.Linear(n_in, hidden)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(hidden), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, hidden)
            )
            for _ in range(2)
        )
        self.leave = nn.Linear(hidden, HORIZON * (n_joints + 1 + GOALS + 1) + len(PHASES))
        self.register_buffer("base_from_told", torch.eye(4))

    def forward(
        self, q: Tensor, dq: Tensor, gripper: Tensor, goals: Tensor, openings: Tensor, phase: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Next targets.

        Args:
            q: (B, n) measured, in [rad].
            dq: (B, n) measured, in [rad/s].
            gripper: (B,) measured opening, in [0, 1].
            goals: (B, 5, n) in [rad].
            openings: (B, 2) for approach and release, in [0, 1].
            phase: (B,) index into `PHASES`.

        Returns:
            q_targets (B, 16, n) in [rad], openings (B, 16), phase logits (B, 6).
        """
        gaps = goals - q[:, None]  # (B, 5, n)
        now = F.one_hot(phase, len(PHASES))
        x = torch.cat([q, dq * 0.3, gripper[:, None], gaps.flatten(1), openings, now], -1)  # (B, n_in)
        x = F.gelu(self.enter(x.float()))
        for block in self.blocks:
            x = x + block(x)
        parts = (HORIZON * self.n_joints, HORIZON * (GOALS + 1), HORIZON, len(PHASES))
        rest, blend, opening, phases = self.leave(x).split(parts, -1)
        blend = blend.unflatten(-1, (HORIZON, GOALS + 1)).softmax(-1)[
            ..., :GOALS
        ]  # (B, 16, 5); the sixth weight is that of q
        steps = blend @ gaps.to(blend.dtype)  # (B, 16, n)
        steps = steps + rest.unflatten(-1, (HORIZON, self.n_joints)) * ACTION_SCALE
        return q[:, None] + steps, opening, phases


def load_head(path: str | Path, n_joints: int) -> ChunkHead:
    """A head with trained weights.

    Raises:
        WeightsMissing, BadWeights: no weights of a head for this arm at `path`, with the remedy.
    """
    head = ChunkHead(n_joints)
    load_state(head, path, REMEDY, optional=("base_from_told",))  # older weights have no correction
    return head


def save_head(head: ChunkHead, path: str | Path) -> None:
    """Save weights for `load_head`: in bf16, but the correction in fp32, as bf16 would lose millimetres."""
    from safetensors.torch import save_file

    kept = {"base_from_told": torch.float32}
    tensors = {k: v.to(kept.get(k, torch.bfloat16)).contiguous() for k, v in head.state_dict().items()}
    with replacing(Path(path)) as file:
        save_file(tensors, file)


class ChunkPolicy:
    """See module.

    Args:
        detector: trained `Detector`.
        motion: the arm's kinematics, for joint goals.
        head: trained `ChunkHead`.
        corrected: whether the weights' correction of the camera's calibration is applied.
    """

    accepts = (Step,)

    def __init__(self, detector: Detector, motion: Motion, head: ChunkHead, corrected: bool = True) -> None:
        self.detector, self.motion, self.head = detector, motion, head.eval()
        self.base_from_told = head.base_from_told.double().numpy() if corrected else np.eye(4)
        self._corrects = not np.array_equal(self.base_from_told, np.eye(4))
        self.reset()

    @classmethod
    def load(cls, detector: Detector, motion: Motion, path: str | Path = WEIGHTS) -> ChunkPolicy:
        """The policy with trained weights.

        Raises:
            WeightsMissing, BadWeights: see `load_head`.
        """
        return cls(detector, motion, load_head(path, len(motion.home)))

    def reset(self) -> None:
        """Begin a new step."""
        self.done = False
        self.cameras: tuple[str, ...] = (self.detector.camera,)
        self.localisations: list[Localisation] = []
        self._phase = 0
        self._chunks = 0
        self._aims = 0
        self._pick: Keypoint | None = None
        self._place: Keypoint | None = None
        self._place_seen_from_above = False
        self._edge = 0.0

    def act(self, observation: Observation, goal: Goal) -> ActionChunk:
        """See `Policy`."""
        step = accepted(goal, self.accepts, self)
        self.localisations = []
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            raise StepFailed(
                f"{step.text!r}: not finished after {MAX_CHUNKS} chunks, in phase {PHASES[self._phase]!r}"
            )
        if self.cameras:
            self._localise(observation, step)
        robot = observation.robot
        q_targets, gripper, phase = self._decide(robot.q, robot.dq, robot.gripper)
        if PHASES[self._phase] in ("grip", "carry"):
            self._edge = robot.gripper
        self._phase = phase
        self.done = PHASES[phase] == "done"
        self.cameras = (self.detector.camera,) if PHASES[phase] in ("approach", "carry") else ()
        n = HORIZON if self.done else EXECUTED
        return ActionChunk(q_targets[:n], gripper[:n], self.motion.control_hz)

    def _localise(self, observation: Observation, step: Step) -> None:
        frame = observation.images[self.detector.camera]
        if self._corrects:  # before detection: the detector was trained on calibrated cameras
            frame = replace(frame, base_from_camera=self.base_from_told @ frame.base_from_camera)
        seen = self.detector.encode(frame)
        before = self._pick, self._place
        pick, place = self.detector.keypoints(seen, step)
        assert pick is not None and place is not None  # noqa: S101 - both were asked for
        if before[0] is None and not pick.score > MIN_SCORE:
            raise StepFailed(
                f"{step.text!r}: not found in the picture (score {pick.score:.2f} < {MIN_SCORE})"
            )
        if PHASES[self._phase] == "approach" and (before[0] is None or self._moved(before[0], pick)):
            self._pick, self._aims = pick, self._aims + 1
            self.localisations.append(self._localisation("pick", frame, pick))
        table = step.target == TABLE
        lifted = PHASES[self._phase] == "carry"
        tool = observation.robot.base_from_ee[:2, 3]
        # The load hides the place when it is above it.
        if before[1] is None or (
            lifted
            and not chosen_ahead(step)
            and np.linalg.norm(tool - before[1].xyz[:2]) > HIDDEN
            and not (table and self._place_seen_from_above)
            and place.score > 0.5 * before[1].score
        ):
            self._place, self._place_seen_from_above = place, lifted
            self.localisations.append(self._localisation("place", frame, place))

    def _localisation(self, role: str, frame: CameraFrame, found: Keypoint) -> Localisation:
        received = np.linalg.solve(self.base_from_told, np.append(found.xyz, 1.0))[:3]
        return localisation(self.detector.camera, role, frame, found, received)

    def _moved(self, before: Keypoint, pick: Keypoint) -> bool:
        """Whether the target has moved from where it was located.

        If not, the first result stays: the arm hid nothing then, and the arbitrary yaw of a round object does
        not change during the approach.
        """
        away = np.linalg.norm(pick.xyz - before.xyz)
        return bool(pick.score > 0.5 * before.score and away > MOVED and self._aims < AIMS)

    def _goals(self) -> tuple[Array, Array]:
        """Joint goals (5, n) in [rad] and openings (2,) of the last key points."""
        pick, place, motion = self._pick, self._place, self.motion
        if pick is None or place is None:
            raise StepFailed("no key points: the first observation of a step needs a picture")
        edge = (self._edge or pick.opening - 0.2) * motion.gripper_width
        try:
            hover = motion.reach(pick.xyz + [0, 0, HOVER], pick.yaw, motion.home)
            grasp = motion.reach(pick.xyz - [0, 0, GRASP_DEPTH], pick.yaw, hover)
            lifted = motion.reach(np.array([*pick.xyz[:2], TRAVEL_Z]), pick.yaw, hover)
            over = motion.reach(np.array([*place.xyz[:2], TRAVEL_Z]), place.yaw, motion.home)
            down = np.array([*place.xyz[:2], place.xyz[2] + edge - GRASP_DEPTH + DROP])
            there = motion.reach(down, place.yaw, over)
        except Unreachable as error:
            raise OutOfReach(str(error)) from error
        release = min(edge / motion.gripper_width + RELEASE, 1.0)
        return np.stack([hover, grasp, lifted, over, there]), np.array([pick.opening, release])

    @torch.no_grad()
    def _decide(self, q: Array, dq: Array, gripper: float) -> tuple[Array, Array, int]:
        goals, openings = self._goals()

        def row(x: Array) -> Tensor:
            return torch.from_numpy(np.asarray(x, np.float32))[None]

        targets, grip, phase = self.head(
            row(q), row(dq), torch.tensor([gripper], dtype=torch.float32), row(goals), row(openings),
            torch.tensor([self._phase]),
        )  # fmt: skip
        return targets[0].double().numpy(), grip[0].double().clamp(0, 1).numpy(), int(phase.argmax())
