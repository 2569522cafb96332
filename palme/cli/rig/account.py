"""The account of sentences: by its own rules, and every phrasing that evaluations draw from."""

from __future__ import annotations

from functools import cache

from palme.language.account.account import Account, Reading
from sim.tasks import TASKS, Task
from sim.tasks.match_bowls import Matched
from sim.tasks.phrasings.heldout import FILES, test_templates
from sim.tasks.put_in_bowl import InBowl
from sim.tasks.stack_tower import Tower

_SLOTS = {"{block}": "{s}", "{bowl}": "{b}", "{bottom_to_top}": "{l}", "{top_to_bottom}": "{l}"}


@cache
def account() -> Account:
    """The one account of sentences that a person types."""
    known: dict[tuple[str, str], list[str]] = {}
    for family in TASKS:
        for split in ("test", *FILES):
            for template in test_templates(family, split):
                known.setdefault(_asked(family, template), []).append(_with_slots(template))
    return Account(known)


def task_for(reading: Reading, sentence: str) -> Task | None:
    """The goal of a reading by names; None where it names a thing as `obj_3`.

    It lays the table and drives the privileged planner; it certifies nothing.
    """
    names = [word.replace("_", " ") for word in reading.goal.order]
    if any(thing.what.startswith("obj_") for thing in reading.order):
        return None
    if reading.kind == "match":
        return Task("match_bowls", Matched(), sentence)
    if reading.kind == "in":
        return Task("put_in_bowl", InBowl(names[1], names[0]), sentence)
    return Task("stack_tower", Tower(tuple(names)), sentence)


def _asked(family: str, template: str) -> tuple[str, str]:
    if family == "stack_tower":
        return "stack", "up" if "{bottom_to_top}" in template else "down"
    return {"put_in_bowl": "in", "match_bowls": "match"}[family], ""


def _with_slots(template: str) -> str:
    for slot, short in _SLOTS.items():
        template = template.replace(slot, short)
    return template
