"""A step: the interface between planner, policy, oracle and tasks, as text and taken apart.

    put the red block in the blue bowl | put the red block on the green block
    put the red block on the table     | done

`obj_3` may stand for "the red block"; `resolve` turns it into the name that the detector gave.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from palme.perception.objects import ENTITIES

DONE_TEXT = "done"
TABLE = "table"
_REFERRAL = re.compile(r"obj_(\d+)")
_STEP = re.compile(r"put (?:the )?(?P<what>.+?) (?P<relation>in|on) (?:the )?(?P<target>.+)")


class BadStep(ValueError):
    """A text outside the skill grammar; the message names the nearest legal thing."""


@dataclass(frozen=True)
class Step:
    """One step of a plan.

    Attributes:
        text: canonical text; it parses back to the same step.
        skill: "put_in" | "put_on" | "done".
        what, target: "red block", "table" or "obj_3"; "" for done.
        rationale: why, in the planner's words.
        probability: of the step's words given the rationale, in [0, 1].
    """

    text: str
    skill: str
    what: str = ""
    target: str = ""
    rationale: str = ""
    probability: float = 1.0

    @property
    def is_done(self) -> bool:
        return self.skill == "done"

    @property
    def arguments(self) -> tuple[str, ...]:
        return () if self.is_done else (self.what, self.target)

    @classmethod
    def put(cls, what: str, target: str) -> Step:
        """The step that moves `what` to `target`: "in" a bowl, "on" anything else."""
        relation = "in" if target.endswith("bowl") else "on"
        return cls.parse(f"put {_the(what)} {relation} {_the(target)}")

    @classmethod
    def parse(cls, text: str) -> Step:
        """Reads a step.

        Raises:
            BadStep: if `text` is not in the grammar, with what it comes nearest to.
        """
        words = " ".join(text.lower().replace("_block", " block").replace("_bowl", " bowl").split())
        words = words.replace("_cylinder", " cylinder").removesuffix(".").strip()
        if words == DONE_TEXT:
            return cls(DONE_TEXT, "done")
        match = _STEP.fullmatch(words)
        if match is None:
            raise BadStep(f"{text!r} is no step: say 'put the <block> in|on the <target>' or 'done'")
        what, relation, target = match["what"], match["relation"], match["target"]
        _known(what, text, [e for e in ENTITIES if not e.endswith("bowl")], "can be moved")
        _known(target, text, [*ENTITIES, TABLE], "can be put in or on")
        if not _REFERRAL.fullmatch(target) and (relation == "in") != target.endswith("bowl"):
            right = "in" if target.endswith("bowl") else "on"
            raise BadStep(
                f"{text!r}: things go {right} the {target}; say 'put {_the(what)} {right} {_the(target)}'"
            )
        if what == target:
            raise BadStep(f"{text!r}: {what} cannot be put {relation} itself; name another target")
        return cls(f"put {_the(what)} {relation} {_the(target)}", f"put_{relation}", what, target)

    def resolve(self, names: Sequence[str]) -> Step:
        """The same step with `obj_k` replaced by `names[k - 1]`.

        Raises:
            BadStep: if an object is referred to that is not there, or the step makes no sense then.
        """
        if self.is_done:
            return self
        step = Step.put(_named(self.what, names), _named(self.target, names))
        return replace(step, rationale=self.rationale, probability=self.probability)


def _the(name: str) -> str:
    return name if _REFERRAL.fullmatch(name) else f"the {name}"


def _known(name: str, text: str, legal: Sequence[str], use: str) -> None:
    if name in legal or _REFERRAL.fullmatch(name):
        return
    near = difflib.get_close_matches(name, legal, n=1, cutoff=0.0)[0]
    raise BadStep(f"{text!r}: {name!r} is nothing that {use}; nearest: {near!r}")


def _named(name: str, names: Sequence[str]) -> str:
    match = _REFERRAL.fullmatch(name)
    if match is None:
        return name
    k = int(match[1])
    if not 1 <= k <= len(names):
        raise BadStep(f"obj_{k}: only {len(names)} objects are seen; use obj_1 to obj_{len(names)}")
    return names[k - 1]
