"""What else moved: things farther than 2 cm from where they were that no step was about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from robots.skills import Step
from sim.judging.formula import UNMOVED, Moments


@dataclass(frozen=True)
class Bystander:
    """A thing that moved although no step moved it.

    Attributes:
        name: "red block".
        metres: how far its middle is from where it was.
    """

    name: str
    metres: float


def bystanders(moments: Moments, steps: Iterable[Step]) -> tuple[Bystander, ...]:
    """What moved by more than 2 cm and was moved by none of `steps`, the carried out ones.

    Of several things of one name as many are a step's own as steps that name it at different places, those
    that moved farthest: a step does not tell apart what looks alike.
    """
    own: dict[str, set[object]] = {}
    for step in steps:
        if not step.is_done:
            own.setdefault(step.what, set()).add(step.what_at)
    far = [float(np.linalg.norm(moments.displacement(i))) for i in range(len(moments.start.specs))]
    found = []
    for name in sorted({spec.name for spec in moments.start.specs}):
        rows = [i for i, spec in enumerate(moments.start.specs) if spec.name == name]
        rows.sort(key=lambda i: -far[i])
        found += [i for i in rows[len(own.get(name, ())) :] if not far[i] <= UNMOVED]
    return tuple(Bystander(moments.start.specs[i].name, round(far[i], 4)) for i in found)
