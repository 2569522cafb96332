"""Remote policy: a policy server, of another stack or ours, decides; its answers become chunks.

The transport is a function that the caller passes in. Every answer is checked here, and by the safety gate
like any other chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from palme.errors import StepFailed
from palme.events import Localisation
from palme.policies.base import accepted
from palme.types import Goal
from robots.gripper import NETWORK, one_is
from robots.joints import checked, numbers, turned
from robots.policy_servers.errors import ActionsRefused
from robots.policy_servers.keys import Keys
from robots.safety.first_command import check_first_target
from robots.skills import Step
from robots.spec import ArmSpec
from robots.types import ActionChunk, Observation

Array = NDArray[np.float64]

# A joint_velocity of 1 moves a joint that far in one row: `joint_velocity_to_delta` of DROID's IK solver.
DROID_STEP = 0.2  # [rad]
MAX_VELOCITY = 4.0  # of a joint_velocity: networks overshoot 1 a little
MAX_ROWS = 1024


@dataclass(frozen=True)
class RemoteFormat:
    """Format of requests and answers; the fields are those of configs/policy/remote.yaml.

    Attributes:
        keys: names of the entries of a request.
        camera: name of the scene picture.
        wrist_camera: name of the wrist picture, None = not sent.
        image_size: (width, height) in [px], padded with black bars; None = unchanged.
        depth: whether depth and calibration are sent.
        actions: absolute joint targets in [rad], or DROID's velocities, in units of `DROID_STEP` a row.
        horizon: rows of an answer that are executed.
        rows_hz: rate of an answer's rows.
        one_is_closed: whether the server's gripper value 1 means closed; here 1 means open.
        step_ticks: ticks after which a step is done, unless the server sends `done`.
    """

    keys: Keys
    camera: str = "front"
    wrist_camera: str | None = "wrist"
    image_size: tuple[int, int] | None = None
    depth: bool = True
    actions: Literal["joint_position", "joint_velocity"] = "joint_position"
    horizon: int = 8
    rows_hz: float = 20.0
    one_is_closed: bool = True
    step_ticks: int = 240


class RemotePolicy:
    """See module.

    Args:
        call: a flat observation -> the server's answer: `actions` (H, n_joints + 1) and optionally `done`.
        form: names, rates and units.
        spec: of the arm: its joint limits, and the rate of its commands.
        forget: called when a step begins.
        refusals: exceptions of `call` that mean "the server cannot do this step": the planner plans again.
            Any other, such as a lost server, ends the run with the arm holding.
    """

    accepts = (Step,)

    def __init__(
        self,
        call: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        form: RemoteFormat,
        spec: ArmSpec,
        forget: Callable[[], None] = lambda: None,
        refusals: tuple[type[Exception], ...] = (),
    ) -> None:
        self._call, self._form, self._forget, self._refusals = call, form, forget, refusals
        self._spec, self._gripper = spec, one_is(form.one_is_closed, margin=NETWORK)
        self._begin()

    def reset(self) -> None:
        """Begin a new step."""
        self._begin()
        self._forget()

    def _begin(self) -> None:
        form = self._form
        self.done = False
        self.cameras: tuple[str, ...] = tuple(c for c in (form.camera, form.wrist_camera) if c is not None)
        self.localisations: Sequence[Localisation] = ()
        self._ticks = 0
        self._followed = False  # whether an answer of this session was accepted

    def act(self, observation: Observation, goal: Goal) -> ActionChunk:
        """See `Policy`.

        Raises:
            ActionsRefused: for an answer of another shape, with a number that is not finite or outside the
                arm's limits or the gripper's range, or longer than the horizon.
            CommandJumps: the first joint target since `reset`, or since the server was lost, is too far from
                the measured joints.
        """
        step = accepted(goal, self.accepts, self)
        known, self._followed = self._followed, False
        try:
            answer = self._call(self.describe(observation, step))
        except self._refusals as refusal:
            raise StepFailed(f"{step.text!r}: {refusal}") from refusal
        rows = self._checked(answer.get("actions"), observation.robot.q)
        wanted = answer.get("execute_rows", 0)  # palme's server: its policy continues from the last row
        if isinstance(wanted, int) and not min(wanted, len(rows)) <= self._form.horizon:
            raise ActionsRefused(
                f"the server wants {wanted} rows of each answer executed, horizon is {self._form.horizon}; "
                f"set policy.horizon={wanted}"
            )
        rows = rows[: self._form.horizon]
        chunk = self._chunk(rows, observation.robot.q)
        if not known and self._form.actions == "joint_position":  # velocities begin where the arm is
            what = "the server's first action"
            check_first_target(self._spec, chunk.q_targets[0], observation.robot.q, what)
        self._followed = True
        self._ticks += len(chunk.q_targets)
        done = answer.get("done")
        self.done = bool(done) if done is not None else self._ticks >= self._form.step_ticks
        return chunk

    def describe(self, observation: Observation, step: Step) -> dict[str, Any]:
        """The request, a flat mapping.

        Raises:
            ValueError: if depth is to be sent and the frame has none.
        """
        form, keys, robot = self._form, self._form.keys, observation.robot
        gripper = self._gripper.value(min(max(robot.gripper, 0.0), 1.0))
        frame = observation.images[form.camera]
        flat: dict[str, Any] = {
            keys.image: self._picture(frame.rgb),
            keys.joints: robot.q.astype(np.float32),
            keys.gripper: np.array([gripper], np.float32),
            keys.prompt: step.text,
        }
        if form.wrist_camera is not None:
            flat[keys.wrist_image] = self._picture(observation.images[form.wrist_camera].rgb)
        if form.depth:
            if frame.depth is None:
                raise ValueError(f"camera {form.camera!r} has no depth to send; set policy.depth=false")
            flat[keys.joint_speed] = robot.dq.astype(np.float32)
            flat[keys.depth] = frame.depth.astype(np.float32)
            flat[keys.intrinsics] = np.asarray(frame.intrinsics, np.float64)
            flat[keys.base_from_camera] = np.asarray(frame.base_from_camera, np.float64)
        return flat

    def _picture(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) scaled into `image_size` with its proportions kept."""
        if self._form.image_size is None:
            return np.ascontiguousarray(rgb)
        from PIL import Image, ImageOps

        size = self._form.image_size
        return np.asarray(ImageOps.pad(Image.fromarray(rgb), size, Image.Resampling.BILINEAR))

    def _checked(self, actions: Any, q: Array) -> Array:
        """(H, n + 1): joints or velocities, and the opening. `q`: the measured joints, (n_joints,) in [rad].

        Raises ActionsRefused, naming the first entry that is not finite or out of range.
        """
        n = self._spec.n_joints
        wanted = n + 1
        rows = numbers(actions, "the server's actions", ActionsRefused)
        if not (rows.ndim == 2 and rows.shape[1] == wanted and 0 < len(rows) <= MAX_ROWS):
            raise ActionsRefused(
                f"the server's actions are {rows.shape}, expected (H, {wanted}): {n} joints "
                f"and a gripper, H from 1 to {MAX_ROWS}"
            )
        if not np.isfinite(rows).all():
            row, column = np.argwhere(~np.isfinite(rows))[0].tolist()
            raise ActionsRefused(f"the server's actions are not finite at row {row}, column {column}")
        if self._form.actions == "joint_position":
            checked(self._spec, rows[:, :n], "the server's action", ActionsRefused, rows=True)
            for row, before in enumerate((q, *rows[:-1, :n])):
                if text := turned(self._spec, rows[row, :n], before, f"the server's action, row {row},"):
                    raise ActionsRefused(text)
        elif not (np.abs(rows[:, :n]) <= MAX_VELOCITY).all():
            row, j = np.argwhere(~(np.abs(rows[:, :n]) <= MAX_VELOCITY))[0].tolist()
            raise ActionsRefused(
                f"{self._spec.joint_names[j]}: the server's velocity, row {row}, is {rows[row, j]:g}, limit "
                f"{MAX_VELOCITY:g} in units of {DROID_STEP} rad a row; it is in another unit"
            )
        openings = [
            self._gripper.opening(x, f"the server's gripper, row {row}", ActionsRefused)
            for row, x in enumerate(rows[:, n].tolist())
        ]
        return np.column_stack([rows[:, :n], openings])

    def _chunk(self, rows: Array, q: Array) -> ActionChunk:
        """Rows of `_checked` at `rows_hz` as targets at the arm's rate, from the measured joints `q`."""
        form, n, control_hz = self._form, self._spec.n_joints, self._spec.control_hz
        targets = rows[:, :n]
        if form.actions == "joint_velocity":
            size = np.maximum(
                np.abs(targets).max(1, keepdims=True), 1.0
            )  # as in DROID: the direction is kept
            targets = q + np.cumsum(DROID_STEP * targets / size, 0)
        gripper = rows[:, n]
        if abs(form.rows_hz - control_hz) > 1e-6:
            theirs = np.arange(len(rows) + 1) / form.rows_hz  # [s]; 0 is now
            ticks = max(1, round(theirs[-1] * control_hz))
            ours = np.arange(1, ticks + 1) / control_hz
            whole = np.vstack([q, targets])
            targets = np.column_stack([np.interp(ours, theirs, whole[:, j]) for j in range(n)])
            which = np.clip(np.ceil(ours * form.rows_hz - 1e-9).astype(int) - 1, 0, len(rows) - 1)
            gripper = gripper[which]
        return ActionChunk(targets, gripper, control_hz)
