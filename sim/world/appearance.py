"""Colours and light of a scene: nominal, or jittered so that the names of the colours still hold."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

RGB = tuple[float, float, float]

# hue in [deg], saturation, value; hues are kept at least 24 degrees apart after the jitter below,
# except pink, which is told from red by its low saturation and from purple by its hue
HSV: dict[str, RGB] = {
    "red": (0.0, 0.92, 0.80),
    "orange": (26, 0.95, 0.98),
    "yellow": (53, 0.90, 0.96),
    "green": (125, 0.80, 0.60),
    "cyan": (182, 0.75, 0.88),
    "blue": (222, 0.85, 0.82),
    "purple": (274, 0.72, 0.62),
    "pink": (330, 0.42, 1.00),
}
HUE_JITTER_DEG = 4.0
SATURATION_JITTER = 0.06
VALUE_JITTER = 0.07


@dataclass(frozen=True)
class Light:
    """Where light comes from and how strong it is.

    Attributes:
        direction: towards the light, base frame, any length.
        colour: of the light.
        ambient, diffuse, specular: shares in [0, 1].
    """

    direction: RGB = (0.6, -0.5, 1.6)
    colour: RGB = (1.0, 1.0, 1.0)
    ambient: float = 0.55
    diffuse: float = 0.45
    specular: float = 0.05


TABLE_COLOURS: tuple[RGB, ...] = (
    (0.62, 0.57, 0.52), (0.74, 0.72, 0.69), (0.50, 0.50, 0.52), (0.66, 0.56, 0.44), (0.40, 0.38, 0.37),
)  # fmt: skip


def nominal_colour(name: str) -> RGB:
    """RGB in [0, 1] of a colour name."""
    h, s, v = HSV[name]
    return colorsys.hsv_to_rgb(h / 360, s, v)


def jittered_colour(name: str, rng: np.random.Generator) -> RGB:
    """RGB in [0, 1] of one thing that a person would still call `name`."""
    h, s, v = HSV[name]
    h += rng.uniform(-HUE_JITTER_DEG, HUE_JITTER_DEG)
    s += rng.uniform(-SATURATION_JITTER, SATURATION_JITTER)
    v += rng.uniform(-VALUE_JITTER, VALUE_JITTER)
    return colorsys.hsv_to_rgb(h / 360 % 1.0, float(np.clip(s, 0, 1)), float(np.clip(v, 0, 1)))


def jittered_light(rng: np.random.Generator) -> Light:
    """A light from somewhere above, a little warm or cold, a little bright or dim."""
    azimuth, elevation = rng.uniform(-np.pi, np.pi), rng.uniform(0.6, 1.4)
    direction = (
        float(np.cos(azimuth) * np.cos(elevation)),
        float(np.sin(azimuth) * np.cos(elevation)),
        float(np.sin(elevation)),
    )
    warm, bright = rng.uniform(-0.05, 0.05), rng.uniform(0.88, 1.0)
    ambient = float(rng.uniform(0.45, 0.65))
    colour = (float(min(bright + warm, 1.0)), float(bright), float(min(bright - warm, 1.0)))
    return Light(direction, colour, ambient, float(rng.uniform(0.95, 1.1) - ambient))


def jittered_table(rng: np.random.Generator) -> RGB:
    """A table top in a quiet colour."""
    base = np.array(TABLE_COLOURS[int(rng.integers(len(TABLE_COLOURS)))])
    r, g, b = np.clip(base * rng.uniform(0.9, 1.1) + rng.uniform(-0.02, 0.02, 3), 0.05, 0.95)
    return (float(r), float(g), float(b))
