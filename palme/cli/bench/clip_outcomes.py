"""The judge of outcomes by CLIP beside the planner's own: the same steps, the same pictures.

In each episode a step is asked for and the oracle carries out that step or another one: another thing,
another target, the table beside it, or nothing. The pictures before and after go to both judges; what is true
comes from the poses. F1 is of failures, which a judge is there to notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from palme.cli.bench.base import Bar
from palme.cli.rig.planners import Parts
from palme.cli.settings.bench import ClipBenchConfig
from palme.logistic_regression import logistic_regression
from palme.models.clip.base import Clip
from palme.planners.base import Context, Verdict
from palme.planners.clip.judged import place_of
from palme.planners.clip.naming import detail_of
from palme.planners.clip.outcome import OutcomeJudge, Wanted
from robots.errors import RobotError
from robots.skills import Step
from robots.types import Observation
from sim.appearances.registry import COMBINATIONS
from sim.data.appearance_scenes import draw_scene
from sim.data.oracle import Oracle
from sim.rendering.camera import CAMERAS
from sim.tasks.symbolic import feasible_steps
from sim.world.arm import SimulatedArm
from sim.world.scene_state import judge
from sim.world.state import SceneState
from sim.world.world import World

SEED_SPACE = 8_200_000
RIDGE = 0.1  # of the calibration: keeps it finite where the signs tell outcomes apart without a fault
HOLD = 6  # control ticks for things to settle
SAID = ("clip", "planner", "both", "blanked", "shuffled")
FAILED = 0.5  # share of episodes in which another step is carried out


@dataclass(frozen=True)
class Outcome:
    """One episode: the step that was asked for, pictures before and after it, and whether it succeeded."""

    step: Step
    before: Observation
    after: Observation
    success: bool


def outcomes(seed: int, detail: bool = True) -> Iterator[Outcome]:
    """Episodes without end, of things that the 24 names tell."""
    rng = np.random.default_rng([SEED_SPACE, seed])
    world = World()
    cameras = ("front", "detail") if detail else ("front",)
    arm = SimulatedArm(world, [CAMERAS[name] for name in cameras])
    plain = [c for c in COMBINATIONS if not c[1].is_new]
    try:
        while True:
            scene = draw_scene(rng, plain, graspable=True, in_bowl=0.25, on_block=0.15)
            steps = [s for s in feasible_steps(scene.state) if s.target != "table"]
            if not steps:
                continue
            asked = steps[int(rng.integers(len(steps)))]
            done = asked if rng.uniform() >= FAILED else _another(asked, scene.state, rng)
            world.load(scene)
            arm.hold(HOLD)
            before = arm.observe(cameras)
            if done is not None:
                try:
                    Oracle(arm).execute(done)
                except RobotError:
                    continue
            arm.hold(HOLD)
            yield Outcome(asked, before, arm.observe(cameras), _holds(judge(world), asked))
    finally:
        world.close()


def _another(asked: Step, state: SceneState, rng: np.random.Generator) -> Step | None:
    """A step of which the outcome asked for does not come; None = nothing is done."""
    steps = [s for s in feasible_steps(state) if s != asked]
    kinds = (
        [s for s in steps if s.target == asked.target and s.what != asked.what],
        [s for s in steps if s.what == asked.what and s.target not in (asked.target, "table")],
        [s for s in steps if s.what == asked.what and s.target == "table"],
    )
    k = int(rng.integers(len(kinds) + 1))
    return kinds[k][int(rng.integers(len(kinds[k])))] if k < len(kinds) and kinds[k] else None


def _holds(state: SceneState, step: Step) -> bool:
    i, j = state.index(step.what), state.index(step.target)
    return state.container(i) == j if step.skill == "put_in" else state.holder[i] == j


def bench_outcomes(clip: Clip, config: ClipBenchConfig, bar: Bar) -> dict[str, Any]:
    """F1 of both judges over the same episodes, and of CLIP with blanked pictures and with shuffled ones."""
    from palme.cli.rig.build import detector_of, quiet

    quiet()
    detector = detector_of(config.detector)
    planner = config.planner.build(Parts(None, detector, config.seed))
    by_clip = OutcomeJudge(clip)
    truth: list[bool] = []
    said: dict[str, list[bool]] = {name: [] for name in SAID}
    last: Outcome | None = None
    with bar("outcomes", config.outcomes) as progress:
        for episode in outcomes(config.seed):
            objects = detector()(episode.before)
            at = place_of(episode.step, objects)
            context = Context(f"{episode.step.text}.", episode.after)
            own = planner.was_successful(context, episode.step).success

            def seen(pair: Outcome, step: Step = episode.step, at: Any = at) -> bool:
                return clip_verdict(by_clip, step, at, pair.before, pair.after).success

            truth.append(episode.success)
            said["clip"].append(seen(episode))
            said["planner"].append(own)
            said["both"].append(said["clip"][-1] and own)
            said["blanked"].append(seen(_blanked(episode)))
            said["shuffled"].append(seen(episode if last is None else last))
            last = episode
            progress.update(1)
            if len(truth) == config.outcomes:
                break
    failed = [not ok for ok in truth]
    scores = {name: _scores(failed, [not ok for ok in answers]) for name, answers in said.items()}
    return {
        "n": len(truth), "failures": sum(failed), "f1_clip": scores["clip"]["f1"],
        "f1_planner": scores["planner"]["f1"], "planner_name": config.planner.name, **scores,
    }  # fmt: skip


def calibrate(clip: Clip, config: ClipBenchConfig, bar: Bar) -> dict[str, Any]:
    """The constants of `palme.planners.clip.outcome`: by logistic regression."""
    from palme.cli.rig.build import detector_of, quiet

    quiet()
    detector, by_clip = detector_of(config.detector), OutcomeJudge(clip)
    rows, truth = [], []
    with bar("calibration", config.calibrate) as progress:
        for episode in outcomes(config.seed):
            step = episode.step
            at = place_of(step, detector()(episode.before))
            if at is not None:
                frames = detail_of(episode.before, "front"), detail_of(episode.after, "front")
                rows.append(by_clip.signs(Wanted.by(step), at, *frames))
                truth.append(episode.success)
            progress.update(1)
            if len(rows) == config.calibrate:
                break
    x, y = np.array(rows), np.array(truth, float)
    w, bias = logistic_regression(x, y, RIDGE)
    right = int(((x @ w + bias > 0) == (y > 0.5)).sum())
    constants = zip(("bias", "gained", "ahead"), (bias, *w), strict=True)
    return {"n": len(y), "right": right, **{name: round(float(v), 3) for name, v in constants}}


def clip_verdict(
    judge: OutcomeJudge, step: Step, at: Any, before: Observation, after: Observation
) -> Verdict:
    """CLIP's verdict on a step; where its target was not seen, that it failed."""
    if at is None:
        return Verdict(False, None, "the target was not seen")
    frames = detail_of(before, "front"), detail_of(after, "front")
    return judge.judge(Wanted.by(step), at, *frames)


def _blanked(episode: Outcome) -> Outcome:
    def grey(seen: Observation) -> Observation:
        images = {name: replace(f, rgb=np.full_like(f.rgb, 127)) for name, f in seen.images.items()}
        return replace(seen, images=images)

    return replace(episode, before=grey(episode.before), after=grey(episode.after))


def _scores(truth: list[bool], said: list[bool]) -> dict[str, Any]:
    """Precision, recall and F1 of the positive class, and the share of right answers with its interval."""
    from palme.report.stats import wilson

    t, s = np.array(truth), np.array(said)
    hit, n = int((t & s).sum()), len(t)
    right = int((t == s).sum())
    both = int(t.sum() + s.sum())
    return {
        "f1": round(2 * hit / both, 4) if both else 0.0,
        "precision": round(hit / max(int(s.sum()), 1), 4),
        "recall": round(hit / max(int(t.sum()), 1), 4),
        "right": right,
        "wilson95": [round(x, 4) for x in wilson(right, n)],
    }
