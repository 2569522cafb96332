"""`palme tasks`: the families, how they are said, and what is kept out of training."""

from __future__ import annotations

import random
from collections.abc import Sequence

from palme.cli.config import is_override
from palme.cli.errors import UsageError

EXAMPLES = 3


def help_lines() -> tuple[str, ...]:
    """Lines for `palme tasks --help`."""
    return ("palme tasks takes names of families; without one it lists all.",)


def main(arguments: Sequence[str]) -> int:
    """Print every family, or those named."""
    from sim.tasks import TASKS, UnknownTask, family_named
    from sim.tasks.phrasings.heldout import test_templates
    from sim.tasks.splits import HELD_OUT_IN_BOWL, HELD_OUT_ON_BLOCK

    for word in arguments:
        if is_override(word):
            raise UsageError(f"{word!r}: palme tasks has no settings; name families, palme tasks put_in_bowl")
    try:
        families = [family_named(name) for name in arguments] or list(TASKS.values())
    except UnknownTask as error:
        raise UsageError(str(error)) from error
    for family in families:
        slots = " or ".join(
            " ".join(f"{{{s}}}" for s in sorted(option)) or "no slot" for option in family.slots
        )
        print(f"{family.name}: {family.summary}")
        print(f"  templates take {slots}; {len(test_templates(family.name))} are kept for tests")
        for seed in range(EXAMPLES):
            rng = random.Random(seed)
            goal, _ = family.draw(rng, "test", None)
            print(f"  “{family.say(goal, rng, 'test')}”")
        print()
    pairs = ", ".join(f"{a} in {b}" for a, b in sorted(HELD_OUT_IN_BOWL))
    towers = ", ".join(f"{a} on {b}" for a, b in sorted(HELD_OUT_ON_BLOCK))
    print(f"colour pairs never asked for in training (split=held_out): {pairs}; {towers}")
    return 0
