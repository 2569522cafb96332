"""Keys of the families' sentences that `held_out.txt` of the reader's training does not have yet.

python -m tests.sim.suites.family_keys >> palme/training/datasets/instructions/held_out.txt
"""

from __future__ import annotations

import random

from palme.training.datasets.instructions.held_out import held_out, key
from sim.suites.families import FAMILIES

SEEDS = 20_000  # enough for every wording with every filling


def main() -> None:
    """See module."""
    said = {family.draw(random.Random(seed)).say for family in FAMILIES.values() for seed in range(SEEDS)}
    print("\n".join(sorted({key(one) for one in said} - held_out())))


if __name__ == "__main__":
    main()
