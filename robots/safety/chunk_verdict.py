"""What the safety gate made of one chunk: how many ticks it passed, limited and refused, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from robots.errors import CommandRejected
from robots.robot import HasGate, Robot
from robots.types import Array, JointCommand

SAME = 1e-6  # [rad] a sent position this near to the target is the target
JOINTS = "joint limits"  # of position, speed, acceleration or jerk
UNKNOWN = "a limit of the arm's own gate"  # at the other end of a bridge
OBSTACLES = {
    "workspace": "it is outside the space that I may move in",
    "table": "a part of me would touch the table",
    "self-collision": "parts of my arm would touch each other",
    "following error": "something blocked my arm",
    "CommandOutside": "a joint of mine would have to go beyond its limits",
    "CommandJumps": "my arm was not where that motion begins",
}
"""In words for a person, by the constraint or the error that a reason begins with."""


@dataclass(frozen=True)
class ChunkVerdict:
    """Of the commands of one chunk.

    Attributes:
        first_tick: number of its first command since the executor began, from 0.
        accepted: ticks whose joint target was sent as it was asked.
        clamped: ticks at which a limit or a geometric constraint changed it.
        causes: clamped ticks by what limited them.
        refused: why a command was refused, after which nothing more of the chunk was sent; "" = none was.
        share: largest share of a limit that was sent, by limit: "speed", "acceleration" (1 = at the limit),
            "position" (0 in the middle of the joint's range, 1 at its end).
        joint: the joint of each share.
    """

    first_tick: int = 0
    accepted: int = 0
    clamped: int = 0
    causes: Mapping[str, int] = field(default_factory=dict)
    refused: str = ""
    share: Mapping[str, float] = field(default_factory=dict)
    joint: Mapping[str, str] = field(default_factory=dict)

    @property
    def ticks(self) -> int:
        """Commands sent."""
        return self.accepted + self.clamped

    @property
    def obstacle(self) -> str:
        """`reason` for a person, without numbers: what a planner may plan around; "" = nothing."""
        named = [self.refused] if self.refused else sorted(self.causes)
        kinds = (name.partition(":")[0] for name in named)
        return " and ".join(dict.fromkeys(OBSTACLES[kind] for kind in kinds if kind in OBSTACLES))

    @property
    def reason(self) -> str:
        """What the gate kept the arm from, in plain words; "" where it changed nothing that matters.

        What is limited in speed arrives later; what the workspace, the table, the arm's own body or a
        following error holds does not arrive. Of a gate at the other end of a bridge only refusals are told.
        """
        if self.refused:
            return f"the gate refused a command: {self.refused}"
        held = {name: n for name, n in self.causes.items() if name not in (JOINTS, UNKNOWN)}
        if not held:
            return ""
        names = " and ".join(f"{name} ({n} ticks)" for name, n in sorted(held.items()))
        return f"the gate held the arm back: {names}"


class VerdictCounter:
    """Counts one chunk for an executor. `robot`: its `spec`, and its gate where that is in this process."""

    def __init__(self, robot: Robot, first_tick: int, before: tuple[Array, Array] | None) -> None:
        self._robot, self._first = robot, first_tick
        self._accepted = self._clamped = 0
        self._causes: Counter[str] = Counter()
        self._refused = ""
        self._sent: list[Array] = [] if before is None else list(before)
        self._n_before = len(self._sent)

    def sent(self, asked: Array, sent: JointCommand) -> None:
        """Count a command that was sent for the target `asked`, (n_joints,) in [rad]."""
        self._sent.append(sent.q_target)
        if (np.abs(sent.q_target - asked) <= SAME).all():
            self._accepted += 1
            return
        self._clamped += 1
        gated = self._robot.capability(HasGate)
        self._causes[UNKNOWN if gated is None else gated.gate.limited_by or JOINTS] += 1

    def refused(self, error: CommandRejected) -> None:
        """Note that a command was refused."""
        self._refused = f"{type(error).__name__}: {error}"

    @property
    def last_two(self) -> tuple[Array, Array] | None:
        """The last two targets sent, from which the next chunk's first differences are taken."""
        return (self._sent[-2], self._sent[-1]) if len(self._sent) > 1 else None

    def verdict(self) -> ChunkVerdict:
        """Of all that was counted."""
        share, joint = self._shares()
        return ChunkVerdict(
            self._first, self._accepted, self._clamped, dict(self._causes), self._refused, share, joint
        )

    def _shares(self) -> tuple[dict[str, float], dict[str, str]]:
        spec = self._robot.spec
        if len(self._sent) == self._n_before:
            return {}, {}
        q = np.array(self._sent)
        own = q[self._n_before :]
        middle, half = (spec.q_max + spec.q_min) / 2, (spec.q_max - spec.q_min) / 2
        shares = {"position": np.abs(own - middle) / half}
        if len(q) > 1:
            shares["speed"] = np.abs(np.diff(q, axis=0)) * spec.control_hz / spec.dq_max
        if len(q) > 2:
            change = np.abs(np.diff(q, 2, axis=0)) * spec.control_hz**2
            shares["acceleration"] = change / spec.ddq_max
        most = {name: values.max(0) for name, values in shares.items()}
        names = spec.joint_names
        return (
            {name: round(float(values.max()), 4) for name, values in most.items()},
            {name: str(names[int(values.argmax())]) for name, values in most.items()},
        )
