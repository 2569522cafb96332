"""What `gymnasium.make` and `reset` may be told, checked before anything is built: bad values never pass.

Each check returns the value as it is used, and raises `UnknownOption` naming the value and the legal ones.
"""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import gymnasium

from sim.envs.features import MAX_OBJECTS
from sim.rendering.camera import CAMERAS
from sim.tasks import TASKS, Task
from sim.tasks.base import BadDistractors, check_distractors
from sim.world.scene import Scene
from sim.world.world import PHYSICS_HZ

SIZES_PX = (8, 2048)  # of a picture's edge: PyBullet draws in memory, 2048 x 2048 takes about 0.1 GB
RESET = ("task", "scene")


class UnknownOption(ValueError):
    """A keyword of `gymnasium.make`, or a key of reset's `options`, is unknown or has an illegal value."""


class BadSeed(gymnasium.error.Error, ValueError):
    """A seed that is not a whole number of at least 0."""


def closest(what: str, given: Iterable[Any], known: Collection[str]) -> None:
    """Raises UnknownOption, naming the closest, if a name of `given` is none of `known`."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UnknownOption(f"unknown {what} {name!r}; {hint}There are {', '.join(known)}")


def one_of(option: str, value: Any, legal: Collection[Any]) -> Any:
    """`value`, which must be one of `legal`: strings or None."""
    if not (value is None or isinstance(value, str)) or value not in legal:
        raise UnknownOption(f"{option}={value!r}: must be one of {list(legal)}")
    return value


def flag(option: str, value: Any) -> bool:
    """`value`, which must be True or False: the string "no" would count as true."""
    if not isinstance(value, bool):
        raise UnknownOption(f"{option}={value!r}: must be True or False")
    return value


def names_of_cameras(value: Any, needed: bool) -> tuple[str, ...]:
    """A sequence of different names of `CAMERAS`; `needed`: at least one."""
    legal = tuple(CAMERAS)
    if isinstance(value, str):
        raise UnknownOption(f"cameras={value!r}: must be a sequence of names of {list(legal)}: ({value!r},)")
    if not isinstance(value, (list, tuple)):
        raise UnknownOption(f"cameras={value!r}: must be a sequence of names of {list(legal)}")
    for name in value:
        one_of("cameras", name, legal)
    if len(set(value)) != len(value):
        raise UnknownOption(f"cameras={value!r}: names a camera twice; name each once, of {list(legal)}")
    if needed and not value:
        raise UnknownOption(
            f"cameras={value!r}: name at least one of {list(legal)}, or choose observation='state'"
        )
    return tuple(value)


def picture_size(value: Any) -> tuple[int, int]:
    """(width, height) in [px], from one number or two."""
    low, high = SIZES_PX
    edges = value if isinstance(value, (list, tuple)) else (value, value)
    whole = [_whole(edge) for edge in edges]
    if len(whole) != 2 or not all(edge is not None and low <= edge <= high for edge in whole):
        raise UnknownOption(
            f"image_size={value!r}: must be one whole number or (width, height), each in [{low}, {high}] px"
        )
    width, height = (int(edge) for edge in edges)
    return width, height


def rate(value: Any) -> float:
    """Commands a second: a divisor of `PHYSICS_HZ`."""
    number = not isinstance(value, bool) and hasattr(value, "__float__") and not hasattr(value, "__len__")
    hz = float(value) if number else math.nan
    if not (1 <= hz <= PHYSICS_HZ and PHYSICS_HZ % hz == 0):
        raise UnknownOption(
            f"control_hz={value!r}: must divide {PHYSICS_HZ} and be at least 1, such as 20, 30 or 60"
        )
    return hz


def ticks(value: Any) -> int | None:
    """Control ticks after which an episode is given up: at least 1; None = the family's own."""
    whole = None if value is None else _whole(value)
    if value is not None and (whole is None or not whole >= 1):
        raise UnknownOption(f"episode_length={value!r}: must be None or a whole number of at least 1")
    return whole


def distractors(value: Any) -> int | None:
    """See `sim.tasks.base.check_distractors`."""
    try:
        return check_distractors(value)
    except BadDistractors as error:
        raise UnknownOption(str(error)) from None


def seed_of(value: Any) -> int | None:
    """None, or a whole number of at least 0 of any size, numpy's too.

    Raises:
        BadSeed: anything else.
    """
    if value is None:
        return None
    whole = _whole(value)
    if whole is None or not whole >= 0:
        raise BadSeed(f"seed={value!r}: must be None or a whole number of at least 0, such as 7")
    return whole


def episode_of(options: Any, family: str) -> tuple[Task[Any], Scene] | None:
    """What reset's `options` ask for; None = a drawn episode.

    Args:
        options: None, {} or `{"task": Task, "scene": Scene}`.
        family: that the environment plays.

    Raises:
        UnknownOption: another key, one without the other, another type, a scene without the goal's objects.
    """
    if options is None:
        return None
    if not isinstance(options, Mapping):
        raise UnknownOption(
            f"options={options!r}: must be None or a mapping with the keys {' and '.join(RESET)}"
        )
    closest("key of options", options, RESET)
    if not options:
        return None
    if missing := [key for key in RESET if key not in options]:
        raise UnknownOption(f"options: {missing[0]!r} is missing; give task and scene together, or neither")
    task, scene = options["task"], options["scene"]
    for key, value, kind in (("task", task, Task), ("scene", scene, Scene)):
        if not isinstance(value, kind):
            raise UnknownOption(
                f"options[{key!r}] is of type {type(value).__name__}; it must be a {kind.__module__}."
                f"{kind.__qualname__}"
            )
    if task.family != family:
        legal = f"one of the families {', '.join(TASKS)} each has an environment of its own"
        raise UnknownOption(
            f"options['task'] is of family {task.family!r}, this environment plays {family!r}; {legal}"
        )
    _check_scene(task, scene)
    return task, scene


def _check_scene(task: Task[Any], scene: Scene) -> None:
    if not len(scene.objects) <= MAX_OBJECTS:
        raise UnknownOption(
            f"options['scene'] has {len(scene.objects)} objects; the observation has room for {MAX_OBJECTS}"
        )
    try:
        task.is_success(scene.state)
    except KeyError as error:
        raise UnknownOption(f"options['scene'] lacks an object of the goal: {error.args[0]}") from error


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or type(value).__name__ == "bool_" or hasattr(value, "__len__"):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
