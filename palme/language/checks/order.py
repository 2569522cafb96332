"""Which comes first: parts of towers and rows, and lines of a program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from palme.language.checks.looks import named_as
from palme.language.checks.said import Said
from palme.language.checks.violations import Violation
from palme.language.checks.written import Use, Written
from palme.language.programs import calls as c


def order(said: Said, written: Written) -> Iterator[Violation]:
    """Parts and lines in an order that is not said."""
    for k, line in enumerate(written.program.lines):
        if isinstance(line, (c.Stack, c.Arrange)) and len(line.parts) > 1:
            uses = [use for use in written.uses if use.line == k and not use.relation and use.acts][
                : len(line.parts)
            ]
            yield from _parts(line, uses, said)
    yield from _lines(said, written)


def _parts(line: c.Stack | c.Arrange, uses: Sequence[Use], said: Said) -> Iterator[Violation]:
    at = _places(uses, said)
    if at is None:
        return
    chained = _on_pairs(uses, said) if isinstance(line, c.Stack) else []
    if chained:
        if not all(lower + 1 == upper for upper, lower in chained):
            yield Violation("order", line.text, "the order of the parts is another")
        return
    rising, falling = at == sorted(at), at == sorted(at, reverse=True)
    told = "the order of the parts is another"
    if isinstance(line, c.Arrange) and line.shape not in ("row", "column"):
        return
    by_place = _said_places(said, at, isinstance(line, c.Stack))
    if by_place is not None:
        if not by_place:
            yield Violation("order", line.text, told)
        return
    if not rising and not falling:
        yield Violation("order", line.text, told)
        return
    forward = _forward(line, said)
    if forward is not None and forward is not rising:
        yield Violation("order", line.text, told)
    elif forward is None and not rising:
        yield Violation("order", line.text, "it begins with the last", not isinstance(line, c.Stack))


def _on_pairs(uses: Sequence[Use], said: Said) -> list[tuple[int, int]]:
    """Numbers of the parts of each "red on blue", the upper first."""
    part = {one.start: k for k, use in enumerate(uses) for one in named_as(use, said)}
    if len({start for start in part}) < len(uses):
        return []
    pairs = []
    for upper, lower in zip(said.things[:-1], said.things[1:], strict=True):
        if (
            "on" in lower.before
            and "joined" not in lower.before
            and upper.start in part
            and lower.start in part
        ):
            pairs.append((part[upper.start], part[lower.start]))
    return pairs if len(pairs) >= len(uses) - 1 else []


def _places(uses: Sequence[Use], said: Said) -> list[int] | None:
    """Where each part is named first, if each is named by itself."""
    found: list[int] = []
    for use in uses:
        starts = [one.start for one in named_as(use, said) if one.start not in found]
        if not starts:
            return None
        found.append(starts[0])
    return found


def _forward(line: c.Stack | c.Arrange, said: Said) -> bool | None:
    """Whether the first named is the first part; None where no word says so."""
    orders = said.claims("order")
    if isinstance(line, c.Stack):
        if "up" in orders or "down" in orders:
            return "up" in orders if len(orders & {"up", "down"}) == 1 else None
        on = sum("on" in token.claim("rel") for token in said.kept)
        chained = on >= len(line.parts) - 1 and not said.has("then", "verb stack")
        return False if chained else None
    if line.shape == "row" and orders & {"left", "right"}:
        return "right" in orders if len(orders & {"left", "right"}) == 1 else None
    if line.shape == "column" and orders & {"front", "back"}:
        return "back" in orders if len(orders & {"front", "back"}) == 1 else None
    return None


def _said_places(said: Said, at: Sequence[int], tower: bool) -> bool | None:
    """Whether "at the bottom", "on the left" ... fit the order of the parts; None where none is said."""
    first, last = (("place bottom",), ("place top",)) if tower else (("side left",), ("side right",))
    verdicts = []
    for claims, index in ((first, 0), (last, len(at) - 1)):
        spots = [
            k for k, token in enumerate(said.tokens)
            if k >= said.corrected and token.has(*claims) and not token.has("order", "rel", "sup")
        ]  # fmt: skip
        if len(spots) == 1 and not said.has("order"):
            owner = _owner(said, at, spots[0])
            if owner is not None:
                verdicts.append(owner == index)
    return all(verdicts) if verdicts else None


def _owner(said: Said, at: Sequence[int], spot: int) -> int | None:
    """The part that a place belongs to: the last named before it in its clause, else the next."""
    before = [k for k, start in enumerate(at) if start < spot]
    after = [k for k, start in enumerate(at) if start > spot]
    nearest = max(before, key=lambda k: at[k], default=None)
    following = min(after, key=lambda k: at[k], default=None)
    if nearest is not None and not any(
        token.text in (",", ";", ".", "and") for token in said.tokens[at[nearest] : spot]
    ):
        return nearest
    if following is not None and not any(
        token.text in (",", ";", ".") for token in said.tokens[spot : at[following]]
    ):
        return following
    return None


def _lines(said: Said, written: Written) -> Iterator[Violation]:
    """Actions in the order of their words, where no word turns them round."""
    if said.has("before", "former", "again") or said.corrected or len(written.program.lines) < 2:
        return
    starts = []
    for k, line in enumerate(written.program.lines):
        if isinstance(line, (c.Put, c.Swap, c.Stack, c.Arrange, c.Move)):
            movers = [
                use
                for use in written.uses
                if use.line == k and not use.relation and use.acts and use.noun.colour
            ]
            at = [one.start for use in movers[:1] for one in named_as(use, said)]
            if at:
                starts.append(at)
    for earlier, later in zip(starts[:-1], starts[1:], strict=True):
        if min(earlier) > max(later):
            yield Violation("order", "lines", "the order of the steps is another", False)
            return
