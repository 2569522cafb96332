"""What is on the table, in symbols: seen by the oracle, the judge and training, never by a policy.

Objects are named by colour and kind ("red block"); `obj_1` is `objects[0]`.
"""

from __future__ import annotations

from dataclasses import dataclass

SIZES = ("small", "large")


@dataclass(frozen=True)
class ObjectSpec:
    """One thing on the table, by its looks.

    Attributes:
        look: name of an appearance (`sim.appearances`), such as "striped duck"; "" = a plain one of its kind.
    """

    colour: str
    kind: str
    size: str = "small"
    look: str = ""

    @property
    def name(self) -> str:
        """ "red block"."""
        return f"{self.colour} {self.kind}"


@dataclass(frozen=True)
class SceneState:
    """Which object rests in or on which.

    Attributes:
        objects: (N,) the things on the table.
        holder: (N,) index of the object that each one rests in (a bowl) or on (a block);
            None = the table. Bowls always stand on the table.
    """

    objects: tuple[ObjectSpec, ...]
    holder: tuple[int | None, ...]

    def index(self, name: str) -> int:
        """Index of the object called `name` ("red block"). Raises KeyError if there is none."""
        for i, spec in enumerate(self.objects):
            if spec.name == name:
                return i
        raise KeyError(f"no {name!r} here; there are {[o.name for o in self.objects]}")

    def on_top_of(self, i: int) -> tuple[int, ...]:
        """Indices of what rests directly on (or, for a bowl, in) object `i`."""
        return tuple(j for j, h in enumerate(self.holder) if h == i)

    def is_clear(self, i: int) -> bool:
        """A solid is clear, so it can be grasped, when nothing rests on it."""
        return not self.on_top_of(i)

    def container(self, i: int) -> int | None:
        """The bowl at the bottom of the pile that object `i` is part of, or None."""
        h = self.holder[i]
        while h is not None and self.objects[h].kind != "bowl":
            h = self.holder[h]
        return h

    def moved(self, i: int, to: int | None) -> SceneState:
        """The state after object `i` was put in or on object `to` (None = table)."""
        holder = list(self.holder)
        holder[i] = to
        return SceneState(self.objects, tuple(holder))
