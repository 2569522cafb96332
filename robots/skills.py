"""Object names and the grammar of steps, shared by planner, policy, tasks, logs and network messages.

    put the red block in the blue bowl | put the red block on the green block
    put the red block on the table     | done

`obj_3` may stand for "the red block"; `resolve` replaces it by the detector's name. Where two objects look
alike, a location selects one: "put the red block at (0.450, 0.100, 0.042) in the blue bowl". `Step.parse` is
the only parser of this text and `Step.text` the only printer.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
KINDS = ("block", "cylinder", "bowl")
N_SOLIDS = 2 * len(COLOURS)  # the first 16 entities are blocks and cylinders, the last 8 bowls
ENTITIES = tuple(f"{colour} {kind}" for kind in KINDS for colour in COLOURS)
TABLE = "table"
SHADES = {
    "crimson": "red", "scarlet": "red", "ruby": "red", "amber": "orange", "tangerine": "orange",
    "golden": "yellow", "lemon": "yellow", "emerald": "green", "lime": "green", "turquoise": "cyan",
    "aqua": "cyan", "teal": "cyan", "light blue": "cyan", "navy": "blue", "dark blue": "blue",
    "azure": "blue", "violet": "purple", "lilac": "purple", "magenta": "pink", "rose": "pink",
}  # fmt: skip
"""Other names of the colours; a step uses the colour's name in `COLOURS`."""

Location = tuple[float, float, float]
Skill = Literal["put_in", "put_on", "done"]

_MOVED = frozenset(ENTITIES[:N_SOLIDS])
_TARGETS = frozenset((*ENTITIES, TABLE))
_REFERRAL = re.compile(r"obj_(\d+)")
_STEP = re.compile(
    r"put (?:the )?(?P<what>.+?)(?: at \((?P<what_at>.*?)\))? "
    r"(?P<relation>in|on) (?:the )?(?P<target>.+?)(?: at \((?P<target_at>.*?)\))?"
)


class BadStep(ValueError):
    """Text or parts that are not a step of the grammar. The message names the closest legal one."""


@dataclass(frozen=True)
class Step:
    """One step of a plan.

    Attributes:
        skill: "put_in" (a bowl), "put_on" (a solid or the table) or "done" (no steps remain).
        what, target: "red block", "table" or "obj_3"; "" for done.
        what_at, target_at: (x, y, z) in [m] in the base frame, rounded to 1 mm: selects one of several
            similar objects, or a place on the table. None = any.

    Raises:
        BadStep: the parts are not a step; the message names the closest legal one.
    """

    skill: Skill
    what: str = ""
    target: str = ""
    what_at: Location | None = None
    target_at: Location | None = None

    def __post_init__(self) -> None:
        for part in ("what_at", "target_at"):
            if (at := getattr(self, part)) is not None:
                object.__setattr__(self, part, _location(at, part))
        if self.skill == "done":
            if self.what or self.target or self.what_at or self.target_at:
                raise BadStep("'done' names nothing; say 'put ...' to move a thing")
            return
        _check_name(self.what, _MOVED, self.text, "can be moved")
        _check_name(self.target, _TARGETS, self.text, "can be put in or on")
        right = _relation(self.target)
        if not _REFERRAL.fullmatch(self.target) and self.skill != f"put_{right}":
            put = f"put {_the(self.what)} {right} {_the(self.target)}"
            raise BadStep(f"{self.text!r}: things go {right} the {self.target}; say {put!r}")
        if self.what == self.target and self.what_at == self.target_at:
            raise BadStep(f"{self.text!r}: {self.what} cannot be put on itself; name another target")

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        """Canonical text, which `parse` reads as the same step."""
        if self.skill == "done":
            return "done"
        what = f"{_the(self.what)}{_at(self.what_at)}"
        return f"put {what} {self.skill[4:]} {_the(self.target)}{_at(self.target_at)}"

    @property
    def words(self) -> str:
        """The text without locations; of "the red block on the red block" it is no step."""
        return "done" if self.is_done else f"put {_the(self.what)} {self.skill[4:]} {_the(self.target)}"

    @property
    def is_done(self) -> bool:
        """Whether the plan has no further steps."""
        return self.skill == "done"

    @property
    def by_name(self) -> Step:
        """The same step without locations."""
        return replace(self, what_at=None, target_at=None)

    @staticmethod
    def put(what: str, target: str) -> Step:
        """The step that moves `what` to `target`: "in" a bowl, "on" anything else. Raises BadStep."""
        return _put(what, target)

    @classmethod
    def parse(cls, text: str) -> Step:
        """Read a step; ignores case, spaces and a full stop, and accepts "red_block" for "red block".

        Raises:
            BadStep: `text` is not in the grammar; the message names the closest legal name.
        """
        words = " ".join(text.lower().split())
        for kind in KINDS:
            words = words.replace(f"_{kind}", f" {kind}")
        words = words.removesuffix(".").strip()
        if words == "done":
            return DONE
        match = _STEP.fullmatch(words)
        if match is None:
            raise BadStep(f"{text!r} is no step: say 'put the <block> in|on the <target>' or 'done'")
        what_at, target_at = (_numbers(match[part], text) for part in ("what_at", "target_at"))
        skill: Skill = "put_in" if match["relation"] == "in" else "put_on"
        return cls(skill, match["what"], match["target"], what_at, target_at)

    def resolve(self, names: Sequence[str]) -> Step:
        """The same step with `obj_k` replaced by `names[k - 1]`.

        Raises:
            BadStep: an `obj_k` has no name, or the step with the names is not in the grammar.
        """
        if self.is_done:
            return self
        what, target = (_named(name, names) for name in (self.what, self.target))
        skill: Skill = "put_in" if _relation(target) == "in" else "put_on"
        return Step(skill, what, target, self.what_at, self.target_at)


DONE = Step("done")


@lru_cache(maxsize=2048)
def _put(what: str, target: str) -> Step:
    return Step("put_in" if _relation(target) == "in" else "put_on", what, target)


def _relation(target: str) -> str:
    return "in" if target.endswith("bowl") else "on"


def _the(name: str) -> str:
    return name if _REFERRAL.fullmatch(name) else f"the {name}"


def _at(location: Location | None) -> str:
    return "" if location is None else f" at ({', '.join(f'{x:.3f}' for x in location)})"


def _location(at: Iterable[float], part: str) -> Location:
    numbers = tuple(round(float(x), 3) + 0.0 for x in at)  # + 0.0: no "-0.000"
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise BadStep(f"{part} is {numbers}; a location is three finite numbers (x, y, z) in [m]")
    return (numbers[0], numbers[1], numbers[2])


def _numbers(text: str | None, step: str) -> Location | None:
    if text is None:
        return None
    try:
        x, y, z = (float(number) for number in text.split(","))
    except ValueError:
        raise BadStep(f"{step!r}: ({text}) is no location; say (x, y, z) in metres") from None
    return (x, y, z)


def _check_name(name: str, legal: frozenset[str], text: str, use: str) -> None:
    if name in legal or _REFERRAL.fullmatch(name):
        return
    order = [n for n in (*ENTITIES, TABLE) if n in legal]
    near = difflib.get_close_matches(name, order, n=1, cutoff=0.0)[0]
    raise BadStep(f"{text!r}: {name!r} is nothing that {use}; nearest: {near!r}")


def _named(name: str, names: Sequence[str]) -> str:
    match = _REFERRAL.fullmatch(name)
    if match is None:
        return name
    k = int(match[1])
    if not 1 <= k <= len(names):
        raise BadStep(f"obj_{k}: only {len(names)} objects are seen; use obj_1 to obj_{len(names)}")
    return names[k - 1]
