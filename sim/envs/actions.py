"""An action as joint targets and opening, or a refusal that names what is wrong with it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from robots.errors import CommandNotFinite, CommandOutside, CommandRejected, CommandShape
from robots.joints import outside
from robots.spec import ArmSpec
from robots.types import Array

# A policy's output may miss a limit by a little and is then clamped by the gate; what lies further out was
# meant in other units: degrees, one turn off, gripper widths in [mm], or -1 for closed.
SLACK = 0.2  # [rad] of a joint
GRIPPER_SLACK = 0.25  # of the opening


class ActionReader:
    """Reads the actions of one arm.

    Args:
        spec: of the arm.
    """

    def __init__(self, spec: ArmSpec) -> None:
        self.spec = spec
        slack = np.append(np.full(spec.n_joints, SLACK), GRIPPER_SLACK)
        self._low = np.append(spec.q_min, 0.0) - slack  # (n_joints + 1,)
        self._high = np.append(spec.q_max, 1.0) + slack

    def read(self, action: Any) -> Array:
        """(n_joints + 1,) joint targets in [rad] and gripper opening, within the limits and their slack.

        Args:
            action: an array, a list or a tuple of n_joints + 1 real numbers.

        Raises:
            CommandShape: another shape, or not numbers.
            CommandNotFinite: NaN or infinite.
            CommandOutside: a joint or the gripper far outside its limits.
        """
        plain = type(action) is np.ndarray and action.dtype.kind in "iuf" and action.shape == self._low.shape
        numbers = (action if plain else self._array(action)).astype(np.float64)
        if not ((self._low <= numbers) & (numbers <= self._high)).all():
            raise self._refusal(numbers)
        return np.asarray(numbers)

    def _array(self, action: Any) -> np.ndarray:
        """Anything but a plain array of the right shape as one, if it can be one."""
        n = self.spec.n_joints + 1
        wanted = f"it must be {n} numbers: {n - 1} joint targets in [rad] and the gripper's opening in [0, 1]"
        try:
            values = np.asarray(action)
        except Exception as error:  # ragged lists, tensors that need gradients: each library has its own
            raise CommandShape(f"action of type {type(action).__name__}: {error}; {wanted}") from error
        if values.dtype.kind not in "iuf" or np.ma.is_masked(action):
            raise CommandShape(f"action is {_shown(action, values)}; {wanted}")
        if values.shape != (n,):
            same = values.size == n
            hint = f"; reshape it to ({n},): a batch of one is a row too many" if same else ""
            raise CommandShape(f"action has shape {values.shape}, {wanted}{hint}")
        return values

    def _refusal(self, values: Array) -> CommandRejected:
        k = int(np.argmin((self._low <= values) & (values <= self._high)))
        joint = k < self.spec.n_joints
        value = float(values[k])
        if not math.isfinite(value):
            name = self.spec.joint_names[k] if joint else "gripper"
            return CommandNotFinite(f"action: {name} is {value}, which is not finite; refused, arm holding")
        if joint:
            return CommandOutside(f"{outside(self.spec, values[:-1], 'action', SLACK)}; refused, arm holding")
        return CommandOutside(f"action: gripper is {value:.5g}, outside [0, 1]; refused, arm holding")


def _shown(action: Any, values: np.ndarray) -> str:
    return repr(action)[:60] if values.ndim == 0 else f"an array of {values.dtype}"
