"""Settings of `palme run`, `palme eval` and `palme teleop`, and of the rig that each builds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from palme.agent import AgentLimits
from palme.cli.errors import UsageError
from palme.cli.rig.planners import PlannerConfig
from palme.cli.rig.policies import PolicyConfig
from palme.cli.settings.fields import Count, Known, NonEmpty, Range, Seed, Target, Whole
from palme.cli.settings.groups import (
    BridgeConfig,
    CameraConfig,
    DetectorConfig,
    OperatorConfig,
    RecordConfig,
    RobotConfig,
    SceneConfig,
)
from palme.cli.settings.reader import ReaderSettings
from palme.file_names import FileName

DEVICES = "robots.teleop.devices.registry:DEVICES"
Tasks = Annotated[tuple[Annotated[str, Known("task", "sim.tasks:TASKS")], ...], NonEmpty()]
Families = tuple[Annotated[str, Known("family", "sim.suites.families:FAMILIES")], ...]
Split = Literal["test", "held_out", "train"]


@dataclass(frozen=True, kw_only=True)
class RigConfig:
    """An arm, its cameras, and who plans and acts.

    Attributes:
        judge: who tells whether a step that put something in or on a thing succeeded: the planner, CLIP, or
            both, which then must agree on it.
        bridge: how a remote arm is reached; None where a command moves none.
    """

    robot: RobotConfig
    planner: PlannerConfig
    policy: PolicyConfig
    detector: DetectorConfig
    camera: CameraConfig
    judge: Literal["planner", "clip", "both"] = "planner"
    bridge: BridgeConfig | None = None

    def __post_init__(self) -> None:
        for part in (self.planner, self.policy):
            if self.robot.is_remote and part.privileged:
                raise UsageError(f"{part.name} reads the simulator, which robot=bridge does not have")

    @property
    def remote(self) -> BridgeConfig:
        """Raises UsageError where no remote arm can be reached."""
        if self.bridge is None:
            raise UsageError("robot=bridge: this command moves no remote arm; run, teleop and eval do")
        return self.bridge


@dataclass(frozen=True, kw_only=True)
class RunConfig(RigConfig, SceneConfig, OperatorConfig, RecordConfig):
    """`palme run SENTENCE`.

    Attributes:
        limits: when the agent gives up (configs/limits/).
        goal: YAML file with a formula that tells whether the goal is reached (docs/goals.md); null = nobody
            but the model can tell.
        look: of the video; planner and policy always see `fast`, which they were trained on.
        video: false writes no film.
        console_wait: with console=true the run begins 10 s after the page is opened, or at once by its Start
            button or by Enter on the terminal; null = only on a terminal.
        confirm: true says what was understood and begins only after a yes, on the terminal or the console.
        dry_run: true shows the scene and the first step, moves nothing and writes nothing.
        teleop: a device in a person's hand: keyboard, gamepad, spacemouse; null = none.
        out: folder for the report, the log and the film.
    """

    FILE: ClassVar[str] = "run"
    limits: AgentLimits
    goal: Path | None
    look: Literal["photo", "fast"]
    video: bool
    console_wait: bool | None
    confirm: bool
    dry_run: bool
    teleop: Annotated[str, Known("device", DEVICES)] | None
    out: Target

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.robot.is_remote and self.scene is not None and not self.remote.table:
            raise UsageError(
                f"scene={self.scene}: a served arm acts on the table that is there; bridge.table=true sets "
                "it, where the server was started with table=true"
            )

        if self.robot.is_remote and self.goal is not None and not self.remote.table:
            raise UsageError(
                f"goal={self.goal}: nobody can measure the table of a served arm; bridge.table=true asks a "
                "simulated one, where the server was started with table=true"
            )

    @property
    def has_operator(self) -> bool:
        """Whether a person takes part."""
        return self.console or self.teleop is not None


@dataclass(frozen=True, kw_only=True)
class EvalConfig(RigConfig, RecordConfig):
    """`palme eval`.

    Attributes:
        suite: YAML file of tables and cases (docs/suites.md) in place of `tasks`; null = none.
        families: published families of long tasks (docs/suites.md) in place of `tasks` and `suite`, with
            `episodes` cases of each, drawn by `seed`; [] = none.
        disturb: with suite or families: every case is played again while, with this chance after each step,
            something is moved by hand, twice a run at most; 0 = not.
        only: ids of cases, or categories, of `suite`; [] = all.
        reading_only: true reads the sentences of `suite` and interprets them on the true scene: no arm.
            It takes planner=program, whose settings say who reads.
        limits: when the agent gives up (configs/limits/).
        tasks: families to evaluate: `palme tasks` lists them.
        episodes: number for each task.
        seed: of the first scene.
        split: phrasings and colour pairs; those of held_out are never asked for in training.
        phrasings: YAML file `family: [template, ...]` in place of the split's own.
        counterfactual: scenes of each task that are played again without an instruction and with that of
            another goal, to show whether words are followed; 0 = none.
        controls: true plays every scene again so, with blank images, and with a random policy.
        logs: true keeps the log of each episode or case, OUT/episodes/NAME, for `palme why`.
        workers: processes; results do not depend on them.
        dry_run: true prints the instructions, plays nothing and writes nothing.
        distractors: number of objects that the goal does not name; null = drawn by the family.
        out: folder of results.json and report.html.
    """

    FILE: ClassVar[str] = "eval"
    limits: AgentLimits
    suite: FileName | None
    families: Families
    disturb: Annotated[float, Range(0.0, 1.0)]
    only: tuple[str, ...]
    reading_only: bool
    tasks: Tasks
    episodes: Count
    seed: Seed
    split: Split
    phrasings: FileName | None
    counterfactual: Whole
    controls: bool
    logs: bool
    workers: Count
    dry_run: bool
    distractors: Whole | None
    out: Target

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.suite is not None and self.families:
            raise UsageError(f"suite={self.suite}: families= draws a suite of its own; name one of the two")
        if self.reading_only and self.suite is None and not self.families:
            raise UsageError("reading_only=true reads the sentences of a suite; add suite=FILE")
        if self.disturb > 0 and (self.reading_only or (self.suite is None and not self.families)):
            raise UsageError(
                f"disturb={self.disturb:g}: only cases from pixels are disturbed; add suite= or families="
            )
        if self.reading_only:
            self.reader  # noqa: B018 - it refuses a planner that reads no programs
        if (self.suite is not None or self.families) and self.record:
            raise UsageError(f"record={self.record}: a suite is not recorded; leave it out with suite=")
        if self.workers > 1 and self.robot.is_remote:
            raise UsageError(f"workers={self.workers}: the bridge serves one arm; set workers=1")
        if self.workers > 1 and self.record:
            raise UsageError(
                f"workers={self.workers}: one process writes a data set; set workers=1 with record="
            )

    @property
    def reader(self) -> ReaderSettings:
        """Who reads with `reading_only`. Raises UsageError: the planner reads no programs."""
        if not isinstance(self.planner, ReaderSettings):
            raise UsageError(f"planner={self.planner.name} reads no programs; add planner=program")
        return self.planner


@dataclass(frozen=True, kw_only=True)
class LeaderConfig:
    """device=leader: the arm that is moved by hand, served by `palme serve` like any other.

    Attributes:
        address: of the leader's server.
        key: name of this computer's own key, as in bridge.key; any role will do.
        server: name of the key that the leader's server must have.
    """

    address: str
    key: str
    server: str


@dataclass(frozen=True, kw_only=True)
class SessionConfig(SceneConfig, OperatorConfig, RecordConfig):
    """A person alone at an arm.

    Attributes:
        task: sentence that the recorded episode is stored with.
    """

    robot: RobotConfig
    camera: CameraConfig
    task: str


@dataclass(frozen=True, kw_only=True)
class TeleopConfig(SessionConfig):
    """`palme teleop`.

    Attributes:
        device: keyboard, gamepad, spacemouse or leader; null = the keyboard, or the console alone.
        leader: device=leader: the arm that is moved by hand, served by `palme serve` like any other.
    """

    FILE: ClassVar[str] = "teleop"
    bridge: BridgeConfig
    device: Annotated[str, Known("device", DEVICES, ("leader",))] | None
    leader: LeaderConfig
