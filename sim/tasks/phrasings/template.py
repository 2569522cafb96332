"""Instruction templates with slots: checked, filled, and read from a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import yaml

from robots.text import text_problem
from sim.tasks.base import family_named

_SLOT = re.compile(r"\{(\w*)\}")
_DETERMINER_BEFORE = re.compile(
    r"\b(the|a|an|that|this|these|those|your|our|my|his|her|their|its|some|any|each|every|one)\s+$",
    re.IGNORECASE,
)


class BadPhrasing(ValueError):
    """A template whose slots are not those of its family, or a phrasings file that is not one."""


def determiner_before(text: str) -> bool:
    """Whether `text` ends in a word such as "the" or "your", after which a name needs none."""
    return _DETERMINER_BEFORE.search(text) is not None


@lru_cache(maxsize=4096)
def _split(template: str) -> tuple[str, ...]:
    """Text and slot names in turn: (text, slot, text, ..., text)."""
    return tuple(_SLOT.split(template))


def slots_of(template: str) -> frozenset[str]:
    """Names of the slots in `template`."""
    return frozenset(_split(template)[1::2])


def check_template(template: str, slots: Sequence[frozenset[str]], family: str = "") -> None:
    """Raises BadPhrasing unless the slots of `template` are one of `slots`."""
    if problem := text_problem(template):
        raise BadPhrasing(f"{family + ': ' if family else ''}{problem}")
    found = slots_of(template)
    rest = "".join(_split(template)[0::2])
    if found not in slots or "{" in rest or "}" in rest:
        options = (" and ".join(f"{{{s}}}" for s in sorted(option)) for option in slots)
        wanted = " or ".join(option or "no slot" for option in options)
        raise BadPhrasing(f"{family + ': ' if family else ''}{template!r} needs {wanted}")


def fill(template: str, makers: Mapping[str, Callable[[str], str]], slots: Sequence[frozenset[str]]) -> str:
    """`template` with each {slot} replaced by what `makers[slot](slot)` says.

    "the " is put before a single object's name unless the template has a determiner there.

    Raises:
        BadPhrasing: if its slots are not one of `slots`.
    """
    check_template(template, slots)
    parts = list(_split(template))
    for k in range(1, len(parts), 2):
        slot = parts[k]
        text = makers[slot](slot)
        if slot in ("block", "bowl") and not determiner_before(parts[k - 1]):
            text = f"the {text}"
        parts[k] = text
    return "".join(parts)


def load_phrasings(path: Path | str) -> dict[str, tuple[str, ...]]:
    """Templates by family from a YAML file `family: [template, ...]`.

    Raises:
        BadPhrasing: if the file is not of that form or a template has the wrong slots.
        UnknownTask: if it names a family that does not exist.
    """
    try:
        read = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise BadPhrasing(f"{path}: not YAML: {error}") from None
    if not isinstance(read, dict) or not read:
        raise BadPhrasing(f"{path}: wants lines of the form 'family: [template, ...]'")
    phrasings = {}
    for name, templates in read.items():
        family = family_named(str(name))
        if not isinstance(templates, list) or not templates:
            raise BadPhrasing(f"{path}: {name} wants a list of at least one template, got {templates!r}")
        for template in templates:
            if not isinstance(template, str):
                raise BadPhrasing(f"{path}: {name}: {template!r} is not a sentence; put it in quotes")
            check_template(template, family.slots, family.name)
        phrasings[family.name] = tuple(templates)
    return phrasings
