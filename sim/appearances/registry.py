"""Appearances by name: a shape and a texture; with a colour, what a thing looks like.

A shape stands within the block or cylinder whose kind it has: that is what it collides as, what layouts leave
room for and what the oracle grasps. Only its picture differs.
"""

from __future__ import annotations

from dataclasses import dataclass

from robots.skills import COLOURS

PLAIN = "plain"
TEXTURES = (PLAIN, "striped", "dotted", "checked", "shiny", "wooden", "speckled", "plaid")
SHAPES: dict[str, str] = {
    "block": "block", "cylinder": "cylinder", "bowl": "bowl", "pyramid": "block", "cross": "block",
    "duck": "block", "bunny": "block", "teddy": "block", "cone": "cylinder", "ball": "cylinder",
    "dome": "cylinder", "star": "cylinder", "hexagon": "cylinder", "ring": "cylinder", "mug": "cylinder",
}  # fmt: skip
"""Shape -> kind of what it collides as; duck, bunny, teddy and mug are models of `pybullet_data`."""
HELD_OUT_EVERY = 6
"""One in so many combinations of colour, shape and texture is never trained on."""


class UnknownAppearance(ValueError):
    """There is no such shape or texture; the message names those there are."""


@dataclass(frozen=True)
class Appearance:
    """A shape with a texture.

    Attributes:
        shape: one of `SHAPES`.
        texture: one of `TEXTURES`.

    Raises:
        UnknownAppearance: for another shape or texture.
    """

    shape: str
    texture: str = PLAIN

    def __post_init__(self) -> None:
        for what, value, legal in (("shape", self.shape, SHAPES), ("texture", self.texture, TEXTURES)):
            if value not in legal:
                raise UnknownAppearance(f"{what} {value!r} is none of {', '.join(legal)}")

    @property
    def name(self) -> str:
        """ "striped duck"; of a plain one the shape alone."""
        return self.shape if self.texture == PLAIN else f"{self.texture} {self.shape}"

    @property
    def kind(self) -> str:
        """What it collides as: block, cylinder or bowl."""
        return SHAPES[self.shape]

    @property
    def is_new(self) -> bool:
        """Whether it is none of the plain blocks, cylinders and bowls."""
        return self.texture != PLAIN or self.shape not in ("block", "cylinder", "bowl")


def appearance_named(name: str) -> Appearance:
    """The appearance called `name`, such as "striped duck". Raises UnknownAppearance."""
    texture, _, shape = name.rpartition(" ")
    return Appearance(shape, texture or PLAIN)


APPEARANCES: dict[str, Appearance] = {
    look.name: look for look in (Appearance(s, t) for s in SHAPES for t in TEXTURES) if look.is_new
}
"""The new ones by name."""


def is_held_out(colour: str, look: Appearance) -> bool:
    """Whether this combination is left out of training, for zero-shot questions.

    Every colour, shape and texture is trained on in other combinations.
    """
    shape, texture = list(SHAPES).index(look.shape), TEXTURES.index(look.texture)
    return look.is_new and (COLOURS.index(colour) + 2 * texture + 3 * shape) % HELD_OUT_EVERY == 0


COMBINATIONS: tuple[tuple[str, Appearance], ...] = tuple(
    (colour, Appearance(shape, texture)) for shape in SHAPES for texture in TEXTURES for colour in COLOURS
)
"""Every colour with every shape and texture, the plain ones too."""
