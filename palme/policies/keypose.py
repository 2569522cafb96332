"""Keypose policy: locate where to grasp and where to release, then move between those poses.

Localisation is learned and repeated during the approach, so that a moved target is followed; motion is
planned. The design follows CLIPort's and Transporter's pick and place poses, lifted to 3-D.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from palme.errors import OutOfReach, StepFailed
from palme.events import Localisation
from palme.perception.detector import Detector, Keypoint
from palme.policies.base import Motion, accepted, chosen_ahead
from palme.types import Goal
from robots.errors import Unreachable
from robots.motion.pick_place import DROP, EMPTY, GRASP_DEPTH, HOVER, OPEN_TICKS, RELEASE, TRAVEL_Z
from robots.skills import TABLE, Step
from robots.types import ActionChunk, CameraFrame, Observation

Array = NDArray[np.float64]
Script = Generator[ActionChunk, Observation, None]
Part = Generator[ActionChunk, Observation, Observation]  # of a script; returns the last observation

MOVED = 0.008  # [m] displacement of a target beyond which the approach is planned again
AIMS = 6  # approaches at most: two similar objects may not alternate as the target for ever
LOCALISE_TICKS = 8  # between two localisations during the approach
CLOSE_TICKS = 7
SQUEEZE = 0.0
RETRIES = 3
MIN_SCORE = 0.05
LINE_SPEED = 0.45  # [m/s]


class KeyposePolicy:
    """See module.

    Args:
        detector: trained `Detector`.
        motion: paths of the arm.
        retries: further attempts after a missed grasp.
    """

    accepts = (Step,)

    def __init__(self, detector: Detector, motion: Motion, retries: int = RETRIES) -> None:
        self.detector, self.motion, self.retries = detector, motion, retries
        self.reset()

    def reset(self) -> None:
        """Begin a new step."""
        self.done = False
        self.cameras: tuple[str, ...] = (self.detector.camera,)
        self.localisations: list[Localisation] = []
        self._script: Script | None = None
        self._q: Array | None = None

    def act(self, observation: Observation, goal: Goal) -> ActionChunk:
        """See `Policy`."""
        step = accepted(goal, self.accepts, self)
        self.localisations = []
        if self._script is None:
            self._script = self._run(observation, step)
            return next(self._script)
        return self._script.send(observation)

    # The script of one step. Each `yield` returns a chunk and gets the observation after it.

    def _run(self, observation: Observation, step: Step) -> Script:
        self._ahead = self._localise(observation, step, "place") if chosen_ahead(step) else None
        for attempt in range(self.retries + 1):
            observation = yield from self._approach(observation, step)
            observation = yield from self._grasp(observation)
            if observation.robot.gripper > EMPTY:
                break
            if attempt == self.retries:
                raise StepFailed(f"{step.text!r}: missed the grasp {attempt + 1} times")
            up = self._lift_to(observation, self._tool(observation)[2] + HOVER)
            observation = yield self._chunk(up, 1.0, (self.detector.camera,))
        edge = observation.robot.gripper * self.motion.gripper_width
        observation = yield from self._carry(observation, step)
        yield from self._release(observation, step, edge)

    def _approach(self, observation: Observation, step: Step) -> Part:
        """Move to above the target, localising it repeatedly; `self._pick` is the last accepted result."""
        pick = self._localise(observation, step, "pick")
        if step.what_at is not None and not pick.score > MIN_SCORE:
            raise StepFailed(f"{step.text!r}: it is not where it was seen")
        for aim in range(AIMS):
            q_hover = self._reach(pick.xyz + [0, 0, HOVER], pick.yaw)
            path = self.motion.go(self._from(observation), q_hover)
            start = 0
            while start < len(path):
                part = path[start : start + LOCALISE_TICKS]
                observation = yield self._chunk(part, pick.opening, (self.detector.camera,))
                start += LOCALISE_TICKS
                again = self._localise(observation, step, "pick")
                moved = again.score > MIN_SCORE and np.linalg.norm(again.xyz - pick.xyz) > MOVED
                if moved and aim + 1 < AIMS:  # else the first result stays: the arm hid nothing then
                    pick = again
                    break
            else:
                break
        self._pick = pick
        return observation

    def _grasp(self, observation: Observation) -> Part:
        pick = self._pick
        down = pick.xyz - [0, 0, GRASP_DEPTH]
        q_hover = self._from(observation)
        # The last localisation may have moved the target by millimetres: be above it before going down.
        over = self._reach(pick.xyz + [0, 0, HOVER], pick.yaw)
        path = self.motion.line(over, down, LINE_SPEED)
        if np.abs(over - q_hover).max() > 1e-4:
            path = self.motion.join(q_hover, self.motion.go(q_hover, over), path, overlap=2)
        yield self._chunk(path, pick.opening, ())
        hold = np.repeat(path[-1:], CLOSE_TICKS, 0)
        observation = yield self._chunk(hold, SQUEEZE, ())
        return observation

    def _carry(self, observation: Observation, step: Step) -> Part:
        """Up, then to above the place, which is localised after lifting and once more on the way."""
        up = self._lift_to(observation, TRAVEL_Z)
        observation = yield self._chunk(up, SQUEEZE, (self.detector.camera,))
        place = self._ahead or self._localise(observation, step, "place")
        q_over = self._reach([*place.xyz[:2], TRAVEL_Z], place.yaw)
        path = self.motion.go(self._from(observation), q_over)
        half = len(path) // 2
        observation = yield self._chunk(path[:half], SQUEEZE, ())
        observation = yield self._chunk(path[half:], SQUEEZE, (self.detector.camera,))
        if not step.target == TABLE and not self._ahead:
            again = self._localise(observation, step, "place")
            if again.score > 0.5 * place.score:
                place = again
        self._place = place
        return observation

    def _release(self, observation: Observation, step: Step, edge: float) -> Script:
        place = self._place
        z = place.xyz[2] + edge - GRASP_DEPTH + DROP
        over = self._reach([*place.xyz[:2], TRAVEL_Z], place.yaw)
        path = self.motion.line(over, np.array([*place.xyz[:2], z]), LINE_SPEED)
        here = self._from(observation)
        if np.abs(over - here).max() > 1e-4:
            path = self.motion.join(here, self.motion.go(here, over), path, overlap=2)
        yield self._chunk(path, SQUEEZE, ())
        opening = min(edge / self.motion.gripper_width + RELEASE, 1.0)
        observation = yield self._chunk(np.repeat(path[-1:], OPEN_TICKS, 0), opening, ())
        up = self._lift_to(observation, max(z + 0.05, 0.12))
        home = self.motion.join(
            self._from(observation), up, self.motion.go(up[-1], self.motion.home), overlap=3
        )
        chunk = self._chunk(home, opening, ())
        self.done = True
        yield chunk

    # Small steps of the script.

    def _from(self, observation: Observation) -> Array:
        """(n_joints,) start of the next path: the last target, or at first the measured joints."""
        return observation.robot.q if self._q is None else self._q

    @staticmethod
    def _tool(observation: Observation) -> Array:
        return observation.robot.base_from_ee[:3, 3]

    def _reach(self, xyz: Array | list[float], yaw: float) -> Array:
        try:
            return self.motion.reach(np.asarray(xyz, np.float64), yaw, self.motion.home)
        except Unreachable as error:
            raise OutOfReach(str(error)) from error

    def _lift_to(self, observation: Observation, z: float) -> Array:
        q = self._from(observation)
        here = self.motion.tool(q)
        if z - here[2] < 0.005:
            return q[None]
        return self.motion.line(q, np.array([here[0], here[1], z]), LINE_SPEED)

    def _chunk(self, path: Array, gripper: float, cameras: tuple[str, ...]) -> ActionChunk:
        self.cameras = cameras
        self._q = path[-1]
        return ActionChunk(path, np.full(len(path), gripper), self.motion.control_hz)

    def _localise(self, observation: Observation, step: Step, role: str) -> Keypoint:
        frame = observation.images[self.detector.camera]
        pick, place = self.detector.keypoints(self.detector.encode(frame), step, role)
        found = pick if role == "pick" else place
        assert found is not None  # noqa: S101 - the role asked for is always answered
        if not found.score > MIN_SCORE and self._q is None:
            raise StepFailed(
                f"{step.text!r}: not found in the picture (score {found.score:.2f} < {MIN_SCORE})"
            )
        self.localisations.append(localisation(self.detector.camera, role, frame, found, found.xyz))
        return found


def localisation(
    camera: str, role: str, frame: CameraFrame, found: Keypoint, xyz_received: Array
) -> Localisation:
    """`found` in `frame`, for reports and recordings.

    Args:
        camera: name of the frame.
        role: "pick" or "place".
        frame: the frame in which it was found.
        found: the point.
        xyz_received: (3,) the same point in [m] by the calibration of the frame as received.
    """
    x, y, z = (float(value) for value in xyz_received)
    return Localisation(camera, role, found.heat, pixel_of(frame, found.xyz), (x, y, z), found.score)


def pixel_of(frame: CameraFrame, xyz: Array) -> tuple[float, float]:
    """Projection (u, v) in [px] of `xyz` (3,) in [m], base frame, into the picture."""
    local = frame.base_from_camera[:3, :3].T @ (xyz - frame.base_from_camera[:3, 3])
    u, v, _ = frame.intrinsics @ (local / local[2])
    return float(u), float(v)
