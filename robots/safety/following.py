"""Following: whether an arm is where it was sent.

An arm that is blocked, guided by hand or without power stays behind, and a stream that goes on regardless
winds it up: once free it jumps to where the stream is by then. So each tick compares the measured joints with
the positions sent. An arm in motion lags, hence a measured joint is compared with every position sent within
the last `following_lag` seconds: its error is the distance from the range they cover, 0 inside it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from robots.spec import ArmSpec
from robots.types import Array

FAR = 2.0  # multiple of the limit that no growing error reaches: the arm was displaced, or its reading jumped
UNKNOWN = "the measured joints are not {n} finite numbers"


class Following:
    """The following error of one arm, tick by tick.

    Attributes:
        measured: (n_joints,) last measured joints in [rad]; None = they were not finite.
        trouble: what is wrong now, "" = the arm follows.
        failed: whether the error lasted for `following_time`, or is `FAR` beyond the limit.
    """

    def __init__(self, spec: ArmSpec) -> None:
        self.spec = spec
        self._limit = spec.following_error
        ticks = math.ceil(spec.following_lag * spec.control_hz) + 1
        self._sent: deque[list[float]] = deque(maxlen=max(ticks, 2))
        self._over = 0  # ticks since the limit was exceeded
        self.measured: list[float] | None = None
        self.trouble, self.failed = "", False

    def start(self, q: list[float]) -> None:
        """The arm is at rest at `q` (n_joints,) in [rad]."""
        self._sent.clear()
        self._sent.append(q)
        self._over, self.trouble, self.failed = 0, "", False

    def sent(self, q: list[float]) -> None:
        """Record that `q` (n_joints,) in [rad] was sent at this tick; it must not be changed later."""
        self._sent.append(q)

    def is_near(self, q_measured: Array | Sequence[float]) -> bool:
        """Whether `check` certainly finds nothing; nothing is recorded."""
        measured = self._numbers(q_measured)
        return not self._over and measured is not None and self._within(measured)

    def check(self, q_measured: Array | Sequence[float]) -> bool:
        """Whether the arm follows; once a tick, before anything is sent.

        Args:
            q_measured: (n_joints,) in [rad]; anything that is not finite counts as an error.
        """
        self.measured = measured = self._numbers(q_measured)
        if measured is not None and self._within(measured):
            self._over, self.trouble, self.failed = 0, "", False
            return True
        spec, joint, error, sent = self.spec, 0, math.inf, 0.0
        if measured is None:
            self.trouble = UNKNOWN.format(n=spec.n_joints)
        else:
            error = 0.0
            for j, column in enumerate(zip(*self._sent, strict=True)):
                away = max(min(column) - measured[j], measured[j] - max(column))
                if away > error:
                    joint, error, sent = j, away, column[-1]
            if error <= self._limit:
                self._over, self.trouble, self.failed = 0, "", False
                return True
            self.trouble = (
                f"{spec.joint_names[joint]}: measured {measured[joint]:.3f} rad, sent {sent:.3f} rad, "
                f"following error {error:.3f} rad, limit {self._limit:g} rad for {spec.following_time:g} s"
            )
        lasted = self._over * spec.dt
        self._over += 1
        self.failed = lasted >= spec.following_time or FAR * self._limit < error < math.inf
        return False

    def _within(self, measured: list[float]) -> bool:
        """Whether no joint is farther than the limit from the last position sent."""
        limit = self._limit
        for here, there in zip(measured, self._sent[-1], strict=True):
            if not -limit <= here - there <= limit:
                return False
        return True

    def _numbers(self, values: Array | Sequence[float]) -> list[float] | None:
        """`values` as `n_joints` finite floats, or None."""
        try:
            numbers: list[float] = values.tolist() if isinstance(values, np.ndarray) else list(values)
            known = len(numbers) == self.spec.n_joints and math.isfinite(sum(numbers))
        except TypeError:
            return None
        return numbers if known else None
