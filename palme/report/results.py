"""Typed content of the results.json files that the pages are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

Setting = str | int | float | bool | None
Settings = Mapping[str, Setting]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Failure:
    """An episode that did not end in success.

    Attributes:
        index: number of the episode within its task.
        instruction: the task sentence.
        reason: why the run ended.
        steps: (text, success) of each step.
        layer, evidence: which part failed, and what shows it (docs/goals.md).
    """

    index: int
    instruction: str
    reason: str
    steps: Sequence[tuple[str, bool]]
    layer: str = ""
    evidence: str = ""


@dataclass(frozen=True)
class Follow:
    """Whether words are followed, over pairs of one scene; see docs/goals.md.

    Attributes:
        pairs: scenes that were told their own and a swapped instruction.
        goes_where_told: of the two runs of each, those that reached the goal they were told.
        avoids_the_other: swapped runs that did not reach the goal of the other sentence.
        followed: pairs that did both, and `wilson95` of their share.
        unsaid, moved_unsaid: runs without an instruction, and those in which the arm moved.
    """

    pairs: int
    goes_where_told: int
    avoids_the_other: int
    followed: int
    wilson95: Interval
    unsaid: int = 0
    moved_unsaid: int = 0


@dataclass(frozen=True)
class Done:
    """How well "done" is judged.

    Attributes:
        said, false: runs that ended with "done", and those of them whose goal did not hold.
        reached, missed: runs whose goal held at the end, and those of them that did not end with "done".
        late_s: arm time in [s] from the goal to "done"; None = no run has both.
        steps_judged: steps by "done", "failed" and "unsure".
    """

    said: int
    false: int
    reached: int
    missed: int
    late_s: Quantiles | None = None
    steps_judged: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class GateTotals:
    """Ticks held, commands refused and targets limited by the gate; episodes with one of the first two."""

    held: int
    refused: int
    limited: int
    episodes_held_or_refused: int


@dataclass(frozen=True)
class EpisodeGate:
    """The same of the episode number `index` of its task."""

    index: int
    seed: int
    held: int
    refused: int
    limited: int


@dataclass(frozen=True)
class Bystander:
    """A thing that moved although no step was about it, and how far, in [m]."""

    name: str
    metres: float


@dataclass(frozen=True)
class Collateral:
    """What moved besides in the episode number `index` of its task."""

    index: int
    moved: Sequence[Bystander]


@dataclass(frozen=True)
class TaskResult:
    """Counts of one task.

    Attributes:
        episodes: number of episodes.
        success_at_end, success_ever: episodes whose goal held at the end, or at any time.
        wilson95: Wilson's 95 % interval of the share of success at the end.
        said_done_but_was_not: episodes that the planner wrongly called done.
        steps_mean, replans_mean: mean number an episode, None without episodes.
        failures: the episodes without success at the end.
        gate: what the safety gate did, None where it is at the other end of a bridge; `gate_by_episode`.
        bystanders_moved_n: things that moved by more than 2 cm although no step was about them.
        bystanders_moved: the same by episode, of those that have any.
    """

    episodes: int
    success_at_end: int
    success_ever: int
    wilson95: Interval
    said_done_but_was_not: int
    steps_mean: float | None = None
    replans_mean: float | None = None
    failures: Sequence[Failure] = ()
    gate: GateTotals | None = None
    gate_by_episode: Sequence[EpisodeGate] = ()
    bystanders_moved_n: int = 0
    bystanders_moved: Sequence[Collateral] = ()


@dataclass(frozen=True)
class Quantiles:
    """Median and 95th percentile in [ms]."""

    median: float
    p95: float


@dataclass(frozen=True)
class EvalTiming:
    """Where the time of an evaluation went.

    Attributes:
        planner_ms, policy_ms: of a call, None without calls.
        wall_s, arm_s: wall time of one process, and arm time, in [s].
        times_real_time: arm time / wall time.
        parts_s: seconds by part of the loop.
    """

    wall_s: float
    arm_s: float
    parts_s: Mapping[str, float]
    planner_ms: Quantiles | None = None
    policy_ms: Quantiles | None = None
    times_real_time: float | None = None


@dataclass(frozen=True)
class EvalResults:
    """results.json of `palme eval`.

    Attributes:
        commit: of the code.
        settings: of the command; seed, split, planner, policy and complete among them.
        tasks, overall: counts of each task, and of all.
        timing: where the time went.
        controls: counts by control and task.
        done: how well "done" is judged; None = not known.
        failed_by_layer: failed episodes by the layer that failed.
        follow: whether words are followed, by task and "overall".
    """

    commit: str
    settings: Settings
    tasks: Mapping[str, TaskResult]
    overall: TaskResult
    timing: EvalTiming
    controls: Mapping[str, Mapping[str, TaskResult]] = field(default_factory=dict)
    done: Done | None = None
    failed_by_layer: Mapping[str, int] = field(default_factory=dict)
    follow: Mapping[str, Follow] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> EvalResults:
        """Check and convert the decoded JSON. Raises msgspec.ValidationError naming the wrong field."""
        return msgspec.convert(content, cls)


@dataclass(frozen=True)
class CameraKnock:
    """How far a camera was moved since its calibration."""

    camera: str
    shift_mm: float
    turn_deg: float
    seed: int = 0


@dataclass(frozen=True)
class Trial:
    """Successes of one trial.

    Attributes:
        episodes, success: number of episodes, and of successes.
        wilson95: Wilson's 95 % interval of the share.
    """

    episodes: int
    success: int
    wilson95: Interval


@dataclass(frozen=True)
class Gain:
    """Success after less success before, over the same seeds.

    Attributes:
        gain: difference of the shares.
        interval95: Newcombe's 95 % interval.
        both, gained, lost, neither: number of seeds by outcome.
    """

    gain: float
    interval95: Interval
    both: int
    gained: int
    lost: int
    neither: int


@dataclass(frozen=True)
class Collected:
    """The recorded episodes.

    Attributes:
        episodes, corrected: number recorded, and taken over by the operator.
        achieved_by_hand: corrected episodes that ended in success.
    """

    episodes: int
    corrected: int
    achieved_by_hand: int


@dataclass(frozen=True)
class CorrectionTraining:
    """Figures of one training.

    Attributes:
        pairs, pairs_by_person: points both seen and touched; those touched by a person.
        off_before_mm, off_after_mm: median error of the seen points in [mm], before and after correction.
        motions: number of imitated motions.
        mrad: error on held-out demonstrations in [mrad].
        offsets: (seen x, seen y, corrected x, corrected y, true x, true y) in [m], base frame.
    """

    pairs: int | None = None
    pairs_by_person: int | None = None
    off_before_mm: float | None = None
    off_after_mm: float | None = None
    motions: int | None = None
    mrad: float | None = None
    offsets: Sequence[tuple[float, float, float, float, float, float]] = ()


@dataclass(frozen=True)
class CorrectionResults:
    """results.json of `palme bench corrections`.

    Attributes:
        commit: of the code.
        settings: of the command, without `knock`.
        knock: how the camera was moved.
        collected: the recorded episodes.
        training: figures by name: "taught" and "own".
        trials: successes by name.
        gain: of trial "after" over trial "before".
    """

    commit: str
    settings: Settings
    knock: CameraKnock
    collected: Collected
    training: Mapping[str, CorrectionTraining]
    trials: Mapping[str, Trial]
    gain: Gain

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CorrectionResults:
        """Check and convert the decoded JSON. Raises msgspec.ValidationError naming the wrong field."""
        settings = dict(content["settings"])
        return msgspec.convert({**content, "knock": settings.pop("knock"), "settings": settings}, cls)
