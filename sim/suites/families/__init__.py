"""Published families of long tabletop tasks, by name. A new one is one file here and its line in `_families`.

Nobody trains on them: their sentences are left out of what the reader is taught (`held_out.txt`), and they
are no `sim.tasks`, which planners learn from.
"""

from __future__ import annotations

from sim.suites.families import (
    cliport_bowls,
    lohoravens_b,
    lohoravens_e,
    lohoravens_f,
    lohoravens_g,
    lohoravens_h,
    one_kind,
)
from sim.suites.families.base import Family

_families: tuple[Family, ...] = (
    lohoravens_b.FAMILY, lohoravens_e.FAMILY, one_kind.FAMILY, lohoravens_f.FAMILY, lohoravens_g.FAMILY,
    lohoravens_h.FAMILY, cliport_bowls.FAMILY,
)  # fmt: skip
FAMILIES: dict[str, Family] = {family.name: family for family in _families}
