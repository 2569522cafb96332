"""From families and a seed to a suite, in the form of its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.data.episode_draw import entropy
from sim.data.scene_sampler import SceneDoesNotFit, layout
from sim.suites.families.base import Drawn, Family, ids_of
from sim.suites.loading import SCHEMA
from sim.tasks.base import as_random
from sim.world.scene import Scene
from sim.world.state import SceneState


def drawn_suite(families: Sequence[Family], episodes: int, seed: int) -> dict[str, Any]:
    """`episodes` cases of each family, each on a table of its own, as `sim.suites.loading.suite_of` reads it.

    A case is the same whatever the number of episodes and whichever families stand beside it.
    """
    tables: dict[str, Any] = {}
    cases: list[dict[str, Any]] = []
    for family in families:
        for index in range(episodes):
            name = f"{family.name}-{index}"
            drawn, scene = _case(family, seed, index)
            tables[name] = _table(drawn, scene)
            case: dict[str, Any] = {"id": name, "category": family.name, "table": name, "say": drawn.say}
            case |= {"other": drawn.other, "want": drawn.want}
            cases.append(case | ({"program": drawn.program} if drawn.program else {}))
    return {"schema": SCHEMA, "tables": tables, "cases": cases}


def _case(family: Family, seed: int, index: int) -> tuple[Drawn, Scene]:
    rng = np.random.default_rng(entropy(family.name, seed, index))
    while True:
        drawn = family.draw(as_random(rng))
        try:
            return drawn, layout(SceneState(drawn.things, (None,) * len(drawn.things)), rng)
        except SceneDoesNotFit:
            continue


def _table(drawn: Drawn, scene: Scene) -> dict[str, Any]:
    return {
        id: {
            "kind": placed.spec.kind,
            "colour": placed.spec.colour,
            "size": placed.spec.size,
            "at": [round(float(v), 3) for v in placed.position[:2]],
            "yaw": round(float(placed.yaw), 3),
        }
        for id, placed in zip(ids_of(drawn.things), scene.objects, strict=True)
    }
