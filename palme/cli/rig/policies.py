"""Policies by name: `POLICIES` maps what configs/policy/ names to a dataclass that builds one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from palme.cli.errors import unknown
from palme.cli.rig.planners import Parts
from palme.cli.settings.fields import Decoded, fill
from palme.registry import Registry
from robots.spec import ArmSpec

if TYPE_CHECKING:
    from palme.perception.detector import Detector
    from palme.policies.base import Policy


@dataclass(frozen=True, kw_only=True)
class PolicyConfig(Decoded):
    """Settings of one kind of policy. `privileged`: it reads the simulator's own state."""

    privileged: ClassVar[bool] = False
    name: str

    @classmethod
    def decode(cls, raw: Any, path: str) -> Self:
        """The settings of the policy that `raw["name"]` names. Raises UnknownName, UsageError."""
        kind: type[Any] = POLICIES[raw["name"]]
        found: Self = fill(kind, raw, path)
        return found

    @abstractmethod
    def build(self, parts: Parts) -> Policy:
        """Raises WeightsError, naming missing, damaged or foreign weights, and UsageError."""


class LearnedConfig(PolicyConfig):
    """A policy of ours with networks, which can be served to several clients at once."""

    def build(self, parts: Parts) -> Policy:
        """See `PolicyConfig.build`."""
        return self.factory(parts.arm.spec, parts.detector)()

    @abstractmethod
    def factory(self, spec: ArmSpec, detector: Callable[[], Detector]) -> Callable[[], Policy]:
        """Makes policies for one arm, each with its own state; networks are loaded once, here.

        Raises:
            WeightsError: weights are missing, damaged or foreign; names them and the remedy.
        """

    @classmethod
    def decode(cls, raw: Any, path: str) -> Self:
        """See `PolicyConfig.decode`."""
        learned = [name for name, kind in POLICIES.items() if issubclass(kind, LearnedConfig)]
        if raw["name"] not in learned:
            raise unknown("policy to serve", raw["name"], learned)
        return super().decode(raw, path)


@dataclass(frozen=True, kw_only=True)
class KeyposeConfig(LearnedConfig):
    """Looks where to grasp and where to let go, and plans the motion between."""

    name: Literal["keypose"] = "keypose"

    def factory(self, spec: ArmSpec, detector: Callable[[], Detector]) -> Callable[[], Policy]:
        """See `PolicyConfig.factory`."""
        from palme.policies.keypose import KeyposePolicy
        from robots.motion.arm_motion import ArmMotion

        seeing, motion = detector(), ArmMotion(spec)
        return lambda: KeyposePolicy(seeing, motion)


@dataclass(frozen=True, kw_only=True)
class ChunkConfig(LearnedConfig):
    """A network that writes stretches of joint targets.

    Attributes:
        weights: a file; null = the shipped one.
        corrected: applies the camera correction that the weights learned; the shipped ones have none.
    """

    name: Literal["chunk"] = "chunk"
    weights: Path | None
    corrected: bool

    def factory(self, spec: ArmSpec, detector: Callable[[], Detector]) -> Callable[[], Policy]:
        """See `PolicyConfig.factory`."""
        from palme.policies.chunk import WEIGHTS, ChunkPolicy
        from robots.motion.arm_motion import ArmMotion

        seeing, motion = detector(), ArmMotion(spec)
        head = ChunkPolicy.load(seeing, motion, self.weights or WEIGHTS).head
        return lambda: ChunkPolicy(seeing, motion, head, self.corrected)


@dataclass(frozen=True, kw_only=True)
class ExpertConfig(PolicyConfig):
    """Privileged: the oracle's own motions; for debugging and as an upper bound."""

    privileged: ClassVar[bool] = True
    name: Literal["expert"] = "expert"

    def build(self, parts: Parts) -> Policy:
        """See `PolicyConfig.build`."""
        from palme.cli.rig.baselines import ExpertPolicy

        return ExpertPolicy(parts.arm)


@dataclass(frozen=True, kw_only=True)
class RandomConfig(PolicyConfig):
    """Control: smooth random motions that ignore the step."""

    name: Literal["random"] = "random"

    def build(self, parts: Parts) -> Policy:
        """See `PolicyConfig.build`."""
        from palme.cli.rig.baselines import RandomPolicy

        return RandomPolicy(parts.arm, parts.seed)


POLICIES: Registry[type[PolicyConfig]] = Registry(
    "policy",
    {
        "keypose": "palme.cli.rig.policies:KeyposeConfig",
        "chunk": "palme.cli.rig.policies:ChunkConfig",
        "remote": "palme.cli.rig.remote_policy:RemoteConfig",
        "expert": "palme.cli.rig.policies:ExpertConfig",
        "random": "palme.cli.rig.policies:RandomConfig",
    },
)
