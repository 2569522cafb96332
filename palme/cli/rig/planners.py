"""Planners by name: `PLANNERS` maps what configs/planner/ names to a dataclass that builds one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from palme.cli.settings.fields import Decoded, fill
from palme.registry import Registry

if TYPE_CHECKING:
    from palme.perception.detector import Detector
    from palme.planners.base import Planner


@dataclass(frozen=True)
class Parts:
    """What planners and policies are built from.

    Attributes:
        arm: a `Robot`; `SimulatedArm`, or `BridgeClient`.
        detector: loads the detector once and returns it.
        seed: of random policies.
    """

    arm: Any
    detector: Callable[[], Detector]
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class PlannerConfig(Decoded):
    """Settings of one kind of planner. `privileged`: it reads the simulator's own state."""

    privileged: ClassVar[bool] = False
    name: str

    @classmethod
    def decode(cls, raw: Any, path: str) -> Self:
        """The settings of the planner that `raw["name"]` names. Raises UnknownName, UsageError."""
        kind: type[Any] = PLANNERS[raw["name"]]
        found: Self = fill(kind, raw, path)
        return found

    @abstractmethod
    def build(self, parts: Parts) -> Planner:
        """Raises WeightsError, naming missing, damaged or foreign weights."""


@dataclass(frozen=True, kw_only=True)
class PalmeConfig(PlannerConfig):
    """The language model on object tokens.

    Attributes:
        weights: a folder; null = the shipped one.
    """

    name: Literal["palme"] = "palme"
    weights: Path | None

    def build(self, parts: Parts) -> Planner:
        """See `PlannerConfig.build`."""
        from transformers.utils import logging

        from palme.planners.palme import WEIGHTS, PalmePlanner

        logging.disable_progress_bar()
        return PalmePlanner.load(parts.detector(), self.weights or WEIGHTS)


@dataclass(frozen=True, kw_only=True)
class ReadoutConfig(PlannerConfig):
    """Baseline: symbolic rules on perceived objects."""

    name: Literal["readout"] = "readout"

    def build(self, parts: Parts) -> Planner:
        """See `PlannerConfig.build`."""
        from palme.planners.readout import ReadoutPlanner

        return ReadoutPlanner(parts.detector())


@dataclass(frozen=True, kw_only=True)
class OracleConfig(PlannerConfig):
    """Privileged: reads the simulator's own state; for debugging and as an upper bound."""

    privileged: ClassVar[bool] = True
    name: Literal["oracle"] = "oracle"

    def build(self, parts: Parts) -> Planner:
        """See `PlannerConfig.build`."""
        from palme.cli.rig.baselines import OraclePlanner

        return OraclePlanner(parts.arm)


PLANNERS: Registry[type[PlannerConfig]] = Registry(
    "planner",
    {
        "palme": "palme.cli.rig.planners:PalmeConfig",
        "readout": "palme.cli.rig.planners:ReadoutConfig",
        "oracle": "palme.cli.rig.planners:OracleConfig",
    },
)
