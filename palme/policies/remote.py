"""Remote policy: a server of another stack, or ours, decides; this turns what it says into chunks.

It knows no wire: whoever builds it hands in a call. Everything that comes back is checked, and the safety
gate has the last word on it as on any other chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palme.errors import StepFailed
from palme.events import Look
from palme.policies.base import accepted
from palme.types import Goal
from robots.policy_servers.errors import ActionsRefused
from robots.policy_servers.keys import Keys
from robots.skills import Step
from robots.types import ActionChunk, Observation

Array = NDArray[np.float64]

ACTIONS = ("joint_position", "joint_velocity")
# A joint_velocity of 1 moves a joint that far in one row: `joint_velocity_to_delta` of DROID's IK solver.
DROID_STEP = 0.2  # [rad]
MAX_ROWS = 1024


@dataclass(frozen=True)
class RemoteFormat:
    """What is sent and how answers are read; the fields are those of configs/policy/remote.yaml.

    Attributes:
        image_size: (width, height) in [px], with black bars; None = as seen.
        rows_hz: rate that the rows of an answer are made for.
        one_is_closed: whether 1 of the server's gripper means closed; ours means open.
        step_ticks: of the arm, after which a step counts as carried out unless the server says `done`.
    """

    keys: Keys
    camera: str = "front"
    wrist_camera: str | None = "wrist"
    image_size: tuple[int, int] | None = None
    depth: bool = True
    actions: str = "joint_position"
    horizon: int = 8
    rows_hz: float = 20.0
    one_is_closed: bool = True
    step_ticks: int = 240


class RemotePolicy:
    """See module.

    Args:
        call: a flat observation to the server's answer, `actions` (H, n_joints + 1) in it and perhaps `done`.
        form: names, rates and units.
        n_joints: of the arm; control_hz: at which it takes commands.
        forget: called when a step begins.
        refusals: exceptions of `call` that mean "the server cannot do this step": the planner plans again.
            Any other, a dead server above all, ends the run with the arm holding.
    """

    accepts = (Step,)

    def __init__(
        self,
        call: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        form: RemoteFormat,
        n_joints: int,
        control_hz: float,
        forget: Callable[[], None] = lambda: None,
        refusals: tuple[type[Exception], ...] = (),
    ) -> None:
        self._call, self._form, self._forget, self._refusals = call, form, forget, refusals
        self._n_joints, self._control_hz = n_joints, control_hz
        self._begin()

    def reset(self) -> None:
        """Begin a new step."""
        self._begin()
        self._forget()

    def _begin(self) -> None:
        form = self._form
        self.done = False
        self.cameras: tuple[str, ...] = tuple(c for c in (form.camera, form.wrist_camera) if c is not None)
        self.looks: Sequence[Look] = ()
        self._ticks = 0

    def act(self, observation: Observation, goal: Goal) -> ActionChunk:
        """See `Policy`."""
        step = accepted(goal, self.accepts, self)
        try:
            answer = self._call(self.describe(observation, step))
        except self._refusals as refusal:
            raise StepFailed(f"{step.text!r}: {refusal}") from refusal
        rows = self._checked(answer.get("actions"))
        wanted = answer.get("execute_rows", 0)  # our own server: its policy goes on from the last row
        if isinstance(wanted, int) and not min(wanted, len(rows)) <= self._form.horizon:
            raise ActionsRefused(
                f"the server wants {wanted} rows of each answer executed, horizon is {self._form.horizon}; "
                f"set policy.horizon={wanted}"
            )
        rows = rows[: self._form.horizon]
        chunk = self._chunk(rows, observation.robot.q)
        self._ticks += len(chunk.q_targets)
        said = answer.get("done")
        self.done = bool(said) if said is not None else self._ticks >= self._form.step_ticks
        return chunk

    def describe(self, observation: Observation, step: Step) -> dict[str, Any]:
        """The flat dict that is sent. Raises ValueError where depth is to be sent and there is none."""
        form, keys, robot = self._form, self._form.keys, observation.robot
        gripper = 1.0 - robot.gripper if form.one_is_closed else robot.gripper
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
        """(H, W, 3) within `image_size`, its proportions kept."""
        if self._form.image_size is None:
            return np.ascontiguousarray(rgb)
        from PIL import Image, ImageOps

        size = self._form.image_size
        return np.asarray(ImageOps.pad(Image.fromarray(rgb), size, Image.Resampling.BILINEAR))

    def _checked(self, actions: Any) -> Array:
        """(H, n + 1) finite. Raises ActionsRefused, naming the first entry that is not."""
        wanted = self._n_joints + 1
        try:
            rows = np.asarray(actions, np.float64)
        except (TypeError, ValueError) as error:
            raise ActionsRefused(f"the server's actions are {type(actions).__name__}, no numbers") from error
        if not (rows.ndim == 2 and rows.shape[1] == wanted and 0 < len(rows) <= MAX_ROWS):
            raise ActionsRefused(
                f"the server's actions are {rows.shape}, expected (H, {wanted}): {self._n_joints} joints "
                f"and a gripper, H from 1 to {MAX_ROWS}"
            )
        if not np.isfinite(rows).all():
            row, column = np.argwhere(~np.isfinite(rows))[0].tolist()
            raise ActionsRefused(f"the server's actions are not finite at row {row}, column {column}")
        return rows

    def _chunk(self, rows: Array, q: Array) -> ActionChunk:
        """Rows at `rows_hz` as targets at the arm's rate, from where it is now."""
        form, n = self._form, self._n_joints
        targets = rows[:, :n]
        if form.actions == "joint_velocity":
            size = np.maximum(np.abs(targets).max(1, keepdims=True), 1.0)  # as DROID: the direction is kept
            targets = q + np.cumsum(DROID_STEP * targets / size, 0)
        gripper = np.clip(1.0 - rows[:, n] if form.one_is_closed else rows[:, n], 0.0, 1.0)
        if abs(form.rows_hz - self._control_hz) > 1e-6:
            theirs = np.arange(len(rows) + 1) / form.rows_hz  # [s]; 0 is now
            ticks = max(1, round(theirs[-1] * self._control_hz))
            ours = np.arange(1, ticks + 1) / self._control_hz
            whole = np.vstack([q, targets])
            targets = np.column_stack([np.interp(ours, theirs, whole[:, j]) for j in range(n)])
            which = np.clip(np.ceil(ours * form.rows_hz - 1e-9).astype(int) - 1, 0, len(rows) - 1)
            gripper = gripper[which]
        return ActionChunk(targets, gripper, self._control_hz)
