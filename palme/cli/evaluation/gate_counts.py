"""What the safety gate did to the commands of an episode: a gate that holds for nothing gets switched off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from robots.robot import HasGate, Robot


@dataclass(frozen=True)
class GateCounts:
    """Of one episode.

    Attributes:
        held: ticks at which the arm was not where it was sent, and was held.
        refused: commands refused, for any reason.
        limited: ticks at which a limit or a geometric constraint changed the target.
    """

    held: int = 0
    refused: int = 0
    limited: int = 0

    @classmethod
    def of(cls, arm: Robot) -> GateCounts | None:
        """Since the arm's gate was made: with each scene. None where it is at the other end of a bridge."""
        gated = arm.capability(HasGate)
        if gated is None:
            return None
        counts = gated.gate.counts
        refused = sum(n for name, n in counts.items() if name.startswith("refused "))
        return cls(counts["held"], refused, counts["limited"])


def totals(counts: Sequence[GateCounts | None]) -> dict[str, int] | None:
    """Sums over episodes, and the number of those in which a command was held or refused."""
    known = [c for c in counts if c is not None]
    if not known:
        return None
    sums = {name: sum(getattr(c, name) for c in known) for name in ("held", "refused", "limited")}
    return sums | {"episodes_held_or_refused": sum(c.held + c.refused > 0 for c in known)}


def by_episode(rows: Sequence[tuple[int, int, GateCounts | None]]) -> list[dict[str, Any]]:
    """`rows` (index, seed, counts) in the order of the index, for results.json."""
    known = sorted(((i, seed, c) for i, seed, c in rows if c is not None), key=lambda row: row[0])
    return [{"index": index, "seed": seed, **asdict(c)} for index, seed, c in known]
