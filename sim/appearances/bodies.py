"""Visual shapes of appearances in PyBullet, and the textures that a client has loaded."""

from __future__ import annotations

import functools
import tempfile
from types import ModuleType

import cv2

from sim.appearances.registry import PLAIN, Appearance
from sim.appearances.shapes import mesh
from sim.appearances.textures import tile


def visual_shape(p: ModuleType, client: int, look: Appearance, size: str, rgba: list[float]) -> int:
    """Visual shape of an appearance, `rgba` over its texture."""
    vertices, indices, normals, uv = _lists(look.shape, size)
    return p.createVisualShape(
        p.GEOM_MESH, vertices=vertices, indices=indices, normals=normals, uvs=uv, rgbaColor=rgba,
        specularColor=[0.0] * 3, physicsClientId=client,
    )  # fmt: skip


@functools.cache
def _lists(shape: str, size: str) -> tuple[list, list[int], list, list]:
    vertices, indices, normals, uv = mesh(shape, size)
    return vertices.tolist(), indices, normals.tolist(), uv.tolist()


class Textures:
    """Textures of one world, loaded when first needed. `resetSimulation` drops them: make a new one."""

    def __init__(self, p: ModuleType, client: int) -> None:
        self._p, self._client = p, client
        self._ids: dict[tuple[str, str], int] = {}

    def paint(self, body: int, look: Appearance, colour: str, tint: float) -> None:
        """Put the texture of `look` on a body, `tint` in [0, 1] times as bright; a plain one has none."""
        if look.texture == PLAIN:
            return
        self._p.changeVisualShape(
            body, -1, textureUniqueId=self._id(look.texture, colour), rgbaColor=[tint, tint, tint, 1.0],
            physicsClientId=self._client,
        )  # fmt: skip

    def _id(self, texture: str, colour: str) -> int:
        key = (texture, colour)
        if key not in self._ids:
            with tempfile.NamedTemporaryFile(prefix="palme-texture-", suffix=".png") as file:
                cv2.imwrite(file.name, cv2.cvtColor(tile(texture, colour), cv2.COLOR_RGB2BGR))
                self._ids[key] = self._p.loadTexture(file.name, physicsClientId=self._client)
        return self._ids[key]
