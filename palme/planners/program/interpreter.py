"""Runs an instruction program on what is seen: goals, answers, or the reason why not. Nothing moves here.

Lines run one after another on the scene as it will be after the lines before. Each call finds its things
once, so "all the red blocks" stays the same blocks through the run, whatever happens to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from palme.language.programs import calls as c
from palme.language.programs.things import Alike, Noun, Things
from palme.planners.program.arranging import arranged, gathered, spread_out, stacked
from palme.planners.program.free_places import NoRoom
from palme.planners.program.goals import (
    SIDES,
    At,
    Beside,
    Between,
    Goal,
    InBowl,
    On,
    OnSide,
    OnTable,
    Unmoved,
)
from palme.planners.program.placing import after, chosen, near_middle, reachable, replaced, swapped, there
from palme.planners.program.questions import answer, condition_holds, told_count
from palme.planners.program.scene import SeenScene
from palme.planners.program.select import Ambiguous, CannotTell, NotSeen, Selector, TooFew

REFUSALS = {
    "beyond": "I cannot do that: I put blocks and cylinders into bowls, onto things and onto the table.",
    "unsafe": "I will not do that: it could hurt someone or break something.",
    "absent": "I do not have that here: there are blocks, cylinders and bowls in eight colours.",
    "unclear": "I do not understand what I shall do; please say it in other words.",
    "impossible": "That cannot be done with these things.",
}


class Refused(Exception):
    """The program does nothing, and the message says why, for a person.

    Attributes:
        reason: a word of `palme.language.programs.calls.Reason`, or "which" where it is asked back.
        which: what is unclear; None = nothing is.
        said: whether the program itself refuses, whatever is seen.
    """

    def __init__(self, message: str, reason: str, which: Ambiguous | None = None, said: bool = False) -> None:
        self.reason, self.which, self.said = reason, which, said
        super().__init__(message)


@dataclass(frozen=True)
class RunLine:
    """One line as it ran: for the report.

    Attributes:
        text: of the line.
        found: ids of what the line is about.
        said: what it brings about, or the answer.
    """

    text: str
    found: tuple[int, ...]
    said: str


@dataclass(frozen=True)
class Intent:
    """What a program asks for on one scene.

    Attributes:
        goals: in the order in which they are brought about.
        final: those of them that hold at the end, and `Unmoved` for what is not to be touched.
        keep: ids of what is not to be moved.
        answers: to questions, in order.
        lines: one for each that ran.
        calls: number of the call that each of `goals` is of; those of one call may change their order.
    """

    goals: tuple[Goal, ...] = ()
    final: tuple[Goal, ...] = ()
    keep: frozenset[int] = frozenset()
    answers: tuple[str, ...] = ()
    lines: tuple[RunLine, ...] = ()
    calls: tuple[int, ...] = ()


def interpret(
    program: c.Program, scene: SeenScene, settled: Mapping[Noun, tuple[int, ...]] | None = None
) -> Intent:
    """What `program` means on `scene`.

    Args:
        program: what is asked for.
        scene: what is seen.
        settled: which things a person said are meant by a noun that fits several.

    Raises:
        Refused: the program refuses, singles out nothing, or asks for what cannot be done; the reason is
            told, and nothing of the program is to be done.
    """
    run = _Run(scene, scene, settled or {})
    try:
        for line in program.lines:
            run.line(line)
        return run.intent()
    except Ambiguous as error:
        raise Refused(str(error), "which", error) from error
    except (NotSeen, TooFew) as error:
        raise Refused(str(error), "absent") from error
    except CannotTell as error:
        raise Refused(str(error), "unclear") from error
    except NoRoom as error:
        raise Refused(str(error), "impossible") from error


def _is_one_for_all(of: Things) -> bool:
    """Whether it singles out one thing, whatever is put there."""
    return of.quantifier == "the" and not any(
        isinstance(one, Alike) for noun in of.nouns for one in noun.filters
    )


@dataclass
class _Run:
    start: SeenScene
    scene: SeenScene
    settled: Mapping[Noun, tuple[int, ...]]
    it: tuple[int, ...] = ()
    goals: list[Goal] = field(default_factory=list)
    keep: set[int] = field(default_factory=set)
    answers: list[str] = field(default_factory=list)
    lines: list[RunLine] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)

    def intent(self) -> Intent:
        for goal in self.goals:
            if goal.what in self.keep:
                name = self.start[goal.what].name
                raise Refused(
                    f"I shall move the {name} and shall not touch it: I cannot do both.", "impossible"
                )
        final = tuple(dict.fromkeys(goal for goal in self.goals if goal.holds(self.scene)))
        kept = tuple(Unmoved(id, self.start[id].xyz[:2], self.start[id].holder) for id in sorted(self.keep))
        return Intent(
            tuple(self.goals), (*final, *kept), frozenset(self.keep), tuple(self.answers), tuple(self.lines),
            tuple(self.calls),
        )  # fmt: skip

    def line(self, line: c.Line) -> None:
        if not isinstance(line, c.If):
            self.call(line)
            return
        holds = condition_holds(line.condition, self._selector(with_bowls=True))
        self.lines.append(RunLine(f"if {line.condition.text}", (), "yes" if holds else "no"))
        branch = line.then if holds is not line.negated else line.otherwise
        if not branch:
            self.answers.append("There is nothing to do: " + told_count(line.condition, holds))
        for one in branch:
            self.line(one)

    def call(self, call: c.Call) -> None:
        if isinstance(call, c.Refuse):
            raise Refused(REFUSALS[call.reason], call.reason, said=True)
        if isinstance(call, c.Nothing):
            self.lines.append(RunLine(call.text, (), "nothing"))
            return
        if isinstance(call, c.Possible):
            self._possible(call)
            return
        if isinstance(call, (c.Ask, c.Exists, c.Compare)):
            told, found = answer(call, self._selector(with_bowls=True))
            self.it = found or self.it
            self._note(call.text, found, told)
            self.answers.append(told)
            return
        self._act(call)

    def _possible(self, call: c.Possible) -> None:
        trial = _Run(self.start, self.scene, self.settled, self.it, keep=set(self.keep))
        try:
            trial.call(call.call)
            trial.intent()
            told = "Yes, that is possible."
        except (CannotTell, NoRoom, Refused) as error:
            told = f"No: {error}"
        self._note(call.text, (), told)
        self.answers.append(told)

    # ---- actions ----

    def _act(self, call: c.Action) -> None:
        before = len(self.goals)
        found = self._goals_of(call)
        self.calls += [len(self.lines)] * (len(self.goals) - before)
        self.it = found
        said = ", ".join(dict.fromkeys(goal.said(self.start) for goal in self.goals[before:]))
        self._note(call.text, found, said or "as it is")

    def _goals_of(self, call: c.Action) -> tuple[int, ...]:
        """Append the goals of `call`; returns what it is about."""
        if isinstance(call, c.Put):
            return self._put(call)
        if isinstance(call, c.Move):
            return self._move(call)
        if isinstance(call, c.Swap):
            first, second = (self._solids(part) for part in (call.first, call.second))
            self._add(swapped(self.scene, first, second))
            return (*first, *second)
        if isinstance(call, c.Stack):
            ids = self._parts(call.parts)
            self._add(stacked(self.scene, ids, call.by, ordered=len(call.parts) > 1))
            return ids
        if isinstance(call, c.Arrange):
            ids = self._parts(call.parts)
            self._add(arranged(self.scene, ids, call.shape, call.by, len(call.parts) > 1, self.keep))
            return ids
        return self._do(call)

    def _put(self, call: c.Put) -> tuple[int, ...]:
        ids = self._solids(call.what)
        place = call.place
        if isinstance(place, c.At) and place.of.quantifier == "each":
            return self._shared_out(ids, call.what, place)
        if isinstance(place, c.At) and place.relation == "instead":
            return self._instead(ids, place.of)
        lowest: int | None = None
        bowl: int | None = None  # "two blocks in an empty bowl": the first leaves it no empty one
        for id in ids:
            goal = self._goal_of_put(id, place, lowest) if bowl is None else self._into(id, bowl)
            if isinstance(goal, InBowl) and isinstance(place, c.At) and _is_one_for_all(place.of):
                bowl = goal.bowl
            lowest = id
            self._add([goal])
        return ids

    def _goal_of_put(self, id: int, place: c.Place, piled_on: int | None) -> Goal:
        if isinstance(place, c.OnTheTable):
            return OnTable(id)
        if isinstance(place, c.Middle):
            return At(id, near_middle(self.scene, id, self.keep))
        if isinstance(place, c.AtSide):
            return OnSide(id, place.side, place.corner)
        selector = self._selector(mover=id)
        if isinstance(place, c.BetweenPlace):
            a, b = selector.pair(place.first, place.second)
            return Between(id, a, b)
        of = chosen(self.scene, selector.select(place.of), 1, id)[0]
        if of == id:
            raise Refused(f"The {self.scene[id].name} cannot be put beside itself.", "impossible")
        if place.relation == "in" or (place.relation == "on" and self.scene[of].is_bowl):
            return self._into(id, of)
        if place.relation == "on":
            return On(id, piled_on if piled_on is not None else self._topmost(of, id, place.of))
        if place.relation == "under":
            return self._under(id, of)
        if place.cm is not None:
            axis, sign = SIDES[place.relation]
            xy = list(self.scene[of].xyz[:2])
            xy[axis] += sign * 0.01 * place.cm
            return At(id, reachable(self.scene, id, (xy[0], xy[1])))
        return Beside(id, place.relation, of)

    def _instead(self, ids: tuple[int, ...], of: Things) -> tuple[int, ...]:
        old = self._solids(of)
        if not (len(ids) == len(old) == 1 and ids != old):
            raise Refused("One thing takes the place of one other.", "impossible")
        gone = any(goal.what == old[0] for goal in self.goals)  # "where it used to be"
        goals = [there(self.start, ids[0], old[0])] if gone else replaced(self.scene, ids[0], old[0])
        self._add(goals)
        return ids

    def _into(self, id: int, bowl: int) -> Goal:
        if not self.scene[bowl].is_bowl:
            raise Refused(
                f"Nothing goes into the {self.scene[bowl].name}; only bowls hold things.", "impossible"
            )
        return InBowl(id, bowl)

    def _topmost(self, of: int, mover: int, said: Things) -> int:
        """What lies on top, where a tower is meant; else `of` itself, which is cleared first."""
        if not any(noun.kind == "tower" for noun in said.nouns):
            return of
        return next(id for id in reversed((of, *self.scene.above(of))) if id != mover)

    def _under(self, id: int, of: int) -> Goal:
        if self.scene[of].is_bowl:
            raise Refused("I cannot lift a bowl, so nothing can go under it.", "impossible")
        return On(of, id)

    def _shared_out(self, ids: tuple[int, ...], what: Things, place: c.At) -> tuple[int, ...]:
        """One, so many, or an equal share, into each."""
        targets = self._selector().select(Things("all", place.of.nouns)).ids
        if what.quantifier in ("any", "the") or isinstance(what.quantifier, int):
            wanted = len(targets) * (what.quantifier if isinstance(what.quantifier, int) else 1)
            pool = self._selector().select(Things("all", what.nouns))
            if len(pool.ids) < wanted:
                raise Refused(
                    f"That takes {wanted} of them, and there are only {len(pool.ids)}.", "impossible"
                )
            ids = chosen(self.scene, pool, wanted, None, self.keep)
        for k, id in enumerate(ids):
            target = targets[k % len(targets)]
            into = place.relation == "in" or self.scene[target].is_bowl
            self._add([self._into(id, target) if into else On(id, target)])
        return ids

    def _move(self, call: c.Move) -> tuple[int, ...]:
        ids = self._solids(call.what)
        dx = dy = 0.0
        for direction, cm in ((call.direction, call.cm), *([call.then] if call.then else [])):
            dy += {"left": -0.01, "right": 0.01}.get(direction, 0.0) * cm
            dx += {"away": -0.01, "toward": 0.01}.get(direction, 0.0) * cm
        goals = []
        for id in ids:
            x, y, _ = self.scene[id].xyz
            goals.append(At(id, reachable(self.scene, id, (x + dx, y + dy))))
        self._add(goals)
        return ids

    def _do(self, call: c.Do) -> tuple[int, ...]:
        scene = self.scene
        if call.verb == "keep":
            ids = self._selector(with_bowls=True).select(call.what).ids
            self.keep |= set(ids)
            return ids
        if call.verb in ("empty", "clear"):
            return self._taken_off(call)
        if call.verb == "unstack":
            ids = tuple(id for id in self._selector().select(call.what).ids if not scene[id].is_bowl)
            resting = [id for id in ids if scene[id].holder is not None]
            self._add([OnTable(id) for id in sorted(resting, key=lambda id: -scene[id].xyz[2])])
            return ids
        ids = self._solids(call.what, towers_whole=call.verb == "reverse")
        if call.verb == "out":
            inside = [id for id in ids if scene.bowl_of(id) is not None]
            if not inside:
                raise Refused(f"The {scene[ids[0]].name} is in no bowl.", "impossible")
            self._add([OnTable(id) for id in inside])
        elif call.verb == "reverse":
            self._add(stacked(scene, ids[::-1], None, ordered=True))
        elif call.verb == "gather":
            self._add(gathered(scene, ids, self.keep))
        else:
            self._add(spread_out(scene, ids))
        return ids

    def _taken_off(self, call: c.Do) -> tuple[int, ...]:
        scene = self.scene
        holders = self._selector(with_bowls=True).select(call.what).ids
        off = [id for holder in holders for id in scene.above(holder)]
        self._add([OnTable(id) for id in sorted(off, key=lambda id: -scene[id].xyz[2])])
        return holders

    # ---- things ----

    def _selector(self, mover: int | None = None, with_bowls: bool = False) -> Selector:
        return Selector(self.scene, self.it, mover, with_bowls, self.settled)

    def _solids(self, what: Things, towers_whole: bool = True) -> tuple[int, ...]:
        """What a call moves.

        Raises:
            Refused: a bowl: the arm cannot grasp one.
        """
        selection = self._selector().select(what)
        ids = chosen(self.scene, selection, None, None, self.keep)
        if any(noun.kind == "tower" for noun in what.nouns) and towers_whole:
            ids = tuple(
                id for base in ids for tower in self.scene.towers() if tower[0] == base for id in tower
            )
        for id in ids:
            if self.scene[id].is_bowl:
                raise Refused(
                    f"I cannot lift the {self.scene[id].name}; I move blocks and cylinders.", "beyond"
                )
        return ids

    def _parts(self, parts: Sequence[Things]) -> tuple[int, ...]:
        """What a tower or a shape is made of, in order.

        "red, green, red, green": what is named n times, of which there are n, is each of them in turn.
        """
        turns: dict[Things, Iterator[int]] = {}
        for part, n in Counter(parts).items():
            if n > 1 and part.quantifier == "the" and part.nouns:
                alike = self._solids(Things("all", part.nouns))
                turns |= {part: iter(alike)} if len(alike) == n else {}
        ids = ((next(turns[part]),) if part in turns else self._solids(part) for part in parts)
        return tuple(dict.fromkeys(id for found in ids for id in found))

    def _add(self, goals: Sequence[Goal]) -> None:
        for goal in goals:
            self.goals.append(goal)
            self.scene = after(self.scene, goal, self.keep)

    def _note(self, text: str, found: tuple[int, ...], said: str) -> None:
        self.lines.append(RunLine(text, found, said))
