"""Pictures of the textures, one tile a colour: a pattern over the colour in white, black or shades of it."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from sim.world.appearance import nominal_colour

PIXELS = 32  # of a tile's edge; a tile is one period of `sim.appearances.shapes.PERIOD`
WHITE, BLACK = np.ones(3), np.full(3, 0.06)
Image = NDArray[np.float64]


@functools.cache
def tile(texture: str, colour: str) -> NDArray[np.uint8]:
    """RGB (32, 32, 3) uint8 of a texture other than plain in a colour's nominal shade."""
    rgb = np.array(nominal_colour(colour))
    return np.round(255 * np.clip(_PATTERNS[texture](rgb), 0, 1)).astype(np.uint8)


def _grid() -> tuple[Image, Image]:
    """u, v in [0, 1) of the pixels' middles."""
    line = (np.arange(PIXELS) + 0.5) / PIXELS
    u, v = np.meshgrid(line, line)
    return u, v


def _where(mask: NDArray[np.bool_], inside: Image, outside: Image) -> Image:
    return np.where(mask[..., None], inside, outside)


def _striped(rgb: Image) -> Image:
    u, _ = _grid()
    return _where(u < 0.5, rgb, WHITE)


def _dotted(rgb: Image) -> Image:
    u, v = _grid()
    return _where(np.hypot(u - 0.5, v - 0.5) < 0.30, WHITE, rgb)


def _checked(rgb: Image) -> Image:
    u, v = _grid()
    return _where((u < 0.5) == (v < 0.5), rgb, BLACK)


def _plaid(rgb: Image) -> Image:
    u, v = _grid()
    return _where((u < 0.22) | (v < 0.22), BLACK, rgb)


def _shiny(rgb: Image) -> Image:
    """Smooth glints over a dark to bright run, as polished metal has them."""
    u, v = _grid()
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * (u + v))
    shade = (0.45 + 0.55 * wave)[..., None] * rgb
    glint = np.clip((wave - 0.72) / 0.28, 0, 1)[..., None]
    return shade + glint * (WHITE - shade)


def _wooden(rgb: Image) -> Image:
    """Grain along v: narrow lines of a darker shade, none as wide as another."""
    u, v = _grid()
    bent = u + 0.05 * np.sin(2 * np.pi * v)
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * (3 * bent + 0.25 * np.sin(2 * np.pi * bent)))
    return (0.42 + 0.5 * grain**2)[..., None] * rgb + 0.04


def _speckled(rgb: Image) -> Image:
    rng = np.random.default_rng(5)
    cells = rng.uniform(size=(PIXELS // 4, PIXELS // 4)).repeat(4, 0).repeat(4, 1)
    out = _where(cells < 0.22, WHITE, rgb)
    return _where(cells > 0.80, BLACK, out)


_PATTERNS = {
    "striped": _striped, "dotted": _dotted, "checked": _checked, "plaid": _plaid,
    "shiny": _shiny, "wooden": _wooden, "speckled": _speckled,
}  # fmt: skip
