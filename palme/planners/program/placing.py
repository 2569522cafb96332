"""What a goal makes of a scene, which of several things are taken for it, and places given in centimetres."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from palme.planners.program.free_places import (
    X_REACH,
    Y_REACH,
    NoRoom,
    anywhere,
    in_the_way,
    is_shut,
    near,
    place_for,
)
from palme.planners.program.goals import MIDDLE, XY, At, Beside, Between, Goal, InBowl, On, OnSide
from palme.planners.program.scene import SeenScene, SeenThing
from palme.planners.program.select import Selection

TOP = 0.036
"""Height of a solid in [m], about."""
ASIDE = 0.08
"""[m] that a thing is put aside, at least, where another takes its place."""
ABOUT = 0.01
"""[m] by which a place that a person gives may be missed: the arm misses it by as much."""
TABLE_TOP = 0.034
"""z in [m] of the top face of a solid on the table, about."""


def after(scene: SeenScene, goal: Goal, keep: Collection[int] = ()) -> SeenScene:
    """The scene once `goal` was brought about: what lay on the thing, or where it goes, is on the table.

    Args:
        keep: ids of what is not put aside.

    Raises:
        NoRoom: there is no place for it.
    """
    if goal.holds(scene):
        return scene
    for id in reversed(scene.above(goal.what)):
        scene = _put_down(scene, id, anywhere(scene, id))
    if isinstance(goal, On):
        for id in reversed(scene.above(goal.below)):
            if id != goal.what:
                scene = _put_down(scene, id, anywhere(scene, id))
        return _rest_on(scene, goal.what, goal.below)
    if isinstance(goal, InBowl):
        return _rest_on(scene, goal.what, goal.bowl)
    xy = spot(scene, goal, keep)
    while (there := in_the_way(scene, xy, goal.what)) is not None and not scene[there].is_bowl:
        top = next(iter(reversed(scene.above(there))), there)
        scene = _put_down(scene, top, anywhere(scene, top, ASIDE, xy))
    return _put_down(scene, goal.what, xy)


def spot(scene: SeenScene, goal: Goal, keep: Collection[int] = ()) -> XY:
    """Where on the table `goal.what` is put down for `goal`; something may be `in_the_way` there.

    Raises:
        NoRoom: there is no place for it.
    """
    if isinstance(goal, At):
        return goal.xy
    if isinstance(goal, (Beside, Between, OnSide)):
        return place_for(scene, goal, keep)
    return anywhere(scene, goal.what)


def chosen(
    scene: SeenScene,
    selection: Selection,
    n: int | None,
    mover: int | None,
    keep: Collection[int] = (),
) -> tuple[int, ...]:
    """The things that are taken of a selection: what may be moved, and is easiest to reach by what is known.

    Args:
        n: how many; None = as many as the selection says.
        mover: a thing that is not taken itself.
        keep: ids of what is not to be touched, and is taken last.
    """
    wanted = selection.n if n is None else n
    ids = [id for id in selection.ids if id != mover] or list(selection.ids)
    if wanted is None or len(ids) <= wanted:
        return tuple(ids)

    def cost(id: int) -> tuple[bool, bool, int, int, int]:
        return id in keep, id in scene.hard, len(scene.above(id)), len(scene.below(id)), id

    return tuple(sorted(ids, key=cost)[:wanted])


def reachable(scene: SeenScene, id: int, xy: XY) -> XY:
    """`xy`, or the free place right beside it, where a thing can be put down there.

    Raises:
        NoRoom: it is out of reach, or taken.
    """
    name = scene[id].name
    if not (X_REACH[0] <= xy[0] <= X_REACH[1] and Y_REACH[0] <= xy[1] <= Y_REACH[1]):
        raise NoRoom(f"The {name} would be out of my reach there.")
    if is_shut(scene, xy):
        raise NoRoom(f"I cannot put the {name} down there.")
    try:
        return near(scene, id, xy, ABOUT)
    except NoRoom as error:
        raise NoRoom(f"There is something where the {name} shall go.") from error


def near_middle(scene: SeenScene, id: int, keep: Collection[int] = ()) -> XY:
    """The free place nearest to the middle of the table, and still in it; what is there may be put aside.

    Raises:
        NoRoom: everything there is taken by what is not.
    """
    try:
        return near(scene, id, MIDDLE, 2 * ABOUT, keep)
    except NoRoom as error:
        raise NoRoom(f"There is something in the middle, where the {scene[id].name} shall go.") from error


def swapped(scene: SeenScene, first: Sequence[int], second: Sequence[int]) -> list[Goal]:
    """Goals that put `first` where `second` is and the other way round, one aside for a while.

    Raises:
        NoRoom: there is no place for the one that waits.
    """
    if len(first) != len(second):
        return [*_to_places_of(scene, first, second), *_to_places_of(scene, second, first)]
    goals: list[Goal] = []
    for a, b in zip(first, second, strict=True):
        goals += [At(a, anywhere(scene, a, ASIDE)), there(scene, b, a), there(scene, a, b)]
    return goals


def replaced(scene: SeenScene, id: int, old: int) -> list[Goal]:
    """Goals that put `id` where `old` is, which goes aside.

    Raises:
        NoRoom: there is no place for `old`.
    """
    return [At(old, anywhere(scene, old, ASIDE)), there(scene, id, old)]


def _to_places_of(scene: SeenScene, moved: Sequence[int], others: Sequence[int]) -> list[Goal]:
    """For contents of two bowls, which may be of different number."""
    bowl = scene.bowl_of(others[0])
    if bowl is None:
        raise NoRoom("These things cannot change places: they are not as many on either side.")
    return [InBowl(id, bowl) for id in moved]


def there(scene: SeenScene, id: int, other: int) -> Goal:
    """The goal that puts `id` where `other` is in `scene`."""
    bowl, holder = scene.bowl_of(other), scene[other].holder
    if bowl is not None:
        return InBowl(id, bowl)
    if holder is not None:
        return On(id, holder)
    x, y, _ = scene[other].xyz
    return At(id, (x, y))


def _rest_on(scene: SeenScene, id: int, holder: int) -> SeenScene:
    below = scene[holder]
    x, y, z = below.xyz
    return _with(scene, replace(scene[id], xyz=(x, y, z + TOP), holder=holder))


def _put_down(scene: SeenScene, id: int, xy: XY) -> SeenScene:
    return _with(scene, replace(scene[id], xyz=(xy[0], xy[1], TABLE_TOP), holder=None))


def _with(scene: SeenScene, thing: SeenThing) -> SeenScene:
    return replace(scene, things=tuple(thing if one.id == thing.id else one for one in scene))
