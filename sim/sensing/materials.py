"""Materials of things: what they weigh, how they bounce, and how they ring when they are struck."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Material:
    """A material as modal sound synthesis needs it.

    Attributes:
        name: as people call it.
        density: [kg/m3].
        young: Young's modulus in [Pa].
        poisson: Poisson's ratio.
        alpha, beta: Rayleigh damping in [1/s] and [s]: a mode of angular frequency w dies away at
            (alpha + beta w^2) / 2 a second.
        restitution: share of its speed that a thing keeps when it bounces off a rigid table.
        friction: lateral, against the table.
    """

    name: str
    density: float
    young: float
    poisson: float
    alpha: float
    beta: float
    restitution: float
    friction: float

    @property
    def plate_speed(self) -> float:
        """sqrt(E / (12 rho (1 - nu^2))) in [m/s]: what the modes of a thin plate are proportional to."""
        return math.sqrt(self.young / (12 * self.density * (1 - self.poisson**2)))

    @property
    def compliance(self) -> float:
        """(1 - nu^2) / E in [1/Pa], as Hertz's contact needs it."""
        return (1 - self.poisson**2) / self.young


# Density, stiffness and damping of steel, glass, wood and plastic are the usual ones of modal synthesis
# (Jin et al., "NeuralSound", 2022, table of materials); rubber's are a soft rubber's of a data sheet.
MATERIALS = {
    m.name: m
    for m in (
        Material("metal", 7850, 2.0e11, 0.29, 5.0, 3e-8, 0.50, 0.35),
        Material("glass", 2600, 6.2e10, 0.20, 1.0, 1e-7, 0.45, 0.40),
        Material("wood", 750, 1.1e10, 0.25, 60.0, 2e-6, 0.40, 0.50),
        Material("plastic", 1070, 1.4e9, 0.35, 30.0, 1e-6, 0.45, 0.45),
        Material("rubber", 1100, 2.0e7, 0.49, 120.0, 1e-4, 0.65, 0.90),
    )
}
TABLE = MATERIALS["wood"]
