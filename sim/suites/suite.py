"""What a suite consists of, once it was read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sim.judging.formula import Formula
from sim.world.state import ObjectSpec, SceneState

XY = tuple[float, float]


@dataclass(frozen=True)
class SuiteTable:
    """The things of one table; ids are for the judge alone.

    Attributes:
        name: of the table.
        ids: (N,) of the things.
        specs: (N,) their looks; several may look the same.
        xy: (N,) where the middle of each is in [m], base frame; None = it rests in or on another.
        holder: (N,) index of what each rests in or on; None = the table.
        yaw: (N,) how each is turned about the vertical in [rad]; None = drawn. () = all are.
    """

    name: str
    ids: tuple[str, ...]
    specs: tuple[ObjectSpec, ...]
    xy: tuple[XY | None, ...]
    holder: tuple[int | None, ...]
    yaw: tuple[float | None, ...] = ()

    @property
    def index(self) -> Mapping[str, int]:
        """Index of each id."""
        return {id: i for i, id in enumerate(self.ids)}

    @property
    def state(self) -> SceneState:
        """What rests where."""
        return SceneState(self.specs, self.holder)


@dataclass(frozen=True)
class Case:
    """One sentence and what shall come of it: exactly one of `want`, `answers` and `refuse`.

    Attributes:
        id: of the case.
        category: under which it is counted.
        table: name of its table.
        say: what the person says.
        want: what shall hold at the end, with `unmoved` for each of `leave`; None = nothing is to be moved.
        answers: right answers; () = no question.
        refuse: whether it is to be refused, or asked back about.
        other: a sentence that asks for something else on its table; "" = another case's is taken.
        program: what the sentence means in the language of programs; "" = not said.
    """

    id: str
    category: str
    table: str
    say: str
    want: Formula | None = None
    answers: tuple[str, ...] = ()
    refuse: bool = False
    other: str = ""
    program: str = ""


@dataclass(frozen=True)
class Suite:
    """Tables by name, and cases in the order of the file.

    Attributes:
        source: path of the file, for messages.
    """

    source: str
    tables: Mapping[str, SuiteTable]
    cases: tuple[Case, ...]

    @property
    def categories(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(dict.fromkeys(case.category for case in self.cases))
