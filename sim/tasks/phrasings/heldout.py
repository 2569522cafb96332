"""The templates of `heldout.yaml` (test) and `validation.yaml`: written by hand, none of them in training."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from sim.tasks.phrasings.template import load_phrasings

_FOLDER = Path(__file__).parent
FILES = {"validation": _FOLDER / "validation.yaml"}  # every other split: `HELD_OUT_FILE`
HELD_OUT_FILE = _FOLDER / "heldout.yaml"


@cache
def test_templates(family: str, split: str = "test") -> tuple[str, ...]:
    """Every template of `family` that `split` draws from."""
    return load_phrasings(FILES.get(split, HELD_OUT_FILE))[family]


def test_template(family: str, rng: random.Random, split: str = "test") -> str:
    """One of them."""
    return rng.choice(test_templates(family, split))


test_templates.__test__ = test_template.__test__ = False  # type: ignore[attr-defined]  # not tests, for pytest
