"""The templates of `heldout.yaml`: written by hand, for tests only, none of them in training."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from sim.tasks.phrasings.template import load_phrasings

HELD_OUT_FILE = Path(__file__).with_name("heldout.yaml")


@cache
def test_templates(family: str) -> tuple[str, ...]:
    """Every held-out template of `family`."""
    return load_phrasings(HELD_OUT_FILE)[family]


def test_template(family: str, rng: random.Random) -> str:
    """One of them."""
    return rng.choice(test_templates(family))


test_templates.__test__ = test_template.__test__ = False  # type: ignore[attr-defined]  # not tests, for pytest
