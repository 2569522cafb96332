"""Planners by name: `PLANNERS` maps what configs/planner/ names to a dataclass that builds one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from palme.cli.errors import UsageError
from palme.cli.settings.fields import Decoded, fill
from palme.cli.settings.reader import ReaderSettings
from palme.registry import Registry

if TYPE_CHECKING:
    from palme.language.account.account import Account
    from palme.language.account.account import Reading as AccountReading
    from palme.perception.detector import Detector
    from palme.planners.base import Planner
    from palme.planners.program.reader import Reader, Reading


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

    @property
    def chosen(self) -> PlannerConfig:
        """The planner that is used; another one only where a name leaves the choice."""
        return self

    @property
    def note(self) -> str:
        """What a person is told before the run; "" = nothing."""
        return ""

    @property
    def account(self) -> Account | None:
        """What stands before the planner (docs/goals.md); None = it knows itself what it understands."""
        from palme.cli.rig.account import account

        return account()

    def read(self, sentence: str) -> AccountReading | Reading:
        """What `sentence` asks for, before anything is connected.

        Raises:
            NoMotion: it is refused.
            UsageError, WeightsError: what reads it is missing or damaged.
        """
        from palme.cli.rig.account import account

        return account()(sentence)

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
        weights: a folder, of `palme train planner` or `palme train embodied`; null = the shipped one.
    """

    name: Literal["palme"] = "palme"
    weights: Path | None

    def build(self, parts: Parts) -> Planner:
        """See `PlannerConfig.build`."""
        from transformers.utils import logging

        from palme.models.pretrained.cache import NotSetUp
        from palme.planners.palme import WEIGHTS, PalmePlanner

        logging.disable_progress_bar()
        try:
            return PalmePlanner.load(parts.detector(), self.weights or WEIGHTS)
        except NotSetUp as error:
            raise UsageError(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class ProgramConfig(ReaderSettings, PlannerConfig):
    """A pretrained language model reads the sentence as a program, which runs on what is seen.

    Attributes: see `ReaderSettings`.
    """

    name: Literal["program"] = "program"

    @property
    def account(self) -> None:
        """See `PlannerConfig.account`."""
        return None

    def read(self, sentence: str) -> Reading:
        """See `PlannerConfig.read`."""
        from palme.planners.program.asking import understood

        return understood(self._reader(), sentence)

    def build(self, parts: Parts) -> Planner:
        """See `PlannerConfig.build`."""
        from palme.planners.program.planner import ProgramPlanner

        return ProgramPlanner(self._reader(), parts.detector().thorough)

    def _reader(self) -> Reader:
        from palme.cli.rig.readers import build_reader

        return build_reader(self)


@dataclass(frozen=True, kw_only=True)
class WrittenConfig(PlannerConfig):
    """The sentence is itself a program: what comes after the reading, measured alone (docs/suites.md)."""

    name: Literal["written"] = "written"

    @property
    def account(self) -> None:
        """See `PlannerConfig.account`."""
        return None

    def read(self, sentence: str) -> Reading:
        """See `PlannerConfig.read`."""
        from palme.planners.program.asking import understood
        from palme.planners.program.written import WrittenReader

        return understood(WrittenReader(), sentence)

    def build(self, parts: Parts) -> Planner:
        """See `PlannerConfig.build`."""
        from palme.planners.program.planner import ProgramPlanner
        from palme.planners.program.written import WrittenReader

        return ProgramPlanner(WrittenReader(), parts.detector().thorough)


@dataclass(frozen=True, kw_only=True)
class AutoConfig(ReaderSettings, PlannerConfig):
    """`program` where the language model and its adapter are there, else `palme`, the small shipped one.

    Attributes: see `ReaderSettings`.
    """

    name: Literal["auto"] = "auto"

    @property
    def chosen(self) -> PlannerConfig:
        """See `PlannerConfig.chosen`."""
        from palme.planners.program.load import is_there

        if self.endpoint is not None or is_there(self.model, self.weights, self.in_context):
            own = {one.name: getattr(self, one.name) for one in fields(ReaderSettings)}
            return ProgramConfig(**own)
        return PalmeConfig(weights=None)

    @property
    def note(self) -> str:
        """See `PlannerConfig.note`."""
        if isinstance(self.chosen, ProgramConfig):
            return ""
        return (
            "planner: the small shipped model, which reads only “put A in B”, “stack A on B” and “sort by "
            "colour”; `palme setup language` brings the one that reads more"
        )

    @property
    def account(self) -> Account | None:
        """See `PlannerConfig.account`."""
        return self.chosen.account

    def read(self, sentence: str) -> AccountReading | Reading:
        """See `PlannerConfig.read`."""
        return self.chosen.read(sentence)

    def build(self, parts: Parts) -> Planner:
        """See `PlannerConfig.build`."""
        return self.chosen.build(parts)


@dataclass(frozen=True, kw_only=True)
class ClipConfig(PlannerConfig):
    """One step about things of any appearance, which CLIP finds by the sentence's own words.

    Attributes:
        clip: folder or name of a CLIP; "" = the shipped one.
    """

    name: Literal["clip"] = "clip"
    clip: str

    @property
    def account(self) -> None:
        """See `PlannerConfig.account`."""
        return None

    def read(self, sentence: str) -> Any:
        """See `PlannerConfig.read`."""
        from palme.planners.clip.planner import read_order

        return read_order(sentence)

    def build(self, parts: Parts) -> Planner:
        """See `PlannerConfig.build`."""
        from palme.models.clip.load import load_clip
        from palme.planners.clip.naming import Namer
        from palme.planners.clip.outcome import OutcomeJudge
        from palme.planners.clip.planner import ClipPlanner

        clip, detector = load_clip(self.clip), parts.detector()
        return ClipPlanner(detector.thorough, Namer(clip), OutcomeJudge(clip), detector.camera)


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
        "auto": "palme.cli.rig.planners:AutoConfig",
        "program": "palme.cli.rig.planners:ProgramConfig",
        "written": "palme.cli.rig.planners:WrittenConfig",
        "palme": "palme.cli.rig.planners:PalmeConfig",
        "clip": "palme.cli.rig.planners:ClipConfig",
        "readout": "palme.cli.rig.planners:ReadoutConfig",
        "oracle": "palme.cli.rig.planners:OracleConfig",
    },
)
