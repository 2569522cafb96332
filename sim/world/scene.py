"""A scene: what stands where, how it is lit and how far the camera is off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from sim.appearances.registry import UnknownAppearance, appearance_named
from sim.world.appearance import RGB, Light, nominal_colour
from sim.world.state import ObjectSpec, SceneState

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Placed:
    """One object: `position` (3,) of its middle in the base frame in [m], `yaw` about z in [rad]."""

    spec: ObjectSpec
    position: Vector
    yaw: float


@dataclass(frozen=True)
class Scene:
    """Everything that `World.load` needs; the same scene always gives the same world.

    Attributes:
        objects: (N,) what is on the table.
        holder: (N,) what each thing rests in or on, None = the table.
        seed: of the noise in the pictures.
        colours: (N,) RGB in [0, 1] of each object; () = nominal.
        camera_shift, camera_turn: how far the fixed cameras are off: [m] in the base frame, and a
            rotation vector in [rad] in the camera frame.
        light: the lamp.
        table: RGB of the table top.
    """

    objects: tuple[Placed, ...]
    holder: tuple[int | None, ...]
    seed: int = 0
    colours: tuple[RGB, ...] = ()
    camera_shift: Vector = (0.0, 0.0, 0.0)
    camera_turn: Vector = (0.0, 0.0, 0.0)
    light: Light = Light()
    table: RGB = (0.62, 0.57, 0.52)

    def __post_init__(self) -> None:
        if len(self.holder) != len(self.objects):
            raise ValueError(f"holder has {len(self.holder)} entries for {len(self.objects)} objects")
        if len(self.colours) not in (0, len(self.objects)):
            raise ValueError(f"colours has {len(self.colours)} entries for {len(self.objects)} objects")
        for k, placed in enumerate(self.objects):
            _check_spec(k, placed.spec)
            if not all(map(math.isfinite, (*placed.position, placed.yaw))):
                raise ValueError(
                    f"objects[{k}] ({placed.spec.name}) is at {placed.position}, yaw {placed.yaw}, which is "
                    "not finite"
                )
        for k, h in enumerate(self.holder):
            if not (h is None or (isinstance(h, (int, np.integer)) and 0 <= h < len(self.holder) and h != k)):
                raise ValueError(
                    f"holder[{k}]={h!r}: must be None, for the table, or the index of another of the "
                    f"{len(self.objects)} objects"
                )

    @property
    def state(self) -> SceneState:
        """What rests where, in symbols."""
        return SceneState(tuple(o.spec for o in self.objects), self.holder)

    def colour(self, i: int) -> RGB:
        """RGB in [0, 1] of object `i`."""
        return self.colours[i] if self.colours else nominal_colour(self.objects[i].spec.colour)

    def to_yaml(self) -> str:
        """This scene as YAML text; `from_yaml` gives it back exactly."""
        import yaml

        data: dict[str, Any] = {
            "objects": [
                {"colour": o.spec.colour, "kind": o.spec.kind, "size": o.spec.size,
                 "position": list(o.position), "yaw": o.yaw, **({"look": o.spec.look} if o.spec.look else {})}
                for o in self.objects
            ],
            "holder": list(self.holder),
            "seed": self.seed,
            "colours": [list(c) for c in self.colours],
            "camera_shift": list(self.camera_shift),
            "camera_turn": list(self.camera_turn),
            "light": {f.name: _plain(getattr(self.light, f.name)) for f in fields(Light)},
            "table": list(self.table),
        }  # fmt: skip
        return yaml.safe_dump(data, sort_keys=False)

    @staticmethod
    def from_yaml(source: str | Path) -> Scene:
        """A scene from YAML text or from a file. Only `objects` is required.

        Raises:
            SceneFileError: for an unknown or missing key, naming it and those that exist.
        """
        import yaml

        text = source.read_text() if isinstance(source, Path) else source
        try:
            data = yaml.safe_load(text)
        except yaml.YAMLError as e:
            raise SceneFileError(f"scene: not YAML: {e}") from e
        known = {f.name for f in fields(Scene)}
        _check_keys("scene", data, known, {"objects"})
        objects = []
        for k, o in enumerate(data["objects"]):
            keys = {"colour", "kind", "size", "position", "yaw", "look"}
            _check_keys(f"objects[{k}]", o, keys, {"colour", "kind", "position"})
            spec = ObjectSpec(
                str(o["colour"]), str(o["kind"]), str(o.get("size", "small")), str(o.get("look", ""))
            )
            _check_spec(k, spec)
            objects.append(Placed(spec, _vector(o["position"]), float(o.get("yaw", 0.0))))
        light = data.get("light", {})
        _check_keys("light", light, {f.name for f in fields(Light)}, set())
        lamp: dict[str, Any] = {k: _vector(v) if isinstance(v, list) else float(v) for k, v in light.items()}
        return Scene(
            objects=tuple(objects),
            holder=tuple(data.get("holder", [None] * len(objects))),
            seed=int(data.get("seed", 0)),
            colours=tuple(_vector(c) for c in data.get("colours", [])),
            camera_shift=_vector(data.get("camera_shift", (0, 0, 0))),
            camera_turn=_vector(data.get("camera_turn", (0, 0, 0))),
            light=Light(**lamp),
            table=_vector(data.get("table", Scene.table)),
        )


class SceneFileError(ValueError):
    """A scene file says something that is not understood."""


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _vector(values: Any) -> Vector:
    x, y, z = (float(v) for v in values)
    if not np.isfinite((x, y, z)).all():
        raise SceneFileError(f"scene: {values} is not finite")
    return (x, y, z)


def _check_keys(where: str, data: Any, known: set[str], required: set[str]) -> None:
    if not isinstance(data, Mapping):
        raise SceneFileError(f"{where}: expected a mapping with keys {sorted(known)}, found {data!r}")
    for key in data:
        if key not in known:
            raise SceneFileError(f"{where}: unknown key {key!r}; known keys are {sorted(known)}")
    for key in sorted(required):
        if key not in data:
            raise SceneFileError(f"{where}: key {key!r} is missing")


def _check_spec(k: int, spec: ObjectSpec) -> None:
    from robots.skills import COLOURS, KINDS
    from sim.world.state import SIZES

    for value, legal in ((spec.colour, COLOURS), (spec.kind, KINDS), (spec.size, SIZES)):
        if value not in legal:
            raise SceneFileError(f"objects[{k}]: {value!r} is none of {list(legal)}")
    if spec.look:
        try:
            look = appearance_named(spec.look)
        except UnknownAppearance as error:
            raise SceneFileError(f"objects[{k}]: look {spec.look!r}: {error}") from error
        if look.kind != spec.kind:
            raise SceneFileError(f"objects[{k}]: look {spec.look!r} is no {spec.kind}; say kind: {look.kind}")
