"""How fast the environments are, against panda-gym on the same machine in the same run.

Both take turns in short rounds, and time is the process's own CPU time, so that neither another
program nor a change of clock speed favours one side. Both hold one block (and a bowl, or a target).
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium
import numpy as np

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.settings.bench import EnvConfig

OURS = "palme/PutInBowl-v0"
THEIRS = "panda_gym:PandaPickAndPlaceJoints-v3"  # gymnasium imports what stands before the colon
IMAGE_SIZE = 128
TARGETS = {"state_ratio": 3.0, "image_ratio": 15.0, "physics_share": 0.80}


@dataclass(frozen=True)
class EnvBench:
    """Control steps a CPU second, and how they compare.

    Attributes:
        state_hz, image_hz: ours without pictures, and with one 128x128 RGB picture each step.
        panda_gym_state_hz, panda_gym_image_hz: panda-gym's; nan where it is not installed.
        state_ratio, image_ratio: ours over theirs.
        physics_share: part of an env step (without pictures) that is raw `stepSimulation`.
        steps: measured without pictures, on each side.
    """

    state_hz: float
    image_hz: float
    panda_gym_state_hz: float
    panda_gym_image_hz: float
    state_ratio: float
    image_ratio: float
    physics_share: float
    steps: int

    def as_dict(self) -> dict[str, Any]:
        """For results.json."""
        return {**asdict(self), "targets": dict(TARGETS)}


class _Runner:
    """Steps one environment with random actions; remembers how long it took."""

    def __init__(self, make: Callable[[], gymnasium.Env], picture: bool) -> None:
        self.env, self.picture = make(), picture
        self.env.reset(seed=0)
        self.env.action_space.seed(0)
        self.actions = [self.env.action_space.sample() for _ in range(64)]
        self.seconds, self.steps = 0.0, 0
        self.run(3, count=False)

    def run(self, steps: int, count: bool = True) -> None:
        env, picture = self.env, self.picture
        begin = time.process_time()
        for k in range(steps):
            _, _, terminated, truncated, _ = env.step(self.actions[k % 64])
            if picture:
                env.render()
            if terminated or truncated:
                env.reset()
        if count:
            self.seconds += time.process_time() - begin
            self.steps += steps

    @property
    def hz(self) -> float:
        return self.steps / self.seconds


def bench_env(rounds: int = 10, steps: int = 100, picture_steps: int = 4) -> EnvBench:
    """Measure; about `rounds` * (0.2 s + 0.25 s for pictures) on an idle core.

    Args:
        rounds: how often both sides take turns.
        steps, picture_steps: control steps a turn, without and with pictures.
    """
    import sim  # noqa: F401  (registers)

    ours = _Runner(
        lambda: gymnasium.make(OURS, observation="state", n_distractors=0, disable_env_checker=True), False
    )
    ours_seen = _Runner(
        lambda: gymnasium.make(
            OURS, cameras=("front",), image_size=IMAGE_SIZE, n_distractors=0, disable_env_checker=True
        ),
        False,  # the picture is in the observation
    )
    theirs = _panda_gym()
    for _ in range(rounds):
        for runner in (ours, theirs[0]):
            if runner:
                runner.run(steps)
        for runner in (ours_seen, theirs[1]):
            if runner:
                runner.run(picture_steps)
    share = _physics_share(ours, rounds * steps * 2)
    state, image = (t.hz if t else float("nan") for t in theirs)
    for each in (ours, ours_seen, *theirs):
        if each:
            each.env.close()
    return EnvBench(
        ours.hz, ours_seen.hz, state, image, ours.hz / state, ours_seen.hz / image, share, ours.steps
    )


def _panda_gym() -> tuple[_Runner | None, _Runner | None]:
    if importlib.util.find_spec("panda_gym") is None:
        return None, None
    size = {"render_width": IMAGE_SIZE, "render_height": IMAGE_SIZE}
    return (
        _Runner(lambda: gymnasium.make(THEIRS, disable_env_checker=True), False),
        _Runner(
            lambda: gymnasium.make(THEIRS, render_mode="rgb_array", disable_env_checker=True, **size), True
        ),
    )


def _physics_share(runner: _Runner, steps: int) -> float:
    """Share of the time of env steps that is spent inside `stepSimulation`, looked at from outside.

    A reset between two episodes is no part of a step.
    """
    env: Any = runner.env
    world, clock = env.unwrapped.world, time.process_time
    step, client = world.p.stepSimulation, world.client
    spent = total = 0.0

    def timed(n: int = 1) -> None:
        nonlocal spent
        begin = clock()
        for _ in range(n):
            step(client)
        spent += clock() - begin

    begin = clock()
    for _ in range(1000):
        clock()
    tick = (clock() - begin) / 1000
    world.step = timed
    try:
        for k in range(steps):
            begin = clock()
            _, _, terminated, truncated, _ = env.step(runner.actions[k % 64])
            total += clock() - begin
            if terminated or truncated:
                env.reset()
    finally:
        del world.step
    # of each pair of readings one lies inside what it times
    return float(np.clip((spent - tick * steps) / (total - 3 * tick * steps), 0.0, 1.0))


def _measure(config: EnvConfig, bar: Bar) -> Figures:
    return bench_env(config.rounds, config.steps, config.picture_steps).as_dict()


def _missed(figures: Figures) -> list[str]:
    return [name for name, target in TARGETS.items() if not figures[name] >= target]


def _show(figures: Figures) -> None:
    missed = _missed(figures)
    for name, value in figures.items():
        target = (
            f"  (target {TARGETS[name]:g}{', missed' if name in missed else ''})" if name in TARGETS else ""
        )
        shown = f"{value:12.2f}" if isinstance(value, float) else f"{value!s:>12}"
        print(f"{name:<22} {shown}{target}")


BENCH = Bench(EnvConfig, _measure, lambda figures: bool(_missed(figures)), _show)
