"""Which things a program means, by what can be seen of them: kind, colour, size, and where they are.

    small red block [ left of blue bowl ]        all thing [ except red block ]        2 block [ not in bowl ]

Left, right, in front and behind are those of the front camera's picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from robots.skills import COLOURS, KINDS

Kind = Literal["block", "cylinder", "bowl", "thing", "tower"]
"""A thing is a block or a cylinder, or a bowl where it is asked what is there; a tower is a pile."""
Size = Literal["small", "large"]
Relation = Literal[
    "in", "on", "under", "left", "right", "front", "behind", "next", "touching", "holding", "larger",
    "smaller",
]  # fmt: skip
Extreme = Literal["nearest", "furthest"]
Superlative = Literal[
    "leftmost", "rightmost", "frontmost", "backmost", "largest", "smallest", "highest", "lowest", "middle",
    "fullest", "emptiest",
]  # fmt: skip
RankedFrom = Literal["left", "right", "front", "behind", "highest", "lowest"]
Trait = Literal["colour", "size"]
State = Literal["empty", "clear", "loose"]
KIND_WORDS: tuple[str, ...] = (*KINDS, "thing", "tower")
COLOUR_WORDS: tuple[str, ...] = COLOURS
SIZES: tuple[str, ...] = get_args(Size)
EXTREMES: tuple[str, ...] = get_args(Extreme)
SUPERLATIVES: tuple[str, ...] = get_args(Superlative)
STATES: tuple[str, ...] = get_args(State)
RANKED_FROM: tuple[str, ...] = get_args(RankedFrom)
TRAITS: tuple[str, ...] = get_args(Trait)
RELATIONS: dict[str, str] = {
    "in": "in", "on": "on", "under": "under", "left": "left of", "right": "right of", "front": "front of",
    "behind": "behind", "next": "next to", "touching": "touching", "holding": "holding",
    "larger": "larger than", "smaller": "smaller than",
}  # fmt: skip
"""How each relation is written."""
MAX_COUNT = 9
"""Largest number of things that a program names."""
Quantifier = Literal["the", "all", "any", "each", "half", "it"] | int


@dataclass(frozen=True)
class Related:
    """Things that stand in `relation` to some of `to`; "on" and "in" mean directly, or in the same pile."""

    relation: Relation
    to: Things

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"{RELATIONS[self.relation]} {self.to.text}"


@dataclass(frozen=True)
class OnTable:
    """Things that rest directly on the table."""

    text: str = field(default="on table", init=False)


@dataclass(frozen=True)
class BetweenFilter:
    """Things between `first` and `second`; between the two of `first` where `second` is None."""

    first: Things
    second: Things | None

    @property
    def text(self) -> str:
        """As written in a program."""
        return between_text(self.first, self.second)


@dataclass(frozen=True)
class Closest:
    """The one nearest to, or furthest from, `to`."""

    extreme: Extreme
    to: Things

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"{self.extreme} {self.to.text}"


@dataclass(frozen=True)
class Most:
    """The one furthest to the left, the largest, the highest of a pile, the middle one from left to right,
    the bowl that holds most, ...
    """

    superlative: Superlative

    @property
    def text(self) -> str:
        """As written in a program."""
        return self.superlative


@dataclass(frozen=True)
class Nth:
    """The `n`th, from 1, from the left, from the front, from the highest down, ..."""

    n: int
    side: RankedFrom

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"number {self.n} {self.side}"


@dataclass(frozen=True)
class Is:
    """Bowls that are "empty"; solids that are "clear" (nothing on them) or "loose" (on the table)."""

    state: State

    @property
    def text(self) -> str:
        """As written in a program."""
        return self.state


@dataclass(frozen=True)
class Attribute:
    """Things of one colour, size or kind: "is the leftmost block red" is `block [ leftmost ] [ red ]`."""

    word: str

    @property
    def text(self) -> str:
        """As written in a program."""
        return self.word


@dataclass(frozen=True)
class Alike:
    """Things of the same, or of another, colour or size as `to`; None = as what the call moves."""

    trait: Trait
    same: bool
    to: Things | None = None

    @property
    def text(self) -> str:
        """As written in a program."""
        as_what = "" if self.to is None else f" as {self.to.text}"
        return f"{'same' if self.same else 'other'} {self.trait}{as_what}"


@dataclass(frozen=True)
class Except:
    """All but `those`; with a number, that many are left out, whichever."""

    those: Things

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"except {self.those.text}"


@dataclass(frozen=True)
class Among:
    """Those of `group`: `thing [ among red block + blue block ] [ largest ]` is the larger of two."""

    group: Things

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"among {self.group.text}"


@dataclass(frozen=True)
class Not:
    """Things that do not pass `filter`."""

    filter: Filter

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"not {self.filter.text}"


Filter = (
    Related | OnTable | BetweenFilter | Closest | Most | Nth | Is | Attribute | Alike | Except | Among | Not
)


@dataclass(frozen=True)
class Noun:
    """Things by their looks, then by `filters`, one after another."""

    kind: Kind
    colour: str | None = None
    size: Size | None = None
    filters: tuple[Filter, ...] = ()

    @property
    def text(self) -> str:
        """As written in a program."""
        looks = " ".join(word for word in (self.size, self.colour, self.kind) if word)
        return " ".join([looks, *(f"[ {one.text} ]" for one in self.filters)])


@dataclass(frozen=True)
class Things:
    """What a call is about.

    Attributes:
        quantifier: "the" (exactly one for each noun, else it is asked which), "all", "any" (one, whichever),
            "each" (all, one after another), "half" (of all, whichever), a number (that many, whichever), or
            "it" (what the line before was about; no nouns).
        nouns: joined by "+".
    """

    quantifier: Quantifier
    nouns: tuple[Noun, ...] = ()

    @property
    def text(self) -> str:
        """As written in a program; "the" is not written."""
        if self.quantifier == "it":
            return "it"
        nouns = " + ".join(noun.text for noun in self.nouns)
        return nouns if self.quantifier == "the" else f"{self.quantifier} {nouns}"


IT = Things("it")


def between_text(first: Things, second: Things | None) -> str:
    """How "between two things" is written, in a filter and in a place."""
    return f"between {first.text}" if second is None else f"between {first.text} and {second.text}"
