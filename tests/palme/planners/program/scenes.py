"""Scenes by hand: `scene("small red block 0.4 0.1", "blue bowl 0.5 0.2", "green block on 0")`."""

from __future__ import annotations

from palme.planners.program.scene import SeenScene, SeenThing


def scene(*lines: str) -> SeenScene:
    """Things with ids 0, 1, ...: [size] colour kind, then x y in [m], or in|on and the id below."""
    things: list[SeenThing] = []
    for id, line in enumerate(lines):
        words = line.split()
        size = words.pop(0) if words[0] in ("small", "large") else "small"
        colour, kind, *place = words
        if place[0] in ("in", "on"):
            holder = things[int(place[1])]
            x, y, z = holder.xyz
            up = 0.03 if holder.is_bowl else 0.038
            aside = 0.01 * sum(one.holder == holder.id for one in things)
            things.append(SeenThing(id, kind, colour, size, (x + aside, y + aside, z + up), holder.id))
        else:
            z = 0.005 if kind == "bowl" else 0.034
            things.append(SeenThing(id, kind, colour, size, (float(place[0]), float(place[1]), z)))
    return SeenScene(tuple(things))
