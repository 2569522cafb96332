"""Settings of `palme bench WHAT`: one dataclass a bench, with limits within which it measures something."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from palme.cli.errors import UsageError
from palme.cli.rig.planners import PlannerConfig
from palme.cli.rig.policies import ChunkConfig
from palme.cli.settings.data import PractiseConfig
from palme.cli.settings.fields import Count, NonEmpty, Positive, Range, Seed, Share, Target, Whole
from palme.cli.settings.groups import DetectorConfig
from palme.cli.settings.reader import LocalReaderSettings
from palme.cli.settings.run import RigConfig, SessionConfig, Split, Tasks

Rate = Annotated[
    float, Range(20.0, 1000.0)
]  # [Hz] that a server accepts: robots/bridge/server.py, robots/serve.py


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """Any bench.

    Attributes:
        out: a JSON file for the figures; null = none.
    """

    out: Path | None


@dataclass(frozen=True, kw_only=True)
class EnvConfig(BenchConfig):
    """`palme bench env`.

    Attributes:
        rounds: turns of each environment.
        steps: control steps a round without pictures.
        picture_steps: control steps a round with one 128 x 128 picture each.
    """

    FILE: ClassVar[str] = "bench_env"
    rounds: Count
    steps: Count
    picture_steps: Count


@dataclass(frozen=True, kw_only=True)
class GateConfig(BenchConfig):
    """`palme bench gate`.

    Attributes:
        commands: number in all, shared out among arms and rates; docs/results.md used 1000000.
        arms: names of configs/robot; [] = all.
        rates: [Hz] commands a second: low ones test speed and acceleration, high ones jerk.
        faults: an arm that is blocked, drifts, is guided by hand ...: times each kind, for each arm and rate.
        hours: [h] of ordinary motion for each arm, in which every hold is a false one.
        seed: of the commands.
    """

    FILE: ClassVar[str] = "bench_gate"
    commands: Count
    arms: tuple[str, ...]
    rates: Annotated[tuple[Annotated[float, Range(1.0, 10_000.0)], ...], NonEmpty()]
    faults: Whole
    hours: Annotated[float, Range(0.0, 1000.0)]
    seed: Seed


@dataclass(frozen=True, kw_only=True)
class LanguageBenchConfig(BenchConfig):
    """`palme bench language`.

    Attributes:
        planner: who reads, as planner=program has it; its model alone is measured, without checks.
        sentences: number of drawn ones.
        repeats: of each, of which the least time counts.
        peer: true measures `generate` of transformers in fp32 beside it.
        seed: of the sentences.
    """

    FILE: ClassVar[str] = "bench_language"
    planner: LocalReaderSettings
    sentences: Count
    repeats: Count
    peer: bool
    seed: Seed


@dataclass(frozen=True, kw_only=True)
class QuestionsConfig(BenchConfig):
    """`palme bench questions`.

    Attributes:
        weights: folders of embodied models and of small planners, side by side.
        n: scenes, each with one question of each kind, and scenes for the next step.
        seed: of the scenes.
        threads: of the processor.
    """

    FILE: ClassVar[str] = "bench_questions"
    weights: Annotated[tuple[Path, ...], NonEmpty()]
    n: Count
    seed: Seed
    threads: Count


@dataclass(frozen=True, kw_only=True)
class ClipBenchConfig:
    """`palme bench clip`.

    Attributes:
        planner: whose own judgement of outcomes is measured beside CLIP's.
        clip: folder or name of a CLIP; "" = the shipped one.
        questions: zero-shot questions; 0 = none.
        outcomes: steps whose outcome is judged; 0 = none.
        episodes: single steps about new appearances, carried out; 0 = none.
        blanked: of these, played again with CLIP's pictures blanked.
        calibrate: outcomes that the constants of the judge are fitted to, by a seed that no figure uses; 0 =
            none.
        seed: of all of them; training uses others.
        out: folder of results.json.
    """

    FILE: ClassVar[str] = "bench_clip"
    planner: PlannerConfig
    detector: DetectorConfig
    clip: str
    questions: Whole
    outcomes: Whole
    episodes: Whole
    blanked: Whole
    calibrate: Whole
    seed: Seed
    out: Target


@dataclass(frozen=True, kw_only=True)
class BenchPlannerConfig(RigConfig, BenchConfig):
    """`palme bench planner` and `palme bench detector`.

    Attributes:
        tasks: families to draw scenes from: `palme tasks` lists them.
        split: phrasings and colour pairs; those of held_out are never asked for in training.
        episodes: scenes for each task.
        seed: of the first scene.
        verbose: true prints every wrong answer.
    """

    FILE: ClassVar[str] = "bench_planner"
    tasks: Tasks
    split: Split
    episodes: Count
    seed: Seed
    verbose: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split == "held_out" and set(self.tasks) == {"match_bowls"}:
            raise UsageError("tasks=[match_bowls] split=held_out: it pairs no two colours; name another task")


@dataclass(frozen=True, kw_only=True)
class BenchPolicyConfig(RigConfig, BenchConfig):
    """`palme bench policy`.

    Attributes:
        episodes: number of steps.
        seed: of the first scene.
        moved: true moves the object that is grasped 5 to 9 cm in the middle of the approach.
    """

    FILE: ClassVar[str] = "bench_policy"
    episodes: Count
    seed: Seed
    moved: bool


@dataclass(frozen=True, kw_only=True)
class BridgeBenchConfig(BenchConfig):
    """`palme bench bridge`.

    Attributes:
        hz: [Hz] commands a second.
        ack_seconds: [s] of commands one at a time, each beside its echo.
        seconds: [s] of streamed commands, and again with two cameras beside them.
        depth: largest number of commands under way in a stream (robots/bridge/command_queue.py).
        silence_tries: number of times that the client falls silent.
        silence_hz: [Hz] of the arm that is tested for silence; 20 is the Panda's own.
        camera_hz: [Hz] of each of two cameras, 640 x 480 with depth.
        pictures: jpeg rounds depth to millimetres; auto is jpeg where OpenCV is installed.
    """

    FILE: ClassVar[str] = "bench_bridge"
    hz: Rate
    ack_seconds: Annotated[float, Range(0.1)]
    seconds: Annotated[float, Range(0.1)]
    depth: Annotated[int, Range(1, 32)]
    silence_tries: Count
    silence_hz: Rate
    camera_hz: Positive
    pictures: Literal["auto", "raw", "jpeg"]


@dataclass(frozen=True, kw_only=True)
class SoakConfig(BenchConfig):
    """`palme bench soak`.

    Attributes:
        minutes: [min] of commands; memory is read once a second.
        hz: [Hz] commands a second.
        faults: share of frames that are dropped, delayed, doubled, reordered or damaged, both ways.
        seed: of the faults.
    """

    FILE: ClassVar[str] = "bench_soak"
    minutes: Annotated[float, Range(0.05)]
    hz: Rate
    faults: Share
    seed: Seed


@dataclass(frozen=True, kw_only=True)
class FuzzConfig(BenchConfig):
    """`palme bench fuzz`.

    Attributes:
        frames: number of hostile frames.
        seed: of the frames.
    """

    FILE: ClassVar[str] = "bench_fuzz"
    frames: Count
    seed: Seed


@dataclass(frozen=True, kw_only=True)
class RecordBenchConfig(BenchConfig):
    """`palme bench record`.

    Attributes:
        kills: number of SIGKILLs; 200 take some minutes; 0 = not measured.
        seconds: [s] of two 640 x 480 cameras at 20 Hz that are recorded in real time; 0 = not measured.
        reads: frames read in random order.
        seed: of the instants of the kills.
    """

    FILE: ClassVar[str] = "bench_record"
    kills: Whole
    seconds: Annotated[float, Range(0.0)]
    reads: Count
    seed: Seed


@dataclass(frozen=True, kw_only=True)
class ConsoleBenchConfig(BenchConfig):
    """`palme bench console`.

    Attributes:
        seconds: [s] of pictures alone.
        presses: number of stops, by Space, Escape and the button in turn, while pictures flow.
        camera_hz: [Hz] of each of two cameras, 640 x 480.
    """

    FILE: ClassVar[str] = "bench_console"
    seconds: Annotated[float, Range(1.0)]
    presses: Count
    camera_hz: Positive


@dataclass(frozen=True, kw_only=True)
class ClockConfig(SessionConfig, BenchConfig):
    """`palme bench clock`.

    Attributes:
        minutes: [min] of the session.
        encoding: frames of two 640 x 480 cameras that are encoded beforehand, for their speed; 0 = none.
        record: where the session is recorded; "" = a folder that is removed afterwards.
    """

    FILE: ClassVar[str] = "bench_clock"
    minutes: Annotated[float, Range(0.01)]
    encoding: Whole


@dataclass(frozen=True, kw_only=True)
class InstallConfig(BenchConfig):
    """`palme bench install`.

    Attributes:
        starts: number of each kind of start.
    """

    FILE: ClassVar[str] = "bench_install"
    starts: Count


@dataclass(frozen=True, kw_only=True)
class CorrectionsConfig(PractiseConfig):
    """`palme bench corrections`.

    Attributes:
        policy: chunk alone learns from corrections (configs/policy/).
        episodes: single steps of each trial, all with the same seeds.
        corrected: episodes to learn from that a simulated person corrects.
        motions: demonstrations mixed with them.
        steps: of training.
        lr: learning rate.
        recorded_share: share of a batch that is recorded motions.
        correction_weight: weight in the loss of what a person did.
        workers: processes.
        out: folder of results.json, report.html, the data set and the weights; finished parts are kept.
    """

    FILE: ClassVar[str] = "bench_corrections"
    episodes: Count
    motions: Count
    steps: Count
    lr: Positive
    recorded_share: Share
    correction_weight: Positive
    workers: Count
    out: Path

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.policy, ChunkConfig):
            raise UsageError(f"policy={self.policy.name}: only policy=chunk learns from corrections")
        if self.camera.knock is None:
            raise UsageError(
                "the camera is where it was calibrated, so nothing needs correction; set camera=knocked"
            )

    @property
    def chunk(self) -> ChunkConfig:
        """The policy."""
        assert isinstance(self.policy, ChunkConfig)
        return self.policy
