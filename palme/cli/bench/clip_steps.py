"""Single steps about new appearances from pixels: "put the striped duck in the shiny bowl", in PyBullet.

The sentence names what is moved and its target by one or more of colour, texture and shape, as few as tell it
from all others on the table. Planner, policy and pictures are those of `palme run planner=clip`.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np

from palme.agent import Agent, AgentLimits
from palme.cli.bench.base import Bar
from palme.cli.rig.build import detector_of, quiet
from palme.cli.settings.bench import ClipBenchConfig
from palme.models.clip.base import Clip
from palme.planners.clip.naming import Namer
from palme.planners.clip.outcome import OutcomeJudge
from palme.planners.clip.planner import ClipPlanner
from palme.policies.keypose import KeyposePolicy
from palme.report.stats import wilson
from robots.errors import RobotError
from robots.executor import Executor
from robots.motion.arm_motion import ArmMotion
from robots.types import Observation
from sim.appearances.registry import COMBINATIONS, PLAIN, Appearance, appearance_named
from sim.data.appearance_scenes import draw_scene
from sim.rendering.camera import CAMERAS
from sim.world.arm import SimulatedArm
from sim.world.scene import Scene
from sim.world.scene_state import judge
from sim.world.state import ObjectSpec
from sim.world.world import World

SEED_SPACE = 8_300_000
CAMERAS_USED = ("front", "detail")
LIMITS = AgentLimits(max_replans=2, max_steps=3)


def draw_task(seed: int) -> tuple[Scene, str, int, int]:
    """A scene of new appearances, the sentence, what it moves and where to."""
    rng, draw = np.random.default_rng([SEED_SPACE, seed]), random.Random(SEED_SPACE + seed)
    new = [c for c in COMBINATIONS if c[1].is_new]
    while True:
        scene = draw_scene(rng, new, graspable=True, bowls=(2, 3), solids=(3, 6), in_bowl=0.0, on_block=0.0)
        specs = [o.spec for o in scene.objects]
        solids = [i for i, s in enumerate(specs) if s.kind != "bowl"]
        bowls = [i for i, s in enumerate(specs) if s.kind == "bowl"]
        what, target = draw.choice(solids), draw.choice(bowls)
        names = phrase(what, specs, solids, draw), phrase(target, specs, bowls, draw)
        if None not in names:
            verb = draw.choice(("put", "place", "move"))
            return scene, f"{verb} {names[0]} {draw.choice(('in', 'into'))} {names[1]}", what, target


def phrase(i: int, specs: list[ObjectSpec], among: list[int], draw: random.Random) -> str | None:
    """As few of texture, colour and shape as tell object `i` from all others `among`; None = they do not."""
    looks = {k: _attributes(specs[k]) for k in among}
    choices = [("texture",), ("shape",), ("texture", "shape"), ("colour", "texture"), ("colour", "shape")]
    draw.shuffle(choices)
    choices.sort(key=len)
    for said in [*choices, ("colour", "texture", "shape")]:
        if "texture" in said and looks[i]["texture"] == PLAIN:
            continue
        if all(k == i or any(looks[k][a] != looks[i][a] for a in said) for k in among):
            if said == ("shape",) and specs[i].kind == "bowl":
                continue
            words = [looks[i][a] for a in ("colour", "texture") if a in said]
            noun = looks[i]["shape"] if "shape" in said else "bowl" if specs[i].kind == "bowl" else "one"
            return " ".join(["the", *words, noun])
    return None


def _attributes(spec: ObjectSpec) -> dict[str, str]:
    look: Appearance = appearance_named(spec.look or spec.kind)
    return {"colour": spec.colour, "texture": look.texture, "shape": look.shape}


class _Blanked:
    """A robot whose detail pictures are grey: CLIP sees nothing, detector and policy see as ever."""

    def __init__(self, arm: SimulatedArm) -> None:
        self._arm = arm

    def __getattr__(self, name: str) -> Any:
        return getattr(self._arm, name)

    def observe(self, cameras: Any = None) -> Observation:
        """As the arm's."""
        seen = self._arm.observe(cameras)
        detail = seen.images.get("detail")
        if detail is None:
            return seen
        grey = replace(detail, rgb=np.full_like(detail.rgb, 127))
        return replace(seen, images={**seen.images, "detail": grey})


def bench_steps(clip: Clip, config: ClipBenchConfig, bar: Bar) -> dict[str, Any]:
    """Steps carried out, things named right, and both with CLIP's picture blanked on the first scenes."""
    quiet()
    world = World()
    arm = SimulatedArm(world, [CAMERAS[name] for name in CAMERAS_USED])
    detector = detector_of(config.detector)()
    policy = KeyposePolicy(detector, ArmMotion(world.spec))
    rows = []
    with bar("steps", config.episodes) as progress:
        for seed in range(config.seed, config.seed + config.episodes):
            rows.append(_play(seed, clip, arm, arm, detector, policy))
            progress.update(1)
    controls = [
        _play(seed, clip, arm, _Blanked(arm), detector, policy)
        for seed in range(config.seed, config.seed + min(config.blanked, config.episodes))
    ]
    world.close()
    return {**_counts(rows), "blanked": _counts(controls), "cases": rows}


def _counts(rows: list[dict[str, Any]]) -> dict[str, Any]:
    n, won = len(rows), sum(row["success"] for row in rows)
    return {
        "n": n, "success": won, "wilson95": [round(x, 4) for x in wilson(won, n)],
        "named": sum(row["named"] for row in rows),
        "asked_or_refused": sum(row["steps"] == 0 for row in rows),
    }  # fmt: skip


def _play(
    seed: int, clip: Clip, arm: SimulatedArm, seen: Any, detector: Any, policy: KeyposePolicy
) -> dict[str, Any]:
    scene, sentence, what, target = draw_task(seed)
    arm.world.load(scene)
    arm.hold(6)
    planner = ClipPlanner(detector.thorough, Namer(clip), OutcomeJudge(clip))
    executor = Executor(arm)
    agent = Agent(
        seen, planner, policy, executor, limits=LIMITS, cameras=CAMERAS_USED, refusals=(RobotError,)
    )
    result = agent.run(sentence)
    state = judge(arm.world)
    named = False
    if result.begun:
        first = result.begun[0]
        named = all(
            at is not None and np.hypot(*(np.array(at[:2]) - scene.objects[k].position[:2])) < 0.025
            for at, k in ((first.what_at, what), (first.target_at, target))
        )
    return {
        "seed": seed, "sentence": sentence, "success": bool(state.container(what) == target),
        "named": bool(named), "steps": len(result.begun), "reason": result.reason,
    }  # fmt: skip
