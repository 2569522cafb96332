"""Visual shapes of appearances in PyBullet, and the textures that a client has loaded."""

from __future__ import annotations

import os
import tempfile
from types import ModuleType

import cv2

from sim.appearances.registry import PLAIN, Appearance
from sim.appearances.shapes import mesh
from sim.appearances.textures import tile


def visual_shape(p: ModuleType, client: int, look: Appearance, size: str, rgba: list[float]) -> int:
    """Visual shape of an appearance, `rgba` over its texture."""
    vertices, indices, normals, uv = mesh(look.shape, size)
    return p.createVisualShape(
        p.GEOM_MESH, vertices=vertices.tolist(), indices=indices, normals=normals.tolist(), uvs=uv.tolist(),
        rgbaColor=rgba, specularColor=[0.0] * 3, physicsClientId=client,
    )  # fmt: skip


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
            with tempfile.TemporaryDirectory(prefix="palme-texture-") as folder:
                path = os.path.join(folder, f"{texture}-{colour}.png")
                cv2.imwrite(path, cv2.cvtColor(tile(texture, colour), cv2.COLOR_RGB2BGR))
                self._ids[key] = self._p.loadTexture(path, physicsClientId=self._client)
        return self._ids[key]
