"""What an instruction program consists of, and how each part is written.

    put ( small red block , in blue bowl )          put ( all block [ left of green bowl ] , on table )
    stack ( red block , green block )               move ( red block , left 10 )
    if exists ( block [ in blue bowl ] ) : empty ( blue bowl ) else : put ( red block , in blue bowl )
    count ( red block )                             refuse ( beyond )

A program is one call a line, after visual programming (VisProg; Gupta and Kembhavi, 2023), and says which
things are meant by what can be seen of them: kind, colour, size, and where they are among others. Text has a
space around every word, so that each word is one or few tokens of any tokenizer. `Program.text` is the only
printer and `palme.language.programs.parser` the only parser; neither runs anything.

Left, right, in front and behind are those of the front camera's picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from palme.language.programs.things import Things, between_text

Side = Literal["left", "right", "front", "behind"]
Direction = Literal["left", "right", "away", "toward"]
Order = Literal["small", "large", "rainbow", "alphabet", "colour"]
Shape = Literal["row", "column", "circle", "square", "triangle"]
Question = Literal["count", "colour", "size", "what", "where"]
Comparison = Literal["=", ">", "<", ">=", "<="]
Reason = Literal["beyond", "unsafe", "absent", "unclear", "impossible"]

SIDES: tuple[str, ...] = get_args(Side)
DIRECTIONS: tuple[str, ...] = get_args(Direction)
ORDERS: tuple[str, ...] = get_args(Order)
SHAPES: tuple[str, ...] = get_args(Shape)
QUESTIONS: tuple[str, ...] = get_args(Question)
COMPARISONS: tuple[str, ...] = get_args(Comparison)
REASONS: tuple[str, ...] = get_args(Reason)
Beside = Literal["in", "on", "under", "left", "right", "front", "behind", "next", "far", "instead"]
PLACES: dict[str, str] = {
    "in": "in", "on": "on", "under": "under", "left": "left of", "right": "right of", "front": "front of",
    "behind": "behind", "next": "next to", "far": "far from", "instead": "instead of",
}  # fmt: skip
"""How each place by another thing is written; "instead": where it is, and it goes aside."""
MAX_CM = 50
"""Largest distance of a move in [cm]: the table is about as wide."""


@dataclass(frozen=True)
class At:
    """In, on, under, beside ... `of`; to a side, `cm` from middle to middle where it is said."""

    relation: Beside
    of: Things
    cm: int | None = None

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"{PLACES[self.relation]} {self.of.text}{'' if self.cm is None else f' {self.cm}'}"


@dataclass(frozen=True)
class BetweenPlace:
    """Between `first` and `second`; between the two of `first` where `second` is None."""

    first: Things
    second: Things | None

    @property
    def text(self) -> str:
        """As written in a program."""
        return between_text(self.first, self.second)


@dataclass(frozen=True)
class OnTheTable:
    """Anywhere free on the table."""

    text: str = field(default="on table", init=False)


@dataclass(frozen=True)
class Middle:
    """The middle of the table."""

    text: str = field(default="middle", init=False)


@dataclass(frozen=True)
class AtSide:
    """The left, right, near or far part of the table; a corner where there is a second side."""

    side: Side
    corner: Side | None = None

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"side {self.side}{'' if self.corner is None else f' {self.corner}'}"


Place = At | BetweenPlace | OnTheTable | Middle | AtSide


@dataclass(frozen=True)
class Put:
    """Move `what` to `place`."""

    what: Things
    place: Place

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"put ( {self.what.text} , {self.place.text} )"


@dataclass(frozen=True)
class Move:
    """Move `what` by `cm` in `direction`, and by `then` as well where there is a second one."""

    what: Things
    direction: Direction
    cm: int
    then: tuple[Direction, int] | None = None

    @property
    def text(self) -> str:
        """As written in a program."""
        more = "" if self.then is None else f" {self.then[0]} {self.then[1]}"
        return f"move ( {self.what.text} , {self.direction} {self.cm}{more} )"


@dataclass(frozen=True)
class Stack:
    """One tower, the first of `parts` at the bottom; `by` orders all that the parts name."""

    parts: tuple[Things, ...]
    by: Order | None = None

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"stack ( {_parts(self.parts, self.by)} )"


@dataclass(frozen=True)
class Arrange:
    """A row from left to right, a column from the front to the back, or another shape."""

    shape: Shape
    parts: tuple[Things, ...]
    by: Order | None = None

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"{self.shape} ( {_parts(self.parts, self.by)} )"


@dataclass(frozen=True)
class Swap:
    """`first` where `second` is, and the other way round."""

    first: Things
    second: Things

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"swap ( {self.first.text} , {self.second.text} )"


Verb = Literal["out", "empty", "clear", "unstack", "reverse", "gather", "spread", "keep"]
VERBS: tuple[str, ...] = get_args(Verb)


@dataclass(frozen=True)
class Do:
    """What needs no place.

    "out": out of the bowl and onto the table. "empty" a bowl. "clear": what is on it, off. "unstack":
    nothing on anything. "reverse" a tower's order. "gather" close together. "spread" apart. "keep": these
    are not to be moved, whatever else is.
    """

    verb: Verb
    what: Things

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"{self.verb} ( {self.what.text} )"


@dataclass(frozen=True)
class Ask:
    """How many, which colour, which size, what it is, where it is."""

    question: Question
    about: Things

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"{self.question} ( {self.about.text} )"


@dataclass(frozen=True)
class Exists:
    """Whether there is such a thing; "all": whether every thing that has its looks passes its filters."""

    what: Things

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"exists ( {self.what.text} )"


@dataclass(frozen=True)
class Compare:
    """Whether the number of `left` compares so with that of `right`."""

    left: Things
    comparison: Comparison
    right: Things | int

    @property
    def text(self) -> str:
        """As written in a program."""
        right = self.right if isinstance(self.right, int) else f"count ( {self.right.text} )"
        return f"count ( {self.left.text} ) {self.comparison} {right}"


@dataclass(frozen=True)
class Possible:
    """Whether `call` could be carried out; nothing moves."""

    call: Action

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"possible ( {self.call.text} )"


@dataclass(frozen=True)
class Nothing:
    """Leave everything as it is."""

    text: str = field(default="nothing ( )", init=False)


@dataclass(frozen=True)
class Refuse:
    """Say that it cannot be done, and why."""

    reason: Reason

    @property
    def text(self) -> str:
        """As written in a program."""
        return f"refuse ( {self.reason} )"


Action = Put | Move | Stack | Arrange | Swap | Do
Call = Action | Ask | Exists | Compare | Possible | Nothing | Refuse


@dataclass(frozen=True)
class Joint:
    """Both conditions, or one of them at least; each may be negated."""

    first: Exists | Compare
    word: Literal["and", "or"]
    second: Exists | Compare
    not_first: bool = False
    not_second: bool = False

    @property
    def text(self) -> str:
        """As written in a program."""
        first, second = ("not " if negated else "" for negated in (self.not_first, self.not_second))
        return f"{first}{self.first.text} {self.word} {second}{self.second.text}"


Condition = Exists | Compare | Joint


@dataclass(frozen=True)
class If:
    """`then` where `condition` holds (or, with `negated`, does not), else `otherwise`, or a further `If`."""

    condition: Condition
    then: tuple[Call, ...]
    otherwise: tuple[Call, ...] | tuple[If] = ()
    negated: bool = False

    @property
    def text(self) -> str:
        """As written in a program."""
        test = f"if {'not ' if self.negated else ''}{self.condition.text} : "
        more = f" else : {_branch(self.otherwise)}" if self.otherwise else ""
        return test + _branch(self.then) + more


Line = Call | If


@dataclass(frozen=True)
class Program:
    """What a sentence asks for, one call a line; the first line is done first."""

    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """Lines joined by " ; ": what a language model writes and `parse` reads."""
        return " ; ".join(line.text for line in self.lines)

    @property
    def pretty(self) -> str:
        """For people: one call a line, without the spaces that only a tokenizer needs."""
        out = "\n".join(line.text for line in self.lines)
        for spaced, close in ((" ( )", "()"), (" ( ", "("), (" )", ")"), ("[ ", "["), (" ]", "]")):
            out = out.replace(spaced, close)
        return out.replace(" ,", ",").replace(" :", ":")


def _parts(parts: tuple[Things, ...], by: Order | None) -> str:
    listed = " , ".join(part.text for part in parts)
    return listed if by is None else f"{listed} by {by}"


def _branch(calls: tuple[Line, ...]) -> str:
    return " & ".join(call.text for call in calls)
